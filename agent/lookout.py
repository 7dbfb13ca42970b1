"""The lookout: looks at the remote's branch from time to time, beside all other work, and knows since when the remote
is away."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from agent import clock
from agent.errors import CredentialsRefused, GoferError, TryLater
from agent.git.network import Network

ROOM = 64 << 20  # bytes that stay free for the person's work: with less nothing is fetched (small disk: a fiftieth)
SLOWEST = 300.0  # seconds between two looks while the remote is away


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look saw: the branch's tip, None when the remote has no such branch; then `others` are those it has."""

    branch: str
    tip: str | None
    others: tuple[str, ...] = ()


class Lookout:
    """Looks at one remote. Only the look itself runs in another thread."""

    def __init__(
        self, network: Network, every: float, ring: Callable[[], None], wall: Callable[[], float] = clock.wall
    ) -> None:
        self.network, self.every, self._ring, self._wall = network, every, ring, wall
        self.known = False  # whether the remote was reached since the start
        self.away_since: datetime | None = None
        self.trouble = ""  # why the remote was not reached
        self.refused_login = False
        self.wake_at = 0.0  # when to look again, on the monotonic clock
        self._failures = 0
        self._thread: threading.Thread | None = None
        self._found: Seen | GoferError | OSError | None = None
        self._outdated = False

    @property
    def away(self) -> bool:
        return not self.known or self.away_since is not None

    def poll(self, branch: str) -> Seen | None:
        """What the last look saw, once; starts another one when it is time. Never waits for the remote."""
        seen = None
        if self._thread is not None:
            if self._thread.is_alive():
                return None
            found = self._hear()
            seen = found if isinstance(found, Seen) else None
        if time.monotonic() >= self.wake_at:
            self._look(branch)
        return seen

    def look(self, branch: str) -> Seen:
        """Look now, and wait for it. Raises RemoteAway or CredentialsRefused, and TryLater when the disk is full."""
        if self._thread is not None:  # begun before what the caller wants to see: its answer may be older
            self._thread.join()
            self._hear()
        self._look(branch)
        assert self._thread
        self._thread.join()
        found = self._hear()
        if not isinstance(found, Seen):
            raise found or TryLater("the look at the remote was interrupted")
        return found

    def outdated(self) -> None:
        """Something was pushed: what a look that is under way sees may be from before."""
        self._outdated = self._thread is not None

    def soon(self) -> None:
        """Look with the next travel of the road."""
        self.wake_at = 0.0

    def missed(self, error: GoferError | OSError) -> None:
        """The remote was not reached."""
        self._failures += 1
        self.trouble, self.refused_login = _words(error), isinstance(error, CredentialsRefused)
        self.away_since = self.away_since or datetime.fromtimestamp(self._wall(), UTC)
        self.wake_at = time.monotonic() + _about(min(SLOWEST, self.every * 2 ** min(self._failures - 1, 8)))

    def reached(self) -> None:
        """The remote answered."""
        self._failures, self.trouble, self.refused_login, self.away_since, self.known = 0, "", False, None, True
        self.wake_at = time.monotonic() + _about(self.every)

    def _look(self, branch: str) -> None:
        def look() -> None:
            try:
                self._check_room()
                tip = self.network.fetch(branch)
                others = () if tip else tuple(n for n in self.network.refs(heads=True) if "gofer/claims/" not in n)
                self._found = Seen(branch, tip, others)
            except (GoferError, OSError) as error:
                self._found = error
            self._ring()

        self._found, self._outdated, self.wake_at = None, False, float("inf")  # its end rings
        self._thread = threading.Thread(target=look, name="gofer-fetch", daemon=True)
        self._thread.start()

    def _check_room(self) -> None:
        disk = shutil.disk_usage(self.network.folder.parent)
        if disk.free < (wanted := min(ROOM, disk.total // 50)):
            raise TryLater(
                "the disk is nearly full, so nothing is fetched", where=str(self.network.folder.parent),
                why=f"{disk.free >> 20} MiB are free", fix=f"make room: {wanted >> 20} MiB are wanted",
            )  # fmt: skip

    def _hear(self) -> Seen | GoferError | OSError | None:
        found, self._thread, self._found = self._found, None, None
        if isinstance(found, Seen):
            self.reached()
            if self._outdated:
                self.soon()
                return None
        else:
            self.network.repair()  # half a pack of every try would fill the disk
            self.missed(found or TryLater("the look at the remote was interrupted"))
        return found


def _words(error: GoferError | OSError) -> str:
    return str(error) if isinstance(error, GoferError) else f"the disk: {error.strerror or error}"


def _about(seconds: float) -> float:
    """A quarter more or less, so that machines do not look in step."""
    return seconds * random.uniform(0.75, 1.25)  # noqa: S311  (no secret)
