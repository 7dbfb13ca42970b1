"""Claims: who may run a task. One contract: take, release, take over; losing is a return value.

This is the local form, for workers that share one clone: a file per task in the state folder, made whole and
exclusively. A worker lives as long as it holds the lock of its own identity file; the claims of a dead one are
taken over at once, without comparing clocks.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout


@dataclass(frozen=True, slots=True)
class Claim:
    """A task held by one worker. The nonce is the fencing token: new for every claim."""

    task: str
    nonce: str
    attempt: int


class LocalClaims:
    """Claims among the workers of one clone."""

    def __init__(self, folder: Path, worker: str) -> None:
        self._claims, self._lives = folder / "claims", folder / "lives"
        for place in (self._claims, self._lives):
            place.mkdir(parents=True, exist_ok=True)
        self.worker, self.boot = worker, secrets.token_hex(8)
        self._life = FileLock(self._lives / f"{self.boot}.lock")
        self._life.acquire(blocking=False)

    def take(self, task: str, attempt: int) -> Claim | None:
        """Claim one task; None when a living worker holds it."""
        claim = Claim(task, secrets.token_hex(8), attempt)
        path = self._path(task)
        text = json.dumps({"v": 1, "worker": self.worker, "boot": self.boot, "task": task, "nonce": claim.nonce})
        for _ in range(2):
            try:
                self._publish(path, text)
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
            if path.name.endswith(".tmp") or self._abandoned(path):
                path.unlink(missing_ok=True)
        for life in self._lives.glob("*.lock"):
            if life.stem != self.boot and not self._alive(life.stem):
                life.unlink(missing_ok=True)

    def close(self) -> None:
        self._life.release()
        with contextlib.suppress(OSError):
            os.unlink(self._lives / f"{self.boot}.lock")

    def _path(self, task: str) -> Path:
        return self._claims / hashlib.sha256(task.encode()).hexdigest()[:40]

    def _publish(self, path: Path, text: str) -> None:
        part = path.with_name(f"{path.name}.{self.boot}.tmp")
        part.write_text(text, "utf-8")
        try:
            os.link(part, path)  # whole, or not at all: must not exist
        finally:
            part.unlink()

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
        except (OSError, ValueError, KeyError):
            return None

    def _abandoned(self, path: Path) -> bool:
        owner = self._owner(path)
        return owner is None or (owner != self.boot and not self._alive(owner))

    def _alive(self, boot: str) -> bool:
        life = self._lives / f"{boot}.lock"
        if not life.exists():
            return False
        probe = FileLock(life)
        try:
            probe.acquire(blocking=False)
        except Timeout:
            return True
        probe.release()
        return False
