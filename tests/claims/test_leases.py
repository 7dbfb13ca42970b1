"""Leases: renewed in time, measured on one's own clock, from the moment of sending; others' by not moving."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from agent.claims.remote import boot_clock
from agent.errors import RemoteAway
from agent.git.network import Told, Update
from tests.claims.support import LEASE, Machine, dying, said
from tests.remotes import Bare

TASK = "a-task"


def expire(machine: Machine, *tasks: str) -> None:
    """A lease passes on this machine's clock while it watches."""
    machine.claims.watch(tasks)
    machine.clock.now += LEASE + 1
    machine.claims.watch(tasks)


def test_q04_a_claim_is_renewed_five_times_in_a_lease_and_keeps_its_nonce(host: Bare, ada: Machine) -> None:
    assert ada.claims.renew_at is None
    ada.take(TASK)
    first = ada.claims.held[TASK]
    assert ada.claims.renew_at == LEASE / 5
    ada.clock.now += LEASE / 5 - 1
    ada.claims.renew()
    assert ada.claims.held[TASK] == first
    ada.clock.now += 1
    assert ada.claims.renew_at == 0
    ada.claims.renew()
    second = ada.claims.held[TASK]
    assert second == replace(first, oid=second.oid, sent=first.sent + LEASE / 5)
    assert second.oid != first.oid
    assert host.refs("refs/gofer/") == {second.ref: second.oid}
    assert said(host, second.ref)["nonce"] == first.nonce


def test_q04_work_stops_before_the_lease_is_over_when_renewals_fail(host: Bare, ada: Machine, bob: Machine) -> None:
    ada.take(TASK, "young")
    assert bob.take(TASK) == set()
    bob.claims.watch([TASK])
    host.path.rename(away := host.path.with_suffix(".away"))
    for _ in range(4):
        assert ada.claims.overdue() == set()
        ada.clock.now += LEASE / 5
        bob.clock.now += LEASE / 5
        with pytest.raises(RemoteAway):
            ada.claims.renew()
    ada.clock.now += LEASE * 0.15
    bob.clock.now += LEASE * 0.15
    assert ada.claims.overdue() == {TASK, "young"}
    away.rename(host.path)
    bob.claims.watch([TASK])
    assert bob.take(TASK) == set()  # nobody else may have it yet

    ada.claims.renew()
    assert ada.claims.overdue() == set()


def test_q08_the_deadline_counts_from_the_moment_of_sending(ada: Machine) -> None:
    push = ada.network.push

    def slowly(updates: Sequence[Update], **more: Any) -> Mapping[str, Told]:
        ada.clock.now += 60
        told = push(updates, **more)
        ada.clock.now += 60
        return told

    ada.network.push = slowly  # type: ignore[method-assign, assignment]
    sent = ada.clock.now
    ada.take(TASK)
    assert ada.clock.now == sent + 120
    assert ada.claims.held[TASK].sent == sent
    assert ada.claims.renew_at == LEASE / 5 - 120
    sent = ada.clock.now = ada.clock.now + LEASE / 2
    ada.claims.renew()
    assert ada.claims.held[TASK].sent == sent
    ada.start()
    sent = ada.clock.now
    ada.network.push = slowly  # type: ignore[method-assign, assignment]
    ada.claims.recover({TASK})
    assert ada.claims.held[TASK].sent == sent


@pytest.mark.parametrize("when", ["committed", "prepared"])
def test_q04_a_renewal_whose_answer_was_lost_is_asked_about(host: Bare, ada: Machine, when: str) -> None:
    ada.take(TASK)
    first = ada.claims.held[TASK]
    ada.clock.now += LEASE / 5
    sent = ada.clock.now
    with dying(host, when=when), pytest.raises(RemoteAway):
        ada.claims.renew()
    assert ada.claims.held[TASK] == first
    assert ada.claims.gone == set()
    ada.clock.now += 1
    ada.claims.renew()
    held = ada.claims.held[TASK]
    assert held.sent == (sent if when == "committed" else sent + 1)
    assert host.refs("refs/gofer/") == {held.ref: held.oid}
    assert ada.claims.gone == set()


def test_q04_a_lost_claim_is_noticed_when_it_is_renewed(host: Bare, ada: Machine, bob: Machine) -> None:
    ada.take(TASK, "kept", "removed")
    assert bob.take(TASK) == set()
    expire(bob, TASK)
    assert bob.take(TASK) == {TASK}
    host.git("update-ref", "-d", ada.claims.ref("removed"))
    ada.clock.now += LEASE / 5
    ada.claims.renew()
    assert ada.claims.held.keys() == {"kept"}
    assert ada.claims.overdue() == ada.claims.gone == {TASK, "removed"}
    assert ada.claims.taken(TASK)
    assert not ada.claims.taken("removed")
    ada.claims.release([TASK, "removed"])
    ada.claims.flush()
    assert said(host, bob.claims.ref(TASK))["worker"] == "bob"
    assert ada.claims.gone == set()


def test_q04_a_claim_whose_renewal_the_host_refuses_stands_until_it_is_overdue(host: Bare, ada: Machine) -> None:
    ada.take(TASK)
    host.configure("receive.hideRefs", "refs/gofer")
    host.configure("uploadpack.hideRefs", "!refs/gofer")
    ada.clock.now += LEASE / 5
    ada.claims.renew()
    assert ada.claims.held.keys() == {TASK}
    ada.clock.now += LEASE
    assert ada.claims.overdue() == {TASK}


def test_q05_a_claim_that_does_not_move_for_its_lease_is_over_for_who_watched_it(
    host: Bare, ada: Machine, bob: Machine
) -> None:
    ada.take(TASK, attempt=2)
    assert bob.take(TASK) == set()
    bob.clock.now += 10 * LEASE  # nobody watched: that says nothing
    bob.claims.watch([TASK])
    assert bob.take(TASK) == set()
    bob.clock.now += LEASE - 1
    bob.claims.watch([TASK])
    assert bob.claims.taken(TASK)
    bob.clock.now += 2
    bob.claims.watch([TASK])
    assert not bob.claims.taken(TASK)
    assert bob.take(TASK, attempt=1) == {TASK}
    assert bob.claims.held[TASK].attempt == 3  # the dead worker's, and one more
    assert said(host, bob.claims.ref(TASK))["attempt"] == 3


def test_q06_a_renewal_starts_the_watchers_clock_anew(ada: Machine, bob: Machine) -> None:
    ada.take(TASK)
    assert bob.take(TASK) == set()
    for _ in range(5):
        bob.claims.watch([TASK])
        assert bob.claims.taken(TASK)
        assert bob.take(TASK) == set()
        for machine in (ada, bob):
            machine.clock.now += LEASE * 0.7
        ada.claims.renew()
    bob.claims.watch([TASK])
    bob.clock.now += LEASE + 1
    bob.claims.watch([TASK])
    assert not bob.claims.taken(TASK)


@pytest.mark.parametrize("skew", [-1_700_000_000.0, -86_400.0, 86_400.0, 1e11])
def test_q07_a_wall_clock_that_is_wrong_changes_nothing(host: Bare, ada: Machine, bob: Machine, skew: float) -> None:
    ada.wall.now += skew
    ada.take(TASK)
    assert host.fsck() == ""
    assert bob.take(TASK) == set()
    bob.wall.now -= skew / 2
    bob.claims.watch([TASK])
    bob.wall.now += 3 * LEASE + abs(skew)
    bob.claims.watch([TASK])
    assert bob.take(TASK) == set()
    bob.clock.now += LEASE + 1
    bob.claims.watch([TASK])
    assert bob.take(TASK) == {TASK}


def test_q07_clocks_of_two_machines_need_have_nothing_in_common(ada: Machine, bob: Machine) -> None:
    ada.clock.now, bob.clock.now = 9e9, 1.0
    ada.take(TASK)
    assert bob.take(TASK) == set()
    expire(bob, TASK)
    assert bob.take(TASK) == {TASK}


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="this system has no clock that counts sleep")
def test_q09_time_asleep_counts() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= boot_clock() <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_q09_a_worker_that_slept_past_its_lease_knows_it(host: Bare, ada: Machine, bob: Machine) -> None:
    ada.take(TASK)
    assert bob.take(TASK) == set()
    expire(bob, TASK)
    bob.take(TASK)
    ada.clock.now += 3 * LEASE
    assert ada.claims.overdue() == {TASK}  # before it has asked anybody
    ada.claims.renew()
    assert ada.claims.gone == {TASK}
    assert said(host, bob.claims.ref(TASK))["worker"] == "bob"


@pytest.mark.parametrize(
    ("said_s", "over_after"),
    [
        ("1", LEASE), ("2000", 2000.0), ("1e300", 86_400.0), ("Infinity", 86_400.0), ("NaN", LEASE), ('"x"', LEASE),
        ("-5", LEASE), ("[]", LEASE), ("true", LEASE), ("null", LEASE),
    ],
)  # fmt: skip
def test_s34_no_claim_stands_for_ever_whatever_it_says(
    host: Bare, bob: Machine, said_s: str, over_after: float
) -> None:
    ref = bob.claims.ref(TASK)
    forge(host, ref, f'{{"v":1,"task":"{TASK}","lease_s":{said_s},"attempt":{said_s}}}')
    assert bob.take(TASK) == set()
    bob.claims.watch([TASK])
    bob.clock.now += over_after - 1
    bob.claims.watch([TASK])
    assert bob.claims.taken(TASK)
    bob.clock.now += 2
    bob.claims.watch([TASK])
    assert bob.take(TASK) == {TASK}
    assert 1 <= bob.claims.held[TASK].attempt <= 2001


@pytest.mark.parametrize("text", ["", "no json", "[" * 100_000, '"' + "x" * 100_000 + '"', "[1]", "7", "\x01"])
def test_s33_a_claim_that_is_none_is_over_after_our_own_lease(host: Bare, bob: Machine, text: str) -> None:
    forge(host, bob.claims.ref(TASK), text)
    assert bob.take(TASK) == set()
    expire(bob, TASK)
    assert bob.take(TASK) == {TASK}


def test_s33_a_ref_of_another_kind_is_a_claim_like_any_other(host: Bare, bob: Machine) -> None:
    blob = host.git("hash-object", "-w", "--stdin", stdin="a note\n").strip()
    host.git("update-ref", bob.claims.ref(TASK), blob)
    assert bob.take(TASK) == set()
    expire(bob, TASK)
    assert bob.take(TASK) == {TASK}


def test_a_claim_that_vanishes_while_it_is_judged_is_free(host: Bare, ada: Machine, bob: Machine) -> None:
    ada.take(TASK, "second")
    assert bob.take(TASK, "second") == set()
    bob.claims.watch([TASK, "second"])
    bob.clock.now += LEASE + 1
    listed = bob.network.refs

    def refs(*patterns: str, **more: float) -> dict[str, str]:
        found = listed(*patterns, **more)  # type: ignore[arg-type]
        host.git("update-ref", "-d", ada.claims.ref(TASK))
        return found

    bob.network.refs = refs  # type: ignore[method-assign, assignment]
    bob.claims.watch([TASK, "second"])
    bob.network.refs = listed  # type: ignore[method-assign]
    assert not bob.claims.taken("second")
    bob.claims.watch([TASK, "second"])
    assert bob.take(TASK, "second") == {TASK, "second"}


def test_watching_other_tasks_in_between_forgets_no_time(ada: Machine, bob: Machine) -> None:
    ada.take(TASK, "other")
    assert bob.take(TASK, "other") == set()
    bob.claims.watch([TASK, "other"])
    bob.clock.now += LEASE / 2
    bob.claims.watch(["other"])
    bob.claims.watch([])
    bob.clock.now += LEASE / 2 + 1
    bob.claims.watch([TASK])
    assert bob.take(TASK) == {TASK}


def test_a_claim_that_its_owner_gave_back_is_free_at_the_next_look(ada: Machine, bob: Machine) -> None:
    ada.take(TASK)
    assert bob.take(TASK) == set()
    ada.claims.release([TASK])
    ada.claims.flush()
    assert bob.claims.taken(TASK)
    bob.claims.watch([TASK])
    assert not bob.claims.taken(TASK)
    assert bob.take(TASK) == {TASK}


def forge(host: Bare, ref: str, text: str) -> None:
    tree = host.git("mktree").strip()
    who = ("-c", "user.name=x", "-c", "user.email=x@y")
    host.git("update-ref", ref, host.git(*who, "commit-tree", tree, stdin=text).strip())
