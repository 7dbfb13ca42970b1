"""Whose turn it is at a host: one rate for all workers and vaults of this machine.

Small files beside the state folders hold the times of the last requests, those that are still to come included: a
line for each, with the host's mark and the time from which it no longer counts. There are 256 of them, however many
hosts there are. A lock is held while one is read and written, and never while somebody waits for a turn.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from agent.errors import ServerAway

MOST_WAIT = 600.0  # seconds; nobody stands in a queue for longer, and a time further off is from a clock that was wrong
_TICK = 0.05


class _Turn(NamedTuple):
    mark: str
    at: float
    until: float


class Pace:
    """The turns of all hosts. `folder` is made when the first one is taken; `clock` is seconds since the epoch."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._clock = folder, clock

    def wait(self, host: str, per_minute: float, *, patience: float, check: Callable[[], None], where: str) -> None:
        """Return when it is our turn. `patience`: the most seconds to wait. In any span of a minute no more than
        `per_minute` have a turn; a rate below one is one turn in so many minutes.

        Raises ServerAway at once when the turn would come too late, and what `check` raises.
        """
        at = self._reserve(host, per_minute, min(max(patience, 0.0), MOST_WAIT), check, where)
        while (left := at - self._clock()) > 0:
            check()
            time.sleep(min(_TICK, left))

    def _reserve(self, host: str, per_minute: float, patience: float, check: Callable[[], None], where: str) -> float:
        most = max(1, math.floor(per_minute))
        span = 60.0 * most / per_minute
        mark = hashlib.sha256(host.encode()).hexdigest()[:16]
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / mark[:2]
        with open(
            os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+", encoding="ascii", errors="replace"
        ) as file:
            _lock(file.fileno(), check)
            now = self._clock()
            turns = [turn for turn in _turns(file.read()) if turn.at < now + MOST_WAIT and turn.until > now]
            times = sorted(turn.at for turn in turns if turn.mark == mark)
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
            for turn in (*turns, _Turn(mark, at, at + span)):
                file.write(f"{turn.mark} {turn.at:.3f} {turn.until:.3f}\n")
        return at


def _turns(text: str) -> list[_Turn]:
    """What a file holds; a line that a crash cut off does no harm."""
    found = []
    for line in text.splitlines():
        try:
            mark, at, until = line.split()
            found.append(_Turn(mark, float(at), float(until)))
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
