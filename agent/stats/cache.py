"""The cache: `stats.sqlite` in the state folder, which holds the sums of every ledger file and of all together.

It may be deleted, torn or of another version: then it is made anew. Where no file can be written it is kept in memory.
"""

# ruff: noqa: S608 - what is put into queries here are names of our own columns

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from agent.errors import Busy
from agent.stats.buckets import Broken, Buckets, Key, Sums

FILE = "stats.sqlite"
VERSION = 1  # of the tables; a cache of another version is thrown away
WAIT = 20.0  # seconds that another gofer may hold the cache

T = TypeVar("T")

_WORDS, _SUMS = ", ".join(Key._fields[1:]), ", ".join(Sums._fields)  # a Key is a day and words
_ADDED = ", ".join(f"SUM({name}) AS {name}" for name in Sums._fields)
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_NO_DISK = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
_NUMBERS = "file INTEGER NOT NULL, key INTEGER NOT NULL"
_TABLES = f"""
CREATE TABLE IF NOT EXISTS files (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, size INTEGER, mtime_ns INTEGER);
CREATE TABLE IF NOT EXISTS kinds (id INTEGER PRIMARY KEY, {_WORDS}, UNIQUE ({_WORDS}));
CREATE TABLE IF NOT EXISTS keys (id INTEGER PRIMARY KEY, day TEXT NOT NULL, kind INTEGER NOT NULL, UNIQUE (day, kind));
CREATE TABLE IF NOT EXISTS buckets ({_NUMBERS}, {_SUMS}, PRIMARY KEY (file, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS bucket_key ON buckets (key);
CREATE TABLE IF NOT EXISTS totals (key INTEGER PRIMARY KEY, day TEXT NOT NULL, kind INTEGER NOT NULL, {_SUMS});
CREATE TABLE IF NOT EXISTS broken (file INTEGER NOT NULL, line INTEGER NOT NULL, why TEXT NOT NULL);
CREATE VIEW IF NOT EXISTS runs_by_key AS SELECT day, {_WORDS}, {_SUMS} FROM totals JOIN kinds ON kinds.id = kind
"""


class Stamp(NamedTuple):
    """What a file looks like from outside: one with the same stamp is not read again."""

    size: int  # bytes
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class FileSums:
    """What one ledger file holds, as it was read."""

    stamp: Stamp
    buckets: Buckets
    broken: list[Broken]


class _Keys:
    """The numbers of keys, in one write transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._kinds = {tuple(words): kind for kind, *words in db.execute(f"SELECT id, {_WORDS} FROM kinds")}
        self._keys = {(day, kind): number for number, day, kind in db.execute("SELECT id, day, kind FROM keys")}

    def number(self, key: Key) -> int:
        """The number of a key, a new one when it has none."""
        day, *words = key
        if (kind := self._kinds.get(tuple(words))) is None:
            marks = ", ".join("?" * len(words))
            kind = self._kinds[tuple(words)] = self._insert(f"INSERT INTO kinds ({_WORDS}) VALUES ({marks})", words)
        if (number := self._keys.get((day, kind))) is None:
            number = self._keys[day, kind] = self._insert("INSERT INTO keys (day, kind) VALUES (?, ?)", (day, kind))
        return number

    def _insert(self, statement: str, values: Sequence[object]) -> int:
        return self._db.execute(statement, tuple(values)).lastrowid or 0


@dataclass(frozen=True, slots=True)
class Cache:
    """The tables. `runs_by_key` is the view that summaries ask: a row for each Key, over all files."""

    db: sqlite3.Connection

    def known(self) -> dict[str, Stamp]:
        """The files whose sums are here, by name."""
        return {
            name: Stamp(size, mtime) for name, size, mtime in self.db.execute("SELECT name, size, mtime_ns FROM files")
        }

    def broken(self) -> list[tuple[str, int, str]]:
        """File name, line and reason of every line that could not be counted."""
        rows = self.db.execute("SELECT name, line, why FROM broken JOIN files ON id = file ORDER BY name, line")
        return rows.fetchall()

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """All that is asked inside sees the same sums, whatever another gofer writes meanwhile."""
        self.db.execute("BEGIN")
        try:
            yield
        finally:
            with suppress(sqlite3.Error):
                self.db.execute("ROLLBACK")

    def choose(self, first: str, last: str) -> None:
        """Make `span`, a table like `runs_by_key` without the days, of the days from `first` to `last`: a few dozen
        rows, where the days of a year are many thousand."""
        self.db.execute("DROP TABLE IF EXISTS temp.span")
        summed = f"SELECT kind, {_ADDED} FROM totals WHERE day BETWEEN ? AND ? GROUP BY kind"  # numbers group fast
        query = f"SELECT {_WORDS}, {_SUMS} FROM ({summed}) JOIN kinds ON kinds.id = kind"
        self.db.execute(f"CREATE TEMP TABLE span AS {query}", (first, last))

    def put(self, read: Mapping[str, FileSums], gone: Iterable[str] = ()) -> None:
        """Replace the sums of files, and drop those of files that are gone. All of it or nothing."""
        with self._writing():
            self.db.execute("CREATE TEMP TABLE IF NOT EXISTS touched (key INTEGER PRIMARY KEY)")
            self.db.execute("DELETE FROM touched")
            for name in {*gone, *read}:
                self._drop(name)
            keys = _Keys(self.db)
            for name, sums in read.items():
                self._add(name, sums, keys)
            # Summed anew, never added to and subtracted from: dollars would drift.
            self.db.execute("DELETE FROM totals WHERE key IN touched")
            summed = f"SELECT key, day, kind, {_ADDED} FROM buckets JOIN keys ON keys.id = key"
            self.db.execute(f"INSERT INTO totals {summed} WHERE key IN touched GROUP BY key")

    def _drop(self, name: str) -> None:
        for (file,) in self.db.execute("SELECT id FROM files WHERE name = ?", (name,)).fetchall():
            self.db.execute("INSERT OR IGNORE INTO touched SELECT key FROM buckets WHERE file = ?", (file,))
            for table, column in (("buckets", "file"), ("broken", "file"), ("files", "id")):
                self.db.execute(f"DELETE FROM {table} WHERE {column} = ?", (file,))

    def _add(self, name: str, sums: FileSums, keys: _Keys) -> None:
        columns = "INSERT INTO files (name, size, mtime_ns) VALUES (?, ?, ?)"
        file = self.db.execute(columns, (name, *sums.stamp)).lastrowid
        numbers = [keys.number(key) for key in sums.buckets]
        rows = [(file, key, *values) for key, values in zip(numbers, sums.buckets.values(), strict=True)]
        marks = ", ".join("?" * (2 + len(Sums._fields)))
        self.db.executemany(f"INSERT INTO buckets VALUES ({marks})", rows)
        self.db.executemany("INSERT OR IGNORE INTO touched VALUES (?)", [(key,) for key in numbers])
        self.db.executemany("INSERT INTO broken VALUES (?, ?, ?)", [(file, b.line, b.why) for b in sums.broken])

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")


def with_cache(state: Path, work: Callable[[Cache], T]) -> T:
    """Do `work` with the cache of a state folder; with a new one when it is broken, so `work` may be done twice.

    Raises Busy when another gofer holds it too long.
    """
    for file in (state / FILE, state / FILE, None):
        try:
            with closing(_opened(file)) as db:
                return work(Cache(db))
        except (sqlite3.DatabaseError, OSError) as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CANTOPEN) & 0xFF
            if code in _LOCKED:
                raise Busy(
                    "another gofer is reading the ledger", where=str(file), why=str(error), fix="try again in a minute"
                ) from None
            if file is None:
                raise
            if code not in _NO_DISK:
                _remove(file)
    raise AssertionError("the last way returns or raises")


def _opened(file: Path | None) -> sqlite3.Connection:
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(file or ":memory:", timeout=WAIT, isolation_level=None)
    try:
        db.execute("PRAGMA synchronous = OFF")  # what a power cut breaks is made anew
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            _make(db)
    except BaseException:
        db.close()
        raise
    return db


def _make(db: sqlite3.Connection) -> None:
    """The tables, empty. Another gofer may be making them too: what counts is what is there under the lock."""
    db.execute("BEGIN IMMEDIATE")
    try:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            for kind, name in db.execute(
                "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view')"
            ).fetchall():
                db.execute(f'DROP {kind} IF EXISTS "{name}"')
            for table in _TABLES.split(";\n"):
                db.execute(table)
            db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def _remove(file: Path) -> None:
    for name in (file, file.with_name(f"{file.name}-journal")):
        with suppress(OSError):
            os.unlink(name)
