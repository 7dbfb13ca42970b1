"""Claims among the workers of one clone: one wins, the dead lose theirs, nobody gives back what is another's."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.claims import LocalClaims

DIES_HOLDING_A_TASK = """
import os, sys
from pathlib import Path
from agent.claims import LocalClaims
assert LocalClaims(Path(sys.argv[1]), "dead").take("task", 1)
os._exit(137)
"""


@pytest.fixture
def one(tmp_path: Path) -> Iterator[LocalClaims]:
    claims = LocalClaims(tmp_path, "one")
    yield claims
    claims.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[LocalClaims]:
    claims = LocalClaims(tmp_path, "other")
    yield claims
    claims.close()


def test_one_of_two_workers_gets_a_task_and_the_other_gets_it_when_it_is_given_back(
    one: LocalClaims, other: LocalClaims
) -> None:
    held = one.take("task", 1)
    assert held and held.task == "task"
    assert other.take("task", 1) is None

    other.release(["task"])  # not its own to give
    assert other.take("task", 1) is None

    one.release(["task"])
    again = other.take("task", 2)
    assert again and again.nonce != held.nonce and again.attempt == 2


def test_of_two_that_reach_for_a_hundred_tasks_at_once_exactly_one_gets_each(
    one: LocalClaims, other: LocalClaims
) -> None:
    got: dict[LocalClaims, set[str]] = {one: set(), other: set()}
    start = threading.Barrier(2)

    def reach(claims: LocalClaims) -> None:
        start.wait()
        got[claims].update(task for n in range(100) if claims.take(task := f"task-{n}", 1))

    threads = [threading.Thread(target=reach, args=(claims,)) for claims in got]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not got[one] & got[other]
    assert len(got[one] | got[other]) == 100


def test_q14_the_claim_of_a_killed_worker_is_taken_over_at_once(tmp_path: Path, one: LocalClaims) -> None:
    assert subprocess.run([sys.executable, "-c", DIES_HOLDING_A_TASK, str(tmp_path)], check=False).returncode == 137
    assert os.listdir(tmp_path / "claims")
    assert one.take("task", 1)


def test_q20_a_sweep_removes_what_the_dead_left_and_nothing_of_the_living(tmp_path: Path, one: LocalClaims) -> None:
    assert one.take("mine", 1)
    living = {path.name for path in (tmp_path / "lives").iterdir()}
    assert subprocess.run([sys.executable, "-c", DIES_HOLDING_A_TASK, str(tmp_path)], check=False).returncode == 137

    one.sweep()

    assert len(os.listdir(tmp_path / "claims")) == 1
    assert {path.name for path in (tmp_path / "lives").iterdir()} == living


def test_q15_a_worker_whose_card_was_deleted_still_claims(tmp_path: Path, one: LocalClaims, other: LocalClaims) -> None:
    for card in (tmp_path / "lives").glob("*.json"):
        card.unlink()
    assert one.take("task", 1)
    assert other.take("task", 1) is None
