"""Scheduled errands with nothing new, through a schedule's file: no report, no commit; and what is new is told (D5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent import worker
from tests.e2e.support import House
from tests.web.server import json_say, serving

FAST = "[watch]\nsettle_seconds = 0.1\nsettle_open_seconds = 0.01\npoll_seconds = 0.1\n"


def clock_of(house: House) -> Callable[[int], str]:
    """What a worker does in so many minutes from now; the commit at which the branch is then."""
    start = datetime.now(UTC)

    def at(minutes: int) -> str:
        worker.drain(house.root, house.env, lambda: False, now=lambda: start + timedelta(minutes=minutes))
        return house.git("rev-parse", "HEAD")

    return at


def schedule(house: House, text: str) -> None:
    house.drop("schedules/again.md", f"---\nstatus: open\nevery: 1m\n{text}\n---\n")
    house.git("add", "-A")
    house.git("commit", "-qm", "a schedule")


def test_d5_a_fetch_that_reads_the_same_again_leaves_no_commit(tmp_path: Path) -> None:
    with serving() as server:
        server.on("/gold", json_say({"price": "80.10"}))
        house = House(tmp_path, settings=FAST + server.config)
        schedule(house, f'type: fetch\nurl: {server.url}/gold\nfields: ["price:number = price"]')
        at = clock_of(house)
        at(0)
        first = at(2)
        assert [at(4), at(6)] == [first, first]
        assert len(server.seen("/gold")) == 3
        server.on("/gold", json_say({"price": "81.00"}))
        assert at(8) != first
        assert [line["type"] for line in house.ledger()] == ["fetch", "fetch"]
        assert len(list(house.root.glob("memory/qwen-worker/data-reports/*/*.csv"))) == 1


def test_d5_organizing_what_is_in_order_leaves_no_commit(tmp_path: Path) -> None:
    house = House(tmp_path, settings=FAST)
    (house.root / "memory/note.md").write_text("# Note\n")
    schedule(house, "type: organize")
    at = clock_of(house)
    at(0)
    first = at(2)
    assert [at(4), at(6)] == [first, first]
    (house.root / "memory/daily").mkdir()
    (house.root / "memory/daily/2020-01-02.md").write_text("# Old\n")
    assert at(8) != first
    assert (house.root / "memory/daily/2020/01/2020-01-02.md").exists()
