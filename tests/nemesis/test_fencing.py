"""The checker of claims is checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nemesis.expect import Expectations, Expected, claim_ref
from tests.nemesis.fencing import check_claims
from tests.nemesis.scribe import PERSON, Scribe


@pytest.fixture
def scribe(tmp_path: Path) -> Scribe:
    return Scribe(tmp_path)


@pytest.fixture
def task(scribe: Scribe) -> Expected:
    return scribe.drop("a.md", "a\n")


def said(scribe: Scribe, *tasks: Expected, thieves: frozenset[str] = frozenset()) -> list[str]:
    return check_claims(scribe.bare.path, Expectations(tasks, machines=("alpha", "beta"), thieves=thieves))


def test_take_keep_and_publish_in_good_order(scribe: Scribe, task: Expected) -> None:
    scribe.claim(task, "alpha-1", lease_s=900)
    scribe.claim(task, "alpha-1", lease_s=901)
    scribe.outcome(task, "alpha-1")
    scribe.publish(task)
    assert said(scribe, task) == []


def test_a_take_over_that_was_due(scribe: Scribe, task: Expected) -> None:
    scribe.claim(task, "alpha-1", lease_s=0)
    scribe.claim(task, "beta-1")
    scribe.outcome(task, "beta-1")
    scribe.publish(task)
    assert said(scribe, task) == []


def test_a_take_over_before_its_time(scribe: Scribe, task: Expected) -> None:
    scribe.claim(task, "alpha-1", lease_s=900)
    scribe.done(task, "beta-1")
    (line,) = said(scribe, task)
    assert line.startswith(f"claims: beta-1 took {task.id} from alpha-1 0.")
    assert line.endswith("and its lease is 900 s")


def test_within_a_clone_one_worker_may_take_over_at_once_and_a_thief_in_a_hook_is_ours(
    scribe: Scribe, task: Expected
) -> None:
    scribe.claim(task, "alpha-1")
    scribe.claim(task, "thief", lease_s=0)
    scribe.claim(task, "alpha-2", lease_s=900)
    scribe.done(task, "alpha-1")
    assert said(scribe, task, thieves=frozenset({"thief"})) == []
    assert any("thief took" in line for line in said(scribe, task))


def test_an_outcome_of_one_who_was_overtaken(scribe: Scribe, task: Expected) -> None:
    scribe.claim(task, "alpha-1", lease_s=0)
    scribe.outcome(task, "alpha-1")
    scribe.claim(task, "beta-1")
    scribe.publish(task)
    (line,) = said(scribe, task)
    assert f"alpha-1 published {task.id}" in line
    assert line.endswith("under claim nonce-of-alpha-1, while beta-1 held it under nonce-of-beta-1")


def test_the_right_worker_under_an_old_claim(scribe: Scribe, task: Expected) -> None:
    scribe.claim(task, "alpha-1", nonce="second")
    scribe.outcome(task, "alpha-1", nonce="first")
    scribe.publish(task)
    assert any("under claim first, while alpha-1 held it under second" in line for line in said(scribe, task))


def test_an_outcome_without_a_claim(scribe: Scribe, task: Expected) -> None:
    scribe.outcome(task, "alpha-1")
    scribe.publish(task)
    (line,) = said(scribe, task)
    assert line.endswith("and held no claim on the server")
    assert said(scribe, Expected(task.path, task.id, local=True)) == []


def test_an_outcome_that_did_not_remove_its_claim_in_the_same_push(scribe: Scribe, task: Expected) -> None:
    scribe.claim(task, "alpha-1")
    scribe.outcome(task, "alpha-1")
    scribe.publish(task, release=False)
    found = said(scribe, task)
    assert any(line.endswith("and the same push did not remove the claim") for line in found)
    assert f"claims: a claim of {task.id} by alpha-1 is left on the server" in found
    scribe.bare.git("update-ref", "-d", claim_ref(task.id))
    assert [line.partition(" and ")[2] for line in said(scribe, task)] == ["the same push did not remove the claim"]


def test_one_claim_published_by_two(scribe: Scribe, task: Expected) -> None:
    second = scribe.drop("b.md", "b\n")
    for one, worker in ((task, "alpha-1"), (second, "beta-1")):
        scribe.claim(one, worker, nonce="same")
        scribe.outcome(one, worker, nonce="same")
        scribe.publish(one)
    assert said(scribe, task, second) == ["claims: the claim same was published by alpha-1 and beta-1"]


def test_a_claim_of_another_task_and_no_claim_at_all(scribe: Scribe, task: Expected) -> None:
    scribe.claim(task, "alpha-1", as_task="other-12345678")
    scribe.bare.git("update-ref", claim_ref("x"), scribe.commit(PERSON, "no JSON", {}) and "main")
    found = said(scribe)
    assert len(found) == 2
    assert all("which is no claim of its task" in line for line in found)


def test_an_invalid_file_needs_no_claim(scribe: Scribe) -> None:
    bad = scribe.drop("bad.md", "bad\n", frozenset({"invalid"}))
    scribe.outcome(bad, "alpha-1", status="invalid")
    scribe.publish(bad)
    assert said(scribe, bad) == []


def test_outcomes_that_a_force_push_threw_away_are_not_looked_at(scribe: Scribe, task: Expected) -> None:
    before = scribe.bare.refs()["refs/heads/main"]
    scribe.outcome(task, "alpha-1")
    scribe.publish(task)
    after = scribe.bare.refs()["refs/heads/main"]
    scribe.bare.git("update-ref", "refs/heads/main", before)
    assert said(scribe, task) == []
    scribe.bare.git("update-ref", "refs/heads/main", after)
    assert len(said(scribe, task)) == 1


def test_outcomes_that_were_taken_away_and_put_back_have_arrived_once(scribe: Scribe, task: Expected) -> None:
    before = scribe.bare.refs()["refs/heads/main"]
    after = scribe.done(task)
    for where in (before, after):
        scribe.bare.git("update-ref", "refs/heads/main", where)
    assert said(scribe, task) == []
