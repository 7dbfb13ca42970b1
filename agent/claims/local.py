"""Claims among the workers of one clone: a file per task in the state folder.

It is a hard link to the card of the worker that holds it, so that it appears whole, exclusively, and with one call. A
worker lives as long as it holds the lock beside its card; the claims of a dead one are taken over at once, without
comparing clocks.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from agent.claims.base import Claim, Wanted


class LocalClaims:
    """Claims among the workers of one clone."""

    def __init__(self, folder: Path, worker: str) -> None:
        self._claims, self._lives = folder / "claims", folder / "lives"
        for place in (self._claims, self._lives):
            place.mkdir(parents=True, exist_ok=True)
        self.worker, self.boot = worker, secrets.token_hex(8)
        self._life = FileLock(self._lives / f"{self.boot}.lock")
        self._life.acquire()  # another's sweep may hold it for a moment, and remove it: filelock makes it anew then
        self._card = self._lives / f"{self.boot}.json"
        self._write_card()

    def take(self, wanted: Sequence[Wanted]) -> dict[str, Claim]:
        """Claim tasks; the result holds those that were won, by id. The others are held by a living worker."""
        unique = {want.task: want for want in wanted}.values()
        claims = {want.task: self._take(want.task, want.attempt) for want in unique}
        return {task: claim for task, claim in claims.items() if claim}

    def _take(self, task: str, attempt: int) -> Claim | None:
        claim = Claim(task, secrets.token_hex(8), attempt)
        path = self._path(task)
        for _ in range(2):
            try:
                self._link(path)
            except FileExistsError:
                if not self._take_over(path):
                    return None
            else:
                return claim
        return None

    def release(self, tasks: Iterable[str]) -> None:
        """Give back claims of ours; those of others are left alone."""
        for task in tasks:
            path = self._path(task)
            if self._owner(path) == self.boot:
                path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """At start: remove what dead workers left."""
        for path in self._claims.iterdir():
            if self._abandoned(path):
                path.unlink(missing_ok=True)
        for boot in {life.stem for life in self._lives.glob("*.*")} - {self.boot}:
            self._alive(boot, bury=True)

    def close(self) -> None:
        self._life.release()
        for place in (self._card, self._card.with_suffix(".lock")):
            with contextlib.suppress(OSError):
                os.unlink(place)

    def _path(self, task: str) -> Path:
        return self._claims / hashlib.sha256(task.encode()).hexdigest()[:40]

    def _link(self, path: Path) -> None:
        """FileExistsError when somebody holds it."""
        try:
            os.link(self._card, path)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EMLINK):  # the card is gone, or has all the links it can have
                raise
            self._write_card()
            os.link(self._card, path)

    def _write_card(self) -> None:
        part = self._card.with_suffix(".new")
        part.write_text(json.dumps({"v": 1, "worker": self.worker, "boot": self.boot}), "utf-8")
        os.replace(part, self._card)

    def _take_over(self, path: Path) -> bool:
        """Remove a dead worker's claim. One at a time and looked at again under the lock: two that both saw it
        abandoned would otherwise remove each other's new claim."""
        with FileLock(self._lives / "take-over"):
            if path.exists() and not self._abandoned(path):
                return False
            path.unlink(missing_ok=True)
            return True

    def _owner(self, path: Path) -> str | None:
        try:
            return str(json.loads(path.read_bytes())["boot"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _abandoned(self, path: Path) -> bool:
        owner = self._owner(path)
        return owner is None or (owner != self.boot and not self._alive(owner))

    def _alive(self, boot: str, *, bury: bool = False) -> bool:
        """Whether the worker of this life holds its lock. `bury`: if not, what it left is removed under the lock."""
        life = self._lives / f"{boot}.lock"
        if not life.exists() and not bury:
            return False
        probe = FileLock(life)
        try:
            probe.acquire(blocking=False)
        except Timeout:
            return True
        try:
            if bury:
                for left in self._lives.glob(f"{boot}.*"):
                    left.unlink(missing_ok=True)
        finally:
            probe.release()
        return False
