"""The journal: what this worker began and what it owes, in one append-only file of the state folder.

Its kinds of line, each a JSON object:

    {"begin": [key, …]}        these files are about to be read and run: one attempt each, counted before parsing
    {"back": [key, …]}         they only had to wait; the attempt does not count
    {"owe": record}            an outcome, whole: from here on it is published, never run again
    {"placed": [key, …]}       its changes are made and its files lie in the work tree: never a second time
    {"drop": [key, …]}         it could not be delivered because the vault changed; the task runs again
    {"pushing": [key, …]}      a push that holds it was begun; until it is answered nobody knows whether it arrived
    {"pushed": [key, …]}       it is on the remote; the branch here has not followed yet
    {"unpushed": [key, …]}     somebody rewrote the history there: nobody knows whether it is still on the remote
    {"paid": [key, …]}         it is in the branch and its task file is gone
    {"told": [key, …]}         a file that is not a task was reported, once for this revision
    {"moving": commit}         the branch is about to be moved there
    {"quiet": n}               so many checks had nothing to say since the last ledger line

A line that was cut short by a crash is ignored. The file is rewritten when it is mostly history.
"""

from __future__ import annotations

import base64
import errno
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent import crash
from agent.errors import TryLater
from agent.vault.values import Change

COMPACT_AT = 4 << 20  # bytes: rewritten even when there is work to do
KEEP_SMALL = 4096  # bytes: not worth rewriting


@dataclass(frozen=True, slots=True)
class Record:
    """An outcome as files: all that is needed to publish it, as often as it takes."""

    key: str  # the drop it came from: revision and path
    task: str
    status: str
    worker: str
    claim: str
    attempt: int
    finished: str
    source: str = ""  # the task file, vault-relative; "" when there is none to remove
    revision: str = ""  # of the text that was run: only this leaves the inbox
    files: Mapping[str, str] = field(default_factory=dict)  # Gofer's own files, path → text
    changes: tuple[Change, ...] = ()
    ledger: str = ""  # one JSON line without its newline
    about: str = ""  # the task whose outcome it is, when that is not the one that ran
    shared: bool = False  # other machines can see the task: its outcome counts only once it is on the remote
    schedule: str = ""  # the file of the schedule whose run it was; it stays

    @property
    def place(self) -> str:
        """Where the task lies, whether it leaves or stays; "" when no file brought it about."""
        return self.source or self.schedule

    @property
    def subject(self) -> str:
        """The id of the task whose outcome this is."""
        return self.about or self.task

    def to_json(self) -> dict[str, Any]:
        changes = [
            {
                "path": c.path,
                "before": c.before,
                "after": None if c.after is None else base64.b64encode(c.after).decode(),
            }
            for c in self.changes
        ]
        plain = {name: getattr(self, name) for name in self.__slots__ if name not in ("files", "changes")}
        return {**plain, "files": dict(self.files), "changes": changes}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Record:
        changes = tuple(
            Change(c["path"], c["before"], None if c["after"] is None else base64.b64decode(c["after"]))
            for c in data.pop("changes")
        )
        return Record(changes=changes, **data)


class Journal:
    """One worker's journal. Not thread-safe: the road owns it."""

    def __init__(self, path: Path) -> None:
        """Read what an earlier run left: attempts, debts, what was told."""
        self._start(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._read()
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if self._size() and not path.read_bytes().endswith(b"\n"):
            os.write(self._file, b"\n")  # what a crash cut short stays a line of its own

    @classmethod
    def owed_in(cls, path: Path) -> Mapping[str, Record]:
        """What somebody else's journal owes, by key. Reads, and touches nothing."""
        journal = cls.__new__(cls)
        journal._start(path)
        journal._read()
        return journal.owed

    def _start(self, path: Path) -> None:
        self.path = path
        self.attempts: dict[str, int] = {}
        self.owed: dict[str, Record] = {}
        self.placed: set[str] = set()
        self.pushed: set[str] = set()
        self.pushing: set[str] = set()
        self.told: set[str] = set()
        self.quiet = 0
        self.moving = ""

    def _read(self) -> None:
        if self.path.exists():
            for line in self.path.read_bytes().splitlines():
                self._apply(line)

    def begin(self, keys: Iterable[str]) -> None:
        """Count one attempt for each, durably, before anything is parsed."""
        if keys := list(keys):
            self._write([{"begin": keys}], durable=True)
            crash.step("attempts counted")

    def back(self, keys: Iterable[str]) -> None:
        """These only had to wait. Losing this line to a power cut costs one attempt, nothing else; when it cannot
        be written at all (the disk is full) the attempt is given back until the next start."""
        if keys := list(keys):
            try:
                self._write([{"back": keys}])
            except TryLater:
                self._apply(json.dumps({"back": keys}).encode())

    def owe(self, records: Iterable[Record]) -> None:
        """From here on these outcomes are published, never run again."""
        if entries := [{"owe": record.to_json()} for record in records]:
            self._write(entries, durable=True)
            crash.step("outcomes recorded")

    def place(self, keys: Iterable[str]) -> None:
        """These are in the work tree: what becomes of them there is up to the person, also when we start anew."""
        if keys := list(keys):
            self._write([{"placed": keys}])

    def drop(self, keys: Iterable[str]) -> None:
        """Forget outcomes that no longer fit the vault; their attempts still count."""
        if keys := list(keys):
            self._write([{"drop": keys}], durable=True)

    def begin_push(self, keys: Iterable[str]) -> None:
        """These are about to be pushed."""
        if keys := [key for key in keys if key not in self.pushing]:
            self._write([{"pushing": keys}])

    def push(self, keys: Iterable[str]) -> None:
        """These are on the remote: what is left is that the branch here follows."""
        if keys := list(keys):
            self._write([{"pushed": keys}])

    def unpush(self, keys: Iterable[str]) -> None:
        """The history on the remote is another one: whether they are in it has to be looked up."""
        if keys := list(keys):
            self._write([{"unpushed": keys}])

    def paid(self, keys: Iterable[str]) -> None:
        """These outcomes are in the branch. The journal is compacted when little but history is left."""
        if keys := list(keys):
            self._write([{"paid": keys}])
            if not self.owed and self._size() > COMPACT_AT:
                self.compact()

    def tell(self, keys: Iterable[str]) -> None:
        if keys := list(keys):
            self._write([{"told": keys}])

    def move(self, commit: str) -> None:
        """The branch is about to go there: should we be killed in it, the next start knows whose lock it finds."""
        self._write([{"moving": commit}])

    def count_quiet(self, n: int) -> None:
        """`n` more quiet checks; 0 resets the count, when it went into the ledger."""
        self._write([{"quiet": self.quiet + n if n else 0}])

    def close(self) -> None:
        os.close(self._file)

    # ------------------------------------------------------------------------------------------------------------

    def _apply(self, line: bytes) -> None:
        try:
            (kind, value), *_ = json.loads(line).items()
        except (ValueError, AttributeError):
            return
        if kind in ("begin", "back"):
            for key in value:
                self.attempts[key] = max(0, self.attempts.get(key, 0) + (1 if kind == "begin" else -1))
        elif kind == "owe":
            record = Record.from_json(value)
            self.owed[record.key] = record
        elif kind == "moving":
            self.moving = str(value)
        elif kind == "quiet":
            self.quiet = int(value)
        elif kind in ("placed", "pushing", "pushed"):
            getattr(self, kind).update(value)
            if kind == "pushed":
                self.pushing.difference_update(value)
        elif kind == "unpushed":
            self.pushed.difference_update(value)
            self.pushing.update(value)
        elif kind in ("drop", "paid", "told"):
            self._forget(value, attempts=kind != "drop")
            if kind == "told":
                self.told.update(value)

    def _forget(self, keys: Iterable[str], *, attempts: bool) -> None:
        for key in keys:
            self.owed.pop(key, None)
            for marks in (self.placed, self.pushing, self.pushed):
                marks.discard(key)
            if attempts:
                self.attempts.pop(key, None)

    def _write(self, entries: list[dict[str, Any]], *, durable: bool = False) -> None:
        lines = [json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode() for entry in entries]
        data, size = b"\n".join(lines) + b"\n", self._size()
        try:
            if os.write(self._file, data) != len(data):
                raise OSError(errno.ENOSPC, "the disk took a part of the line only", str(self.path))
            if durable:
                os.fdatasync(self._file)
        except OSError as error:
            os.ftruncate(self._file, size)  # half a line would spoil the next one
            raise TryLater("the journal cannot be written", where=str(self.path), why=str(error.strerror)) from error
        for line in lines:
            self._apply(line)

    def _size(self) -> int:
        return os.fstat(self._file).st_size

    def compact(self) -> None:
        """Rewrite the file without its history. What was owed is in it in full until then, so do it when quiet."""
        if self.owed or self._size() < KEEP_SMALL:
            return
        entries: list[dict[str, Any]] = [{"begin": [key] * n} for key, n in self.attempts.items() if n]
        entries += [{"told": sorted(self.told)}, {"quiet": self.quiet}]
        fresh = self.path.with_suffix(".new")
        fresh.write_text("".join(json.dumps(entry) + "\n" for entry in entries), "utf-8")
        handle = os.open(fresh, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        os.fsync(handle)
        os.replace(fresh, self.path)
        os.close(self._file)
        self._file = handle
