"""One worker's process of one kind, as the desk sees it: what it was sent, how quick it is, when it may start again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from agent.crew.child import Child
from agent.crew.messages import Cancel, Job
from agent.runner import GRACE, Post, Run, WorkerState

SHALLOW, DEEP = 1, 32  # runs sent at a time to a process that is slow, and to one that is quick
QUICK = 0.05  # seconds
LATELY = 3600.0  # seconds for which a death counts
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0  # seconds before a process that died is started again
STARTING = 60.0  # seconds until it must be ready; it takes 0.3


@dataclass(slots=True)
class Hand:
    """A process that is quick is sent runs ahead, so that it never waits for the desk. They end in the order of their
    sending: the first in `line` is the one that is being run, and nobody needs to say so."""

    name: str
    make: Callable[[], Child]
    idle: float  # seconds without work after which the process ends
    child: Child | None = None
    ready: bool = False
    line: deque[Run] = field(default_factory=deque)
    _since: float = 0.0  # monotonic: since when it is at the first in line, starting, or without work
    _depth: int = SHALLOW
    _pause: float = 0.0
    _retry_at: float = 0.0
    _told: set[int] = field(default_factory=set)  # runs that were cancelled, and it knows
    _deaths: deque[float] = field(default_factory=lambda: deque(maxlen=100))  # monotonic: when its processes died

    # -- what goes out -----------------------------------------------------------------------------------------------

    def open(self, clock: float) -> bool:
        """Whether one more run can be sent. None goes behind one that turns out to be slow: another worker may be
        free first."""
        slow = bool(self.line) and self.ready and clock - self._since > QUICK
        return len(self.line) < self._depth and not slow and clock >= self._retry_at

    def start(self, clock: float) -> bool:
        """Have a process; False when there can be none now."""
        if self.child is None:
            if clock < self._retry_at:
                return False
            try:
                self.child, self.ready, self._since = self.make(), False, clock
            except OSError:  # no memory, no process numbers: as if it had died at once
                self._back_off(clock)
                return False
        return True

    def send(self, run: Run, clock: float) -> None:
        assert self.child is not None
        if self.ready and not self.line:
            self._since = clock
        self.line.append(run)
        self.child.say(
            Job(
                run.number, run.task, run.decision, run.claim, run.started, run.limit, run.folder.path, run.facts,
                run.cancelled.is_set(), self.name,
            )
        )  # fmt: skip

    def tell(self, message: Any) -> None:
        if self.child:
            self.child.say(message)

    def look_after(self, clock: float) -> None:
        """Pass on what it should know by now, and end a process that had nothing to do for long."""
        if self.child is None:
            return
        for run in self.line:
            if run.cancelled.is_set() and run.number not in self._told:
                self._told.add(run.number)
                self.child.say(Cancel(run.number))
        self.child.flush()
        if not self.line and self.ready and clock - self._since >= self.idle:
            self.end()

    # -- what comes back ---------------------------------------------------------------------------------------------

    def is_ready(self, clock: float) -> None:
        self.ready, self._since, self._retry_at = True, clock, 0.0

    def done(self, clock: float, seconds: float) -> tuple[Run, float]:
        """The first in line has ended; it, and when it began."""
        run, began = self.line.popleft(), self._since
        self._since, self._pause = clock, 0.0
        self._depth = min(DEEP, self._depth * 2) if seconds < QUICK else SHALLOW
        self._told.discard(run.number)
        return run, began

    def died(self, clock: float) -> tuple[Run | None, list[Run], str]:
        """It ended by itself: the run that it died in, those that only waited, and how it ended."""
        began, how = self.ready, self.end()
        left = list(self.line)
        self.line.clear()
        self._back_off(clock)
        return (left[0], left[1:], how) if left and began else (None, left, how)

    def overdue(self, clock: float) -> bool:
        """Whether the first in line has passed its limit and the grace to notice by itself."""
        return self.ready and bool(self.line) and clock - self._since > self.line[0].limit + GRACE

    def hangs(self, clock: float) -> bool:
        """Whether it does not come up."""
        return not self.ready and clock - self._since > STARTING

    def cut(self) -> list[Run]:
        """Kill it, with all it started; the runs it had."""
        self.end()
        left = list(self.line)
        self.line.clear()
        return left

    def end(self) -> str:
        child, self.child, self.ready = self.child, None, False
        self._depth = SHALLOW
        self._told.clear()
        return child.end() if child else ""

    def _back_off(self, clock: float) -> None:
        self._deaths.append(clock)
        self._pause = min(LONGEST_PAUSE, self._pause * 2 or FIRST_PAUSE)
        self._retry_at = clock + self._pause

    # -- how it stands -----------------------------------------------------------------------------------------------

    @property
    def post(self) -> Post:
        pid, clock = self.child.pid if self.child else None, time.monotonic()
        state = WorkerState.CLAIMED if self.line else WorkerState.READY if self.ready else WorkerState.IDLE
        if self._retry_at and not self.ready and (self.child or clock < self._retry_at):
            state = WorkerState.RESTARTING
        run = self.line[0] if state is WorkerState.CLAIMED else None
        return Post(state, run, pid, sum(clock - at < LATELY for at in self._deaths))

    @property
    def next_at(self) -> float | None:
        """When to look at it again though it says nothing; None: only when it does."""
        if self.child is None:
            return self._retry_at if self._retry_at > time.monotonic() else None
        if not self.child.flush():
            return time.monotonic() + 0.05
        if not self.ready:
            return self._since + STARTING
        return self._since + (self.line[0].limit + GRACE if self.line else self.idle)
