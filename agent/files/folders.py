"""Folders beneath a root, entered without following a link."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from agent.files.paths import refused

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def opened(root: Path, names: Sequence[str], path: str, *, make: bool = False) -> Iterator[int]:
    """The descriptor of a folder beneath a root; missing ones are made when they may be. Errors name `path`."""
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in names:
            deeper = _enter(here, name, path, make=make)
            os.close(here)
            here = deeper
            with suppress(FileNotFoundError):
                os.stat(".git", dir_fd=here, follow_symlinks=False)
                raise refused(path, f"'{name}' is a repository of its own (a submodule)")
        yield here
    finally:
        os.close(here)


def _enter(folder: int, name: str, path: str, *, make: bool) -> int:
    """The descriptor of a sub-folder, made when it may be. A link in its place is never entered."""
    while True:
        try:
            return os.open(name, _FOLDER, dir_fd=folder)
        except NotADirectoryError:  # Linux says so for a link as well, the others say ELOOP
            raise refused(path, f"'{name}' is a link or a file, not a folder") from None
        except FileNotFoundError:
            if not make:
                raise
        with suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=folder)
            os.fsync(folder)


def walk(folder: int, prefix: str, suffixes: tuple[str, ...], skip: frozenset[str], found: dict[str, float]) -> None:
    """Put path and modification time of the ordinary files below a folder into `found`, without hidden names."""
    inner = []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name[0] == ".":
                continue
            if entry.is_dir(follow_symlinks=False):
                inner.append(name)
            elif not suffixes or name.lower().endswith(suffixes):
                with suppress(FileNotFoundError):
                    data = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(data.st_mode) and data.st_nlink == 1:
                        found[prefix + name] = data.st_mtime
    for name in inner:
        if prefix + name in skip:
            continue
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            deeper = os.open(name, _FOLDER, dir_fd=folder)
            try:
                walk(deeper, f"{prefix}{name}/", suffixes, skip, found)
            finally:
                os.close(deeper)
