"""The cache follows the ledger: what did not change is not opened, what is broken is told, and nothing is fatal."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.stats import collect, with_ledger
from agent.stats.cache import FILE, Cache, Stamp, with_cache
from agent.stats.reading import read_whole, refresh
from tests.stats.lines import line, segment

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ONE, TWO = "w1-2026-11-20-01.jsonl", "w1-2026-11-20-02.jsonl"


class Reader:
    """Reads as ever, and notes what was opened."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def __call__(self, path: Path) -> tuple[Stamp, bytes]:
        self.opened.append(path.name)
        return read_whole(path)


def opened(root: Path) -> list[str]:
    reader = Reader()
    with_cache(root / "state", lambda cache: refresh(cache, root / "memory" / "ledger", read=reader))
    return sorted(reader.opened)


def runs(root: Path) -> int:
    return int(collect(root, root / "state", 30, NOW)["total"]["runs"])


def test_only_what_is_new_grew_or_changed_is_opened(tmp_path: Path) -> None:
    first = segment(tmp_path, line(), ONE)
    segment(tmp_path, line(), TWO)
    assert opened(tmp_path) == [ONE, TWO]
    assert opened(tmp_path) == []
    with first.open("a") as file:
        file.write(line())
    segment(tmp_path, line(), "w2-2026-11-20-01.jsonl")
    assert opened(tmp_path) == [ONE, "w2-2026-11-20-01.jsonl"]
    assert runs(tmp_path) == 4


def test_a_file_with_the_same_size_and_time_is_not_looked_into(tmp_path: Path) -> None:
    path = segment(tmp_path, line(tier="standard"), ONE)
    assert runs(tmp_path) == 1
    info = path.stat()
    path.write_text(line(tier="trivial!"), "utf-8")
    assert path.stat().st_size == info.st_size
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert list(collect(tmp_path, tmp_path / "state", 30, NOW)["by_tier"]) == ["standard"]
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns + 1))
    assert list(collect(tmp_path, tmp_path / "state", 30, NOW)["by_tier"]) == ["trivial!"]


def test_a_file_that_is_gone_no_longer_counts(tmp_path: Path) -> None:
    segment(tmp_path, line(), ONE)
    second = segment(tmp_path, line() * 2, TWO)
    assert runs(tmp_path) == 3
    second.unlink()
    assert runs(tmp_path) == 1
    (tmp_path / "memory" / "ledger" / ONE).unlink()
    (tmp_path / "memory" / "ledger").rmdir()
    assert runs(tmp_path) == 0


def test_dollars_do_not_drift_however_often_a_file_changes(tmp_path: Path) -> None:
    other = segment(tmp_path, line(cost_usd=0.1, baseline_usd=0.3), ONE)
    for number in range(20):
        segment(tmp_path, line(cost_usd=0.7, duration_s=number) * (number + 1), TWO)
        runs(tmp_path)
    (other.parent / TWO).unlink()
    assert collect(tmp_path, tmp_path / "state", 30, NOW)["total"]["cost_usd"] == 0.1


def test_a_torn_last_line_is_left_out_and_counts_when_it_is_whole(tmp_path: Path) -> None:
    path = segment(tmp_path, line() + line()[:60], ONE)
    data = collect(tmp_path, tmp_path / "state", 30, NOW)
    assert (data["total"]["runs"], data["problems"]) == (1, [])
    path.write_text(line() + line(), "utf-8")
    assert runs(tmp_path) == 2


def test_a_corrupt_line_is_told_with_its_place_and_the_others_count(tmp_path: Path) -> None:
    segment(tmp_path, line() + "{]\n" + line() + "[1]\n" + line(), ONE)
    data = collect(tmp_path, tmp_path / "state", 30, NOW)
    assert data["total"]["runs"] == 3
    assert [p["where"] for p in data["problems"]] == [f"memory/ledger/{ONE}:{n}" for n in (2, 4)]
    assert collect(tmp_path, tmp_path / "state", 30, NOW)["problems"] == data["problems"]
    segment(tmp_path, line(), ONE)
    assert collect(tmp_path, tmp_path / "state", 30, NOW)["problems"] == []


def test_bytes_that_are_no_text_break_their_line_alone(tmp_path: Path) -> None:
    path = segment(tmp_path, line(), ONE)
    path.write_bytes(line().encode() + b"\xff\xfe\n" + line().encode())
    data = collect(tmp_path, tmp_path / "state", 30, NOW)
    assert (data["total"]["runs"], [p["where"] for p in data["problems"]]) == (2, [f"memory/ledger/{ONE}:2"])


def test_a_link_and_other_names_are_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.jsonl").write_text(line(), "utf-8")
    path = segment(tmp_path, line(), ONE)
    (path.parent / "link.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    (path.parent / "notes.md").write_text("hello", "utf-8")
    assert runs(tmp_path) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_told_and_tried_again(tmp_path: Path) -> None:
    path = segment(tmp_path, line(), ONE)
    path.chmod(0)
    assert "cannot be read" in collect(tmp_path, tmp_path / "state", 30, NOW)["problems"][0]["what"]
    path.chmod(0o644)
    assert runs(tmp_path) == 1


def test_a_file_that_is_far_too_large_is_told(tmp_path: Path) -> None:
    segment(tmp_path, line(), TWO)
    with segment(tmp_path, "", ONE).open("r+") as file:
        file.truncate((16 << 20) + 1)
    data = collect(tmp_path, tmp_path / "state", 30, NOW)
    assert data["total"]["runs"] == 1 and data["problems"][0]["where"] == f"memory/ledger/{ONE}"


@pytest.mark.parametrize("damage", [b"not a database", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_corrupt_cache_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    segment(tmp_path, line(), ONE)
    assert runs(tmp_path) == 1
    (tmp_path / "state" / FILE).write_bytes(damage)
    assert runs(tmp_path) == 1
    assert opened(tmp_path) == []


def test_a_cache_of_another_version_or_without_a_table_is_made_anew(tmp_path: Path) -> None:
    segment(tmp_path, line(), ONE)
    assert runs(tmp_path) == 1
    for statement in ("PRAGMA user_version = 99", "DROP TABLE totals"):
        db = sqlite3.connect(tmp_path / "state" / FILE)
        db.execute(statement)
        db.commit()
        db.close()
        assert runs(tmp_path) == 1, statement


def test_without_a_place_for_the_cache_the_sums_are_made_all_the_same(tmp_path: Path) -> None:
    segment(tmp_path, line(), ONE)
    (tmp_path / "state").write_text("a file is in the way", "utf-8")
    assert runs(tmp_path) == 1


def test_progress_says_how_many_files_of_how_many_were_read(tmp_path: Path) -> None:
    segment(tmp_path, line(), ONE)
    said: list[tuple[int, int]] = []
    with_ledger(tmp_path, tmp_path / "state", Cache.known, lambda done, of: said.append((done, of)))
    assert said == [(1, 1)]


def test_processes_that_read_at_once_agree(tmp_path: Path) -> None:
    for number in range(1, 121):
        segment(tmp_path, line() * 20, f"w1-2026-11-20-{number:02}.jsonl")
    code = (
        "import json, sys; from pathlib import Path; from datetime import UTC, datetime\n"
        "from agent.stats import collect\n"
        "root = Path(sys.argv[1]); now = datetime(2026, 11, 22, tzinfo=UTC);"
        "print(json.dumps([collect(root, root / 'state', 30, now)['total'] for _ in range(3)]))"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [json.loads(process.communicate(timeout=100)[0]) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert {total["runs"] for totals in said for total in totals} == {2400}
    assert opened(tmp_path) == []
