"""What a worker notes down of its claims on the remote, durably, before each push: which objects are its own.

After a lost answer, or a crash, the ref is read back and compared with these. The record is a cache: without it the
claims of the worker expire like those of a dead one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from agent.claims.base import Claim

REMEMBERED = 4  # pushes without an answer for one ref: the remote may still be working on them
_TYPES = {"task": str, "revision": str, "nonce": str, "attempt": int, "oid": str, "ref": str}


@dataclass(frozen=True, slots=True)
class Held:
    """An object of ours: a claim on one task, as it was pushed to `ref`. `sent`: when, on our own clock; 0.0 by an
    earlier process of ours, whose clock says nothing."""

    task: str
    revision: str
    nonce: str
    attempt: int
    oid: str
    ref: str
    sent: float = 0.0
    done: bool = False  # it was a run of a schedule, and has ended: its ref is to say so

    @property
    def claim(self) -> Claim:
        return Claim(self.task, self.nonce, self.attempt, shared=True)


class Notes:
    """The objects that are ours or may be. `held`: confirmed by the remote, by task. `unsure`: pushed, or about to be,
    by object. `giving`: to be given back, by object. What an earlier process noted is unsure."""

    def __init__(self, path: Path) -> None:
        self._path = path
        said = _read(path)
        self.held: dict[str, Held] = {}
        self.unsure = {held.oid: held for held in _entries(said.get("ours"))}
        self.giving = {held.oid: held for held in _entries(said.get("giving"))}
        self._saved: object = None

    def save(self) -> None:
        """Whole, and on the disk when this returns."""
        ours, giving = [*self.held.values(), *self.unsure.values()], [*self.giving.values()]
        if self._saved == (ours, giving):
            return
        said = {"v": 1, "ours": [asdict(held) for held in ours], "giving": [asdict(held) for held in giving]}
        part = self._path.with_suffix(".new")
        with part.open("w", encoding="utf-8") as file:
            json.dump(said, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, self._path)
        with suppress(OSError):  # not every file system can sync a folder
            _sync(self._path.parent)
        self._saved = ours, giving

    def own(self) -> set[str]:
        """Every object that is ours or may be."""
        return {held.oid for held in self.held.values()} | self.unsure.keys() | self.giving.keys()

    def pushes(self, ref: str) -> list[Held]:
        """What was pushed to a ref and not confirmed, oldest first."""
        return [held for held in self.unsure.values() if held.ref == ref]

    def push(self, held: Held) -> None:
        """This is about to be pushed."""
        for old in self.pushes(held.ref)[: 1 - REMEMBERED]:
            del self.unsure[old.oid]
        self.unsure[held.oid] = held

    def win(self, held: Held) -> None:
        """The remote has this object: what was pushed to its ref before is of no account."""
        self.drop(held.ref)
        self.held[held.task] = held

    def drop(self, ref: str) -> None:
        """None of what was pushed to this ref is there."""
        for held in self.pushes(ref):
            del self.unsure[held.oid]

    def give(self, tasks: Collection[str], *, done: bool = False) -> None:
        """All that is or may be ours of these tasks is to be given back, or to say that they have ended."""
        for held in [held for held in (*self.held.values(), *self.unsure.values()) if held.task in tasks]:
            self.giving[held.oid] = replace(held, done=done)
            self.unsure.pop(held.oid, None)
        for task in tasks:
            self.held.pop(task, None)

    def reclaim(self, refs: Collection[str]) -> None:
        """What was to be given back of these refs may be kept instead."""
        for held in [held for held in self.giving.values() if held.ref in refs]:
            self.unsure[held.oid] = replace(self.giving.pop(held.oid), done=False)


def _read(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _entries(said: object) -> list[Held]:
    found = []
    for entry in said if isinstance(said, list) else ():
        fields: dict[str, Any] = {name: entry.get(name) for name in _TYPES} if isinstance(entry, dict) else {}
        if fields and all(type(fields[name]) is kind for name, kind in _TYPES.items()):
            found.append(Held(**fields, done=entry.get("done") is True))
    return found


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
