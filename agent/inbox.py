"""What lies in the inbox and may start: the directory scan is the truth, events are only hints.

A file is taken when it has settled: it is committed, or it says `status: open` and has not changed for half a
second, or it has not changed for the settle time. Nothing is remembered that could not be seen again; what is
kept between two looks only measures how long a file has been still.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from agent.turns import turn
from agent.vault.names import is_schedule, looks_like_task_name
from agent.vault.readable import MAX_BYTES

NEAR = 86_400.0  # seconds before the day it is due, from which a task is served a rank earlier
_HEADER = 4096  # bytes looked at for a hint of status and priority
_OPEN = re.compile(rb"^(?:status|state)[ \t]*:[ \t]*[\"']?open\b|^ready[ \t]*:[ \t]*[\"']?(?:true|yes)\b", re.M | re.I)
_URGENT = re.compile(rb"^priority[ \t]*:[ \t]*[\"']?(critical|urgent|p0|high|p1|low|p3)\b", re.M | re.I)
_DUE = re.compile(rb"^(?:due|due_date)[ \t]*:[ \t]*[\"']?(\d{4}-\d\d-\d\d)", re.M | re.I)
_RANK = {b"critical": 0, b"urgent": 0, b"p0": 0, b"high": 1, b"p1": 1, b"low": 3, b"p3": 3}

Signature = tuple[int, int, int, int]  # device, inode, size, change time in ns


@dataclass(frozen=True, slots=True)
class Drop:
    """One file that may start. `raw` is None when it cannot be read at all; `refused` then says why."""

    path: str
    raw: bytes | None
    signature: Signature
    committed: bool = False
    refused: str = ""
    instance: str = ""  # of a schedule: the id of the run that is due

    @property
    def key(self) -> str:
        """Names this content at this place, and which run of it; nothing of it is parsed for that."""
        body = self.raw if self.raw is not None else self.refused.encode()
        key = f"{sha256(body).hexdigest()[:16]}:{self.path}"
        return f"{key}@{self.instance}" if self.instance else key


@dataclass(frozen=True, slots=True)
class Still:
    """How long a file has been still: since when (seconds on the caller's clock), and what it then held."""

    signature: Signature
    since: float
    content: bytes  # sha256, so that a change behind the same stat is seen
    needs: float  # seconds it must stay still
    rank: int  # 0 is served first
    committed: bool


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the inbox. `next_at` is when a settling file will be ready, on the caller's clock."""

    ready: tuple[str, ...] = ()  # most urgent first, then oldest
    own: frozenset[str] = frozenset()  # those of them that no other machine begins with
    settling: tuple[str, ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()  # path and reason, for doctor
    refused: tuple[Drop, ...] = ()  # can never be a task as they are: links, pipes, too big
    next_at: float | None = None
    folders: frozenset[str] = frozenset()
    schedules: tuple[str, ...] = ()  # files of schedules, which stay where they are


@dataclass(slots=True)
class Inbox:
    """The inbox of one vault. `committed(path, raw)` says whether git already holds exactly this. With a `walker`,
    equal priorities come in an order of its own, so that many workers do not all begin at the same end; `others` are
    those that work here too, None while nobody knows."""

    root: Path
    settle: float
    settle_open: float
    committed: Callable[[str, bytes], bool]
    walker: str = ""
    others: frozenset[str] | None = None
    _still: dict[str, Still] = field(default_factory=dict)

    def look(self, clock: float, wall: float) -> Look:
        """Scan. `clock` is monotonic seconds, `wall` seconds since 1970 (to see that a file is long settled)."""
        ready: list[tuple[int, int, int, str]] = []
        settling: list[str] = []
        ignored: list[tuple[str, str]] = []
        refused: list[Drop] = []
        folders: list[str] = []
        schedules: list[str] = []
        seen: dict[str, Still] = {}
        next_at: float | None = None
        for path, entry, why in self._walk("inbox", folders):
            if why:
                ignored.append((path, why))
                continue
            info = entry.stat(follow_symlinks=False)
            if trouble := _unspeakable(path) or _trouble(info):
                refused.append(Drop(_spoken(path), None, _signature(info), refused=trouble))
                continue
            still = self._still.get(path)
            if still is None or still.signature != _signature(info):
                still = self._first_sight(path, info, clock, wall)
            if still is None:
                continue  # gone, or empty: not a task yet
            seen[path] = still
            if still.committed or clock - still.since >= still.needs:
                if is_schedule(path):
                    schedules.append(path)
                    continue
                ready.append((still.rank, *self._place(path, info), path))
            else:
                settling.append(path)
                due = still.since + still.needs
                next_at = due if next_at is None else min(next_at, due)
        self._still = seen
        ready.sort()
        return Look(
            tuple(path for *_, path in ready),
            frozenset() if self.others is None else frozenset(path for _, turn, _, path in ready if turn == 0),
            tuple(settling), tuple(ignored), tuple(refused), next_at, frozenset(folders), tuple(sorted(schedules)),
        )  # fmt: skip

    def _place(self, path: str, info: os.stat_result) -> tuple[int, int]:
        return turn(path, self.walker, self.others or ()) if self.walker else (0, info.st_mtime_ns)

    def take(self, path: str, clock: float) -> Drop | None:
        """Read one file that is ready; None when it is gone, changed since the look, or still open for writing."""
        still = self._still.get(path)
        raw, signature, busy = _read(self.root / path)
        if still is None or raw is None or signature is None:
            return None
        if signature != still.signature or sha256(raw).digest() != still.content or (busy and not still.committed):
            self._still[path] = Still(
                signature, clock, sha256(raw).digest(), still.needs or self.settle, still.rank, False
            )
            return None
        return Drop(path, raw, signature, still.committed)

    def signature(self, path: str) -> Signature | None:
        """How the file looked at the last look, None when it was not there."""
        still = self._still.get(path)
        return still.signature if still else None

    def forget(self, path: str) -> None:
        """Look at this file anew, as if it had just come."""
        self._still.pop(path, None)

    def _first_sight(self, path: str, info: os.stat_result, clock: float, wall: float) -> Still | None:
        raw, signature, _ = _read(self.root / path)
        if not raw or signature is None or not raw.strip():
            return None
        head = raw[:_HEADER]
        marked = head.startswith((b"---", b"\xef\xbb\xbf---")) and _OPEN.search(head)
        urgent = _URGENT.search(head)
        rank = _RANK[urgent[1].lower()] if urgent else 2
        if (due := _DUE.search(head)) and due[1].decode() <= f"{datetime.fromtimestamp(wall + NEAR, UTC):%Y-%m-%d}":
            rank = max(0, rank - 1)
        committed = not marked and self.committed(path, raw)
        needs = self.settle_open if marked else self.settle
        quiet_for = wall - max(info.st_mtime, info.st_ctime)
        since = clock - quiet_for if quiet_for >= 0 else clock  # a clock that runs ahead must not start it early
        return Still(signature, since, sha256(raw).digest(), needs, rank, committed)

    def _walk(self, folder: str, folders: list[str]) -> Iterator[tuple[str, os.DirEntry[str], str]]:
        """Every file below a folder with the reason to ignore it, "" when it may be a task. No link is followed."""
        folders.append(folder)
        try:
            with os.scandir(self.root / folder) as scan:
                entries = list(scan)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return
        names = {entry.name for entry in entries}
        for entry in entries:
            path = f"{folder}/{entry.name}"
            if entry.is_dir(follow_symlinks=False) and not entry.name.endswith(".md"):
                if not entry.name.startswith(".") and entry.name.lower() != "templates":
                    yield from self._walk(path, folders)
                continue
            yield path, entry, looks_like_task_name(path, siblings=names) or ""


def _signature(info: os.stat_result) -> Signature:
    return info.st_dev, info.st_ino, info.st_size, info.st_ctime_ns


def _unspeakable(path: str) -> str:
    """Why no file that Gofer writes, and perhaps no other machine, can hold this path, "" when they can (W20)."""
    return "" if _spoken(path) == path else "its name is not UTF-8: rename it"


def _spoken(path: str) -> str:
    """A path as it can be written: what is not UTF-8 in it is replaced."""
    return os.fsencode(path).decode("utf-8", "replace")


def _trouble(info: os.stat_result) -> str:
    """Why a directory entry can never be read as a task (W20, W21), "" when it can."""
    if stat.S_ISLNK(info.st_mode):
        return "it is a symbolic link"
    if not stat.S_ISREG(info.st_mode):
        return "it is not a regular file"
    if info.st_nlink > 1:
        return "it has a second hard link"
    if info.st_size > MAX_BYTES:
        return f"it is larger than {MAX_BYTES >> 20} MiB"
    return ""


def _read(path: Path) -> tuple[bytes | None, Signature | None, bool]:
    """The bytes of a regular file, its signature, and whether somebody still has it open for writing."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None, None, False
    try:
        info = os.fstat(handle)
        if _trouble(info):
            return None, None, False
        raw = b""
        while chunk := os.read(handle, MAX_BYTES + 1 - len(raw)):
            raw += chunk
        return raw, _signature(info), _open_for_writing(handle)
    except OSError:
        return None, None, False
    finally:
        os.close(handle)


def _open_for_writing(handle: int) -> bool:
    """Whether another process holds the file open for writing: Linux refuses a read lease then (fcntl(2)). Where
    there are no leases the answer is no, and the settle time alone decides."""
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    return False
