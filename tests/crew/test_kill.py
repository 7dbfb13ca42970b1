"""Stopping all that runs at once, as `gofer stop --now` does it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.crew.lane import ProcessLane
from agent.desk import Desk
from agent.handlers import HANDLERS
from agent.road import road
from tests.crew.acts import TYPES
from tests.crew.support import House, alive, make_house
from tests.support import wait_for


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    for name, handler in TYPES.items():
        monkeypatch.setitem(HANDLERS, name, handler)  # type: ignore[arg-type]
    monkeypatch.setattr(ProcessLane, "command", (sys.executable, str(Path(__file__).with_name("hand.py"))))
    return make_house(tmp_path)


def test_kill_ends_every_process_at_once_and_hands_back_what_ran_and_what_waited(house: House) -> None:
    house.act("a", "spin", header="priority: critical\n")
    house.act("b", "spin")
    house.act("c", "tell", header="priority: low\n")
    desk = Desk(house.vault.root, house.vault.env, workers=2)
    try:

        def begun() -> bool:
            road(desk, datetime.now(UTC))
            return bool(house.begun("a") and house.begun("b")) and len(desk.workbench.runs) == 3

        wait_for(begun)
        pids = [pid for name in ("a", "b") for pair in house.begun(name) for pid in pair]
        assert len(desk.workbench.runs) == 3

        desk.workbench.kill()
        assert not any(alive(pid) for pid in pids)
        desk.stop_admitting()
        tick = road(desk, datetime.now(UTC))

        assert (tick.running, desk.workbench.runs) == (0, ())
        assert set(desk.journal.attempts.values()) == {0}, "no attempt is counted"
        assert list((house.vault.state / "claims").iterdir()) == []
        assert len(house.vault.inbox()) == 3
    finally:
        desk.close()
    house.vault.check()


def test_work_goes_on_after_a_kill_when_the_vault_is_not_stopped(house: House) -> None:
    house.act("a", "sleep")
    desk = Desk(house.vault.root, house.vault.env, workers=1)
    try:

        def begun() -> bool:
            road(desk, datetime.now(UTC))
            return bool(house.begun("a"))

        wait_for(begun)
        desk.workbench.kill()
        (house.place / "go").touch()

        def ended() -> bool:
            road(desk, datetime.now(UTC))
            return house.ends() == {"a": ("done", 1)}

        wait_for(ended)
    finally:
        desk.close()
