"""Whose turn it is at a host: one rate for all workers and vaults of this machine.

A small file for each host, beside the state folders, holds the times of its last requests, those that are still to
come included. A lock is held while it is read and written, and never while somebody waits for a turn.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

from agent.errors import ServerAway
from agent.text import slug

MOST_WAIT = 600.0  # seconds; nobody stands in a queue for longer, and a time further off is from a clock that was wrong
_TICK = 0.05


class Pace:
    """The turns of all hosts. `folder` is made when the first one is taken; `clock` is seconds since the epoch."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._clock = folder, clock

    def wait(self, host: str, per_minute: float, *, patience: float, check: Callable[[], None], where: str) -> None:
        """Return when it is our turn. `patience`: the most seconds to wait. In any span of a minute no more than
        `per_minute` have a turn; a rate below one is one turn in so many minutes.

        Raises ServerAway at once when the turn would come too late, and what `check` raises.
        """
        at = self._reserve(host, per_minute, min(patience, MOST_WAIT), check, where)
        while (left := at - self._clock()) > 0:
            check()
            time.sleep(min(_TICK, left))

    def _reserve(self, host: str, per_minute: float, patience: float, check: Callable[[], None], where: str) -> float:
        most = max(1, math.floor(per_minute))
        span = 60.0 * most / per_minute
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{slug(host)}-{hashlib.sha256(host.encode()).hexdigest()[:12]}"
        with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+", encoding="ascii") as file:
            _lock(file.fileno(), check)
            now = self._clock()
            times = sorted(at for at in _times(file.read()) if now - span < at < now + MOST_WAIT)[-most:]
            at = max(now, times[-most] + span) if len(times) >= most else now
            if at - now > patience:
                raise ServerAway(
                    "the host's turn comes too late for this run",
                    where=where,
                    why=f"this machine sends it {per_minute:g} requests a minute, and those are taken",
                    fix=f'a higher rate is per_minute in [network.hosts."{host}"] of this machine\'s config.toml',
                    retry_after=at - now,
                )
            file.seek(0)
            file.truncate()
            file.write("\n".join(f"{at:.3f}" for at in [*times, at]))
        return at


def _times(text: str) -> list[float]:
    """What the file holds; what was cut in the middle of a line by a crash does no harm."""
    found = []
    for line in text.split():
        try:
            found.append(float(line))
        except ValueError:
            continue
    return found


def _lock(file: int, check: Callable[[], None]) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            check()
            time.sleep(0.001)
