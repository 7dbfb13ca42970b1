"""What was asked for in a round, written down while it happens, by several threads."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from tests.nemesis.expect import Expectations, Expected, Mine


class Book:
    """The record that the checks are held against."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: list[Expected] = []
        self._commits: dict[str, list[str]] = defaultdict(list)
        self._rewinds: list[tuple[str, str]] = []
        self._redone: set[str] = set()
        self._overruled: set[str] = set()
        self._files: dict[str, dict[str, bytes | None]] = defaultdict(dict)
        self._index: dict[str, dict[str, str]] = defaultdict(dict)
        self._violations: list[str] = []
        self._log: list[str] = []

    def ask(self, task: Expected) -> None:
        with self._lock:
            self._tasks.append(task)

    def committed(self, where: str, oid: str) -> None:
        """A commit of the person's, on the remote ("") or in a machine's clone."""
        with self._lock:
            self._commits[where].append(oid)

    def wrote(self, machine: str, path: str, text: bytes | None) -> None:
        with self._lock:
            self._files[machine][path] = text

    def staged(self, machine: str, path: str, entry: str) -> None:
        with self._lock:
            self._index[machine][path] = entry

    def rewound(self, old: str, new: str) -> None:
        with self._lock:
            self._rewinds.append((old, new))

    def did_again(self, twice: Collection[str], again: Collection[str], overruled: Collection[str]) -> None:
        """Tasks that were done `twice`, for nobody could know; of those that were done `again`, or first, after a
        rewind, what they put into an `overruled` file is gone."""
        with self._lock:
            self._redone |= set(twice)
            self._overruled |= {task.id for task in self._tasks if task.id in again and task.file in overruled}

    def violated(self, sentence: str) -> None:
        with self._lock:
            self._violations.append(sentence)

    def note(self, sentence: str) -> None:
        """Something that happened and is no violation; for whoever reads a failure."""
        with self._lock:
            self._log.append(sentence)

    @property
    def asked(self) -> tuple[Expected, ...]:
        with self._lock:
            return tuple(self._tasks)

    @property
    def violations(self) -> list[str]:
        with self._lock:
            return list(self._violations)

    @property
    def notes(self) -> list[str]:
        with self._lock:
            return list(self._log)

    def commits(self, where: str) -> list[str]:
        with self._lock:
            return list(self._commits[where])

    def mine(self, machine: str, first: Mine) -> Mine:
        """What the person must find in a clone: what she found at first, and what she did since."""
        with self._lock:
            files, index = {**first.files, **self._files[machine]}, {**first.index, **self._index[machine]}
            return Mine(files, index, first.stash, first.config)

    def expectations(self, machines: tuple[str, ...]) -> Expectations:
        with self._lock:
            pushed = frozenset(self._commits[""])
            return Expectations(
                tuple(self._tasks), pushed, tuple(self._rewinds), machines=machines, redone=frozenset(self._redone),
                overruled=frozenset(self._overruled),
            )  # fmt: skip

    def save(self, file: Path) -> None:
        """Write everything down for whoever reads a failure."""
        with self._lock:
            parts = (*self._log, "", *map(str, self._tasks), "", *self._violations)
        file.write_text("\n".join(parts) + "\n", "utf-8")
