"""Several machines on one remote: who runs what, who expires what, how often anybody asks git."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from shutil import which
from types import SimpleNamespace

import pytest

from agent.budget import Budget
from agent.claims import Wanted
from agent.holding import Holding
from agent.publish import revision_of
from agent.runner import Run
from agent.turns import turn
from tests.remotes.ledger import moves
from tests.support import wait_for
from tests.sync.support import Clone, Fleet, append, task_id, write

TASK = append("once")
GPU = "---\nneeds: [gpu]\n---\n"


# -- claims ---------------------------------------------------------------------------------------------------------


def test_a_task_that_another_machine_holds_waits_and_starts_when_it_is_given_back(
    fleet: Fleet, a: Clone, b: Clone
) -> None:
    a.share("inbox/t.md", TASK)
    b.pull()
    with a.desk() as first, b.desk() as second:
        first.look()
        second.look()
        assert first.desk.exchange
        wanted = Wanted(task_id("t", TASK), revision_of(TASK.encode()), 1)
        assert first.desk.exchange.sights.take([wanted], {wanted.task: "inbox/t.md"})
        second.travel()
        second.travel()
        (rest,) = second.desk.intake.resting.values()
        assert rest.reason == "another worker has it"
        first.desk.exchange.claims.release([wanted.task])
        first.desk.exchange.claims.flush()
        assert fleet.outcomes() == {}
        second.settle()
    assert list(fleet.outcomes().values()) == [1]
    fleet.unharmed(b, fetched=[b])


def test_g10_a_run_whose_claim_was_lost_is_cancelled_and_does_not_count(
    fleet: Fleet, a: Clone, b: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    a.share("inbox/t.md", TASK)
    with a.desk() as driven:
        driven.look()
        assert driven.desk.exchange
        claims, seen = driven.desk.exchange.claims, list[bool]()
        lost = Holding.lost

        def taken_over(self: Holding, run: Run) -> bool:
            claims.gone.add(run.task.id)
            seen.append(lost(self, run))
            return seen[-1]

        monkeypatch.setattr(Holding, "lost", taken_over)
        wait_for(lambda: driven.travel() and seen, what="the run to end")
        assert all(seen)
        assert not driven.desk.journal.owed
        monkeypatch.undo()
    assert fleet.outcomes() == {}
    b.drain()
    assert list(fleet.outcomes().values()) == [1]


def test_q04_runs_whose_claim_could_not_be_renewed_are_ended(fleet: Fleet, a: Clone) -> None:
    with a.desk() as driven:
        driven.look()
        assert driven.desk.exchange
        holding, claims = driven.desk.intake.holding, driven.desk.exchange.claims

        class Fake:
            number = 1
            cancelled = threading.Event()
            task = type("T", (), {"id": "x"})()
            claim = type("C", (), {"shared": True})()

        run = Fake()
        holding.stop_overdue([run])  # type: ignore[list-item]
        assert not run.cancelled.is_set()
        claims.gone.add("x")
        holding.stop_overdue([run])  # type: ignore[list-item]
        assert run.cancelled.is_set()
        assert holding.lost(run)  # type: ignore[arg-type]


# -- what no file in the inbox brings about -------------------------------------------------------------------------


def test_a_hand_off_that_expires_is_ended_by_one_machine_only(fleet: Fleet, a: Clone, b: Clone) -> None:
    a.drop("t.md", "Review PR #214 and leave substantive comments\n")
    a.drain()
    b.drain()
    (task,) = fleet.outcomes()
    later = datetime.now(UTC) + timedelta(days=30)
    with a.desk() as first, b.desk() as second:
        first.look()
        second.look()
        first.desk.expire(later)
        second.desk.expire(later)
        first.settle()
        second.settle()
        first.settle()
    assert fleet.outcomes() == {task: 2}  # handed off, and expired
    said = fleet.bare.git("log", "--format=%(trailers:key=Gofer-Status,valueonly)", "main").split()
    assert sorted(said) == ["failed", "handed-off"]
    assert a.head == b.head == fleet.tip()
    ended = [line["status"] for line in b.ledger() if line["task"] == task]
    assert sorted(ended) == ["failed", "handed-off"]
    fleet.unharmed()


def test_a_file_that_is_no_task_is_reported_once_by_all_machines_together(fleet: Fleet, a: Clone, b: Clone) -> None:
    a.share("inbox/bad.md", "---\npriority: hgih\n---\nWrite 1 to notes/never.md\n")
    b.pull()
    a.drain()
    b.drain()
    a.drain()
    reports = [path for path in fleet.tracked() if path.startswith("outbox/bad-")]
    assert len(reports) == 1
    assert sum("invalid" in line for line in fleet.messages()) == 1
    fleet.unharmed(fetched=[b])


def test_a_task_that_waits_here_and_ended_elsewhere_is_not_brought_back(fleet: Fleet, a: Clone, b: Clone) -> None:
    """The tip in which it ended is heard in the same travel that publishes what waits here."""
    a.share("inbox/t.md", GPU + TASK)
    b.pull()
    config = Path(b.env["GOFER_CONFIG"])
    config.write_text(config.read_text().replace('name = "b"', 'name = "b"\noffers = ["gpu"]'))
    with a.desk() as driven:
        driven.settle()
        assert [rest.task.path for rest in driven.desk.intake.resting.values()] == ["inbox/t.md"]
        b.drain()
        driven.look()
        driven.travel()
        driven.settle()
    assert "inbox/t.md" not in fleet.tracked()
    assert list(fleet.outcomes().values()) == [1]
    assert a.inbox() == []
    fleet.unharmed(fetched=[b])


def test_a_task_published_from_a_branch_that_cannot_follow_is_not_brought_back(
    fleet: Fleet, a: Clone, b: Clone
) -> None:
    a.git("switch", "-q", "--detach")
    a.drop("t.md", GPU + TASK)
    a.drain()
    assert "inbox/t.md" in fleet.tracked()
    config = Path(b.env["GOFER_CONFIG"])
    config.write_text(config.read_text().replace('name = "b"', 'name = "b"\noffers = ["gpu"]'))
    b.drain()
    a.drain()
    a.drain()
    assert "inbox/t.md" not in fleet.tracked()
    a.git("switch", "-q", "main")
    a.drain()
    assert list(fleet.outcomes().values()) == [1]
    assert a.inbox() == []
    fleet.unharmed()


def test_a_stop_file_that_another_machine_pushed_is_not_taken_for_lifted_here(fleet: Fleet, a: Clone, b: Clone) -> None:
    with b.desk() as driven:
        driven.settle()
        a.share("STOP", "stop\n")
        driven.look()
        driven.travel()
        assert "STOP" in fleet.tracked()
        driven.settle()
        assert b.text("STOP") == "stop\n"
        (b.root / "STOP").unlink()
        driven.settle()
    assert "STOP" not in fleet.tracked()
    fleet.unharmed()


def test_an_outcome_that_does_not_fit_waits_for_the_branch_and_does_not_run_hot(
    fleet: Fleet, a: Clone, b: Clone
) -> None:
    b.drain()
    a.share("notes/log.md", "theirs\n")
    b.write("notes/held.md", "mine\n")
    a.share("notes/held.md", "theirs\n")  # the branch of b cannot follow
    b.drop("t.md", TASK)
    with b.desk() as driven:
        driven.settle()
        (rest,) = driven.desk.intake.resting.values()
        assert "what it changes was changed on the remote" in rest.reason
        runs = len(list((b.state / "runs").iterdir()))
        for _ in range(20):
            driven.travel()
        assert len(list((b.state / "runs").iterdir())) == runs
        assert driven.desk.journal.attempts.get(rest.drop.key, 0) == 0
        (b.root / "notes/held.md").unlink()
        wait_for(lambda: driven.travel() and fleet.outcomes(), seconds=20, what="the task to run")
        driven.settle()
    assert fleet.text("notes/log.md") == "theirs\nonce\n"
    assert list(fleet.outcomes().values()) == [1]
    fleet.unharmed()


# -- races ----------------------------------------------------------------------------------------------------------


def test_g11_n_pushers_at_once_all_land_within_bounds(fleet: Fleet) -> None:
    clones = [fleet.clone(f"c{number}") for number in range(5)]
    for clone in clones:
        for number in range(6):
            clone.drop(f"{clone.name}-{number}.md", write(str(number), f"notes/{clone.name}/{number}.md"))
    with ThreadPoolExecutor(len(clones)) as pool:
        ended = list(pool.map(lambda clone: clone.gofer("run", "--once", "--json"), clones))
    assert [done.returncode for done in ended] == [0] * len(clones), [done.stderr for done in ended]
    assert set(fleet.outcomes().values()) == {1}
    assert len(fleet.outcomes()) == 30
    assert fleet.pushes() < 60
    for clone in clones:
        clone.drain()
        assert clone.inbox() == []
        assert clone.head == fleet.tip()
    fleet.unharmed()


def test_eight_drains_of_one_inbox_do_each_task_once(fleet: Fleet) -> None:
    first = fleet.clone("c0")
    for number in range(24):
        first.drop(f"t{number}.md", append(f"line {number}", f"notes/{number % 3}.md"))
    first.commit("an inbox")
    first.push()
    clones = [first, *(fleet.clone(f"c{number}") for number in range(1, 4))]
    with ThreadPoolExecutor(len(clones)) as pool:
        ended = list(pool.map(lambda clone: clone.gofer("run", "--once", "--json"), clones))
    assert not [done.stderr for done in ended if "Traceback" in done.stderr]
    for _ in range(2):
        for clone in clones:
            clone.drain()
    assert set(fleet.outcomes().values()) == {1}
    assert len(fleet.outcomes()) == 24
    lines = [line for number in range(3) for line in fleet.text(f"notes/{number}.md").splitlines()]
    assert sorted(lines) == sorted(f"line {number}" for number in range(24))
    assert [m for m in moves(fleet.remote.path, "refs/gofer/claims/") if set(m.new) != {"0"}]
    assert fleet.bare.refs("refs/gofer/claims/") == {}
    fleet.unharmed()


# -- how often ------------------------------------------------------------------------------------------------------


def test_an_idle_look_starts_one_git_and_makes_no_commit(
    fleet: Fleet, a: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, place = fleet.place / "starts.txt", fleet.place / "bin"
    place.mkdir()
    (place / "git").write_text(f'#!/bin/sh\necho "$*" >> "{log}"\nexec "{which("git")}" "$@"\n')
    (place / "git").chmod(stat.S_IRWXU)
    a.drop("t.md", TASK)
    a.drop("waits.md", GPU + TASK)
    a.drop("draft.md", "---\nstatus: draft\n---\n" + TASK)
    with a.desk() as driven:
        driven.settle()
        desk = driven.desk
        wait_for(lambda: not desk.branch.restless(desk.repository.head(), time.time()), what="the branch to be quiet")
        driven.settle()
        driven.desk.rest()
        monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
        before, commits = fleet.tip(), len(fleet.messages())
        for _ in range(3):
            log.write_text("")
            assert driven.desk.exchange
            driven.desk.exchange.sync.lookout.soon()
            driven.travel()
            wait_for(driven.bell.is_set, what="the look")
            for _ in range(5):
                driven.travel()
            started = [line for line in log.read_text().splitlines() if " fetch " in line or "--git-dir" not in line]
            assert len(log.read_text().splitlines()) <= 1, log.read_text()
            assert len(started) <= 1
        monkeypatch.undo()
        assert fleet.tip() == before
        assert len(fleet.messages()) == commits


def test_the_budget_lets_a_burst_through_then_one_in_ten_seconds_and_starves_nobody() -> None:
    now = [0.0]
    budget = Budget(6.0, clock=lambda: now[0])
    sent = []
    while now[0] < 600:
        if budget.wait() == 0:
            budget.spend()
            sent.append(now[0])
        now[0] += 0.5
    assert sent[:3] == [0.0, 0.5, 1.0]
    assert 60 <= len(sent) <= 64
    assert max(later - earlier for earlier, later in pairwise(sent)) <= 11


def test_the_budget_is_shared_among_machines_and_never_less_than_one_push() -> None:
    now = [0.0]
    budgets = [Budget(6.0, machines=4, clock=lambda: now[0]) for _ in range(4)]
    sent = [0, 0, 0, 0]
    while now[0] < 1200:
        for number, budget in enumerate(budgets):
            if budget.wait() == 0:
                budget.spend()
                sent[number] += 1
        now[0] += 1
    assert sum(sent) <= 6 * 20 + 4 * 1
    assert min(sent) >= 25


def test_without_a_ration_nothing_is_waited_for() -> None:
    budget = Budget(None)
    for _ in range(100):
        budget.spend()
    assert budget.wait() == 0.0


# -- a small disk ---------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with a disk of 12 MiB of its own."""
    if os.geteuid() != 0:
        pytest.skip("a small disk of one's own can only be mounted by root")
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)], capture_output=True,
                          text=True, check=False)  # fmt: skip
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("leave", [0, 32 << 10, 200 << 10, 1 << 20])
def test_g38_a_disk_that_is_full_while_fetching_or_following_delays_and_harms_nothing(
    fleet: Fleet, a: Clone, disk: Path, leave: int
) -> None:
    small = Fleet(disk, fleet.remote, seed=False).clone("small")
    for number in range(20):
        a.write(f"notes/{number}.bin", random.Random(number).randbytes(50_000).hex())
    a.commit("big")
    a.push()
    small.drop("t.md", TASK)
    filler = disk / "filler"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    filler.write_bytes(b"\0" * max(0, free - leave))
    done = small.gofer("run", "--once")
    assert done.returncode in (0, 1, 2, 3), done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    wait_for(lambda: not small.processes(), what="processes to end")
    assert [lock for lock in small.locks() if "gofer-index" not in lock] == []
    filler.unlink()
    small.drain()
    assert list(fleet.outcomes().values()) == [1]
    assert small.head == fleet.tip()
    fleet.unharmed(small)


def test_while_others_push_and_there_is_more_to_push_the_branch_follows_later_and_all_at_once(
    fleet: Fleet, a: Clone, b: Clone
) -> None:
    with a.desk() as first, b.desk() as second:
        for driven in (first, second):
            driven.settle()
        a.drop("one.md", append("1"))
        first.settle()
        b.drop("two.md", append("2"))
        second.settle()  # it has met the other one: from here on others push too
        assert second.desk.exchange and second.desk.exchange.sync.crowded
        landing = second.desk.exchange.landing
        before = b.head
        landing.follow(datetime.now(UTC), busy=True)
        assert b.head == before == fleet.tip() and not landing.put_off

        a.drop("three.md", append("3"))
        first.settle()
        second.desk.exchange.catch_up()
        assert landing.follow(datetime.now(UTC), busy=True) == "" and landing.put_off and not landing.at_tip
        assert b.head == before and landing.retry_at is not None
        assert landing.follow(datetime.now(UTC)) == "" and not landing.put_off
        assert b.head == fleet.tip() != before


def test_g35_nothing_is_fetched_onto_a_disk_that_is_nearly_full(
    fleet: Fleet, a: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a.desk() as driven:
        driven.settle()
        before = driven.desk.exchange and driven.desk.exchange.sync.tip
        with monkeypatch.context() as full:
            full.setattr(
                "shutil.disk_usage", lambda _: SimpleNamespace(total=1 << 30, used=(1 << 30) - 4096, free=4096)
            )
            driven.look()
            a.drop("t.md", TASK)
            driven.settle()
            assert "nearly full" in str(driven.said["reason"]) and "make room" in str(driven.said["reason"])
            assert driven.desk.exchange and driven.desk.exchange.sync.tip == before == fleet.tip()
        driven.settle()
    assert list(fleet.outcomes().values()) == [1]


def test_machines_that_know_each_other_begin_each_with_its_own_part_and_claim_it_in_one_push(
    fleet: Fleet, a: Clone, b: Clone
) -> None:
    names = [f"inbox/t{number}.md" for number in range(12)]
    for number, name in enumerate(names):
        a.write(name, write(str(number), f"notes/{number}.md"))
    a.commit("twelve tasks")
    a.push()
    b.pull()
    parts = {me: {n for n in names if turn(n, me, {other})[0] == 0} for me, other in (("a", "b"), ("b", "a"))}
    assert parts["a"] | parts["b"] == set(names) and not parts["a"] & parts["b"] and min(map(len, parts.values())) > 1
    with a.desk() as first, b.desk() as second:
        for driven, other in ((first, "b"), (second, "a")):
            driven.look()
            driven.desk.intake.inbox.others = frozenset({other})
        began = len(moves(fleet.remote.path, "refs/gofer/claims/"))
        first.travel()
        claimed = [move for move in moves(fleet.remote.path, "refs/gofer/claims/")[began:] if set(move.new) != {"0"}]
        assert len(claimed) == len(parts["a"])
        first.settle()
        second.settle()
        first.settle()
    assert set(fleet.outcomes().values()) == {1} and len(fleet.outcomes()) == 12
    fleet.unharmed(b, fetched=[b])


def test_just_before_a_push_it_is_seen_that_somebody_else_was_faster(fleet: Fleet, a: Clone, b: Clone) -> None:
    with a.desk() as first, b.desk() as second:
        first.settle()
        second.settle()
        assert second.desk.exchange and not second.desk.exchange.sync.has_moved()
        a.drop("t.md", TASK)
        first.settle()
        assert second.desk.exchange.sync.has_moved()
        second.look()
        assert not second.desk.exchange.sync.has_moved()
