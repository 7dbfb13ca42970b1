"""No critical alarm is missed: two hundred situations, every planted problem found, and nothing else."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.heartbeat.situations import EARLY, PLANTS, Planted, decoys
from tests.heartbeat.world import World, alarms

SITUATIONS = 200
QUIET = 5  # every fifth has nothing planted


def plan(seed: int) -> list[tuple[str, int]]:
    """What is planted: groups, and which of their plants."""
    random = Random(f"plan {seed}")
    groups = random.sample(sorted(PLANTS), 0 if seed % QUIET == 0 else random.randint(1, 8))
    return [(group, random.randrange(len(PLANTS[group]))) for group in groups]


@pytest.mark.parametrize("seed", range(SITUATIONS))
def test_every_planted_problem_is_found_as_loud_as_it_is_and_critical_ones_reach_the_hook(
    tmp_path: Path, seed: int
) -> None:
    random, world, chosen = Random(seed), World(tmp_path), plan(seed)
    first = sorted((EARLY.index(group), group, which) for group, which in chosen if group in EARLY)
    problems = [PLANTS[group][which](world, random) for _, group, which in first]
    decoys(world, random)
    problems += [PLANTS[group][which](world, random) for group, which in chosen if group not in EARLY]

    result = world.beat()
    assert result.quiet is (not problems)
    each_once([line for said in world.reports for line in alarms(said)], problems)
    each_critical_once(world.heard(), problems)

    assert world.beat().quiet, "the same again is no news"
    assert world.heard() == []

    result = world.beat(scheduled=False)  # a dropped one tells all that is so, and nothing else
    each_once(alarms(result), problems)
    assert len(alarms(result)) == len(problems)
    assert world.heard() == [], "the hook has its own memory"
    if problems:
        one_ends(world, random.choice(problems))


def each_once(lines: list[str], problems: list[Planted]) -> None:
    """The last line of each problem is as loud as it should be, and no line is about anything else."""
    for problem in problems:
        hits = [line for line in lines if problem.words in line]
        assert hits and hits[-1].startswith(f"{problem.severity}: "), (problem, lines)
    assert all(any(problem.words in line for problem in problems) for line in lines), (problems, lines)


def each_critical_once(calls: list[str], problems: list[Planted]) -> None:
    loud = [problem for problem in problems if problem.severity == "critical"]
    assert [sum(problem.words in line for line in calls) for problem in loud] == [1] * len(loud), (loud, calls)
    assert len(calls) == len(loud)
    assert all(line.startswith("critical: ") for line in calls)


def one_ends(world: World, gone: Planted) -> None:
    """Its end is told once, to whom it was told."""
    gone.undo()
    result, calls = world.beat(), world.heard()
    over = [line for line in result.raw.splitlines() if line.startswith("resolved: ")]
    assert alarms(result) == []
    assert [gone.words in line for line in over] == ([] if gone.silent else [True])
    assert [gone.words in line for line in calls] == ([True] if gone.severity == "critical" else [])
    assert world.beat().quiet


def test_the_situations_hold_every_plant_and_every_kind_of_alarm() -> None:
    chosen = [one for seed in range(SITUATIONS) for one in plan(seed)]
    assert set(chosen) == {(group, which) for group, plants in PLANTS.items() for which in range(len(plants))}
    assert sum(not plan(seed) for seed in range(SITUATIONS)) == SITUATIONS // QUIET
