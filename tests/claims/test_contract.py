"""What every form of claims keeps: one wins, losing is no error, the dead lose theirs, nobody gives back another's."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from agent.claims import LocalClaims, RemoteClaims
from tests.claims.support import LEASE, Machine, process, want
from tests.remotes import make_bare

TASKS = 120
WORKERS = 3
OPEN = """
import json, os, random, sys
from pathlib import Path
from agent.claims import LocalClaims, RemoteClaims, Wanted
from agent.git.network import Network
from agent.git.repository import Repository
form, place, name = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
if form == "local":
    claims = LocalClaims(place, name)
else:
    network = Network(Repository(place / "vault"), place / "state" / "net.git", "origin")
    claims = RemoteClaims(network, place / "state" / "claims.json", name)
"""
REACHES = (
    OPEN
    + """
tasks = json.loads(sys.argv[4])
random.Random(name).shuffle(tasks)
print("ready", flush=True)
sys.stdin.readline()
won = set()
for start in range(0, len(tasks), 10):
    won |= claims.take([Wanted(task, "0123456789ab", 1) for task in tasks[start:start + 10]]).keys()
print(json.dumps(sorted(won)), flush=True)
sys.stdin.readline()  # alive until all are done: what the dead held is free
"""
)
DIES_HOLDING = OPEN + 'assert claims.take([Wanted("task", "0123456789ab", 2)])\nos._exit(137)\n'


class Form(Protocol):
    """One form of claims, and what the world must do around it."""

    name: str

    def worker(self, name: str) -> LocalClaims | RemoteClaims: ...

    def home(self, name: str) -> Path:
        """Where a process of this worker's finds what it needs."""

    def give_back(self, claims: LocalClaims | RemoteClaims, *tasks: str) -> None: ...

    def look(self, claims: LocalClaims | RemoteClaims, *tasks: str) -> None:
        """This worker looks at what others hold."""

    def wait_out(self, claims: LocalClaims | RemoteClaims, *tasks: str) -> None:
        """All the time that a dead worker's claim may stand passes for this worker."""


class Local:
    name = "local"

    def __init__(self, place: Path, stack: ExitStack) -> None:
        self._place, self._stack = place, stack

    def worker(self, name: str) -> LocalClaims:
        claims = LocalClaims(self._place, name)
        self._stack.callback(claims.close)
        return claims

    def home(self, name: str) -> Path:
        return self._place

    def give_back(self, claims: LocalClaims | RemoteClaims, *tasks: str) -> None:
        claims.release(tasks)

    def look(self, claims: LocalClaims | RemoteClaims, *tasks: str) -> None:
        pass

    def wait_out(self, claims: LocalClaims | RemoteClaims, *tasks: str) -> None:
        pass


class Remote:
    name = "remote"

    def __init__(self, place: Path, stack: ExitStack) -> None:
        self._place, self.bare = place, make_bare(place / "remote.git", ledger=False)
        self.machines: dict[str, Machine] = {}

    def _machine(self, name: str) -> Machine:
        if name not in self.machines:
            self.machines[name] = Machine(self._place / name, str(self.bare.path))
        return self.machines[name]

    def worker(self, name: str) -> RemoteClaims:
        return self._machine(name).claims

    def home(self, name: str) -> Path:
        return self._machine(name).place

    def give_back(self, claims: LocalClaims | RemoteClaims, *tasks: str) -> None:
        assert isinstance(claims, RemoteClaims)
        claims.release(tasks)
        claims.flush()

    def look(self, claims: LocalClaims | RemoteClaims, *tasks: str) -> None:
        assert isinstance(claims, RemoteClaims)
        claims.watch(tasks)

    def wait_out(self, claims: LocalClaims | RemoteClaims, *tasks: str) -> None:
        assert isinstance(claims, RemoteClaims)
        claims.watch(tasks)
        self.machines[claims.worker].clock.now += LEASE + 1
        claims.watch(tasks)


@pytest.fixture(params=[Local, Remote], ids=["local", "remote"])
def form(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Form]:
    with ExitStack() as stack:
        yield request.param(tmp_path, stack)


def test_one_of_two_gets_a_task_and_the_other_gets_it_when_it_is_given_back(form: Form) -> None:
    one, other = form.worker("one"), form.worker("other")
    held = one.take([want("task")])["task"]
    assert (held.task, held.attempt) == ("task", 1)
    assert other.take([want("task")]) == {}
    form.give_back(one, "task")
    form.look(other, "task")
    again = other.take([want("task", 2)])["task"]
    assert again.nonce != held.nonce
    assert again.attempt == 2
    assert one.take([want("task")]) == {}


def test_nobody_gives_back_what_is_anothers(form: Form) -> None:
    one, other, third = (form.worker(name) for name in ("one", "other", "third"))
    assert one.take([want("task")])
    assert other.take([want("task")]) == {}
    form.give_back(other, "task")
    form.look(other, "task")
    assert other.take([want("task")]) == {}
    assert third.take([want("task")]) == {}


def test_what_was_given_back_is_taken_again_by_the_same_worker_with_another_nonce(form: Form) -> None:
    one = form.worker("one")
    nonces = set()
    for attempt in (1, 2, 3):
        claim = one.take([want("task", attempt)])["task"]
        assert claim.attempt == attempt
        nonces.add(claim.nonce)
        form.give_back(one, "task")
    assert len(nonces) == 3


def test_of_many_in_one_call_each_is_won_or_lost_by_itself(form: Form) -> None:
    one, other = form.worker("one"), form.worker("other")
    tasks = [f"task-{n}" for n in range(20)]
    assert one.take([want(task) for task in tasks[::2]]).keys() == set(tasks[::2])
    won = other.take([want(task) for task in tasks])
    assert won.keys() == set(tasks[1::2])
    assert {claim.task for claim in won.values()} == won.keys()
    assert len({claim.nonce for claim in won.values()}) == len(won)
    assert other.take([]) == {}


def test_tasks_of_equal_text_are_different_tasks_and_one_id_is_one_task(form: Form) -> None:
    one, other = form.worker("one"), form.worker("other")
    assert one.take([want("same"), want("same"), want("same-2")]).keys() == {"same", "same-2"}
    assert other.take([want("same"), want("same-2"), want("same-3")]).keys() == {"same-3"}


@pytest.mark.parametrize(
    "task",
    ["a+b", "a:b", "a\nb", ":refs/heads/main", "--force", "../../HEAD", "a*", "ü ä", "x" * 5000, "a\0b", "+", ""],
)
def test_g29_no_text_of_a_task_reaches_a_path_or_a_refspec(form: Form, task: str) -> None:
    one, other = form.worker("one"), form.worker("other")
    assert one.take([want(task), want("plain")]).keys() == {task, "plain"}
    assert other.take([want(task)]) == {}
    form.give_back(one, task)
    form.look(other, task)
    assert other.take([want(task)]).keys() == {task}
    assert other.take([want("plain")]) == {}


def test_g07_of_processes_that_reach_for_the_same_tasks_at_once_exactly_one_gets_each(form: Form) -> None:
    tasks = [f"task-{n}" for n in range(TASKS)]
    names = [f"w{n}" for n in range(WORKERS)]
    workers = [process(REACHES, form.name, form.home(name), name, json.dumps(tasks)) for name in names]
    for worker in workers:
        assert worker.stdout and worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin
        worker.stdin.write("go\n")
        worker.stdin.flush()
    got = Counter[str]()
    for worker in workers:
        assert worker.stdout
        got.update(json.loads(worker.stdout.readline()))
    for worker in workers:
        worker.communicate("end\n", timeout=60)
        assert worker.returncode == 0
    assert got == Counter(tasks)


def test_q01_the_claim_of_a_killed_worker_is_taken_over_and_that_of_a_living_one_is_not(form: Form) -> None:
    dead = process(DIES_HOLDING, form.name, form.home("dead"), "dead")
    dead.communicate(timeout=60)
    assert dead.returncode == 137
    living, one = form.worker("living"), form.worker("one")
    if form.name == "remote":
        assert one.take([want("task", 1)]) == {}
    form.wait_out(one, "task")
    claim = one.take([want("task", 1)])["task"]
    assert claim.attempt == (3 if form.name == "remote" else 1)  # locally the journal counts them
    form.look(living, "task")
    assert living.take([want("task")]) == {}
