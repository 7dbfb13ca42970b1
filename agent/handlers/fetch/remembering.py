"""What this machine remembers of an address: its ETag and date, and what was read then. It lies in the state folder and
may vanish at any time: then the address is asked without conditions."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agent.handlers.fetch.reading import Row
from agent.handlers.fetch.sources import Source
from agent.text import parse_utc, utc

KEPT = 1000  # addresses
LIMIT = 1 << 20  # bytes of one


@dataclass(frozen=True, slots=True)
class Remembered:
    """One answer: what to ask with next time, what was read of it, and when."""

    validators: Mapping[str, str]
    rows: tuple[Row, ...]
    at: datetime

    @staticmethod
    def of(headers: Mapping[str, str], rows: tuple[Row, ...], at: datetime) -> Remembered:
        pairs = (("If-None-Match", "etag"), ("If-Modified-Since", "last-modified"))
        return Remembered({ask: headers[said] for ask, said in pairs if headers.get(said)}, rows, at)


@dataclass(frozen=True, slots=True)
class Memory:
    """The remembered answers in a folder, a file for each source as it is written now."""

    folder: Path

    def get(self, source: Source) -> Remembered | None:
        """What is remembered of exactly this source; None when there is nothing, or nothing that can be read."""
        try:
            said = json.loads(self._path(source).read_bytes())
            rows = tuple(Row(key, dict(values), frozenset(numbers)) for key, values, numbers in said["rows"])
            return Remembered(dict(said["validators"]), rows, parse_utc(said["at"]))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def put(self, source: Source, found: Remembered) -> None:
        """Remember it, whole or not at all; what has no ETag and no date is forgotten."""
        path = self._path(source)
        rows = [[row.key, dict(row.values), sorted(row.numbers)] for row in found.rows]
        data = json.dumps({"validators": dict(found.validators), "rows": rows, "at": utc(found.at)}).encode()
        with suppress(OSError):  # the next run asks without conditions
            if not found.validators or len(data) > LIMIT:
                path.unlink(missing_ok=True)
                return
            part = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
            part.write_bytes(data)
            part.replace(path)

    def tidy(self) -> None:
        """Forget the oldest when there are too many."""
        with suppress(OSError):
            files = sorted(self.folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
            for path in files[: max(0, len(files) - KEPT)]:
                path.unlink(missing_ok=True)

    def _path(self, source: Source) -> Path:
        asked = (source.shape, sorted(source.headers.items()), sorted(source.secrets.items()))
        return self.folder / f"{hashlib.sha256(repr(asked).encode()).hexdigest()[:32]}.json"
