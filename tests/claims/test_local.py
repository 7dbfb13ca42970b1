"""Claims among the workers of one clone, as files: a worker lives as long as it holds the lock beside its card."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.claims import LocalClaims
from tests.claims.support import want

DIES_HOLDING_A_TASK = """
import os, sys
from pathlib import Path
from agent.claims import LocalClaims, Wanted
assert LocalClaims(Path(sys.argv[1]), "dead").take([Wanted("task", "0123456789ab", 1)])
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


def dies_holding_a_task(place: Path) -> None:
    assert subprocess.run([sys.executable, "-c", DIES_HOLDING_A_TASK, str(place)], check=False).returncode == 137


def test_of_two_threads_that_reach_for_a_hundred_tasks_at_once_exactly_one_gets_each(
    one: LocalClaims, other: LocalClaims
) -> None:
    got: dict[LocalClaims, set[str]] = {one: set(), other: set()}
    start = threading.Barrier(2)

    def reach(claims: LocalClaims) -> None:
        start.wait()
        for n in range(100):
            got[claims].update(claims.take([want(f"task-{n}")]))

    threads = [threading.Thread(target=reach, args=(claims,)) for claims in got]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not got[one] & got[other]
    assert len(got[one] | got[other]) == 100


def test_q14_the_claim_of_a_killed_worker_is_taken_over_at_once(tmp_path: Path, one: LocalClaims) -> None:
    dies_holding_a_task(tmp_path)
    assert os.listdir(tmp_path / "claims")
    assert one.take([want("task")])


def test_q20_a_sweep_removes_what_the_dead_left_and_nothing_of_the_living(tmp_path: Path, one: LocalClaims) -> None:
    assert one.take([want("mine")])
    living = {path.name for path in (tmp_path / "lives").iterdir()}
    dies_holding_a_task(tmp_path)
    assert len(os.listdir(tmp_path / "claims")) == 2

    one.sweep()

    assert len(os.listdir(tmp_path / "claims")) == 1
    assert {path.name for path in (tmp_path / "lives").iterdir()} == living


def test_q14_a_worker_that_starts_while_another_sweeps_is_not_buried_alive(tmp_path: Path, one: LocalClaims) -> None:
    done = threading.Event()

    def sweep() -> None:
        while not done.is_set():
            one.sweep()

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for n in range(150):
            born = LocalClaims(tmp_path, "born")
            assert born.take([want(f"task-{n}")])
            assert one.take([want(f"task-{n}")]) == {}
            born.close()
    finally:
        done.set()
        sweeper.join()


def test_q15_a_worker_whose_card_was_deleted_still_claims(tmp_path: Path, one: LocalClaims, other: LocalClaims) -> None:
    for card in (tmp_path / "lives").glob("*.json"):
        card.unlink()
    assert one.take([want("task")])
    assert other.take([want("task")]) == {}


def test_q15_half_a_claim_is_nobodys(tmp_path: Path, one: LocalClaims) -> None:
    assert one.take([want("task")])
    (claim,) = (tmp_path / "claims").iterdir()
    for text in (b"", b'{"v":1,"worker"', b"[]", b"\xff"):
        one.release(["task"])
        claim.write_bytes(text)
        assert one.take([want("task")]), text
