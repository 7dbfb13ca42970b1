"""What a proxy does to its connections at this moment, shared by all of their threads."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Weather:
    """Immutable: a change is a new one."""

    cut_up: int | None = None  # bytes from the client after which both ways are cut
    cut_down: int | None = None  # bytes from the server after which both ways are cut
    silent: bool = False
    delay: float = 0.0


FINE = Weather()


class Sky:
    """The weather, its number, and who is told when it changes."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.weather, self.number, self.closed, self.cuts = FINE, 0, False, 0

    def switch(self, weather: Weather) -> None:
        with self.changed:
            self.weather, self.number = weather, self.number + 1
            self.changed.notify_all()

    def close(self) -> None:
        """The end: nobody waits any longer."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def now(self) -> tuple[Weather, int]:
        """The weather and its number."""
        with self.changed:
            return self.weather, self.number

    def wait(self, dead: threading.Event) -> None:
        """Return when something may pass: after the delay, after the silence, or when `dead` is set or all is over.
        Whoever sets `dead` must `poke`."""
        with self.changed:
            number, delay = self.number, self.weather.delay
            if delay:
                self.changed.wait_for(lambda: dead.is_set() or self.closed or self.number != number, delay)
            self.changed.wait_for(lambda: dead.is_set() or self.closed or not self.weather.silent)

    def poke(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def count_cut(self) -> None:
        with self.changed:
            self.cuts += 1


class Meter:
    """Counts what passed in one direction of one connection since the weather changed."""

    def __init__(self, sky: Sky, *, up: bool) -> None:
        self._sky, self._up, self._number, self._passed = sky, up, -1, 0

    def room(self) -> int | None:
        """How many bytes may still pass before the cut; None: no limit."""
        weather, number = self._sky.now()
        if number != self._number:
            self._number, self._passed = number, 0
        limit = weather.cut_up if self._up else weather.cut_down
        return None if limit is None else max(0, limit - self._passed)

    def add(self, size: int) -> None:
        self._passed += size
