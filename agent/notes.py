"""With `sync.person = "all"`: the person's own notes that are not committed yet, for a vault that syncs by itself.

Only what has been left alone for a minute, what is a plain file of theirs, and what holds no secret. Git tells what its
index holds, and the rest is compared here, byte by byte: `git diff-files` would run the person's filters for a file
that looks changed.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from agent import clock
from agent.git.repository import Repository
from agent.vault.layout import INBOX, OWN_FOLDERS, STOP_NAMES

SETTLED = 60.0  # seconds that a note was left alone
LARGEST = 5 << 20  # bytes: a bigger one is for the person to commit
MOST = 500  # notes in one look
GONE = 100  # files: when more are missing at once, a folder is away rather than deleted
# `git ls-files --stage --debug -z` (git-ls-files(1)); a flag says that a sparse checkout leaves the file out.
_ENTRY = re.compile(
    rb"(\d{6}) ([0-9a-f]+) (\d)\t([^\0]+)\0  ctime: \d+:\d+\n  mtime: (\d+):(\d+)\n[^\n]*\n[^\n]*\n"
    rb"  size: (\d+)\tflags: ([0-9a-f]+)\n"
)
_LEFT_OUT = 1 << 30


class Kept(NamedTuple):
    """A plain file in the index: its blob, and how it looked on disk when git wrote that down."""

    blob: str
    looked: tuple[int, int]  # ns of its last change, size


class Notes:
    """The uncommitted notes of one vault. `read(path)` gives a file's bytes, `scan` says which secrets they hold,
    `looks()` counts the looks at the remote: between two of them nothing is asked of git."""

    def __init__(
        self, repository: Repository, read: Callable[[str], bytes | None], scan: Callable[[bytes], Sequence[str]],
        looks: Callable[[], int], wall: Callable[[], float] = clock.wall,
    ) -> None:  # fmt: skip
        self.repository, self._read, self._scan, self._looks, self._wall = repository, read, scan, looks, wall
        self._seen = -1
        self._found: dict[str, bytes | None] = {}
        self._same: dict[str, tuple[str, tuple[int, int]]] = {}  # files that were read and are as their blob is

    def __call__(self) -> Mapping[str, bytes | None]:
        if self._seen != self._looks():
            self._seen = self._looks()
            fit = self.repository.operation() is None and self.repository.head().commit is not None
            self._found = dict(self._look()) if fit else {}
        return self._found

    def _look(self) -> Iterator[tuple[str, bytes | None]]:
        staged = set(self._names("diff-index", "--cached", "--name-only", "--no-renames", "HEAD"))
        index = {path: kept for path, kept in self._index() if path not in staged and is_theirs(path)}
        missing = [path for path in index if not os.path.lexists(self.repository.work_tree / path)]
        if len(missing) <= GONE:
            yield from ((p, None) for p in missing if self._is_old(_nearest(self.repository.work_tree / p)))
        new = [path for path in self._names("ls-files", "--others", "--exclude-standard") if is_theirs(path)]
        changed = [path for path, kept in index.items() if path not in missing and self._seems_changed(path, kept)]
        for path in (changed + new)[:MOST]:
            content = self._content(path)
            if content is None:
                continue
            if path in index and self.repository.blob_id(content) == index[path].blob:
                self._same[path] = index[path].blob, _look_of(self.repository.work_tree / path)
            elif not self._scan(content):
                yield path, content

    def _names(self, *command: str) -> list[str]:
        said = self.repository.git.run(*command, "-z").out
        return [path for path in said.decode("utf-8", "surrogateescape").split("\0") if path]

    def _index(self) -> Iterator[tuple[str, Kept]]:
        """The plain files that the index holds for the work tree."""
        for found in _ENTRY.finditer(self.repository.git.run("ls-files", "--stage", "--debug", "-z").out):
            mode, blob, stage, path, seconds, ns, size, flags = found.groups()
            if mode == b"100644" and stage == b"0" and not int(flags, 16) & _LEFT_OUT:
                looked = int(seconds) * 1_000_000_000 + int(ns), int(size)
                yield path.decode("utf-8", "surrogateescape"), Kept(blob.decode(), looked)

    def _seems_changed(self, path: str, kept: Kept) -> bool:
        look = _look_of(self.repository.work_tree / path)
        return look != kept.looked and self._same.get(path) != (kept.blob, look)

    def _content(self, path: str) -> bytes | None:
        """The bytes of a plain file of a fitting size that was left alone, as git would store them."""
        try:
            info = os.lstat(self.repository.work_tree / path)
        except OSError:
            return None
        plain = stat.S_ISREG(info.st_mode) and info.st_nlink == 1 and not info.st_mode & 0o111
        if not plain or info.st_size > LARGEST or not self._is_old(info):
            return None
        content = self._read(path)
        if content is None or b"\r\n" not in content or b"\0" in content:
            return content
        convert = self.repository.config("core.autocrlf") in ("true", "input")
        return content.replace(b"\r\n", b"\n") if convert else content

    def _is_old(self, info: os.stat_result) -> bool:
        return self._wall() - max(info.st_mtime, info.st_ctime) >= SETTLED


def is_theirs(path: str) -> bool:
    """Whether a file is a note of the person's: not Gofer's own, not a task, which have ways of their own."""
    folders = tuple(f"{folder}/" for folder in (INBOX, *OWN_FOLDERS))
    return not path.startswith(folders) and path not in STOP_NAMES and path.isprintable()


def _look_of(place: Path) -> tuple[int, int]:
    try:
        info = os.lstat(place)
    except OSError:
        return 0, 0
    return info.st_mtime_ns, info.st_size


def _nearest(place: Path) -> os.stat_result:
    """The folder in which a file is missing: since it changed last, the file is gone."""
    folder = place.parent
    while not folder.is_dir():
        folder = folder.parent
    return os.stat(folder)
