"""A hand-off that nobody answers, from its first day to its end, as the heartbeat tells of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from agent import frontmatter
from tests.heartbeat.world import World, alarms

HALF_HOUR, DAY = timedelta(minutes=30), timedelta(days=1)


def life(world: World, days: float, lives: timedelta, priority: str = "normal") -> list[tuple[float, str]]:
    """What beats of every half hour said of one hand-off: its age in days, and the line. It is expired as the worker
    does that, within the hour."""
    path = world.handed("review", timedelta(0), lives, priority, "open")
    born, said = world.now, []
    while world.now - born < timedelta(days=days):
        if world.now - born > lives + HALF_HOUR:
            path.write_text(frontmatter.amend(path.read_text("utf-8"), {"status": "expired"}), "utf-8")
        result = world.beat(step=HALF_HOUR)
        said += [(round((world.now - born) / DAY, 1), line) for line in (*alarms(result), *over(result.raw))]
    return said


def over(raw: str) -> list[str]:
    return [line for line in raw.splitlines() if line.startswith("resolved: ")]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_it_is_told_after_a_day_then_daily_in_its_last_day_as_a_warning_and_its_end_once(world: World) -> None:
    name = "“Title of review” (review)"
    ages, lines = zip(*life(world, 12, timedelta(days=7)), strict=True)
    assert ages == (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 7.1)
    assert lines == (
        f"notice: hand-off waits for an answer for 1 day: {name}",
        *(f"notice: hand-off waits for an answer for {day} days: {name}" for day in (2, 3, 4, 5)),
        f"warning: hand-off expires in 1 day without an answer: {name}",
        f"warning: hand-off is past its end and has no answer: {name}",
        f"notice: hand-off expired without an answer: {name}",
    )


def test_one_that_lives_for_a_day_is_warned_of_in_its_second_half(world: World) -> None:
    assert [age for age, line in life(world, 2, DAY) if line.startswith("warning: hand-off expires")] == [0.5]


def test_one_of_a_critical_task_is_critical_after_an_hour_and_no_longer_once_somebody_claimed_it(world: World) -> None:
    assert [line.partition(":")[0] for _, line in life(world, 0.05, timedelta(days=7), "critical")] == ["critical"]
    path = world.vault / "outbox/handoffs/review.handoff.md"
    path.write_text(frontmatter.amend(path.read_text("utf-8"), {"status": "claimed"}), "utf-8")
    assert over(world.beat().raw) != []
    assert [call.partition(":")[0] for call in world.heard()] == ["critical", "resolved"]


def test_an_answer_ends_it_and_that_is_told_once(world: World) -> None:
    life(world, 1.1, timedelta(days=7))
    path = world.vault / "outbox/handoffs/review.handoff.md"
    path.write_text(frontmatter.amend(path.read_text("utf-8"), {"status": "answered"}), "utf-8")
    assert len(over(world.beat().raw)) == 1
    assert world.beat().quiet
