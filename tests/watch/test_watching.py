"""Wake-ups and settling with a real worker: nothing is lost, nothing starts half-written, nothing runs twice."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.support import House, eventually

WRITE = "---\nstatus: open\n---\nWrite {n} to memory/{n}.txt\n"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def shell(house: House, script: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sh", "-c", script], cwd=house.root / "inbox", env=house.env)


def test_w01_an_event_queue_that_overflows_loses_no_task(house: House) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    with house.worker() as worker:
        worker.signal(signal.SIGSTOP)
        for number in range(limit // 2 + 100):  # two events each, and no two alike in a row: the kernel merges those
            scratch = house.root / "inbox" / f".scratch-{number % 7}"
            scratch.touch()
            scratch.unlink()
        for number in range(200):
            house.drop(f"t{number}.md", WRITE.format(n=number))
        worker.signal(signal.SIGCONT)
        eventually(lambda: len(house.memory("tasks")) == 200 and not house.inbox(), 40)
    assert sorted(int(path.stem) for path in (house.root / "memory").glob("*.txt")) == list(range(200))
    assert len(house.ledger()) == 200


@pytest.mark.parametrize(("limit", "number"), [("max_inotify_instances", 0), ("max_inotify_watches", 1)])
def test_w02_at_a_watch_limit_the_worker_polls_and_status_says_so(house: House, limit: str, number: int) -> None:
    wrap = ("unshare", "--user", "--map-root-user", "sh", "-c", f'echo {number} > /proc/sys/user/{limit} && exec "$@"')
    if subprocess.run([*wrap, "sh", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespace can be made here, so the limit cannot be set for one process")
    with house.worker(wrap=(*wrap, "sh")) as worker:
        house.drop("a.md", WRITE.format(n=1))
        eventually(lambda: house.report("a"), what="the inbox is polled")
        watching = house.data("status")["watching"]
        assert "file events are not available" in watching and "looking every 0.1 s" in watching
        assert watching in house.gofer("status").stdout
        assert worker.process.poll() is None


def test_w02_a_limit_that_is_reached_later_delays_a_task_and_loses_none(house: House) -> None:
    wrap = ("unshare", "--user", "--map-root-user", "sh", "-c")
    script = 'echo 8 > /proc/sys/user/max_inotify_watches && exec "$@"'
    if subprocess.run([*wrap, script, "sh", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespace can be made here, so the limit cannot be set for one process")
    house.config.write_text(house.config.read_text() + "rescan_seconds = 1\n")
    with house.worker(wrap=(*wrap, script, "sh")):
        for number in range(12):
            house.drop(f"folder-{number}/a{number}.md", WRITE.format(n=number))
        eventually(lambda: len(house.memory("tasks")) == 12)


def test_w03_a_file_in_a_folder_that_was_made_this_moment_is_found(house: House) -> None:
    with house.worker():
        for number in range(10):
            house.drop(f"new-{number}/deep/er/t{number}.md", WRITE.format(n=number))
        eventually(lambda: len(house.memory("tasks")) == 10, what="all ten, however new their folder")


def test_w04_an_inbox_that_is_deleted_and_made_anew_is_watched_again(house: House) -> None:
    with house.worker():
        house.drop("before.md", WRITE.format(n=1))
        eventually(lambda: house.report("before"))
        for number in (2, 3):
            shutil.rmtree(house.root / "inbox")
            eventually(lambda: not (house.root / "inbox").exists())
            (house.root / "inbox").mkdir()
            house.drop(f"t{number}.md", WRITE.format(n=number))
            eventually(lambda n=number: house.report(f"t{n}"), 10, what=f"task {number} is found")


def test_w04_files_that_came_while_no_worker_ran_are_found_at_its_start(house: House) -> None:
    house.drop("a.md", WRITE.format(n=1))
    house.drop("sub/b.md", WRITE.format(n=2))
    with house.worker():
        eventually(lambda: len(house.memory("tasks")) == 2)


def test_w05_a_file_that_is_touched_again_and_again_runs_once(house: House) -> None:
    with house.worker():
        path = house.drop("a.md", "---\nstatus: open\n---\nAppend `x` to memory/log.md\n")

        def touched() -> bool:
            try:
                os.chmod(path, 0o600 if time.monotonic_ns() % 2 else 0o644)
            except FileNotFoundError:
                return True
            return bool(house.memory("tasks"))

        toucher = time.monotonic() + 0.6
        while time.monotonic() < toucher:
            touched()
        eventually(lambda: not house.inbox())
        house.drop("b.md", WRITE.format(n=2))
        eventually(lambda: house.report("b"))
    assert (house.root / "memory/log.md").read_text() == "x\n" and len(house.ledger()) == 2


def test_w06_an_atomic_save_by_rename_is_seen(house: House, tmp_path: Path) -> None:
    with house.worker():
        for number in range(3):
            temp = house.drop(".saving.tmp", WRITE.format(n=number))
            os.replace(temp, house.root / "inbox" / f"a{number}.md")
            eventually(lambda n=number: house.report(f"a{n}"))
        outside = tmp_path / "outside.md"
        outside.write_text(WRITE.format(n=9))
        os.replace(outside, house.root / "inbox" / "moved-in.md")
        eventually(lambda: house.report("moved-in"))


@pytest.mark.parametrize("header", ["", "---\nstatus: open\n---\n"], ids=["unmarked", "open"])
def test_w07_a_prefix_never_runs_while_its_writer_holds_the_file_open(house: House, header: str) -> None:
    script = f"exec 3> slow.md; printf %s '{header}Write 1 to memory/short' >&3; sleep 1.5; printf er.txt >&3"
    with house.worker(), shell(house, script) as writer:
        eventually(lambda: house.report("slow"))
        assert writer.wait(5) == 0
    assert [path.name for path in (house.root / "memory").glob("short*")] == ["shorter.txt"]
    assert len(house.ledger()) == 1


def test_w07_w08_a_prefix_never_runs_while_its_writer_comes_back_within_the_settle_time(house: House) -> None:
    words = "' 1' ' to' ' memory/' 'a' 'b' 'c.txt'"
    script = f'printf Write > slow.md; for word in {words}; do sleep 0.2; printf "$word" >> slow.md; done'
    with house.worker(), shell(house, script) as writer:
        eventually(lambda: house.report("slow"), what="a slow writer is not given up")
        assert writer.wait(5) == 0
    assert (house.root / "memory/abc.txt").read_text() == "1\n"
    assert len(house.ledger()) == 1


def test_w09_a_file_without_a_mark_waits_the_long_settle_time_and_a_draft_never_runs(house: House) -> None:
    house.config.write_text("[watch]\nsettle_seconds = 5\nsettle_open_seconds = 0.05\n")
    with house.worker():
        house.drop("draft.md", "---\nstatus: draft\n---\nWrite 1 to memory/1.txt\n")
        house.drop("Templates/t.md", WRITE.format(n=5))
        house.drop("unmarked.md", "Write 2 to memory/2.txt\n")
        dropped = time.time()
        house.drop("marked.md", WRITE.format(n=3))
        eventually(lambda: house.report("marked"))
        assert not house.report("unmarked")
        eventually(lambda: house.report("unmarked"))
        assert time.time() - dropped >= 4.9
        (draft,) = house.data("list")[:1]
        assert (draft["state"], draft["path"]) == ("draft", "inbox/draft.md")
    assert house.inbox() == ["Templates/t.md", "draft.md"]


def test_w09_in_an_obsidian_vault_an_unmarked_note_that_deletes_waits_for_the_word_of_a_person(house: House) -> None:
    (house.root / ".obsidian").mkdir()
    (house.root / "memory/a.md").write_text("keep me\n")
    with house.worker():
        house.drop("rm.md", "Delete memory/a.md\n")
        house.drop("read.md", "Read memory/a.md\n")
        eventually(lambda: house.report("read"))
        eventually(lambda: house.waits("rm.md"))
        assert [item["state"] for item in house.data("list") if item["path"] == "inbox/rm.md"] == ["draft"]
        assert (house.root / "memory/a.md").exists()
        house.drop("rm.md", "---\nstatus: open\n---\nDelete memory/a.md\n")
        eventually(lambda: house.report("rm"))
    assert not (house.root / "memory/a.md").exists()


def test_w10_an_empty_note_is_no_task_and_no_report_until_something_is_written(house: House) -> None:
    with house.worker():
        house.drop("Untitled.md", "")
        house.drop("Untitled 1.md", "\n \n")
        house.drop("a.md", WRITE.format(n=1))
        eventually(lambda: house.report("a"))
        assert len(house.reports()) == 1 and house.data("doctor", code=None)
        house.drop("Untitled.md", WRITE.format(n=2))
        eventually(lambda: house.report("untitled"))
    assert house.inbox() == ["Untitled 1.md"]


CONFLICTS = (
    "a.sync-conflict-20261120-093000-ABCDEFG.md", "a (conflicted copy 2026-11-20).md", "a 2.md", "~$a.md", ".a.md",
    "a.md.tmp", ".syncthing.a.md.tmp", "a (Ada's conflicted copy 2026-11-20).md",
)  # fmt: skip


def test_w12_conflict_copies_and_temporary_files_are_named_by_doctor_and_never_run(house: House) -> None:
    house.drop("a.md", "---\nstatus: draft\n---\nWrite 0 to memory/0.txt\n")
    for number, name in enumerate(CONFLICTS, 1):
        house.drop(name, WRITE.format(n=number))
    with house.worker():
        house.drop("z.md", WRITE.format(n=99))
        eventually(lambda: house.report("z"))
    assert [path.name for path in (house.root / "memory").glob("*.txt")] == ["99.txt"]
    told = " ".join(check["detail"] for check in house.data("doctor", code=None)["checks"])
    for name in CONFLICTS[:3]:
        assert name in told
    assert "conflict copy" in told and "it is a copy of a.md" in told


def test_w13_a_file_that_the_cloud_took_away_is_not_cancelled_and_runs_when_it_is_back(house: House) -> None:
    text = "---\nstatus: open\nnot_before: 2999-01-01\n---\nWrite 1 to memory/1.txt\n"
    with house.worker():
        path = house.drop("a.md", text)
        eventually(lambda: house.waits("a.md"))
        path.unlink()
        house.drop(".a.md.icloud", b"bplist00")
        eventually(lambda: not house.waits("a.md"))
        house.drop("a.md", WRITE.format(n=1))
        (house.root / "inbox/.a.md.icloud").unlink()
        eventually(lambda: house.report("a"))
    assert house.header("a")["status"] == "done" and len(house.ledger()) == 1


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems hold UTF-8 names alone")
def test_w20_a_name_that_is_no_text_is_refused_and_other_tasks_run(house: House) -> None:
    inbox = os.fsencode(house.root / "inbox")
    os.mkdir(inbox + b"/caf\xe9")
    for name in (b"/caf\xe9.md", b"/caf\xe9/x.md"):
        with open(inbox + name, "wb") as file:
            file.write(b"---\nstatus: open\ntype: status\n---\n")
    house.drop("good.md", "---\nstatus: open\ntype: status\n---\n")
    ended = sorted(record.status for record in house.drain())
    assert ended == ["done", "invalid", "invalid"]
    assert any("its name is not UTF-8: rename it" in text for text in house.reports().values())
    assert house.drain() == []  # told once


def test_w20_what_is_no_ordinary_file_is_refused_with_the_reason_once_and_never_blocks(house: House) -> None:
    inbox = house.root / "inbox"
    target = house.root / "memory/target.md"
    target.write_text(WRITE.format(n=1))
    (inbox / "link.md").symlink_to(target)
    os.link(target, inbox / "hard.md")
    os.mkfifo(inbox / "pipe.md")
    (inbox / "folder.md").mkdir()
    made = {
        "link": "symbolic link",
        "hard": "second hard link",
        "pipe": "not a regular file",
        "folder": "not a regular",
    }
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(inbox)
        try:
            listener.bind("socket.md")
        finally:
            os.chdir(here)
    made["socket"] = "not a regular file"
    try:
        os.mknod(inbox / "device.md", 0o600 | 0o020000, os.makedev(1, 5))
        made["device"] = "not a regular file"
    except PermissionError:
        pass  # only root may
    for _ in range(2):
        with house.worker():
            house.drop("good.md", WRITE.format(n=2))
            eventually(lambda: not (inbox / "good.md").exists(), 10, what="nothing blocks")
            eventually(lambda: len(house.reports()) >= len(made) + 1)
    for name, why in made.items():
        report = house.report(name)
        assert report is not None and why in report and "⛔ Not a task" in report, name
        assert os.path.lexists(inbox / f"{name}.md")
    assert sum("Gofer-Status: invalid" in line for line in house.git("log", "--format=%B").splitlines()) == len(made)
    states = {item["path"]: item["state"] for item in house.data("list")}
    assert all(states[f"inbox/{name}.md"] == "invalid" for name in made)


def test_w21_bom_crlf_and_decomposed_letters_run_and_what_is_no_text_is_told(house: House) -> None:
    house.drop("bom.md", b"\xef\xbb\xbf---\r\nstatus: open\r\n---\r\nWrite 1 to memory/bom.txt\r\n")
    house.drop("nfd.md", "---\nstatus: open\n---\nWrite `cafe\u0301` to memory/nfd.txt\n")
    house.drop("utf16.md", "---\nstatus: open\n---\nWrite 1 to memory/16.txt\n".encode("utf-16"))
    house.drop("latin.md", "Grüße an Zoë schreiben\n".encode("latin-1"))
    house.drop("nul.md", b"Write 1 \0 to memory/nul.txt\n")
    with (house.root / "inbox/huge.md").open("wb") as huge:
        huge.truncate(200 << 20)
    bad = {"utf16": "UTF-16", "latin": "not UTF-8", "nul": "NUL", "huge": "larger than 1 MiB"}
    began = time.monotonic()
    with house.worker():
        eventually(lambda: len(house.reports()) == len(bad) + 2)
    assert time.monotonic() - began < 15
    for name, why in bad.items():
        assert why in (house.report(name) or ""), name
    assert (house.header("bom")["status"], house.header("nfd")["status"]) == ("done", "done")
    assert sorted(house.inbox()) == ["huge.md", "latin.md", "nul.md", "utf16.md"]


def test_w22_a_file_that_waits_is_never_written_to(house: House) -> None:
    path = house.drop(
        "a.md", "---\nstatus: open\nnot_before: 2999-01-01\nadded: by hand\n---\nWrite 1 to memory/1.txt  "
    )
    before, raw = path.stat(), path.read_bytes()
    with house.worker():
        eventually(lambda: house.waits("a.md"))
        house.drop("b.md", WRITE.format(n=2))
        eventually(lambda: house.report("b"))
    after = path.stat()
    assert path.read_bytes() == raw
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )
