"""Who works where, as any clone sees it: without a commit, and without believing what has not the form of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.claims import RemoteClaims, Wanted
from agent.git.network import Network, Update
from agent.git.repository import Repository
from agent.presence import WORKERS, Presence, is_alive, read
from tests.e2e.support import House, eventually
from tests.many.support import Many

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
IDLE = {"name": "one", "state": "IDLE", "task": None, "since": "2026-11-20T11:00:00Z"}


@pytest.fixture
def many(tmp_path: Path) -> Many:
    return Many(tmp_path)


def network(house: House) -> Network:
    return Network(Repository(house.root), house.folder / "net.git", "origin")


def others(house: House) -> dict[str, dict[str, Any]]:
    return {w["name"]: w for w in house.data("status", code=None)["workers"] if not w["local"]}


def test_c10_status_on_any_clone_shows_every_worker_of_every_machine_without_a_commit(many: Many) -> None:
    server, laptop = many.clone("server"), many.clone("laptop")
    before = many.there("rev-parse", "main")
    with server.worker("--workers", "2"):
        eventually(lambda: len(many.there("for-each-ref", WORKERS).splitlines()) == 2)
        seen = others(laptop)
        assert len(seen) == 2 and all(name.endswith(("-1", "-2")) for name in seen)
        assert {worker["state"] for worker in seen.values()} <= {"IDLE", "READY"}
        assert all(worker["since"] <= worker["seen"] for worker in seen.values())
        laptop.drop("new.md", "---\nstatus: open\n---\nWrite 42 to memory/answer.txt\n")
        shown = laptop.gofer("status").stdout
        assert "another machine" in shown and "do: gofer sync, and a worker of another machine takes it" in shown
    assert many.there("rev-parse", "main") == before
    (laptop.state / "status.git" / "asked").unlink()
    assert {worker["state"] for worker in others(laptop).values()} == {"STOPPED"}


def test_a_change_of_state_is_told_after_ten_seconds_at_the_earliest_and_nothing_new_every_five_minutes(
    many: Many,
) -> None:
    clock = [0.0]
    presence = Presence(network(many.clone("a")), "one", [], NOON, rationed=False, clock=lambda: clock[0])
    assert presence.due([IDLE])
    presence.tell([IDLE], NOON)
    clock[0] = 200.0
    assert not presence.due([IDLE]) and presence.due([{**IDLE, "state": "READY"}])
    assert not presence.due([{**IDLE, "task": "other"}])
    clock[0] = 300.0
    assert presence.due([IDLE])
    presence.tell([{**IDLE, "state": "READY"}], NOON)
    clock[0] = 309.0
    assert not presence.due([IDLE])


def test_a_host_that_rations_pushes_hears_of_it_every_fifteen_minutes_at_most(many: Many) -> None:
    clock = [0.0]
    presence = Presence(network(many.clone("a")), "one", [], NOON, rationed=True, clock=lambda: clock[0])
    presence.tell([IDLE], NOON)
    clock[0] = 899.0
    assert not presence.due([{**IDLE, "state": "READY"}])
    clock[0] = 900.0
    assert presence.due([IDLE])


def test_what_a_worker_tells_can_be_read_by_another_and_is_forgotten_after_a_fortnight(many: Many) -> None:
    here, there = network(many.clone("a")), network(many.clone("b"))
    Presence(here, "one", ["lan"], NOON, rationed=False).tell([IDLE], NOON)
    (found,) = read(there)
    assert (found["name"], found["clone"], found["state"], found["offers"]) == ("one", "one", "IDLE", ["lan"])
    assert is_alive(found, NOON + timedelta(minutes=30)) and not is_alive(found, NOON + timedelta(hours=1))
    assert not is_alive({**found, "state": "STOPPED"}, NOON)

    other = Presence(there, "two", [], NOON, rationed=False)
    other.tidy(NOON + timedelta(days=13), ["two"])
    assert other.others == frozenset() and read(here)
    other.tidy(NOON + timedelta(days=15), ["two"])
    assert read(here) == []


def test_a_clone_that_has_fewer_workers_than_before_forgets_the_others(many: Many) -> None:
    net = network(many.clone("a"))
    presence = Presence(net, "one", [], NOON, rationed=False)
    presence.tell([{**IDLE, "name": "one-1"}, {**IDLE, "name": "one-2"}], NOON)
    presence.tidy(NOON, ["one-1"])
    assert presence.others == frozenset()
    assert [worker["name"] for worker in read(net)] == ["one-1"]


def test_who_else_works_is_looked_up_when_claims_are_lost_and_else_rarely(many: Many) -> None:
    here, there = network(many.clone("a")), network(many.clone("b"))
    clock = [0.0]
    presence = Presence(here, "one", [], NOON - timedelta(hours=1), rationed=False, clock=lambda: clock[0])
    presence.look_around(NOON, 0)
    assert presence.others == frozenset()
    Presence(there, "two", [], NOON, rationed=False).tell([{**IDLE, "name": "two"}], NOON)
    clock[0] = 30.0
    presence.look_around(NOON, 0)
    assert presence.others == frozenset()
    presence.look_around(NOON, 3)
    assert presence.others == {"two"}
    Presence(there, "two", [], NOON, rationed=False).tell([{**IDLE, "name": "two", "state": "STOPPED"}], NOON)
    clock[0] = 31.0
    presence.look_around(NOON, 4)
    assert presence.others == {"two"}, "it was looked up a second ago"
    clock[0] = 91.0
    presence.look_around(NOON, 4)
    assert presence.others == frozenset()


def test_where_nobody_moves_the_branch_who_fell_silent_is_looked_up_every_fifteen_minutes(many: Many) -> None:
    here, there = network(many.clone("a")), network(many.clone("b"))
    clock = [0.0]
    presence = Presence(here, "one", [], NOON - timedelta(hours=1), rationed=False, clock=lambda: clock[0])
    presence.tidy(NOON, ["one"])
    assert presence.elsewhere == ()
    Presence(there, "two", [], NOON, rationed=False).tell([{**IDLE, "name": "two"}], NOON)
    clock[0] = 899.0
    presence.look_around(NOON, 7, crowded=False)
    assert presence.elsewhere == ()
    clock[0] = 900.0
    later = NOON + timedelta(hours=2)
    presence.look_around(later, 7, crowded=False)
    (two,) = presence.elsewhere
    assert (two["name"], two["state"], two["seen"]) == ("two", "IDLE", "2026-11-20T12:00:00Z")
    assert presence.others == frozenset(), "it is there, but not alive"


@pytest.mark.parametrize(
    "text",
    ["", "hello", "[]", '{"v":2}', '{"v":1,"worker":"x","state":"DANCING","seen":"2026-11-20T12:00:00Z"}',
     '{"v":1,"worker":"x","state":"IDLE","seen":"yesterday"}',
     '{"v":1,"worker":"x","state":"IDLE","seen":7,"offers":3}'],
)  # fmt: skip
def test_s33_a_line_that_somebody_else_wrote_is_left_out_when_it_has_not_the_form(many: Many, text: str) -> None:
    net = network(many.clone("a"))
    Presence(net, "one", [], NOON, rationed=False).tell([IDLE], NOON)
    net.push([Update(f"{WORKERS}evil", net.card(text, 0), "*")])
    assert [worker["name"] for worker in read(net)] == ["one"]


def test_s33_names_from_the_remote_are_cut_and_stay_on_one_line(many: Many) -> None:
    net = network(many.clone("a"))
    long = {**IDLE, "name": "one", "task": "x" * 500 + "\nProblem  forged"}
    Presence(net, "one", [], NOON, rationed=False).tell([long], NOON)
    (found,) = read(net)
    assert len(found["task"]) <= 100 and "\n" not in found["task"]


def test_presence_rides_along_with_a_claim_and_then_needs_no_push_of_its_own(many: Many) -> None:
    clone = many.clone("a")
    net = network(clone)
    clock = [0.0]
    presence = Presence(net, "one", [], NOON, rationed=True, clock=lambda: clock[0])
    claims = RemoteClaims(net, clone.root.parent / "claims.json", "one")
    claims.riders = lambda: presence.riders([IDLE], NOON)
    assert claims.take([Wanted("t", "000000000000", 1)])
    assert [worker["name"] for worker in read(net)] == ["one"]
    assert not presence.due([IDLE])
    assert presence.riders([IDLE], NOON) == (), "the others know it"
    assert [update.ref for update in presence.riders([{**IDLE, "state": "CLAIMED"}], NOON)] == [f"{WORKERS}one"]


def test_before_it_begins_with_the_tasks_of_others_a_machine_looks_who_has_them(many: Many) -> None:
    here, there = many.clone("a"), many.clone("b")
    first = RemoteClaims(network(here), here.root.parent / "claims.json", "one")
    second = RemoteClaims(network(there), there.root.parent / "claims.json", "two")
    assert first.take([Wanted("t", "000000000000", 1)])
    second.watch(["t"])
    assert not second.taken("t"), "nobody was seen to have it, so nobody asks"
    second.watch(["t"], strange=True)
    assert second.taken("t") and second.take([Wanted("t", "000000000000", 1)]) == {} and second.losses == 0
