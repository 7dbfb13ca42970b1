"""The door to files: whole writes, compare-and-swap, nothing but ordinary files, nothing outside."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agent.errors import Busy, Refused, TryLater
from agent.files import ANY, Beneath, VaultFiles
from agent.files.outside import last_lines


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def door(tmp_path: Path) -> Beneath:
    (tmp_path / "vault").mkdir()
    return Beneath(tmp_path / "vault")


def test_a_new_file_is_written_whole_with_its_folders_and_read_back(door: Beneath) -> None:
    door.write("a/b/c.md", b"hello\n", expect=None)
    assert door.read("a/b/c.md") == b"hello\n"
    assert stat.S_IMODE((door.root / "a/b/c.md").stat().st_mode) == 0o644 & ~current_umask()
    assert os.listdir(door.root / "a/b") == ["c.md"]


def current_umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def test_an_old_file_is_replaced_only_when_its_bytes_are_the_expected_ones(door: Beneath) -> None:
    path = door.root / "a.md"
    path.write_bytes(b"one")
    path.chmod(0o600)
    door.write("a.md", b"two", expect=sha(b"one"))
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(Busy, match=r"a\.md"):
        door.write("a.md", b"three", expect=sha(b"one"))
    assert path.read_bytes() == b"two"
    assert os.listdir(door.root) == ["a.md"]


def test_q17_a_file_that_must_not_exist_is_never_overwritten(door: Beneath) -> None:
    (door.root / "a.md").write_bytes(b"the person's")
    with pytest.raises(Busy, match=r"a\.md"):
        door.write("a.md", b"ours", expect=None)
    assert (door.root / "a.md").read_bytes() == b"the person's"
    assert os.listdir(door.root) == ["a.md"]


def test_q17_without_renameat2_a_link_publishes_and_still_never_overwrites(
    door: Beneath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.files.system._LIBC", object())  # a system without that call
    door.write("a.md", b"one", expect=None)
    with pytest.raises(Busy):
        door.write("a.md", b"two", expect=None)
    assert door.read("a.md") == b"one"
    assert os.listdir(door.root) == ["a.md"]


def test_our_own_file_is_replaced_whatever_it_holds(door: Beneath) -> None:
    door.write("a.md", b"one", expect=None)
    door.write("a.md", b"two", expect=ANY)
    assert door.read("a.md") == b"two"


def test_a_missing_file_cannot_be_replaced_or_removed(door: Beneath) -> None:
    with pytest.raises(Busy):
        door.write("a.md", b"x", expect=sha(b"old"))
    with pytest.raises(Busy):
        door.remove("a.md", sha(b"old"))
    assert os.listdir(door.root) == []


def test_a_file_is_removed_only_when_its_bytes_are_the_expected_ones(door: Beneath) -> None:
    (door.root / "a.md").write_bytes(b"grown since")
    with pytest.raises(Busy):
        door.remove("a.md", sha(b"grown"))
    door.remove("a.md", sha(b"grown since"))
    assert not door.exists("a.md")


def test_what_is_missing_is_a_file_not_found_error(door: Beneath) -> None:
    for call in (door.read, door.stat, door.modified):
        with pytest.raises(FileNotFoundError):
            call("no/such.md")
    assert not door.exists("no/such.md")
    assert door.list("no/such") == []


def test_w21_a_file_over_the_limit_is_refused_after_reading_no_more_than_the_limit(door: Beneath) -> None:
    (door.root / "a.md").write_bytes(b"x" * 11)
    assert door.read("a.md", 11) == b"x" * 11
    with pytest.raises(Refused, match="more than 10 bytes"):
        door.read("a.md", 10)


def test_s12_a_hard_link_is_refused_for_reading_writing_and_removing(door: Beneath, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    os.link(secret, door.root / "a.md")
    for call in (
        lambda: door.read("a.md"),
        lambda: door.exists("a.md"),
        lambda: door.write("a.md", b"x", expect=sha(b"secret")),
        lambda: door.write("a.md", b"x", expect=None),
        lambda: door.remove("a.md", sha(b"secret")),
    ):
        with pytest.raises(Refused, match="hard link"):
            call()
    assert secret.read_bytes() == b"secret"
    assert door.list() == []


def test_w20_pipes_sockets_links_and_folders_are_refused_and_never_block(door: Beneath, tmp_path: Path) -> None:
    os.mkfifo(door.root / "pipe.md")
    (door.root / "folder.md").mkdir()
    (door.root / "link.md").symlink_to(tmp_path / "anything")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(door.root / "socket.md"))
        for name in ("pipe.md", "folder.md", "link.md", "socket.md"):
            with pytest.raises(Refused, match=name.replace(".", r"\.")):
                door.read(name)
            with pytest.raises(Refused):
                door.exists(name)
            with pytest.raises(Refused):
                door.write(name, b"x", expect=None)
    assert door.list() == []
    assert not (tmp_path / "anything").exists()


def test_s11_a_link_in_the_middle_of_a_path_is_refused(door: Beneath, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.md").write_bytes(b"secret")
    (door.root / "sub").symlink_to(outside)
    for call in (
        lambda: door.read("sub/a.md"),
        lambda: door.write("sub/b.md", b"x", expect=None),
        lambda: door.write("sub/new/b.md", b"x", expect=None),
        lambda: door.remove("sub/a.md", sha(b"secret")),
        lambda: door.list("sub"),
        lambda: door.sweep("sub"),
    ):
        with pytest.raises(Refused, match="link"):
            call()
    assert sorted(os.listdir(outside)) == ["a.md"]
    assert door.list() == []


def test_s11_a_folder_swapped_for_a_link_in_a_loop_never_leads_outside(door: Beneath, tmp_path: Path) -> None:
    outside, real, link = tmp_path / "outside", door.root / "sub", door.root / "other"
    outside.mkdir()
    (outside / "a.md").write_bytes(b"SECRET")
    real.mkdir()
    (real / "a.md").write_bytes(b"inside")
    link.symlink_to(outside)
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "renameat2"):
        pytest.skip("needs renameat2 to exchange two names at once")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():  # 2 is RENAME_EXCHANGE, -100 is AT_FDCWD
            assert libc.renameat2(-100, os.fsencode(real), -100, os.fsencode(link), 2) == 0

    swapper = threading.Thread(target=swap)
    swapper.start()
    read = refused = 0
    try:
        while read < 500 or refused < 500:
            try:
                assert door.read("sub/a.md") == b"inside"
                read += 1
                door.write(f"sub/new-{read}.md", b"ours", expect=None)
                door.write(f"sub/deep/new-{read}.md", b"ours", expect=None)
                door.remove("sub/a.md", sha(b"SECRET"))
            except Refused:
                refused += 1
            except Busy:
                pass  # the removal met the inner file, as it must
    finally:
        stop.set()
        swapper.join()
    assert os.listdir(outside) == ["a.md"]
    assert (outside / "a.md").read_bytes() == b"SECRET"


def test_the_list_is_sorted_recursive_and_without_hidden_names(door: Beneath) -> None:
    for name in ("b.md", "a/z.md", "a/.hidden.md", ".obsidian/x.md", "a/c.TXT", "a/d.py"):
        (door.root / name).parent.mkdir(exist_ok=True)
        (door.root / name).write_text("x")
    assert door.list() == ["a/c.TXT", "a/d.py", "a/z.md", "b.md"]
    assert door.list("a/", (".md", ".txt")) == ["a/c.TXT", "a/z.md"]
    assert set(door.times("", (".md",), skip=("a",))) == {"b.md"}
    assert door.times("a")["a/z.md"] == door.modified("a/z.md")


def test_g03_a_killed_writer_leaves_the_old_file_and_a_temporary_one_that_is_swept(door: Beneath) -> None:
    (door.root / "a.md").write_bytes(b"old")
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom agent.files import Beneath, temporary\n"
        "temporary.sync = lambda handle: os._exit(137)\n"
        "Beneath(Path(sys.argv[1])).write('a.md', b'new', expect=sys.argv[2])\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(door.root), sha(b"old")], check=False)
    assert ended.returncode == 137
    assert door.read("a.md") == b"old"
    (left,) = set(os.listdir(door.root)) - {"a.md"}
    assert left.startswith(".gofer-")
    assert door.list() == ["a.md"]
    assert door.sweep() == [left]
    assert os.listdir(door.root) == ["a.md"]


def test_the_sweep_leaves_alone_what_a_living_process_writes_and_what_is_not_ours(door: Beneath) -> None:
    kept = [f".gofer-{os.getppid()}-3.tmp", ".gofer-x-3.tmp", ".gofer-12.tmp", "a.tmp"]
    for name in [*kept, f".gofer-{os.getpid()}-123.tmp"]:
        (door.root / name).write_text("x")
    assert door.sweep() == [f".gofer-{os.getpid()}-123.tmp"]
    assert sorted(os.listdir(door.root)) == sorted(kept)


def test_two_writers_of_one_new_file_have_exactly_one_winner(door: Beneath) -> None:
    barrier, won, lost = threading.Barrier(4), [], []

    def write(data: bytes) -> None:
        barrier.wait()
        try:
            door.write("a.md", data, expect=None)
            won.append(data)
        except Busy:
            lost.append(data)

    writers = [threading.Thread(target=write, args=(bytes([65 + n]) * 5000,)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(won) == 1
    assert len(lost) == 3
    assert door.read("a.md") == won[0]


SMALL_DISK = """
import hashlib, os, subprocess, sys
from pathlib import Path
from agent.errors import TryLater
from agent.files import Beneath
root = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", root], check=True)
(root / "a.md").write_bytes(b"old")
old = hashlib.sha256(b"old").hexdigest()
for expect, name in ((old, "a.md"), (None, "b.md")):
    try:
        Beneath(root).write(name, b"x" * 500_000, expect=expect)
    except TryLater as error:
        print(error.what)
subprocess.run(["mount", "-o", "remount,ro", root], check=True)
try:
    Beneath(root).write("b.md", b"x", expect=None)
except TryLater as error:
    print(error.what)
print(os.listdir(root), (root / "a.md").read_bytes())
"""


def test_g38_a_full_or_read_only_disk_is_try_later_and_leaves_no_half_file(tmp_path: Path) -> None:
    own = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*own, "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs unshare with user namespaces to mount a small disk")
    done = subprocess.run(
        [*own, sys.executable, "-c", SMALL_DISK, str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        "the disk is full",
        "the disk is full",
        "the disk is read-only",
        "['a.md'] b'old'",
    ]


def test_s10_the_vault_door_reads_by_the_rules_for_tasks(tmp_path: Path) -> None:
    files = VaultFiles(tmp_path)
    (tmp_path / ".obsidian").mkdir()
    (tmp_path / ".obsidian/app.json").write_text("{}")
    (tmp_path / "a.md").write_text("note")
    (tmp_path / "a.py").write_text("code")
    assert files.read("./a.md") == b"note"
    assert files.exists("a.md")
    assert files.list("") == ["a.md"]
    for path in (".obsidian/app.json", "a.py", "../x.md"):
        with pytest.raises(Refused):
            files.read(path)
        with pytest.raises(Refused):
            files.exists(path)
    with pytest.raises(Refused):
        files.check_writable("outbox/a.md")
    assert files.check_writable("memory/todo.md") == "memory/todo.md"


def test_ten_thousand_files_are_looked_at_in_tens_of_milliseconds_of_processor_time(door: Beneath) -> None:
    import time

    for folder in range(20):
        (door.root / f"f{folder}").mkdir()
        for number in range(500):
            (door.root / f"f{folder}/n{number}.md").touch()
    best = float("inf")
    for _ in range(3):
        before = time.process_time()
        assert len(door.times("", (".md",))) == 10_000
        best = min(best, time.process_time() - before)
    assert best < 0.25  # about 0.03 s on two cores; the bound only catches a change of order


def test_errors_say_what_where_and_why(door: Beneath) -> None:
    (door.root / "a.md").mkdir()
    with pytest.raises(Refused) as caught:
        door.read("a.md")
    assert caught.value.where == "a.md"
    assert caught.value.why
    assert not isinstance(caught.value, TryLater)


def test_of_a_log_outside_the_vault_the_last_whole_lines_are_read(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"first line\nsecond \xff line\r\nthird line\n")
    assert list(last_lines(str(log))) == ["first line", "second \ufffd line", "third line"]
    assert list(last_lines(str(log), 20)) == ["third line"]


def test_what_is_no_regular_file_outside_the_vault_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, why in (("pipe", "no regular file"), ("gone", "No such file"), (".", "no regular file")):
        with pytest.raises(Refused, match=why):
            list(last_lines(str(tmp_path / name)))
