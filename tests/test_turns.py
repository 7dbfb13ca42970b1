"""Who begins with which task, and who pushes when: agreed without a word, so that each costs the others nothing."""

from __future__ import annotations

from itertools import pairwise

import pytest

from agent.courtesy import NARROWEST, POLITE, Courtesy
from agent.turns import turn

MACHINES = ("attic", "cellar", "kitchen", "porch")
TASKS = [f"inbox/t-{number}.md" for number in range(400)]


def first(me: str, everybody: tuple[str, ...] = MACHINES) -> set[str]:
    return {task for task in TASKS if turn(task, me, set(everybody) - {me})[0] == 0}


def test_every_task_has_one_machine_that_begins_with_it_and_all_have_about_as_many() -> None:
    parts = [first(me) for me in MACHINES]
    assert sorted(task for part in parts for task in part) == sorted(TASKS)
    assert all(70 <= len(part) <= 130 for part in parts)


def test_a_machine_that_goes_leaves_its_part_to_all_and_changes_nothing_else() -> None:
    left = ("attic", "cellar", "porch")
    for me in left:
        assert first(me) <= first(me, left)
    assert all(first(me, left) & first("kitchen") for me in left)


def test_alone_a_machine_has_an_order_of_its_own() -> None:
    orders = [sorted(TASKS, key=lambda task: turn(task, me)) for me in MACHINES]
    assert len({tuple(order) for order in orders}) == len(MACHINES)
    assert turn(TASKS[0], "attic")[0] == 0


class Times:
    """A wall clock and another one, both moved by hand."""

    def __init__(self, wall: float = 1_000_000.0) -> None:
        self.now, self.wall = 0.0, wall

    def courtesy(self, me: str) -> Courtesy:
        return Courtesy(me, lambda: self.wall + self.now, lambda: self.now)


def others(me: str) -> frozenset[str]:
    return frozenset(MACHINES) - {me}


def test_nobody_waits_before_a_collision_nor_long_after_it_nor_alone() -> None:
    times = Times()
    courtesy = times.courtesy("porch")
    assert courtesy.wait(others("porch")) == 0.0
    courtesy.collided()
    assert courtesy.wait(others("porch")) > 0.0
    assert courtesy.wait(frozenset()) == 0.0
    times.now = POLITE + 1
    assert courtesy.wait(others("porch")) == 0.0


@pytest.mark.parametrize("wall", [0.0, 1_000_000.3, 1_764_000_000.77])
def test_after_a_collision_no_two_machines_begin_within_half_a_turn_of_each_other(wall: float) -> None:
    times = Times(wall)
    starts = []
    for me in MACHINES:
        courtesy = times.courtesy(me)
        courtesy.collided()
        starts.append(courtesy.wait(others(me)))
    starts.sort()
    assert all(later - earlier >= NARROWEST / 2 - 1e-6 for earlier, later in pairwise(starts))
    assert starts[-1] <= NARROWEST * len(MACHINES)


def test_turns_are_as_long_as_a_push_takes_and_who_missed_two_rounds_waits_no_longer() -> None:
    times = Times()
    courtesy = times.courtesy("cellar")
    courtesy.pushed(2.0)
    courtesy.pushed(0.6)
    courtesy.pushed(9.0)
    assert courtesy.width == 1.0
    courtesy.collided()
    assert courtesy.wait(others("cellar")) > 0
    times.now = 8.5
    courtesy.collided()
    assert courtesy.wait(others("cellar")) == 0.0
