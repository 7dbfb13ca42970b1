"""Hidden files that get their real name when they are whole."""

from __future__ import annotations

import itertools
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from agent.files.system import sync

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_TEMP = re.compile(r"\.gofer-([0-9]{1,10})-[0-9]{1,12}\.tmp")
# Starts at random: process numbers come back, in containers at every start, and what a killed process left
# must not be in the way of the next.
_serial = itertools.count(secrets.randbelow(10**9))
_pending: set[str] = set()  # temporary names that threads of this process are writing now


def new_name() -> str:
    """A hidden name that nobody else uses; it is not abandoned until it was given to `discard`."""
    name = f".gofer-{os.getpid()}-{next(_serial)}.tmp"
    _pending.add(name)
    return name


def create(folder: int, name: str, data: bytes, *, mode: int | None = None, synced: bool = True) -> None:
    """Make a file with these bytes, and unless `synced` is off wait until they are on disk."""
    handle = os.open(name, _CREATE, 0o644, dir_fd=folder)
    try:
        if mode is not None:
            os.fchmod(handle, mode)
        left = memoryview(data)
        while left:
            left = left[os.write(handle, left) :]
        if synced:
            sync(handle)
    finally:
        os.close(handle)


def discard(folder: int, name: str) -> None:
    """Remove what still has a hidden name, if anything has, and give the name up."""
    with suppress(OSError):
        os.unlink(name, dir_fd=folder)
    _pending.discard(name)


@contextmanager
def temporary(folder: int, data: bytes, mode: int | None) -> Iterator[str]:
    """A hidden file with these bytes, on disk; it is gone afterwards unless it was renamed."""
    name = new_name()
    try:
        create(folder, name, data, mode=mode)
        yield name
    finally:
        discard(folder, name)


def abandoned(name: str) -> bool:
    """Whether a name is one of ours that an ended process left behind."""
    match = _TEMP.fullmatch(name)
    return match is not None and name not in _pending and not _alive(int(match[1]))


def _alive(pid: int) -> bool:
    """Whether a process other than this one has that number. Our own unfinished names are known by `_pending`."""
    if pid == os.getpid() or pid == 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
