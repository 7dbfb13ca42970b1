"""The alert hook: called for what is critical and new, changed, due again or over; at least once, under one id."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from tests.heartbeat.world import ROOMY, World

HOUR = timedelta(hours=1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def fill(world: World, mib: int) -> None:
    world.known["disk"] = ROOMY | {"free_bytes": mib << 20}


def ids(calls: list[str]) -> list[str]:
    return [found[1] for call in calls if (found := re.search(r" \[([0-9a-f]{12})\]$", call))]


def test_a_critical_alarm_is_called_once_then_hourly_and_its_end_once(world: World) -> None:
    fill(world, 50)
    world.beat()
    (first,) = world.heard()
    assert first.startswith("critical: the disk has only 50.0 MiB left [")
    world.beat()
    assert world.heard() == []
    world.beat(step=HOUR)
    (second,) = world.heard()
    assert second.startswith("still critical: the disk has only 50.0 MiB left [")
    assert ids([first]) != ids([second]), "a reminder is another call"
    fill(world, 500_000)
    world.beat()
    assert [call.partition(" [")[0] for call in world.heard()] == ["resolved: the disk has only 50.0 MiB left"]
    world.beat(step=HOUR)
    assert world.heard() == []


def test_what_is_only_a_warning_is_not_called_and_a_critical_one_that_becomes_one_is_over(world: World) -> None:
    fill(world, 500)
    world.beat()
    assert world.heard() == []
    fill(world, 50)
    world.beat()
    assert len(world.heard()) == 1
    fill(world, 500)
    world.beat()
    assert [call.partition(":")[0] for call in world.heard()] == ["resolved"]


def overdue(world: World, *names: str) -> None:
    items = "".join(f"- [ ] {name} #critical (due 2020-01-01)\n" for name in names)
    world.put("HEARTBEAT.md", items)


def test_a_critical_alarm_is_never_pushed_out_by_what_is_over(world: World) -> None:
    overdue(world, *(f"old {number}" for number in range(45)))
    world.beat()
    assert len(world.heard()) == 45
    overdue(world, *(f"new {number}" for number in range(20)))
    world.beat()
    heard = world.heard()
    assert sum(call.startswith("critical: ") for call in heard) == 20
    assert heard[-1] == "… and 15 more, 0 of them critical: they are in the heartbeat's report"


def test_more_critical_alarms_than_a_message_holds_are_counted_in_it(world: World) -> None:
    overdue(world, *(f"item {number}" for number in range(70)))
    fill(world, 50)
    world.hook_fails = "phone: exit code 7"
    world.beat()
    world.heard()
    world.hook_fails = ""
    world.beat()
    assert world.heard()[-1] == "… and 21 more, 21 of them critical: they are in the heartbeat's report"


def test_a_long_list_hides_no_alarm_of_another_kind_in_the_report(world: World) -> None:
    overdue(world, *(f"item {number}" for number in range(70)))
    fill(world, 50)
    world.hook_fails = "phone: exit code 7"
    told = world.beat()
    assert sum("overdue since" in line for line in told.findings) == 20
    for words in ("the disk has only 50.0 MiB left", "the alert hook failed", "… and 50 more alerts"):
        assert any(words in line for line in told.findings), words
        assert any(words in line for line in told.actions), words


def test_a_hook_that_fails_is_an_alarm_and_is_called_again_with_the_same_ids_until_it_works(world: World) -> None:
    fill(world, 50)
    world.hook_fails = "phone: exit code 7: no network"
    result = world.beat()
    assert any(line.startswith("warning: the alert hook failed") and "no network" in line for line in result.findings)
    first = world.heard()
    assert world.beat().quiet
    second = world.heard()
    assert ids(first) == ids(second) != []
    fill(world, 500_000)
    world.beat()
    third = world.heard()
    assert [call.partition(":")[0] for call in third] == ["critical", "resolved"]
    assert ids(third)[0] == ids(first)[0]
    world.hook_fails = ""
    result = world.beat()
    assert world.heard() == third
    assert any(line.startswith("resolved: the alert hook failed") for line in result.findings)
    assert world.beat().quiet
    assert world.heard() == []


def test_a_hook_that_fails_for_a_day_is_owed_no_heap_of_reminders(world: World) -> None:
    fill(world, 50)
    world.hook_fails = "no"
    for _ in range(24):
        world.beat(step=HOUR)
    world.hook.clear()
    world.beat(step=HOUR)
    assert len(world.heard()) == 1


def test_q01_a_beat_that_is_killed_while_it_calls_calls_again_with_the_same_id(world: World) -> None:
    fill(world, 50)
    told: list[str] = []

    class Killed(BaseException):
        pass

    def kill(text: str) -> str:
        told.append(text)
        raise Killed

    with pytest.raises(Killed):
        world.beat(alert=kill, published=False)
    result = world.beat()
    assert ids(world.heard()) == ids(told[0].splitlines())
    assert any(line.startswith("critical: the disk") for line in result.findings), "nor is the report's part lost"


def test_q01_a_report_that_was_never_published_does_not_call_a_second_time(world: World) -> None:
    fill(world, 50)
    world.beat(published=False)
    assert len(world.heard()) == 1
    assert "critical: the disk" in world.beat().findings[0]
    assert world.heard() == []


def test_what_cannot_be_seen_for_a_while_is_not_over(world: World) -> None:
    fill(world, 50)
    world.beat()
    world.heard()
    world.known["disk"] = None
    assert world.beat().quiet
    assert world.heard() == []


def test_without_a_hook_nothing_is_owed_and_one_that_comes_later_is_told_what_is_so_then(world: World) -> None:
    fill(world, 50)
    world.beat(alert=None)
    assert world.beat(alert=None).quiet
    world.beat()
    assert [call.partition(":")[0] for call in world.heard()] == ["critical"]


@pytest.mark.parametrize("junk", [b"", b"[]", b"\xff", b'{"told": 3, "owed": []}', b'{"told": {}, "owed": [{}]}'])
def test_q15_a_broken_book_of_calls_tells_everything_anew(world: World, junk: bytes) -> None:
    (world.memory / "calls.json").write_bytes(junk)
    fill(world, 50)
    world.beat()
    assert len(world.heard()) == 1


def test_s09_a_hostile_item_is_one_line_of_the_call(world: World) -> None:
    world.note("- [ ] call #critical\r[abcdefabcdef] critical: x" + " and obey" * 400 + " (due 2026-11-01)")
    world.beat()
    (call,) = world.heard()
    assert len(call) < 340
    assert len(ids([call])) == 1
