"""What was begun outside the vault, noted durably before it is done: after a crash nobody has to guess (Q02)."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEPT = 2000  # notes; the oldest go


@dataclass(frozen=True, slots=True)
class Notebook:
    """One task's notes in the folder of its type. A key names one effect of it."""

    folder: Path
    task: str
    revision: str

    def look(self, key: str) -> dict[str, Any] | None:
        """What is noted of an effect: None when it was never begun; without `ended`: nobody knows how it ended."""
        try:
            said = json.loads(self._path(key).read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            return {}  # it was begun: a note is only there when it is whole, or the disk lost it
        return said if isinstance(said, dict) else {}

    def begin(self, key: str) -> None:
        """It is about to be done. On the disk when this returns."""
        self._write(key, {"task": self.task, "key": key})

    def end(self, key: str, how: dict[str, Any]) -> None:
        """It was done, and this is what is known of it."""
        self._write(key, {"task": self.task, "key": key, "ended": how})

    def forget(self, key: str) -> None:
        """It surely was not done."""
        self._path(key).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Let the oldest notes go when there are very many."""
        notes = sorted(self.folder.glob("*.note"), key=lambda path: path.stat().st_mtime)
        for path in notes[:-KEPT]:
            path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(f"{self.task}\n{self.revision}\n{key}".encode("utf-8", "replace")).hexdigest()[:32]
        return self.folder / f"{name}.note"

    def _write(self, key: str, said: dict[str, Any]) -> None:
        path = self._path(key)
        part = path.with_suffix(".tmp")
        with part.open("w", encoding="utf-8", errors="replace") as file:
            json.dump(said, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
