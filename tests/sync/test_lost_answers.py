"""The connection is cut, the answer is lost, the worker is killed, the state folder is damaged: every outcome is on the
remote exactly once."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.errors import RemoteAway
from agent.git.network import Network
from tests.remotes import Proxy, Remote, delaying, served
from tests.support import wait_for
from tests.sync.support import Clone, Fleet, append, config_of, task_id, write

TASK = append("once")


@contextmanager
def behind_a_proxy(place: Path, transport: str) -> Iterator[tuple[Fleet, Clone, Proxy]]:
    with served(place / "remote.git", transport) as remote:
        assert remote.address
        with Proxy(remote.address) as proxy:
            fleet = Fleet(place, remote)
            a = fleet.clone("a")
            a.git("remote", "set-url", "origin", remote.through(proxy.address))
            a.config.clear()
            a.config.update(config_of(a))
            yield fleet, a, proxy


@pytest.fixture
def answers_lost(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The next pushes arrive, and their answers do not."""
    push = Network.push

    def lose() -> None:
        def arrives(self: Network, *args: object, **options: object) -> object:
            push(self, *args, **options)  # type: ignore[arg-type]
            monkeypatch.setattr(Network, "push", push)
            raise RemoteAway("the remote does not answer", why="the answer was lost")

        monkeypatch.setattr(Network, "push", arrives)

    return lose


@pytest.mark.parametrize("shared", [False, True], ids=["local", "shared"])
@pytest.mark.parametrize("restart", [False, True], ids=["goes on", "starts anew"])
def test_g05_a_push_whose_answer_was_lost_is_not_published_a_second_time(
    fleet: Fleet, a: Clone, answers_lost: Callable[[], None], shared: bool, restart: bool
) -> None:
    if shared:
        a.share("inbox/t.md", TASK)
    else:
        a.drop("t.md", TASK)
    with a.desk() as driven:
        driven.look()
        assert driven.desk.exchange
        if shared:  # the claim's own push is not the one
            claims = driven.desk.exchange.claims
            take = claims.take
            claims.take = lambda wanted: (take(wanted), answers_lost())[0]  # type: ignore[method-assign, func-returns-value]
        else:
            answers_lost()
        for _ in range(3):
            driven.travel()
        assert list(fleet.outcomes().values()) == [1]
        assert a.outcomes() == {}  # it is in doubt: not committed here by itself
        if not restart:
            driven.settle()
    a.drain()
    assert list(fleet.outcomes().values()) == [1]
    assert a.text("notes/log.md") == "once\n"
    assert a.head == fleet.tip()
    assert a.inbox() == []
    assert [line["task"] for line in a.ledger()] == [task_id("t", TASK)]
    fleet.unharmed()


def test_g05_an_outcome_that_arrived_without_an_answer_and_was_built_upon_is_not_published_again(
    fleet: Fleet, a: Clone, b: Clone, answers_lost: Callable[[], None]
) -> None:
    """A hand-off arrives, its answer does not; another machine closes it and rewrites its files."""
    a.drop("t.md", "Review PR #214 and leave substantive comments\n")
    with a.desk() as driven:
        driven.look()
        answers_lost()
        for _ in range(3):
            driven.travel()
        (task,) = fleet.outcomes()
        b.drain()
        b.drop("answer.md", f"---\ntype: answer\nhandoff: {task}\nby: Lead\n---\nFine as it is.\n")
        b.drain()
        driven.settle()
    assert set(fleet.outcomes()) >= {task}
    assert not [path for path in fleet.tracked() if f"{task}-2" in path]
    a.drain()
    assert a.head == fleet.tip()
    fleet.unharmed()


@pytest.mark.parametrize("transport", ["git", "http"])
@pytest.mark.parametrize("cut", [0, 40, 400, 900, 1500])
def test_g18_a_connection_that_is_cut_while_pushing_delays_and_doubles_nothing(
    tmp_path: Path, transport: str, cut: int
) -> None:
    with behind_a_proxy(tmp_path, transport) as (fleet, a, proxy):
        a.drain()
        a.drop("t.md", TASK)
        with a.desk() as driven:
            driven.look()
            proxy.cut_after(up=cut)
            for _ in range(3):
                driven.travel()
            proxy.heal()
            driven.settle()
        a.drain()
        assert list(fleet.outcomes().values()) == [1]
        assert fleet.text("notes/log.md") == "once\n"
        assert a.text("notes/log.md") == "once\n"
        assert a.head == fleet.tip()
        fleet.unharmed()


@pytest.mark.parametrize("cut", [0, 300, 700])
def test_g18_an_answer_that_is_cut_after_the_server_took_the_push_doubles_nothing(tmp_path: Path, cut: int) -> None:
    with behind_a_proxy(tmp_path, "git") as (fleet, a, proxy):
        a.drain()
        a.drop("t.md", TASK)
        with a.desk() as driven:
            driven.look()
            proxy.cut_after(down=cut)
            for _ in range(3):
                driven.travel()
            proxy.heal()
            driven.settle()
        a.drain()
        assert list(fleet.outcomes().values()) == [1]
        assert a.head == fleet.tip()
        fleet.unharmed()


@pytest.mark.parametrize("cut", [200, 5_000, 60_000])
def test_g18_a_fetch_that_is_cut_in_the_middle_of_its_pack_is_done_again(tmp_path: Path, cut: int) -> None:
    with behind_a_proxy(tmp_path, "git") as (fleet, a, proxy):
        b = fleet.clone("b")
        for number in range(40):
            b.write(f"notes/{number}.bin", random.Random(number).randbytes(4000).hex())
        b.commit()
        b.push()
        with a.desk() as driven:
            proxy.cut_after(down=cut)
            driven.look()
            assert driven.said["state"] == "offline"
            proxy.heal()
            driven.settle()
        assert a.head == fleet.tip()
        assert list((a.state / "fetch.git").rglob("tmp_*")) == []
        fleet.unharmed()


def test_g17_a_remote_that_hangs_holds_no_task_up(tmp_path: Path) -> None:
    with behind_a_proxy(tmp_path, "git") as (_, a, proxy):
        a.drain()
        with a.desk() as driven:
            driven.look()
            proxy.black_hole()
            assert driven.desk.exchange
            driven.desk.exchange.sync.lookout.soon()
            driven.travel()  # a look begins, and hangs
            driven.travel()
            assert driven.travel().next_at is None or driven.desk.exchange.sync.lookout.wake_at == float("inf")
            proxy.heal()
            driven.settle()


def test_g18_hooks_that_delay_are_waited_for(fleet: Fleet, a: Clone) -> None:
    a.drop("t.md", TASK)
    with fleet.bare.hooked(delaying(1.0)):
        a.drain()
    assert list(fleet.outcomes().values()) == [1]
    fleet.unharmed()


# -- a state folder that is damaged ---------------------------------------------------------------------------------

CACHES = ("objects.git", "fetch.git", "net.git", "merge.git", "sync.json", "claims.json", "claims", "lives", "runs")


@pytest.mark.parametrize("lost", CACHES)
def test_g21_each_part_of_the_state_folder_is_rebuilt_when_it_is_gone(
    fleet: Fleet, a: Clone, b: Clone, lost: str
) -> None:
    for number, clone in ((1, a), (2, b)):
        clone.drop("t.md", append(f"line {number}"))
        clone.drain()
    place = a.state / lost
    shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    a.write("notes/mine.md", "mine\n")
    a.commit("mine")
    a.drop("u.md", append("line 3"))
    a.drain()
    b.drain()
    assert counts(fleet) == [1, 1, 1]
    assert fleet.text("notes/log.md") == "line 1\nline 2\nline 3\n"
    assert a.head == b.head == fleet.tip()
    fleet.unharmed()


@pytest.mark.parametrize("lost", ["objects.git", "fetch.git", "net.git", "claims.json", "sync.json"])
def test_g21_a_part_that_is_gone_while_the_worker_runs_is_rebuilt(fleet: Fleet, a: Clone, b: Clone, lost: str) -> None:
    with a.desk() as driven:
        driven.settle()
        place = a.state / lost
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        driven.desk.rest()
        b.share("notes/theirs.md", "theirs\n")
        a.drop("u.md", append("line"))
        driven.settle()
    assert counts(fleet) == [1]
    assert a.head == fleet.tip()
    fleet.unharmed()


@pytest.mark.parametrize("name", ["objects.git/HEAD", "fetch.git/HEAD", "net.git/config", "sync.json", "claims.json"])
def test_g21_a_part_that_is_garbage_is_rebuilt(fleet: Fleet, a: Clone, name: str) -> None:
    a.drop("t.md", append("line 1"))
    a.drain()
    place = a.state / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"")
    a.drop("u.md", append("line 2"))
    a.drain()
    assert counts(fleet) == [1, 1]
    assert fleet.text("notes/log.md") == "line 1\nline 2\n"
    fleet.unharmed()


def test_g20_a_fetched_pack_that_a_crash_left_on_the_way_is_found(fleet: Fleet, a: Clone, b: Clone) -> None:
    """Killed while a fetched pack was carried from one folder of the state to the other."""
    a.drain()
    b.share("notes/theirs.md", "theirs\n")
    with a.desk() as driven:
        assert driven.desk.exchange
        sync = driven.desk.exchange.sync
        sync.lookout.look(sync.branch_name())  # fetched, and killed before anything was done with it
    (pack,) = (a.state / "fetch.git/objects/pack").glob("*.pack")
    (a.state / "objects.git/objects/pack").mkdir(parents=True, exist_ok=True)
    shutil.move(pack, a.state / "objects.git/objects/pack" / pack.name)
    shutil.copy(a.state / "objects.git/objects/pack" / pack.name, a.git_dir / "objects/pack" / pack.name)
    a.drop("t.md", TASK)
    a.drain()
    assert a.head == fleet.tip()
    assert a.text("notes/theirs.md") == "theirs\n"
    fleet.unharmed()


def test_g20_a_persons_gc_between_fetch_and_follow_loses_nothing(fleet: Fleet, a: Clone, b: Clone) -> None:
    a.git("switch", "-q", "--detach")
    b.share("notes/theirs.md", "theirs\n")
    with a.desk() as driven:
        driven.settle()
        a.git("gc", "-q", "--prune=now")
        a.drop("t.md", TASK)
        driven.settle()
        a.git("switch", "-q", "main")
        a.git("gc", "-q", "--prune=now")
        wait_for(lambda: driven.travel() and a.head == fleet.tip(), what="the branch to follow")
    assert a.text("notes/log.md") == "once\n"
    fleet.unharmed()


def test_a_look_that_began_before_a_push_is_not_taken_for_a_rewritten_history(fleet: Fleet, a: Clone) -> None:
    with a.desk() as driven:
        driven.settle()
        assert driven.desk.exchange
        sync = driven.desk.exchange.sync
        look, gone = sync._inbound.fetch, []

        def slow(branch: str, *rest: float) -> str | None:
            tip = look(branch, *rest)
            wait_for(lambda: gone, what="the push")  # what was seen is old by now
            return tip

        sync._inbound.fetch = slow  # type: ignore[method-assign]
        sync.lookout.soon()
        a.drop("t.md", TASK)
        for _ in range(3):
            driven.travel()
            driven.bell.wait(0.05)
        wait_for(lambda: driven.travel() and fleet.outcomes(), what="the push")
        gone.append(True)
        sync._inbound.fetch = look  # type: ignore[method-assign]
        driven.settle()
        assert sync.paused == ""
        assert sync.tip == fleet.tip()
    assert a.head == fleet.tip()
    fleet.unharmed()


def counts(fleet: Fleet) -> list[int]:
    return sorted(fleet.outcomes().values())


def test_served_over_every_transport_an_outcome_and_a_drop_of_the_persons_arrive(
    remote: Remote, tmp_path: Path
) -> None:
    fleet = Fleet(tmp_path, remote)
    a, b = fleet.pair()
    a.drop("t.md", TASK)
    a.drop("waits.md", "---\nneeds: [gpu]\n---\n" + write("1", "notes/one.md"))
    a.drain()
    b.write("notes/mine.md", "mine\n")
    b.commit("mine")
    b.drop("u.md", append("two"))
    b.drain()
    assert counts(fleet) == [1, 1]
    assert fleet.text("notes/log.md") == "once\ntwo\n"
    assert "inbox/waits.md" in fleet.tracked()
    fleet.unharmed()
