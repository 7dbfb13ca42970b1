"""A remote that is wound back by force, and perhaps put back: who saw what is gone waits, nothing counts twice."""

from __future__ import annotations

import time

import pytest

from tests.support import wait_for
from tests.sync.support import Clone, Driven, Fleet, append

TASK = append("once")
STATUS = "---\ntype: status\n---\nHow is it?\n"
MAIN = "refs/heads/main"


def wind(fleet: Fleet, tip: str) -> str:
    """Somebody moves the branch on the remote by force; where it was."""
    before = fleet.tip()
    fleet.bare.git("update-ref", MAIN, tip)
    return before


def blind(driven: Driven) -> None:
    """It does not look at the remote by itself."""
    assert driven.desk.exchange
    driven.desk.exchange.sync.lookout.wake_at = float("inf")


def claims(fleet: Fleet) -> list[str]:
    return [ref for ref in fleet.bare.refs() if "gofer/claims" in ref]


@pytest.mark.parametrize("steps", [1, 2])
def test_g19_a_branch_that_had_not_followed_is_not_taken_for_a_decision(
    fleet: Fleet, a: Clone, b: Clone, steps: int
) -> None:
    """Wound back to where the branch here stands, or beyond: that it is a part of the remote's is nobody's doing."""
    b.share("notes/first.md", "first\n")
    a.drain()
    stands = a.head
    b.share("notes/second.md", "second\n")
    (a.git_dir / "index.lock").touch()  # the branch here cannot follow
    a.drop("t.md", TASK)
    a.drain()
    assert list(fleet.outcomes().values()) == [1]
    there = b.head if steps == 1 else stands
    before = wind(fleet, there)
    a.drain()
    (a.git_dir / "index.lock").unlink()
    with a.desk() as driven:
        driven.settle()
        assert driven.said["state"] == "paused"
        assert "git pull" in str(driven.said["reason"])
    assert (fleet.tip(), a.head) == (there, stands)
    wind(fleet, before)
    a.drain()
    assert list(fleet.outcomes().values()) == [1]
    assert a.head == fleet.tip() == before
    assert a.inbox() == []
    fleet.unharmed(a)


@pytest.mark.parametrize("steps", [1, 2])
def test_g19_who_pulls_what_was_wound_back_goes_on_from_there(fleet: Fleet, a: Clone, b: Clone, steps: int) -> None:
    b.share("notes/first.md", "first\n")
    a.drain()
    stands = a.head
    b.share("notes/second.md", "second\n")
    (a.git_dir / "index.lock").touch()
    a.drop("t.md", TASK)
    a.drain()
    (a.git_dir / "index.lock").unlink()
    wind(fleet, b.head if steps == 1 else stands)
    a.drain()
    assert fleet.outcomes() == {}
    a.pull()
    a.drain()
    assert list(fleet.outcomes().values()) == [1]
    assert fleet.text("notes/log.md") == "once\n"
    assert a.head == fleet.tip()
    assert a.inbox() == []
    fleet.unharmed(a, fetched=[a])


def test_g19_an_outcome_that_is_in_the_accepted_history_is_not_pushed_again(fleet: Fleet, a: Clone, b: Clone) -> None:
    b.share("notes/first.md", "first\n")
    (a.git_dir / "index.lock").touch()
    a.drop("t.md", TASK)
    a.drain()
    kept = fleet.tip()
    a.drop("u.md", append("two"))
    a.drain()
    wind(fleet, kept)
    (a.git_dir / "index.lock").unlink()
    a.drain()
    a.pull()
    before = wind(fleet, kept)
    assert before == kept
    a.drain()
    assert sorted(fleet.outcomes().values()) == [1, 1]
    assert fleet.text("notes/log.md") == "once\ntwo\n"
    assert a.head == fleet.tip()
    fleet.unharmed(a, fetched=[a])


def test_g19_what_is_accepted_and_then_put_back_counts_once(fleet: Fleet, a: Clone, b: Clone) -> None:
    (a.git_dir / "index.lock").touch()
    a.drop("t.md", TASK)
    first = fleet.tip()
    a.drain()
    before = wind(fleet, first)
    (a.git_dir / "index.lock").unlink()
    with a.desk() as driven:
        driven.look()
        a.git("fetch", "-q")  # the branch here stands where the remote's is: that is all it takes
        driven.look()
        assert driven.said["state"] != "paused"
        assert driven.desk.exchange
        driven.desk.exchange.pusher.answers()
        wind(fleet, before)
        driven.settle()
    assert list(fleet.outcomes().values()) == [1]
    assert fleet.tip() == a.head == before
    fleet.unharmed(a, fetched=[a])


def test_g19_a_worker_that_ended_between_accepting_and_looking_up_loses_no_outcome(fleet: Fleet, a: Clone) -> None:
    (a.git_dir / "index.lock").touch()
    a.drop("t.md", TASK)
    first = fleet.tip()
    a.drain()
    wind(fleet, first)
    (a.git_dir / "index.lock").unlink()
    with a.desk() as driven:
        driven.look()
        a.git("fetch", "-q")
        assert driven.desk.exchange
        driven.desk.exchange.sync.fetch()
    a.drain()
    assert list(fleet.outcomes().values()) == [1]
    assert a.text("notes/log.md") == "once\n"
    fleet.unharmed(a, fetched=[a])


def test_g19_a_task_is_not_begun_on_a_remote_that_turns_out_to_be_wound_back(fleet: Fleet, a: Clone, b: Clone) -> None:
    b.share("inbox/t.md", TASK)
    first = fleet.tip()
    b.share("notes/later.md", "later\n")
    a.pull()
    with a.desk() as driven:
        driven.look()
        blind(driven)
        before = wind(fleet, first)
        driven.travel()
        assert not driven.desk.workbench.runs
        (rest,) = driven.desk.intake.resting.values()
        assert "sync is paused" in rest.reason
        wind(fleet, before)
        driven.settle()
    assert list(fleet.outcomes().values()) == [1]
    assert claims(fleet) == []
    fleet.unharmed(a, fetched=[a, b])


@pytest.mark.parametrize(("text", "dropped_again"), [(TASK, False), (STATUS, False), (STATUS, True)])
def test_g19_an_outcome_is_discarded_when_its_task_had_ended_and_that_is_put_back(
    fleet: Fleet, a: Clone, b: Clone, text: str, dropped_again: bool
) -> None:
    """The one who ran it again had never seen its end. If the same was dropped anew, it counts for that."""
    a.share("inbox/t.md", text)
    b.pull()
    first = fleet.tip()
    with b.desk() as driven:
        driven.look()
        blind(driven)
        a.drain()
        before = wind(fleet, first)
        assert driven.desk.exchange
        driven.desk.exchange.pusher._not_before = time.monotonic() + 60  # no turn to push yet
        wait_for(lambda: driven.travel() and driven.desk.journal.owed, what="an outcome")
        assert len(claims(fleet)) == 1
        wind(fleet, before)
        if dropped_again:
            a.share("inbox/t.md", text)
        driven.desk.exchange.pusher._not_before = 0.0
        driven.settle()
        assert driven.desk.journal.owed == {}
    assert list(fleet.outcomes().values()) == ([1, 1] if dropped_again else [1])
    assert claims(fleet) == []
    assert b.inbox() == []
    assert b.head == fleet.tip()
    fleet.unharmed(b, fetched=[b])
