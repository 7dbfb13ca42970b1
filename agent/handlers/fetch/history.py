"""The readings of a source for good: CSV files, one writer each, in `memory/qwen-worker/data-reports/<source>/`.

A row says `time` (UTC), `key` and every field, with its unit in the column's name: a field in another unit is another
column, and the two are never compared. A row is written when a value of its key is another than before, so that a
quiet source writes nothing. What happened last is looked up in the files of all workers.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from agent.errors import Refused
from agent.handlers.doors import Files
from agent.handlers.fetch.reading import Row
from agent.handlers.fetch.sources import Source
from agent.text import parse_utc, utc
from agent.vault.layout import history_folder, history_path
from agent.vault.values import Change

SEGMENT = 64 << 10  # bytes, from which a new file is begun: each is written whole in every commit
LOOKED_AT = 60  # files of one source that are read to find what was last
READ_LIMIT = 256 << 10

_STAMP = re.compile(r"-(\d{4}-\d{2})-(\d{2,4})\.csv")
TIME, KEY = "time", "key"


@dataclass(frozen=True, slots=True)
class Past:
    """One row that was recorded: column → text."""

    at: datetime
    key: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Known:
    """A value, and when it was recorded."""

    at: datetime
    text: str


@dataclass(slots=True)
class History:
    """What is known of a source: its rows in the order of time, and the last of each key."""

    rows: list[Past] = field(default_factory=list)
    spoilt: list[str] = field(default_factory=list)  # files that are no history
    last: dict[str, Past] = field(init=False)
    _known: dict[tuple[str, str], Known] = field(init=False)

    def __post_init__(self) -> None:
        self.rows.sort(key=lambda past: past.at)
        self.last = {past.key: past for past in self.rows}
        self._known = {
            (past.key, name): Known(past.at, text) for past in self.rows for name, text in past.values.items()
        }

    def known(self, key: str, name: str) -> Known | None:
        """The last value of a column, which may be older than the last row of its key."""
        return self._known.get((key, name))


def column(source: Source, name: str) -> str:
    """The name of a field's column: `price (USD)`."""
    unit = source.units.get(name)
    return f"{name} ({unit})" if unit else name


def load(files: Files, source: Source, worker: str, now: datetime) -> History:
    """The rows that any worker recorded, of the newest months: as many as LOOKED_AT files hold."""
    paths = set(files.list(history_folder(source.name), (".csv",)))
    paths |= {path for path, _ in _own(files, source, worker, now)}  # perhaps not on the disk yet
    stamped = sorted(((found[1], path) for path in paths if (found := _STAMP.search(path))), reverse=True)
    rows: list[Past] = []
    spoilt: list[str] = []
    seen = 0
    for _, group in groupby(stamped, key=lambda pair: pair[0]):
        for _, path in group:
            seen += 1
            rows += _rows(files, path, spoilt)
        if seen >= LOOKED_AT:
            break
    return History(rows, spoilt)


def changed(source: Source, rows: Sequence[Row], history: History) -> list[Row]:
    """The rows that say something else than the last of their key."""
    return [row for row in rows if _columns(source, row) != _known(source, row, history)]


def record(files: Files, source: Source, rows: Sequence[Row], worker: str, now: datetime) -> Change | None:
    """The change that adds these rows to this worker's file; None when there are none."""
    if not rows:
        return None
    segments = list(_own(files, source, worker, now))
    path, old = segments[-1] if segments else (history_path(source.name, worker, now, 1), None)
    table = _table(old) if old is not None else []
    if old is not None and (table is None or len(old) >= SEGMENT):
        path, old, table = history_path(source.name, worker, now, len(segments) + 1), None, []
    header = list(table[0]) if table else [TIME, KEY]
    header += [name for name in (column(source, f) for row in rows for f in row.values) if name not in header]
    header = list(dict.fromkeys(header))
    lines = [[*line, *[""] * (len(header) - len(line))] for line in (table or [])[1:]]
    for row in rows:
        said = {TIME: utc(now), KEY: row.key, **_columns(source, row)}
        lines.append([said.get(name, "") for name in header])
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([header, *lines])
    before = None if old is None else hashlib.sha256(old).hexdigest()
    return Change(path, before, out.getvalue().encode())


def _columns(source: Source, row: Row) -> dict[str, str]:
    return {column(source, name): value for name, value in row.values.items()}


def _known(source: Source, row: Row, history: History) -> dict[str, str] | None:
    past = history.last.get(row.key)
    if past is None:
        return None
    asked = {column(source, f.name) for f in source.fields} or past.values.keys()
    return {name: value for name, value in past.values.items() if name in asked}


def _own(files: Files, source: Source, worker: str, now: datetime) -> Iterator[tuple[str, bytes]]:
    """This worker's segments of this month, by counting up."""
    number = 1
    while True:
        path = history_path(source.name, worker, now, number)
        try:
            yield path, files.read(path, READ_LIMIT)
        except (FileNotFoundError, Refused):
            return
        number += 1


def _rows(files: Files, path: str, spoilt: list[str]) -> Iterator[Past]:
    try:
        table = _table(files.read(path, READ_LIMIT))
    except (FileNotFoundError, Refused):
        table = None
    if table is None:
        spoilt.append(path)
        return
    header = table[0]
    for line in table[1:]:
        said = dict(zip(header, line, strict=False))
        try:
            at = parse_utc(said.pop(TIME))
        except ValueError:
            continue
        yield Past(at, said.pop(KEY), {name: value for name, value in said.items() if value != ""})


def _table(data: bytes) -> list[list[str]] | None:
    """The lines of a history, header first; None when it is none, as after a merge that went wrong."""
    try:
        table = [line for line in csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")) if line]
    except (UnicodeDecodeError, csv.Error):
        return None
    return table if table and table[0][:2] == [TIME, KEY] and len(set(table[0])) == len(table[0]) else None
