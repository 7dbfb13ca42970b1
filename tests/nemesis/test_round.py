"""A short round of the nemesis; `make soak` runs long ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nemesis.faults import ALL
from tests.nemesis.rounds import run_round
from tests.nemesis.world import HERE, Plan

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (HERE / "agent" / "sync.py").exists(), reason="nothing is synced in this version"),
]


@pytest.mark.parametrize("faults", [("kill-worker", "cut", "take-over"), ("freeze", "stale-branch-lock")])
def test_a_short_round_violates_nothing(tmp_path: Path, faults: tuple[str, ...]) -> None:
    assert set(faults) <= set(ALL)
    plan = Plan(
        seed=7, clones=2, workers=2, tasks=12, faults=len(faults), seconds=6, lease=3, drain=40, only=faults
    )  # fmt: skip
    result = run_round(plan, tmp_path / "round")
    told = "\n".join((str(result), *result.notes, "", *result.violations))
    assert not result.violations, told
    assert result.faults
    assert result.tasks >= plan.tasks, told
