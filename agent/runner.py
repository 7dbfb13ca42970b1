"""Lanes: where tasks run. Code runs at once and in order; models and other machines never hold it up.

A lane of threads is here; `agent.crew` has one of processes with the same contract. A run that outlives its limit is
given up: its outcome is decided without it, its thread is replaced, and what it may still say is not heard. It can do
no harm: a handler only proposes, the road acts.
"""

from __future__ import annotations

import itertools
import os
import queue
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from agent.claims import Claim
from agent.errors import TimeUp, TryLater
from agent.inbox import Drop
from agent.runs import RunFolder
from agent.vault.values import Decision, Result, Task, Usage

PATIENCE = 1.0  # seconds for which code that was started is waited for: what ends together is published together
GRACE = 1.0  # seconds beyond its limit in which a run may notice by itself

Ended = Result | TryLater
Timed = tuple[Ended, float]  # and how long it took, in seconds
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Run:
    """One task on its way: claimed, and about to be executed."""

    drop: Drop
    task: Task
    decision: Decision
    claim: Claim
    started: datetime
    limit: float  # seconds of wall clock
    folder: RunFolder
    facts: Mapping[str, Any] = field(default_factory=dict)  # what the worker knows of itself, for types that ask
    worker: str = ""  # who ran it; "" is the worker whose desk this is
    number: int = field(default_factory=lambda: next(_numbers))
    deadline: float = float("inf")  # on the monotonic clock; set when it begins
    cancelled: threading.Event = field(default_factory=threading.Event)
    spent: list[Usage] = field(default_factory=list)  # what its questions cost, whatever became of the answers

    def check(self) -> None:
        """Raise TimeUp when the run was cancelled or its time is over. Handlers call it in loops."""
        if self.cancelled.is_set():
            raise TimeUp("the run was cancelled", why="somebody asked for it")
        if time.monotonic() > self.deadline:
            raise TimeUp(f"the time limit of {self.limit:g} s passed")


class WorkerState(StrEnum):
    """What a worker is doing, for people."""

    READY = "READY"  # its process is up and has nothing to do
    CLAIMED = "CLAIMED"  # it runs a task
    RESTARTING = "RESTARTING"  # its process died, and a new one comes after a pause
    IDLE = "IDLE"  # it needs no process now
    STOPPED = "STOPPED"  # the vault is stopped, or the worker has ended


@dataclass(frozen=True, slots=True)
class Post:
    """One place of work in a lane as it stands now."""

    state: WorkerState
    run: Run | None = None
    pid: int | None = None
    deaths: int = 0  # of its processes in the last hour, by themselves


class AnyLane(Protocol):
    """Where runs run, in threads or in processes. One thread, the road's, uses it."""

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that have not been collected."""

    @property
    def room(self) -> int:
        """How many more runs can begin at once."""

    @property
    def posts(self) -> Sequence[Post]:
        """Its places of work, in the order of the workers."""

    @property
    def wake_times(self) -> Sequence[float]:
        """When it must be looked at again although nothing rings, in monotonic seconds."""

    def prepare(self) -> None:
        """Work is about to come: what takes time to start may start."""

    def start(self, run: Run, work: Callable[[Run], Timed]) -> None:
        """Run it as soon as there is room."""

    def collect(self, given_up: Callable[[Run], Timed], *, wait: bool) -> list[tuple[Run, Timed]]:
        """What has ended by now; with `wait`, what ends within a second of its start too. Runs past their limit end
        here, by `given_up`."""

    def settle(self, numbers: Collection[int]) -> None:
        """What these runs proposed is in the vault, or dropped."""

    def withdraw(self) -> list[Run]:
        """Take back the runs that have not begun."""

    def kill(self) -> None:
        """End all runs now; they are collected as to be tried later."""

    def close(self) -> None:
        """The end: nothing that ran here runs on, as far as that can be done."""


class Lane:
    """Some threads that do jobs in the order of their coming, and ring when one is done."""

    def __init__(self, name: str, threads: int, ring: Callable[[], None]) -> None:
        self.name, self._ring = name, ring
        self._jobs: queue.SimpleQueue[tuple[Run, Callable[[Run], Timed]] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[int, Timed]] = queue.SimpleQueue()
        self._open: dict[int, Run] = {}
        self._begun: dict[int, float] = {}
        self._cut: list[Run] = []
        self._wanted, self._threads, self._last = threads, 0, 0.0

    @property
    def runs(self) -> tuple[Run, ...]:
        return (*self._open.values(), *self._cut)

    @property
    def room(self) -> int:
        return max(0, self._wanted - len(self._open))

    @property
    def posts(self) -> Sequence[Post]:
        at_work = next((run for number, run in self._open.items() if number in self._begun), None)
        return [Post(WorkerState.CLAIMED if at_work else WorkerState.READY, at_work, os.getpid())]

    @property
    def wake_times(self) -> Sequence[float]:
        return [at + self._open[n].limit + GRACE for n, at in list(self._begun.items()) if n in self._open]

    def prepare(self) -> None:
        pass  # a thread starts at once

    def start(self, run: Run, work: Callable[[Run], Timed]) -> None:
        while self._threads < self._wanted:
            self._threads += 1
            threading.Thread(target=self._loop, name=f"gofer-{self.name}", daemon=True).start()
        self._open[run.number] = run
        self._last = time.monotonic()
        self._jobs.put((run, work))

    def collect(self, given_up: Callable[[Run], Timed], *, wait: bool) -> list[tuple[Run, Timed]]:
        ended: list[tuple[Run, Timed]] = [(run, stopped()) for run in self._cut]
        self._cut.clear()
        while self._open:
            for number, begun in list(self._begun.items()):
                run = self._open.get(number)
                if run is not None and time.monotonic() - begun > run.limit + GRACE:
                    run.cancelled.set()
                    self._threads -= 1  # its thread hangs: another takes its place
                    ended.append((run, given_up(self._close(number))))
                    if self._open:
                        self._revive()
            left = self._last + PATIENCE - time.monotonic() if wait else 0.0
            try:
                number, result = self._results.get(timeout=min(0.2, left)) if left > 0 else self._results.get_nowait()
            except queue.Empty:
                if left > 0:
                    continue
                break
            if number in self._open:  # else it was given up before
                ended.append((self._close(number), result))
        return ended

    def settle(self, numbers: Collection[int]) -> None:
        pass  # these runs share the desk's own view of the vault

    def withdraw(self) -> list[Run]:
        return [self._close(number) for number in list(self._open) if number not in self._begun]

    def kill(self) -> None:
        """A thread cannot be ended: it is told, and what it still says is not heard."""
        for number, run in list(self._open.items()):
            run.cancelled.set()
            self._threads -= number in self._begun
            self._cut.append(self._close(number))

    def close(self) -> None:
        for run in self.runs:
            run.cancelled.set()
        for _ in range(self._threads):
            self._jobs.put(None)
        ends = time.monotonic() + GRACE  # what they started ends with them
        with suppress(queue.Empty):
            while self._open and (left := ends - time.monotonic()) > 0:
                number, _ = self._results.get(timeout=left)
                self._open.pop(number, None)

    def _revive(self) -> None:
        self._threads += 1
        threading.Thread(target=self._loop, name=f"gofer-{self.name}", daemon=True).start()

    def _close(self, number: int) -> Run:
        self._begun.pop(number, None)
        return self._open.pop(number)

    def _loop(self) -> None:
        while (job := self._jobs.get()) is not None:
            run, work = job
            if run.number not in self._open:
                continue  # it was taken back
            self._begun[run.number] = time.monotonic()
            result = work(run)
            late = run.number not in self._open
            self._results.put((run.number, result))
            self._ring()
            if late:
                return  # another thread has taken this one's place


def stopped() -> Timed:
    """The end of a run that somebody stopped: its task waits, and the attempt does not count."""
    return TryLater("Gofer was told to stop"), 0.0
