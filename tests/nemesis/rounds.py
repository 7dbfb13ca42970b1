"""One round: begin, do harm, heal, wait, stop, look."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.nemesis import clones, faults
from tests.nemesis.active import check_active
from tests.nemesis.clones import check_clone, check_locks, check_objects, check_survivors
from tests.nemesis.commits import git, log
from tests.nemesis.expect import Expectations, claim_ref
from tests.nemesis.fencing import check_claims
from tests.nemesis.history import check_history
from tests.nemesis.leaks import check_folders_clean, check_kept, check_objects_clean
from tests.nemesis.planted import KEY, KEYS_NOTE, KNOWN
from tests.nemesis.world import Plan, World, world


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a round. `folder` is gone when nothing was violated."""

    plan: Plan
    faults: tuple[str, ...]
    tasks: int
    commits: int
    seconds: float
    violations: tuple[str, ...]
    folder: Path
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        plan, count = self.plan, len(self.violations)
        ended = "ok" if not count else f"{count} VIOLATION{'S' * (count > 1)}"
        size = f"{plan.clones} clones × {plan.workers} over {plan.transport}"
        work = f"{self.tasks:3} tasks in {self.commits:3} commits  {self.seconds:5.1f} s"
        return f"seed {plan.seed:<5} {size}  {work}  {ended}  [{', '.join(self.faults)}]"


def run_round(plan: Plan, folder: Path, *, keep: bool = False) -> Result:
    """Everything of a round happens in `folder`, a new or empty one. Whatever it finds is in the result."""
    began, done = time.monotonic(), list[str]()
    folder.mkdir(exist_ok=True)
    with world(plan, folder) as here:
        busy = threading.Thread(target=_busy, args=(here,), name="person")
        for machine in here.machines:
            machine.start()
        busy.start()
        try:
            for name, fault in faults.chosen(here):
                here.pause(0.3, 1.5)
                fault(here)
                done.append(name)
                _supervise(here)
            faults.heal(here)
            busy.join(plan.seconds + plan.drain)
        finally:
            here.stop.set()
            busy.join(60)
        here.person.finish()
        here.note("all is healed")
        _drain(here)
        violations = [*here.book.violations, *_stop(here), *_look(here)]
        tasks, commits = len(here.book.asked), len(log(here.remote.path, faults.MAIN))
        here.book.save(folder / "book.txt")
        (folder / "violations.txt").write_text("\n".join(violations) + "\n", "utf-8")
        notes = tuple(here.book.notes)
    if not violations and not keep:
        shutil.rmtree(folder)
    return Result(plan, tuple(done), tasks, commits, time.monotonic() - began, tuple(violations), folder, notes)


def _busy(here: World) -> None:
    try:
        here.person.work(here.plan.tasks, here.plan.seconds, here.stop)
    except Exception as error:
        here.book.violated(f"the harness: the person's thread ended with {error!r}")


def _supervise(here: World) -> None:
    """A worker that died although nobody killed it is a violation; it is started again all the same."""
    for machine in here.machines:
        if not machine.alive:
            first = f"the worker of {machine} ended by itself"
            if not any(sentence.startswith(first) for sentence in here.book.violations):
                here.book.violated(f"{first}; {machine.said()[-300:]!r}")
            here.note(first)
            machine.start()
            here.pause(1)


def _drain(here: World) -> None:
    """Wait until all is done and every clone has followed; what is not so by the deadline, the checks will say."""
    deadline, pause = time.monotonic() + here.plan.drain, threading.Event()
    while (left := _left(here)) and time.monotonic() < deadline:
        _supervise(here)
        pause.wait(0.3)
    here.note(f"drained; left: {left or 'nothing'}")
    for machine in here.machines if left else ():
        for verb in ("status", "list"):
            said = machine.gofer(verb).stdout
            (machine.folder / f"{verb}.txt").write_text(said, "utf-8")
            here.note(f"gofer {verb} on {machine}:\n{said[:1500]}" if verb == "status" else "")


def _left(here: World) -> str:
    commits = log(here.remote.path, faults.MAIN)
    ended = {outcome.task for commit in commits for outcome in commit.outcomes}
    waiting = [task.id for task in here.book.asked if task.ends and task.id not in ended]
    if waiting:
        return f"{len(waiting)} tasks, such as {waiting[0]}"
    refs = here.bare.refs()
    if held := [task.id for task in here.book.asked if claim_ref(task.id) in refs]:
        return f"{len(held)} claims, such as that of {held[0]}"
    for machine in here.machines:
        if clones.check_followed(machine.root, refs[faults.MAIN]):
            return f"{machine} has not followed"
        if shown := clones.check_status(machine.root, _allowed(here, machine.name)):
            return shown[0]
    return ""


def _stop(here: World) -> list[str]:
    said = [sentence for machine in here.machines if (sentence := machine.end())]
    for machine in here.machines:
        if "Traceback" in (text := machine.said()):
            said.append(f"{machine} printed a traceback: {text[text.index('Traceback') :][:1500]}")
    return said


def _look(here: World) -> list[str]:
    """Every invariant, from the outside, once nothing runs any more."""
    expected = here.book.expectations(tuple(machine.name for machine in here.machines))
    tip, said = here.bare.refs()[faults.MAIN], check_survivors(here.marker)
    said += check_history(here.remote.path, expected)
    said += check_claims(here.remote.path, expected)
    said += check_locks(here.remote.path) + check_objects(here.remote.path)
    for machine in here.machines:
        mine = here.book.mine(machine.name, here.first[machine.name])
        said += check_clone(machine.root, mine, tip=tip, allowed=_allowed(here, machine.name))
        here_now = set(git(machine.root, "rev-list", "HEAD").split())
        lost = [oid for oid in here.book.commits(machine.name) if oid not in here_now]
        said += [f"I3: {machine}: the person's commit {oid[:12]} is not in the branch" for oid in lost]
    said += check_active(here.remote.path, expected) + _leaks(here, expected)
    said += [*here.watch.said, *here.trap.said]
    here.person.read()
    new = [sentence for sentence in here.book.violations if sentence.startswith("G36: git pull")]
    return said + [sentence for sentence in new if sentence not in said]


def _leaks(here: World, expected: Expectations) -> list[str]:
    """I6, in all that Gofer wrote anywhere. Only what was committed by the person may hold a secret, as it is."""
    secrets = {task.secret: task.id for task in expected.tasks if task.secret} | {
        KNOWN: "the environment",
        KEY: "a key",
    }
    theirs = [KEYS_NOTE[1], *(task.text for task in expected.tasks if not task.local)]
    states = [state for machine in here.machines for state in machine.state_folders()]
    repositories = [here.remote.path, *(machine.root / ".git" for machine in here.machines)]
    # One without HEAD was not begun, and git reads nothing from it; a pack that was moved there is in the vault too.
    repositories += [head.parent for state in states for head in sorted(state.glob("*.git/HEAD"))]
    folders = [*states, *(machine.root / name for machine in here.machines for name in ("outbox", "memory"))]
    files = [file for machine in here.machines for file in machine.folder.glob("*") if file.suffix in (".log", ".txt")]
    return [
        *check_objects_clean(repositories, secrets, theirs),
        *check_folders_clean([*folders, *files], secrets),
        *check_kept(here.remote.path, {machine.name: machine.root for machine in here.machines}, expected),
    ]


def _allowed(here: World, machine: str) -> set[str]:
    """What `git status` may show: the person's own, and what a task wrote that nobody may publish."""
    mine = here.book.mine(machine, here.first[machine])
    return {*mine.files, *mine.index, *(task.file for task in here.book.asked if task.kept)}
