"""What the lead took for each type of task, measured from the ledger beside the work: a long ledger takes seconds to
read for the first time, and no report waits for that."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from agent.errors import GoferError
from agent.stats import measured

FRESH = 3600.0  # seconds


class Measured:
    """Mean tokens in and out by type, an hour old at most; None for a type that was not measured, or not yet."""

    def __init__(self, root: Path, state: Path) -> None:
        self._root, self._state = root, state
        self._known: Mapping[str, tuple[int, int]] = {}
        self._until = 0.0

    def __call__(self, type_: str) -> tuple[int, int] | None:
        if time.monotonic() >= self._until:
            self._until = time.monotonic() + FRESH
            threading.Thread(target=self._look, name="gofer-measured", daemon=True).start()
        return self._known.get(type_)

    def _look(self) -> None:
        with suppress(GoferError, OSError, sqlite3.Error):  # the stated defaults stay; `gofer stats` tells why
            self._known = measured(self._root, self._state)
