"""When to push while others push too: after a push that somebody was faster with, the machines take turns for a while.

Their turns follow from the wall clock and from their names alone, so they need not speak. A clock that is wrong costs
another lost push and nothing else: what counts is decided by the remote.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from agent import clock

POLITE = 15.0  # seconds after a collision
NARROWEST, WIDEST = 0.25, 4.0  # seconds of one turn


@dataclass(slots=True)
class Courtesy:
    """The turns of the machine `me`."""

    me: str
    wall: Callable[[], float] = clock.wall
    monotonic: Callable[[], float] = time.monotonic
    _collided: float = field(default=float("-inf"))
    _fastest: float = math.inf
    _waiting: float | None = None  # since when

    def collided(self) -> None:
        """Somebody else was faster."""
        self._collided = self.monotonic()

    def pushed(self, seconds: float) -> None:
        """A push arrived; it took so long."""
        self._waiting, self._fastest = None, min(self._fastest, max(seconds, 0.001))

    @property
    def width(self) -> float:
        """Seconds of one turn: one and a half of the fastest push so far, in powers of two. So machines agree that are
        not equally busy."""
        if self._fastest == math.inf:
            return NARROWEST
        return min(WIDEST, max(NARROWEST, 2.0 ** math.ceil(math.log2(1.5 * self._fastest))))

    def wait(self, others: Collection[str]) -> float:
        """Seconds until a push may begin; 0.0 when it may now. Who has waited for two rounds waits no longer."""
        now, round_ = self.monotonic(), self.width * (len(others) + 1)
        if not others or now - self._collided > POLITE:
            return 0.0
        self._waiting = now if self._waiting is None else self._waiting
        begins = sorted([*others, self.me]).index(self.me) * self.width
        at = (self.wall() - begins) % round_
        if at < self.width / 2 or now - self._waiting > 2 * round_:
            return 0.0
        return round_ - at
