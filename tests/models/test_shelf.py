"""Where models lie, and how they get there: real downloads from a real server that does everything wrong once."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.errors import Busy, GoferError, ModelAway, PersonMustAct, Refused, TimeUp, Usage
from agent.models import fetch as fetching
from agent.models.fetch import Fetched, fetch
from agent.models.shelf import KNOWN, address, download_command, file_name, find_model, known, models_dir, on_shelf
from tests.models.file_server import FileServer

CONTENT = b"GGUF" + (3).to_bytes(4, "little") + (1).to_bytes(8, "little") * 2 + os.urandom(3 << 20)
OTHER = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer(CONTENT) as running:
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "models" / "mine.gguf"


def bring(server: FileServer, target: Path, **how: object) -> Fetched:
    return fetch(f"{server.url}/a/mine.gguf", target, lambda done, total: None, **how)  # type: ignore[arg-type]


def left(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def part_of(target: Path) -> Path:
    return target.with_name("mine.gguf.part")


# The shelf


def test_what_is_configured_wins_and_else_the_newest_file_of_the_shelf(tmp_path: Path) -> None:
    env = {"GOFER_MODELS_DIR": str(tmp_path / "shelf")}
    assert find_model("", env) is None
    (tmp_path / "shelf").mkdir()
    for number, name in enumerate(("old.gguf", "new.GGUF", "newer.gguf.part", ".hidden.gguf", "notes.txt")):
        (tmp_path / "shelf" / name).write_bytes(b"")
        os.utime(tmp_path / "shelf" / name, (number, number))
    assert [path.name for path in on_shelf(env)] == ["new.GGUF", "old.gguf"]
    assert find_model("", env) == tmp_path / "shelf" / "new.GGUF"
    assert find_model("~/own.gguf", env) == Path.home() / "own.gguf"


def test_the_shelf_is_in_the_users_data_unless_named() -> None:
    assert models_dir({}).parts[-2:] == ("gofer", "models")
    assert models_dir({"GOFER_MODELS_DIR": "~/m"}) == Path.home() / "m"
    assert models_dir({"GOFER_MODELS_DIR": "~nobody-at-all/m"}).name == "m"


def test_a_file_whose_name_cannot_be_written_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "odd\udcff.gguf").write_bytes(CONTENT)
    (tmp_path / "two\nlines.gguf").write_bytes(CONTENT)
    assert on_shelf({"GOFER_MODELS_DIR": str(tmp_path)}) == ()


def test_a_name_is_known_as_ollama_spells_it_too_and_another_lists_the_known_ones() -> None:
    assert known("qwen3:8b") is known("Qwen3-8B") is KNOWN["qwen3-8b"]
    with pytest.raises(Usage) as caught:
        known("gpt-9")
    assert "qwen3-0.6b" in caught.value.fix
    assert download_command("Qwen3-1.7B-Q8_0") == "gofer model download qwen3-1.7b"
    where = address(KNOWN["qwen3-4b"], {"HF_ENDPOINT": "https://mirror.example/"})
    assert where.startswith("https://mirror.example/Qwen/Qwen3-4B-GGUF/resolve/")
    assert all(len(one.sha256) == 64 and len(one.revision) == 40 for one in KNOWN.values())


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "x" * 200, "a\nb"])
def test_a_name_that_is_no_plain_file_name_is_refused(name: str) -> None:
    with pytest.raises(Usage):
        file_name(name)
    assert file_name("mine") == file_name("mine.gguf") == "mine.gguf"


# Downloads that go well


def test_a_download_is_whole_and_counted_up_to_its_end(server: FileServer, target: Path) -> None:
    told: list[tuple[int, int]] = []
    got = fetch(f"{server.url}/x", target, lambda done, total: told.append((done, total)))
    assert got == Fetched(target, server.sha256, len(CONTENT), fresh=True)
    assert target.read_bytes() == CONTENT
    assert left(target) == ["mine.gguf"]
    assert told[0] == (0, len(CONTENT)) and told[-1] == (len(CONTENT), len(CONTENT))
    assert told == sorted(told)


def test_what_is_here_already_is_not_brought_again(server: FileServer, target: Path) -> None:
    bring(server, target)
    server.seen.clear()
    assert bring(server, target, sha256=server.sha256).fresh is False
    assert server.seen == []


def test_a_download_that_is_cut_goes_on_where_it_broke_off(server: FileServer, target: Path) -> None:
    server.cuts = [1 << 20, 1 << 20]
    assert bring(server, target).size == len(CONTENT)
    assert target.read_bytes() == CONTENT
    assert server.gets == ["", f"bytes={1 << 20}-", f"bytes={2 << 20}-"]


def test_a_server_that_cuts_every_time_at_once_is_given_up_and_the_part_stays(server: FileServer, target: Path) -> None:
    server.cuts = [1 << 20, 0]
    with pytest.raises(ModelAway, match="broke off"):
        bring(server, target)
    assert part_of(target).read_bytes() == CONTENT[: 1 << 20]
    bring(server, target)
    assert server.gets[-1] == f"bytes={1 << 20}-"
    assert target.read_bytes() == CONTENT


def test_a_server_without_ranges_sends_it_all_again(server: FileServer, target: Path) -> None:
    server.ranges, server.cuts = False, [1 << 20]
    bring(server, target)
    assert target.read_bytes() == CONTENT


def test_a_part_that_is_whole_already_needs_only_its_check(server: FileServer, target: Path) -> None:
    server.cuts = [1 << 20, 0]
    with pytest.raises(ModelAway):
        bring(server, target)
    part_of(target).write_bytes(CONTENT)
    assert bring(server, target).size == len(CONTENT)
    assert target.read_bytes() == CONTENT


# Servers that lie


def test_a_file_that_changed_between_two_attempts_starts_anew(server: FileServer, target: Path) -> None:
    server.cuts = [1 << 20, 0]
    with pytest.raises(ModelAway):
        bring(server, target)
    server.put(OTHER)
    assert bring(server, target).sha256 == hashlib.sha256(OTHER).hexdigest()
    assert target.read_bytes() == OTHER
    assert server.gets[-1] == ""


def test_a_file_that_changed_behind_the_same_checksum_starts_anew_by_its_etag(server: FileServer, target: Path) -> None:
    server.cuts, wanted = [1 << 20, 0], hashlib.sha256(OTHER).hexdigest()
    server.stated = None
    with pytest.raises(ModelAway):
        bring(server, target, sha256=wanted)
    server.put(OTHER)
    assert bring(server, target, sha256=wanted).sha256 == wanted
    assert server.gets[-1] == f"bytes={1 << 20}-"


def test_a_wrong_checksum_deletes_what_came(server: FileServer, target: Path) -> None:
    server.stated = "0" * 64
    with pytest.raises(Refused, match="what came is not the file"):
        bring(server, target)
    assert left(target) == []


def test_a_wrong_checksum_leaves_an_older_file_alone(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"older")
    server.stated = "0" * 64
    with pytest.raises(Refused):
        bring(server, target)
    assert target.read_bytes() == b"older"


def test_a_server_that_states_another_checksum_than_the_persons_is_not_listened_to(
    server: FileServer, target: Path
) -> None:
    with pytest.raises(Refused, match="another one"):
        bring(server, target, sha256="0" * 64)
    assert server.gets == []


@pytest.mark.parametrize("stated", [None, "not-a-digest", "d41d8cd98f00b204e9800998ecf8427e"])
def test_without_a_checksum_nothing_is_brought_unless_the_person_gives_it(
    server: FileServer, target: Path, stated: str | None
) -> None:
    server.stated = stated
    with pytest.raises(PersonMustAct, match="states no sha256") as caught:
        bring(server, target)
    assert "--sha256" in caught.value.fix
    assert server.gets == [] and left(target) == []
    assert bring(server, target, sha256=server.sha256.upper()).fresh


def test_what_is_no_model_is_refused_even_with_its_checksum(server: FileServer, target: Path) -> None:
    server.put(b"<!doctype html>" + bytes(100))
    with pytest.raises(Refused, match="not a model"):
        bring(server, target)
    assert left(target) == []


# Where it may come from


@pytest.mark.parametrize(
    "place", ["http://192.168.7.7/x", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://a.example/"]
)
def test_a_redirect_to_a_place_without_https_is_refused(server: FileServer, target: Path, place: str) -> None:
    server.redirect = place
    with pytest.raises(Refused, match="not allowed"):
        bring(server, target)
    with pytest.raises(Refused, match="not allowed"):
        fetch(place, target, lambda done, total: None)


def test_a_redirect_to_another_server_of_this_machine_is_followed_but_not_believed(
    server: FileServer, target: Path
) -> None:
    with FileServer(OTHER) as elsewhere:
        server.redirect = elsewhere.url.replace("127.0.0.1", "localhost") + "/store"
        with pytest.raises(Refused, match="what came is not the file"):
            bring(server, target)
        elsewhere.put(CONTENT)
        elsewhere.stated = "1" * 64
        assert bring(server, target).sha256 == server.sha256


def test_a_circle_of_redirects_ends(server: FileServer, target: Path) -> None:
    server.redirect = f"{server.url}/again"
    with pytest.raises(ModelAway, match="only passes on"):
        bring(server, target)


# Time, room, company


def test_a_server_that_is_not_there_means_try_later(target: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/x"
    with pytest.raises(ModelAway, match="broke off"):
        fetch(url, target, lambda done, total: None)
    assert left(target) == []


def test_a_server_that_never_answers_means_try_later(target: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf, pytest.raises(ModelAway, match="broke off"):
        fetch(f"http://127.0.0.1:{deaf.getsockname()[1]}/x", target, lambda done, total: None, silence_timeout=0.2)


def test_a_server_that_falls_silent_means_try_later_and_the_part_stays(server: FileServer, target: Path) -> None:
    server.silent = 1 << 20

    def then_nothing(done: int, total: int) -> None:
        if done == 1 << 20:
            server.silent = 0

    with pytest.raises(ModelAway, match="broke off"):
        fetch(f"{server.url}/x", target, then_nothing, silence_timeout=0.3)
    assert part_of(target).read_bytes() == CONTENT[: 1 << 20]


def test_a_download_that_is_stopped_keeps_its_part(server: FileServer, target: Path) -> None:
    server.silent = 1 << 20
    with pytest.raises(TimeUp):
        bring(server, target, stop=lambda: part_of(target).exists() and part_of(target).stat().st_size == 1 << 20)
    assert part_of(target).read_bytes() == CONTENT[: 1 << 20]
    server.silent = None
    bring(server, target)
    assert server.gets[-1] == f"bytes={1 << 20}-"


def test_a_disk_without_room_is_found_before_anything_is_written(
    server: FileServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_SPARE", 1 << 60)
    with pytest.raises(PersonMustAct, match="no room"):
        bring(server, target)
    assert left(target) == []


def test_two_downloads_of_the_same_file_do_not_meet(server: FileServer, target: Path) -> None:
    def meanwhile(done: int, total: int) -> None:
        if done == total:
            with pytest.raises(Busy):
                bring(server, target)

    fetch(f"{server.url}/x", target, meanwhile)
    assert target.read_bytes() == CONTENT


# The command


@pytest.fixture
def shelf_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GOFER_MODELS_DIR", str(tmp_path / "shelf"))
    monkeypatch.setenv("GOFER_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "shelf"


def test_the_command_brings_a_file_and_lists_it_as_in_use(
    server: FileServer, shelf_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["model", "download", "mine", "--url", f"{server.url}/f", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["path"] == str(shelf_dir / "mine.gguf")
    assert (data["sha256"], data["size"], data["in_use"]) == (server.sha256, len(CONTENT), True)
    assert main(["model", "list", "--json"]) == 0
    models = json.loads(capsys.readouterr().out)["data"]["models"]
    assert [one["name"] for one in models if one["in_use"]] == ["mine"]
    assert {one["download"] for one in models if not one["here"]} == set(KNOWN)
    assert main(["model", "list"]) == 0
    shown = capsys.readouterr().out
    assert "in use" in shown and "gofer model download qwen3-8b" in shown


def test_a_named_model_is_asked_for_at_its_revision_and_a_mirror_that_lies_is_found_out(
    server: FileServer, shelf_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    assert main(["model", "download", "qwen3-0.6b"]) == 1
    assert "another one" in capsys.readouterr().err
    server.stated = None
    assert main(["model", "download", "qwen3-0.6b"]) == 1
    assert "what came is not the file" in capsys.readouterr().err
    assert not list(shelf_dir.iterdir())


def test_an_unknown_name_or_checksum_is_a_matter_of_usage(shelf_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "download", "gpt-9"]) == 2
    assert "qwen3-0.6b" in capsys.readouterr().err
    assert main(["model", "download", "qwen3-0.6b", "--sha256", "abc"]) == 2
    assert main(["model", "download", "../x", "--url", "https://a.example/x"]) == 2


def test_the_configured_file_is_listed_even_when_it_is_missing(
    shelf_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.toml").write_text(f'[embedded]\npath = "{tmp_path}/away.gguf"\n')
    assert main(["model", "list"]) == 0
    assert "in use, but missing" in capsys.readouterr().out


def test_listing_does_not_import_what_is_heavy() -> None:
    code = (
        "import sys, agent.cli.model; from agent.models import shelf; shelf.on_shelf({'GOFER_MODELS_DIR': '/x'});"
        "sys.exit('httpx' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_error_says_what_to_do_or_why(server: FileServer, target: Path) -> None:
    server.stated = None
    with pytest.raises(GoferError) as caught:
        bring(server, target)
    assert caught.value.where and caught.value.why and caught.value.fix
