"""A lane of worker processes: the contract of `agent.runner.Lane`, with a wall limit that nothing can outlive.

A process may be killed at any time without harm: it only proposes. Who is killed at its limit has failed. Whose
process died by itself has crashed: its task runs again, and this attempt counts. Those that only waited in line are
sent to the next process, and it costs them nothing.
"""

from __future__ import annotations

import queue
import sys
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from heapq import heappop, heappush
from typing import Any, ClassVar

from agent.crew.child import Child, Start
from agent.crew.hand import Hand
from agent.crew.messages import Done, Ready, Settled
from agent.errors import Crashed
from agent.runner import PATIENCE, Post, Run, Timed, stopped


class ProcessLane:
    """Up to one process for each name. All of it is done by one thread, the road's; others only listen and ring."""

    command: ClassVar[tuple[str, ...]] = (sys.executable, "-P", "-m", "agent.crew.program")

    def __init__(self, names: Sequence[str], start: Start, idle: float, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._heard: queue.SimpleQueue[tuple[Child, Any]] = queue.SimpleQueue()
        self._hands = [Hand(name, lambda: Child(start, self._listen), idle) for name in names]
        self._open: dict[int, Run] = {}
        self._waiting: list[tuple[int, int, Run]] = []  # a heap of what is not sent yet: urgent first, then in order
        self._ended: list[tuple[Run, Timed]] = []
        self._last = 0.0

    @property
    def runs(self) -> tuple[Run, ...]:
        return (*self._open.values(), *(run for run, _ in self._ended))

    @property
    def room(self) -> int:
        return max(0, len(self._hands) - len(self._open))

    @property
    def posts(self) -> Sequence[Post]:
        return [hand.post for hand in self._hands]

    @property
    def wake_times(self) -> Sequence[float]:
        return [at for hand in self._hands if (at := hand.next_at) is not None]

    def prepare(self) -> None:
        self._hands[0].start(time.monotonic())

    def start(self, run: Run, work: Callable[[Run], Timed]) -> None:
        """`work` is not used: a process has it from its own program."""
        self._open[run.number] = run
        self._queue([run])
        self._last = time.monotonic()
        self._go_on()

    def collect(self, given_up: Callable[[Run], Timed], *, wait: bool) -> list[tuple[Run, Timed]]:
        while True:
            self._go_on()
            self._enforce(given_up)
            left = self._last + PATIENCE - time.monotonic() if wait and self._open else 0.0
            if left <= 0:
                break
            try:
                self._hear(*self._heard.get(timeout=min(0.05, left)))
            except queue.Empty:
                continue
        ended, self._ended = self._ended, []
        return ended

    def settle(self, numbers: Collection[int]) -> None:
        for hand in self._hands:
            hand.tell(Settled(frozenset(numbers)))

    def withdraw(self) -> list[Run]:
        left = [run for _, _, run in self._waiting]
        self._waiting.clear()
        for run in left:
            del self._open[run.number]
        return left

    def kill(self) -> None:
        for hand in self._hands:
            hand.cut()
        self._waiting.clear()
        for run in list(self._open.values()):
            self._end(run, stopped())

    def close(self) -> None:
        for hand in self._hands:
            hand.end()

    # -- one step ----------------------------------------------------------------------------------------------------

    def _listen(self, child: Child, message: Any) -> None:
        self._heard.put((child, message))
        self._ring()

    def _go_on(self) -> None:
        """Hear what was said, and send what can be sent."""
        while not self._heard.empty():
            self._hear(*self._heard.get())
        clock = time.monotonic()
        while self._waiting:
            free = [hand for hand in self._hands if hand.open(clock)]
            hand = min(free, key=lambda hand: len(hand.line), default=None)
            if hand is None:
                return
            if hand.start(clock):
                hand.send(heappop(self._waiting)[-1], clock)

    def _queue(self, runs: Iterable[Run]) -> None:
        for run in runs:
            heappush(self._waiting, (run.task.priority.rank, run.number, run))

    def _hear(self, child: Child, message: Any) -> None:
        hand = next((hand for hand in self._hands if hand.child is child), None)
        clock = time.monotonic()
        if hand is None:
            return  # it was killed before
        if isinstance(message, Ready):
            hand.is_ready(clock)
        elif isinstance(message, Done):
            run, began = hand.done(clock, message.seconds)
            self._end(_begun_at(run, began, hand.name), (message.end, message.seconds))
        else:
            crashed, waited, how = hand.died(clock)
            self._queue(waited)
            if crashed:
                why = Crashed(f"its process died in the middle of it: {how}")
                self._end(replace(crashed, worker=hand.name), (why, 0.0))

    def _enforce(self, given_up: Callable[[Run], Timed]) -> None:
        clock = time.monotonic()
        for hand in self._hands:
            if hand.overdue(clock):
                late, *waited = hand.cut()
                self._queue(waited)
                self._end(replace(late, worker=hand.name), given_up(late))
            elif hand.child and (hand.child.gone or hand.hangs(clock)):
                hand.child.kill()  # whatever still holds its pipe; then it is heard that it died
            hand.look_after(clock)
        if self._waiting:
            self._go_on()

    def _end(self, run: Run, timed: Timed) -> None:
        del self._open[run.number]
        self._ended.append((run, timed))


def _begun_at(run: Run, began: float, name: str) -> Run:
    """The run as it was run: by whom, and since when, if it had to wait in line."""
    waited = began - (run.deadline - run.limit)
    started = run.started + timedelta(seconds=waited) if waited > PATIENCE else run.started
    return replace(run, worker=name, started=started)
