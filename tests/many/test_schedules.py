"""Schedules that several clones see: each due run is one machine's, also one with nothing to say."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.claims import NAMESPACES, Wanted
from agent.publish import revision_of
from tests.remotes import served
from tests.schedules.support import NOON, Driven, beat, desk, ids, line
from tests.support import GOFER, wait_for
from tests.sync.support import Clone, Fleet

BEAT, LOG = "inbox/schedules/beat.md", "inbox/schedules/log.md"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with served(tmp_path / "remote.git", "path") as remote:
        yield Fleet(tmp_path, remote)


@contextmanager
def desks(*clones: Clone) -> Iterator[list[Driven]]:
    """A worker for each, that has seen the schedules at noon."""
    with ExitStack() as stack:
        yield [stack.enter_context(desk(clone)) for clone in clones]


def shared(fleet: Fleet, path: str, text: str) -> tuple[Clone, Clone]:
    seed = fleet.clone("person")
    seed.share(path, text)
    return fleet.pair()


def claims(fleet: Fleet) -> int:
    return len(fleet.bare.refs(NAMESPACES[0]))


def test_c2_each_due_run_of_a_shared_schedule_is_one_machines(fleet: Fleet) -> None:
    with desks(*shared(fleet, LOG, line())) as (a, b):
        done = [ids(a.at("12:30")), ids(b.at("12:30")), ids(b.at("13:00")), ids(a.at("13:00")), ids(a.at("13:01"))]
    assert done == [["log-20300506t1230z"], [], ["log-20300506t1300z"], [], []]
    assert fleet.outcomes() == {"log-20300506t1230z": 1, "log-20300506t1300z": 1}
    assert fleet.text("notes/log.md") == "tick\ntick\n"
    assert LOG in fleet.tracked()


def test_d5_a_quiet_run_is_one_machines_and_makes_no_commit(fleet: Fleet) -> None:
    with desks(*shared(fleet, BEAT, beat())) as (a, b):
        a.at("12:30"), b.at("13:00")  # each tells once that its model is away
        tip = fleet.tip()
        for time_ in ("13:30", "14:00", "14:30"):
            a.at(time_), b.at(time_)
        b.at("15:00"), a.at("15:00")
        assert fleet.tip() == tip
        assert (a.desk.journal.quiet, b.desk.journal.quiet) == (3, 1)
        assert b.waiting == {} == a.waiting


def test_g31_a_schedule_has_one_ref_however_often_it_runs(fleet: Fleet) -> None:
    with desks(*shared(fleet, BEAT, beat("every: 1m"))) as (a, b):
        for minute in range(1, 9):
            (a if minute % 3 else b).at(f"12:{minute:02}")
        assert claims(fleet) == 1


def test_a_quiet_run_takes_as_many_pushes_as_a_claim_that_is_given_back(fleet: Fleet) -> None:
    with desks(*shared(fleet, BEAT, beat())) as (a, _):
        a.at("12:30")
        a.at("13:00")
        (ref,) = fleet.bare.refs(NAMESPACES[0])
        before = len(fleet.bare.reflog(ref))
        a.at("13:30")
        assert len(fleet.bare.reflog(ref)) - before <= 2


def test_d9_a_machine_that_was_away_makes_up_for_nothing_that_another_has_done(fleet: Fleet) -> None:
    one, other = shared(fleet, BEAT, beat("every: 30m\nmissed: all"))
    with desk(other):
        pass
    with desk(one) as a:
        for time_ in ("12:30", "13:00", "13:30"):
            a.at(time_)
    with desk(other, NOON.replace(hour=13, minute=50)) as b:
        assert b.desk.journal.quiet == 0
        assert b.at("14:00") != [] or b.desk.journal.quiet == 1


def test_a_schedule_dropped_without_a_commit_reaches_the_other_machines(fleet: Fleet) -> None:
    one, other = fleet.pair()
    one.write(LOG, line())
    with desks(one, other) as (a, b):
        wait_for(lambda: a.after(0) or LOG in fleet.tracked(), what="it to be published")
        b.at("12:01")
        assert (other.root / LOG).exists()
        assert [*ids(b.at("12:30")), *ids(a.at("12:30"))] == ["log-20300506t1230z"]


def test_a_clone_without_a_worker_syncs_a_vault_that_has_schedules(fleet: Fleet) -> None:
    one, other = shared(fleet, LOG, line())
    assert one.gofer("sync").returncode == 0  # nobody ever worked here
    with desk(other) as b:
        b.at("12:30")
    assert one.gofer("sync").returncode == 0
    assert (one.root / "notes/log.md").read_text() == "tick\n"
    with desk(one) as a:  # and a worker that comes later starts from a sound memory
        assert ids(a.at("13:00")) == ["log-20300506t1300z"]
    before = memory(one)
    assert one.gofer("sync").returncode == 0
    assert memory(one) == before


def test_an_edit_on_one_machine_is_what_every_machine_runs(fleet: Fleet) -> None:
    one, other = shared(fleet, LOG, line())
    with desks(one, other) as (a, b):
        a.at("12:30")
        b.at("12:30")
        fleet.clones["person"].pull()
        fleet.clones["person"].share(LOG, line(path="notes/new.md"))
        assert [*ids(b.at("13:00")), *ids(a.at("13:00"))] == ["log-20300506t1300z"]
    assert fleet.text("notes/new.md") == "tick\n"


def test_a_schedule_that_a_person_deletes_on_one_machine_runs_on_none(fleet: Fleet) -> None:
    one, other = shared(fleet, LOG, line())
    with desks(one, other) as (a, b):
        (one.root / LOG).unlink()
        one.commit("no more")
        one.push()
        assert a.at("12:30") == [] == b.at("12:30")


def test_q24_a_clock_far_ahead_on_one_machine_does_not_silence_the_others(fleet: Fleet) -> None:
    one, other = shared(fleet, BEAT, beat())
    with desk(one, NOON + timedelta(days=700)) as ahead:
        ahead.after(30)
        ahead.after(30)
    with desk(other) as b:
        b.at("12:30")
        assert b.at("13:00") == [] and b.desk.journal.quiet == 1


def test_the_run_of_a_machine_that_died_with_it_is_taken_over(fleet: Fleet) -> None:
    one, other = shared(fleet, LOG, line())
    for clone in (one, other):
        clone.env["GOFER_LEASE_S"] = "2"
    with desk(other) as b:
        with desk(one) as a:
            assert a.desk.exchange
            run = "log-20300506t1230z"
            wanted = Wanted(run, revision_of(line().encode()), 1)
            assert a.desk.exchange.sights.take([wanted], {run: LOG})
        assert b.at("12:30") == []
        assert b.waiting == {LOG: "another worker has it"}
        wait_for(lambda: b.at("12:31") or fleet.outcomes()[run], what="the lease to end")
    with desk(one, NOON.replace(minute=35)):
        assert fleet.outcomes() == {run: 1}


# -- real processes ----------------------------------------------------------------------------------------------------


@contextmanager
def workers(*clones: Clone, seconds: float = 6.0) -> Iterator[None]:
    """A worker process in each, whose clocks say that it is so long until the next whole minute."""
    ahead = 60.0 - time.time() % 60 - seconds
    env = {"GOFER_CLOCK_SKEW_S": f"{ahead}"}
    with ExitStack() as stack:
        for clone in clones:
            stack.enter_context(clone.worker(**env))
        yield


def once(clone: Clone, **env: str) -> int:
    """`gofer run --once` in a process of its own, which reads its clock's error at the start; its exit code."""
    done = subprocess.run(
        [*GOFER, "run", "--once"],
        cwd=clone.root,
        env={**clone.env, **env},
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode


def memory(clone: Clone) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((clone.state / "schedules.json").read_text())["schedules"]
    except (OSError, ValueError):
        return {}
    return found


def served_to(clone: Clone, name: str) -> str:
    """The due time up to which a clone knows a schedule to be served, "" while it only counts."""
    return str((memory(clone).get(name, {}).get("recent") or [""])[-1])


@pytest.mark.slow
def test_c2_of_two_workers_exactly_one_runs_what_is_due(fleet: Fleet) -> None:
    one, other = shared(fleet, LOG, line("every: 1m"))
    with workers(one, other):
        wait_for(lambda: served_to(one, "log") and served_to(other, "log"), seconds=60, what="both to know of a run")
    assert set(fleet.outcomes().values()) == {1}
    assert fleet.text("notes/log.md") == "tick\n" * len(fleet.outcomes())


@pytest.mark.slow
def test_d5_of_two_workers_exactly_one_runs_what_has_nothing_to_say_and_neither_commits(fleet: Fleet) -> None:
    one, other = shared(fleet, BEAT, beat("every: 1m\nstatus: draft"))
    for clone in (one, other):  # a first look, which tells that no model is there
        clone.drop("look.md", f"---\ntype: heartbeat\nstatus: open\n---\nLook around at {clone.name}.\n")
        clone.drain()
        clone.drain()
    fleet.clones["person"].pull()
    fleet.clones["person"].share(BEAT, beat("every: 1m"))
    for clone in (one, other):
        clone.drain()
    tip = fleet.tip()
    with workers(one, other):
        wait_for(lambda: served_to(one, "beat") and served_to(other, "beat"), seconds=60, what="both to know of a run")
        ran = [memory(clone)["beat"]["last"] for clone in (one, other)]
        due = {served_to(clone, "beat") for clone in (one, other)}
    assert fleet.tip() == tip
    assert len(due) == 1
    assert sorted(map(bool, ran)) == [False, True]
    assert claims(fleet) == 1


@pytest.mark.slow
def test_a_kill_at_any_step_loses_no_run_and_doubles_none(fleet: Fleet) -> None:
    one, _ = shared(fleet, LOG, line("every: 1m"))
    one.run_once()
    for step in (1, 2, 3, 4, 6, 8, 10):
        later = {"GOFER_CLOCK_SKEW_S": str(600 * step)}
        once(one, **later, GOFER_CRASH_AT=str(step))
        assert once(one, **later) in (0, 1)
        assert set(fleet.outcomes().values()) == {1}, f"after a kill at step {step}"
    assert fleet.text("notes/log.md") == "tick\n" * len(fleet.outcomes())
    assert len(fleet.outcomes()) >= 7
    assert (one.root / LOG).exists()
