"""Fencing: one atomic push moves the branch and takes the claim away. Whoever was overtaken publishes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import RemoteAway
from agent.git.network import Update, Verdict
from tests.claims.support import LEASE, MAIN, Machine, dying
from tests.remotes import Bare, Hook, Remote, served, taking_over
from tests.remotes.transports import TRANSPORTS

TASK = "a-task"


def publish(machine: Machine, *tasks: str, expect: str = "") -> dict[str, Verdict]:
    """Push an outcome with the fences of these tasks, all or nothing."""
    updates = [Update(MAIN, machine.outcome(machine.place.name), expect), *machine.claims.fences(tasks)]
    return {ref: told.verdict for ref, told in machine.network.push(updates, atomic=True).items()}


def overtake(machine: Machine, *tasks: str) -> None:
    """The other worker's lease passes, and this one takes its tasks."""
    assert machine.take(*tasks) == set()
    machine.claims.watch(tasks)
    machine.clock.now += LEASE + 1
    machine.claims.watch(tasks)
    assert machine.take(*tasks) == set(tasks)


@pytest.fixture(params=TRANSPORTS)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Remote, Machine, Machine]]:
    """Two machines and a host, over each transport."""
    with served(tmp_path / "remote.git", request.param, ledger=False) as remote:
        yield remote, Machine(tmp_path / "ada", remote.url), Machine(tmp_path / "bob", remote.url)


def test_g09_an_outcome_lands_and_its_claim_is_gone_over_every_transport(
    pair: tuple[Remote, Machine, Machine],
) -> None:
    remote, ada, bob = pair
    assert ada.take(TASK, "other") == {TASK, "other"}
    assert set(publish(ada, TASK).values()) == {Verdict.DONE}
    ada.claims.published([TASK])
    assert remote.bare.refs().keys() == {MAIN, ada.claims.ref("other")}
    assert ada.claims.held.keys() == {"other"}
    assert bob.take(TASK, "other") == {TASK}


def test_g10_a_worker_that_was_overtaken_publishes_nothing_over_every_transport(
    pair: tuple[Remote, Machine, Machine],
) -> None:
    remote, ada, bob = pair
    assert ada.take(TASK, "other") == {TASK, "other"}
    overtake(bob, TASK)
    before = remote.bare.refs()
    told = publish(ada, TASK, "other")
    assert told[ada.claims.ref(TASK)] is Verdict.STALE
    assert Verdict.DONE not in told.values()
    assert remote.bare.refs() == before

    ada.claims.lose([TASK])
    assert ada.claims.gone == {TASK}
    assert ada.claims.overdue() == {TASK}
    assert ada.claims.taken(TASK)
    assert ada.claims.held.keys() == {"other"}
    assert set(publish(ada, "other").values()) == {Verdict.DONE}
    assert set(publish(bob, TASK, expect=remote.bare.refs()[MAIN]).values()) == {Verdict.DONE}
    assert remote.bare.refs().keys() == {MAIN}


def test_g10_a_claim_that_is_taken_over_in_the_middle_of_the_push_keeps_it_from_landing(
    host: Bare, ada: Machine
) -> None:
    ada.take(TASK, "other")
    with host.hooked(taking_over(times=1)):
        told = publish(ada, TASK, "other")
    assert Verdict.DONE not in told.values()
    assert MAIN not in host.refs()
    ada.claims.verify([TASK, "other"])
    assert len(ada.claims.gone) == 1  # the thief took one of the two
    left = ada.claims.held.keys()
    assert left | ada.claims.gone == {TASK, "other"}
    assert set(publish(ada, *left).values()) == {Verdict.DONE}


def test_g09_a_fence_without_a_claim_of_ours_does_not_exist(ada: Machine) -> None:
    assert ada.claims.fences(["nobody's"]) == []


def test_g10_a_fence_that_was_refused_though_the_claim_is_ours_loses_nothing(
    host: Bare, ada: Machine, bob: Machine
) -> None:
    """A renewal whose answer was lost and that arrives late: the ref is a newer object of ours."""
    ada.take(TASK)
    old = ada.claims.held[TASK]
    ada.clock.now += LEASE / 2
    with dying(host, when="committed"), pytest.raises(RemoteAway):
        ada.claims.renew()
    assert ada.claims.held[TASK] == old
    assert publish(ada, TASK)[old.ref] is Verdict.STALE
    ada.claims.lose([TASK])
    assert ada.claims.gone == set()
    assert ada.claims.held[TASK].oid != old.oid
    assert set(publish(ada, TASK).values()) == {Verdict.DONE}
    assert bob.take(TASK) == {TASK}


def test_g31_after_many_tasks_no_refs_are_left(host: Bare, ada: Machine, bob: Machine) -> None:
    tip = ""
    for number in range(4):
        tasks = [f"task-{number}-{n}" for n in range(10)]
        mine = ada.take(*tasks[:7])
        others = bob.take(*tasks)
        ada.claims.renew()
        for machine, done in ((ada, mine), (bob, others)):
            assert set(publish(machine, *done, expect=tip).values()) == {Verdict.DONE}
            machine.claims.published(done)
            tip = host.refs()[MAIN]
    assert host.refs() == {MAIN: tip}
    assert ada.claims.held == bob.claims.held == {}


def test_g31_claims_of_the_dead_on_tasks_that_nobody_wants_are_removed_in_passing(
    host: Bare, ada: Machine, bob: Machine
) -> None:
    ada.take("orphan", TASK)
    host.claim("x", "y", "refs/gofer/claims/not-a-claim")
    assert bob.take(TASK) == set()
    bob.claims.watch([TASK])
    bob.clock.now += LEASE + 1
    bob.claims.watch([TASK])
    assert bob.take(TASK) == {TASK}
    bob.take("next")
    assert bob.claims.ref("orphan") in host.refs()  # nobody waits for it: it is left for a second lease
    assert bob.claims.ref("orphan") not in _after_another_lease(host, ada, bob)
    assert "refs/gofer/claims/not-a-claim" in host.refs()
    assert bob.claims.held.keys() == {TASK, "next", "one-more"}


def _after_another_lease(host: Bare, ada: Machine, bob: Machine) -> dict[str, str]:
    ada.take("blocked")
    assert bob.take("blocked") == set()
    bob.clock.now += LEASE
    bob.claims.renew()
    bob.claims.watch(["blocked"])
    bob.take("one-more")
    return host.refs("refs/gofer/")


def test_g31_a_host_that_counts_pushes_sees_one_for_many_claims(host: Bare, ada: Machine, tmp_path: Path) -> None:
    with host.hooked(Hook("05-count", f"#!/bin/sh\ncat >/dev/null\necho >>'{tmp_path}/pushes'\n")):
        ada.take(*(f"task-{n}" for n in range(50)))
        ada.clock.now += LEASE / 2
        ada.claims.release([f"task-{n}" for n in range(25)])
        ada.claims.renew()
    assert (tmp_path / "pushes").read_text() == "\n\n"
    assert len(host.refs("refs/gofer/")) == 25
