"""Taking claims on a real remote that loses answers, leaves locks behind, and dies in the middle."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import RemoteAway
from agent.git.network import Update, Verdict
from tests.claims.support import LEASE, Machine, dying, said, want
from tests.remotes import Bare, Proxy, Remote, served
from tests.support import git, wait_for

TASK = "a-task"


def test_g04_two_pushes_of_one_object_both_succeed_so_no_two_claims_are_one_object(ada: Machine, bob: Machine) -> None:
    ref = ada.claims.ref("other")
    same = ada.network.card("the same", 1), bob.network.card("the same", 1)
    assert same[0] == same[1]
    told = [machine.network.push([Update(ref, same[0], "")])[ref].verdict for machine in (ada, bob)]
    assert told == [Verdict.DONE, Verdict.DONE]  # why the object must be one of its own

    bob.claims.worker = ada.claims.worker
    assert ada.wall.now == bob.wall.now
    assert ada.take(TASK) == {TASK}
    first = ada.claims.held[TASK]
    assert bob.take(TASK) == set()
    ada.claims.release([TASK])
    ada.claims.flush()
    bob.claims.watch([TASK])
    assert bob.take(TASK) == {TASK}
    assert bob.claims.held[TASK].oid != first.oid


def test_a_claim_says_what_the_reference_says(host: Bare, ada: Machine) -> None:
    assert ada.take(TASK) == {TASK}
    ref = ada.claims.ref(TASK)
    claim = ada.claims.held[TASK]
    assert said(host, ref).items() >= {
        "v": 1, "worker": "ada", "nonce": claim.nonce, "task": TASK, "revision": "0123456789ab", "lease_s": 900,
        "attempt": 1,
    }.items()  # fmt: skip
    assert host.git("show", "-s", "--format=%P%T", ref).strip() == host.git("mktree").strip()
    assert host.fsck() == ""


@pytest.mark.parametrize("when", ["committed", "prepared"])
def test_g05_when_the_host_dies_the_next_take_reads_back_what_arrived(
    host: Bare, ada: Machine, bob: Machine, when: str
) -> None:
    tasks = [f"task-{n}" for n in range(5)]
    with dying(host, when=when):
        try:
            won = ada.take(*tasks)
        except RemoteAway:
            won = set()
    arrived = set(host.refs("refs/gofer/claims/"))
    assert len(arrived) == (1 if when == "committed" else 0)
    assert {ada.claims.ref(task) for task in won} <= arrived

    others = bob.take(*tasks)
    assert {bob.claims.ref(task) for task in others} | arrived == {ada.claims.ref(task) for task in tasks}
    assert ada.take(*tasks) == set(tasks) - others
    assert {ada.claims.ref(task) for task in ada.claims.held} == arrived
    assert all(held.attempt == 1 for held in ada.claims.held.values())
    assert not any(bob.claims.taken(task) for task in others)
    assert all(ada.claims.taken(task) for task in others)


@pytest.fixture
def far(tmp_path: Path) -> Iterator[tuple[Remote, Proxy]]:
    """A host that is reached over a bad network."""
    with served(tmp_path / "far.git", "git", ledger=False) as remote:
        assert remote.address
        with Proxy(remote.address) as proxy:
            yield remote, proxy


def test_g05_when_the_network_loses_the_answer_the_claim_is_ours_all_the_same(
    tmp_path: Path, far: tuple[Remote, Proxy]
) -> None:
    remote, proxy = far
    ada = Machine(tmp_path / "ada", remote.through(proxy.address))
    bob = Machine(tmp_path / "bob", remote.url)
    applied, go_on = tmp_path / "applied", tmp_path / "go-on"
    hook = remote.path / "hooks" / "reference-transaction"
    wait = f"until [ -e '{go_on}' ]; do sleep 0.02; done"
    hook.write_text(f"#!/bin/sh\ncat >/dev/null\n[ \"$1\" = committed ] && : >'{applied}' && {wait}\nexit 0\n")
    hook.chmod(0o755)
    heard: list[object] = []

    def take() -> None:
        try:
            heard.append(ada.take(TASK))
        except RemoteAway as error:
            heard.append(error)

    thread = threading.Thread(target=take)
    thread.start()
    wait_for(applied.exists, what="the claim to be on the host")
    proxy.refuse()  # the answer is lost, and so is the question whose it is
    proxy.cut_all()
    thread.join()
    go_on.touch()
    assert isinstance(heard[0], RemoteAway)
    assert ada.claims.held == {}
    with pytest.raises(RemoteAway):
        ada.take(TASK)

    proxy.heal()
    hook.unlink()
    assert bob.take(TASK) == set()
    (arrived,) = remote.bare.refs("refs/gofer/").values()
    assert ada.take(TASK) == {TASK}
    assert said(remote.bare, ada.claims.ref(TASK))["nonce"] == ada.claims.held[TASK].nonce
    assert ada.claims.held[TASK].oid != arrived  # moved, so that a copy of this machine would notice
    assert bob.take(TASK) == set()


def test_g05_a_push_that_never_arrived_is_nobodys(tmp_path: Path, far: tuple[Remote, Proxy]) -> None:
    remote, proxy = far
    ada = Machine(tmp_path / "ada", remote.through(proxy.address))
    bob = Machine(tmp_path / "bob", remote.url)
    assert ada.take("before") == {"before"}
    proxy.cut_after(up=200)
    with pytest.raises(RemoteAway):
        ada.take(TASK)
    proxy.heal()
    assert ada.claims.held.keys() == {"before"}
    assert bob.take(TASK) == {TASK}
    assert ada.take(TASK) == set()
    assert ada.claims.taken(TASK)
    assert ada.claims.held.keys() == {"before"}


def test_g05_a_claim_whose_answer_was_lost_and_that_nobody_wants_any_more_goes_back(host: Bare, ada: Machine) -> None:
    with dying(host), pytest.raises(RemoteAway):
        ada.take(TASK)
    assert len(host.refs("refs/gofer/")) == 1
    ada.claims.renew()
    assert len(host.refs("refs/gofer/")) == 1  # it may be wanted in a moment
    ada.clock.now += LEASE + 1
    ada.claims.renew()
    ada.claims.flush()
    assert host.refs("refs/gofer/") == {}
    assert not ada.claims.owes


def test_g05_released_while_unsure_it_goes_back_too(host: Bare, ada: Machine, bob: Machine) -> None:
    with dying(host), pytest.raises(RemoteAway):
        ada.take(TASK)
    ada.claims.release([TASK])
    assert ada.claims.owes
    ada.claims.flush()
    assert host.refs("refs/gofer/") == {}
    assert bob.take(TASK) == {TASK}


def test_a_claim_that_was_to_be_given_back_is_kept_when_it_is_wanted_again(host: Bare, ada: Machine) -> None:
    ada.take(TASK)
    first = ada.claims.held[TASK]
    ada.claims.release([TASK])
    assert ada.take(TASK, attempt=2) == {TASK}
    second = ada.claims.held[TASK]
    assert (second.attempt, second.nonce == first.nonce) == (2, False)
    assert not ada.claims.owes
    assert said(host, second.ref)["nonce"] == second.nonce


def test_g06_a_stale_lock_on_the_host_is_neither_won_nor_lost(host: Bare, ada: Machine, bob: Machine) -> None:
    with host.locked(ada.claims.ref(TASK)):
        for _ in range(6):
            assert ada.take(TASK, "another") == {"another"}
            assert not ada.claims.taken(TASK)
            assert ada.claims.refusal == ""
        assert len(json.loads(ada.record.read_text())["ours"]) < 6  # the tries are not remembered for ever
    assert bob.take("another") == set()
    assert ada.take(TASK, "another") == {TASK, "another"}
    assert bob.take(TASK) == set()
    assert host.fsck() == ""


def test_g06_a_lock_on_a_claim_that_is_given_back_makes_it_wait(host: Bare, ada: Machine) -> None:
    ada.take(TASK)
    ada.claims.release([TASK])
    with host.locked(ada.claims.ref(TASK)):
        ada.claims.flush()
        assert ada.claims.owes
    ada.claims.flush()
    assert host.refs("refs/gofer/") == {}


def test_g08_a_background_fetch_does_not_defeat_the_lease(host: Bare, ada: Machine, bob: Machine) -> None:
    everything = "+refs/gofer/*:refs/remotes/origin/gofer/*"
    ada.take(TASK)
    assert bob.take(TASK) == set()
    bob.claims.watch([TASK])
    bob.clock.now += LEASE + 1
    bob.claims.watch([TASK])
    assert not bob.claims.taken(TASK)  # over, as far as bob can see
    ada.clock.now += LEASE / 2
    ada.claims.renew()
    for place in (bob.vault, bob.place / "state" / "net.git"):
        git(place, "fetch", "-q", str(host.path), everything)
    assert bob.take(TASK) == set()
    assert said(host, ada.claims.ref(TASK))["worker"] == "ada"
    ada.claims.verify([TASK])
    assert ada.claims.held.keys() == {TASK}


def test_what_is_held_already_is_won_again_without_asking(host: Bare, ada: Machine) -> None:
    assert ada.take(TASK) == {TASK}
    claim = ada.claims.held[TASK].claim
    host.path.rename(host.path.with_suffix(".away"))
    assert ada.claims.take([want(TASK, 2)]) == {TASK: claim}


def test_thousands_of_refs_fit_on_no_command_line_and_are_pushed_all_the_same(host: Bare, ada: Machine) -> None:
    tasks = [f"task-{n}" for n in range(1100)]
    assert ada.take(*tasks) == set(tasks)
    assert len(host.refs("refs/gofer/claims/")) == len(tasks)
    ada.claims.verify(tasks)
    assert ada.claims.gone == set()
    ada.claims.release(tasks)
    ada.claims.flush()
    assert host.refs("refs/gofer/") == {}
