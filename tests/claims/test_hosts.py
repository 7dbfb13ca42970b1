"""Hosts that allow less: what a probe finds, and how a worker comes to the namespace where claims can live."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.claims import NAMESPACES, namespace_of, probe
from agent.claims.probe import Probed
from agent.errors import CredentialsRefused, RemoteAway
from tests.claims.support import LEASE, Machine, dying
from tests.remotes import Bare, Hook, Proxy, Remote, refusing, served
from tests.remotes.http import HANG
from tests.remotes.ledger import ZERO, moves

TASK = "a-task"
REFS, HEADS = NAMESPACES
ALL = Probed(REFS, True, True, True, True, True)


def forbidding(kind: str, refs: str = "refs/gofer/*") -> Hook:
    """The host refuses one kind of move: `create`, `move` or `delete`."""
    test = {
        "create": f'[ "$old" = {ZERO} ]',
        "delete": f'[ "$new" = {ZERO} ]',
        "move": f'[ "$old" != {ZERO} ] && [ "$new" != {ZERO} ]',
    }[kind]
    body = f'case "$ref" in {refs}) if {test}; then echo "no {kind} here" >&2; exit 1; fi;; esac'
    return Hook("20-forbid", f"#!/bin/sh\nwhile read -r old new ref; do {body}; done\n")


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_g32_a_plain_host_allows_everything_and_nothing_is_left_behind(
    remote: Remote, tmp_path: Path, namespace: str
) -> None:
    ada = Machine(tmp_path / "ada", remote.url)
    found = probe(ada.network, namespace)
    assert found == Probed(namespace, True, True, True, True, True)
    assert found.works
    assert found.missing == ()
    assert remote.bare.refs() == {}
    assert remote.bare.fsck() == ""
    names = {move.ref for move in moves(remote.bare.path)}
    assert len(names) == 2
    beside = namespace.replace("/claims/", "/probe/")  # not among the claims, which workers watch
    assert all(name.startswith(beside) and len(name) == len(beside) + 40 for name in names)


def test_g32_a_host_that_hides_the_namespace_is_told_with_its_words(host: Bare, ada: Machine) -> None:
    host.configure("receive.hideRefs", "refs/gofer")
    found = probe(ada.network, REFS)
    assert not found.works
    assert found.missing == ("create", "lose", "move", "atomic", "delete")
    assert "hidden ref" in found.why
    assert probe(ada.network, HEADS).works
    assert host.refs() == {}


@pytest.mark.parametrize("kind", ["create", "move", "delete"])
def test_g32_a_host_that_forbids_one_thing(host: Bare, ada: Machine, kind: str) -> None:
    with host.hooked(forbidding(kind)):
        found = probe(ada.network, REFS)
        left = host.refs()
    assert kind in found.missing
    assert not found.works
    assert f"no {kind} here" in found.why
    assert bool(left) is (kind == "delete")
    assert found.create is (kind != "create")
    assert found.delete is (kind == "move")


def test_g32_a_host_whose_branches_only_go_forward_cannot_be_a_fallback(host: Bare, ada: Machine) -> None:
    host.configure("receive.denyNonFastForwards", "true")
    assert "move" in probe(ada.network, HEADS).missing
    assert probe(ada.network, REFS).works
    assert host.refs() == {}


def test_g32_a_host_without_atomic_pushes(host: Bare, ada: Machine) -> None:
    with host.without_atomic():
        found = probe(ada.network, REFS)
    assert found.works
    assert found.missing == ("atomic",)
    assert "atomic" in found.why
    assert host.refs() == {}


def test_g32_a_probe_whose_host_dies_leaves_nothing_behind(host: Bare, ada: Machine) -> None:
    with ExitStack() as stack:
        stack.enter_context(dying(host))
        with pytest.raises(RemoteAway):
            probe(ada.network, REFS)
        assert len(host.refs()) <= 1
    stuck = host.refs()
    if stuck:  # the host died again while it was cleaned up: it goes like the claim of a dead worker
        ada.take("blocked")
        bob = Machine(ada.place.parent / "bob", ada.url)
        assert bob.take("blocked") == set()
        bob.claims.watch(["blocked"])
        bob.clock.now += 2 * LEASE + 1
        bob.claims.watch(["blocked"])
        bob.take("blocked")
        bob.claims.release(["blocked"])
        bob.claims.flush()
    assert host.refs() == {}


def test_a_probe_that_is_cut_off_cleans_up_when_the_network_is_back(tmp_path: Path) -> None:
    with served(tmp_path / "r.git", "git", ledger=False) as remote:
        assert remote.address
        with Proxy(remote.address) as proxy:
            ada = Machine(tmp_path / "ada", remote.through(proxy.address))
            push, calls = ada.network.push, list[int]()

            def cut_the_third(*args: object, **more: object) -> object:
                calls.append(1)
                proxy.cut_after(up=100) if len(calls) == 3 else proxy.heal()
                try:
                    return push(*args, **more)  # type: ignore[arg-type]
                finally:
                    proxy.heal()

            ada.network.push = cut_the_third  # type: ignore[method-assign, assignment]
            with pytest.raises(RemoteAway):
                probe(ada.network, REFS)
            assert proxy.cuts == 1
            assert len(calls) == 4
            assert remote.bare.refs() == {}


def test_a_probe_has_a_deadline(tmp_path: Path) -> None:
    with served(tmp_path / "r.git", "http", ledger=False) as remote:
        assert remote.http
        ada = Machine(tmp_path / "ada", remote.url)
        remote.http.fault = HANG
        with pytest.raises(RemoteAway, match="did not finish within"):
            probe(ada.network, REFS, deadline=0.3)
        remote.http.fault = 403
        with pytest.raises(CredentialsRefused):
            probe(ada.network, REFS, deadline=10)


def test_g32_a_worker_whose_claims_are_refused_says_so_and_never_looks_for_another_place_by_itself(
    host: Bare, ada: Machine
) -> None:
    with host.hooked(refusing("GH013: no refs of yours", refs="refs/gofer/*")):
        assert ada.take(TASK) == set()
        assert "GH013: no refs of yours" in ada.claims.refusal
        assert not ada.claims.taken(TASK)
        assert ada.take(TASK) == set() and host.refs() == {}
        assert namespace_of(ada.place / "state") == REFS
    assert ada.take(TASK) == {TASK}
    assert ada.claims.refusal == ""


def test_g32_a_probe_is_not_misled_by_a_host_that_refuses_once(host: Bare, ada: Machine) -> None:
    with host.hooked(refusing("out of order", times=1)):
        assert probe(ada.network, REFS).works


@pytest.mark.parametrize("text", ["", "{", "[]", '{"namespace":"refs/heads/main"}', '{"namespace":7}', '{"atomic":1}'])
def test_what_is_remembered_of_a_host_is_believed_only_if_it_makes_sense(tmp_path: Path, text: str) -> None:
    (tmp_path / "remote.json").write_text(text)
    assert namespace_of(tmp_path) == REFS
    assert namespace_of(tmp_path / "none") == REFS
