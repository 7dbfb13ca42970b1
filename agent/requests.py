"""Requests to the worker of this clone: small files in the state folder, which outlive both sides."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path


class Requests:
    """One folder of requests. Asking twice is the same as asking once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def ask(self, verb: str, task: str) -> None:
        path = self._path(verb, task)
        part = path.with_suffix(".tmp")
        part.write_text(json.dumps({"verb": verb, "task": task}), "utf-8")
        part.replace(path)

    def pending(self, verb: str) -> frozenset[str]:
        """The tasks for which this was asked."""
        tasks = set()
        for path in self.folder.glob(f"{verb}-*.json"):
            try:
                tasks.add(str(json.loads(path.read_text("utf-8"))["task"]))
            except (OSError, ValueError, KeyError):
                continue
        return frozenset(tasks)

    def done(self, verb: str, task: str) -> None:
        self._path(verb, task).unlink(missing_ok=True)

    def _path(self, verb: str, task: str) -> Path:
        return self.folder / f"{verb}-{hashlib.sha256(task.encode()).hexdigest()[:24]}.json"
