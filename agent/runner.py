"""Lanes: where tasks run. Code runs at once and in order; models and other machines never hold it up.

A run that outlives its limit is given up: its outcome is decided without it, its thread is replaced, and what it
may still say is not heard. It can do no harm: a handler only proposes, the road acts.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from agent.claims import Claim
from agent.errors import TimeUp
from agent.inbox import Drop
from agent.runs import RunFolder
from agent.vault.values import Decision, Task, Usage

T = TypeVar("T")
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


class Lane(Generic[T]):
    """Some threads that do jobs in the order of their coming, and ring when one is done."""

    def __init__(self, name: str, threads: int, ring: Callable[[], None]) -> None:
        self.name, self._ring = name, ring
        self._jobs: queue.SimpleQueue[tuple[Run, Callable[[Run], T]] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[int, T]] = queue.SimpleQueue()
        self._open: dict[int, Run] = {}
        self._begun: dict[int, float] = {}
        self._wanted, self._threads = threads, 0

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that have not ended, those that wait for a thread included."""
        return tuple(self._open.values())

    @property
    def room(self) -> int:
        """How many more runs can start at once."""
        return max(0, self._wanted - len(self._open))

    def start(self, run: Run, work: Callable[[Run], T]) -> None:
        while self._threads < self._wanted:
            self._threads += 1
            threading.Thread(target=self._loop, name=f"gofer-{self.name}", daemon=True).start()
        self._open[run.number] = run
        self._jobs.put((run, work))

    def collect(self, given_up: Callable[[Run], T], *, wait: bool) -> list[tuple[Run, T]]:
        """What has ended by now; with `wait`, all of it. Runs past their limit end here, by `given_up`."""
        ended: list[tuple[Run, T]] = []
        while self._open:
            for number, begun in list(self._begun.items()):
                run = self._open.get(number)
                if run is not None and time.monotonic() - begun > run.limit + 1:  # a second to notice by itself
                    run.cancelled.set()
                    self._threads -= 1  # its thread hangs: another takes its place
                    ended.append((run, given_up(self._close(number))))
                    if self._open:
                        self._revive()
            try:
                number, result = self._results.get(timeout=0.2) if wait else self._results.get_nowait()
            except queue.Empty:
                if wait:
                    continue
                break
            if number in self._open:  # else it was given up before
                ended.append((self._close(number), result))
        return ended

    def settle(self, seconds: float) -> None:
        """Wait for the runs that were told to end, so long at most: what they started ends with them."""
        ends = time.monotonic() + seconds
        with suppress(queue.Empty):
            while self._open and (left := ends - time.monotonic()) > 0:
                number, _ = self._results.get(timeout=left)
                self._open.pop(number, None)

    def close(self) -> None:
        for _ in range(self._threads):
            self._jobs.put(None)

    def _revive(self) -> None:
        self._threads += 1
        threading.Thread(target=self._loop, name=f"gofer-{self.name}", daemon=True).start()

    def _close(self, number: int) -> Run:
        self._begun.pop(number, None)
        return self._open.pop(number)

    def _loop(self) -> None:
        while (job := self._jobs.get()) is not None:
            run, work = job
            self._begun[run.number] = time.monotonic()
            result = work(run)
            late = run.number not in self._open
            self._results.put((run.number, result))
            self._ring()
            if late:
                return  # another thread has taken this one's place
