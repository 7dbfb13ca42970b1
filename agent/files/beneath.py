"""Files beneath a root, reached so that nobody who swaps a folder for a link in the middle can lead us outside."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Final, Literal

from agent.files import temporary
from agent.files.entries import check_regular, expected, read, rename_new
from agent.files.folders import opened, walk
from agent.files.paths import parts
from agent.files.telling import told

READ_LIMIT = 1 << 20  # bytes


class Any(Enum):
    """For `expect`: whatever is there is replaced."""

    ANY = "any"


ANY: Final = Any.ANY


class Beneath:
    """Files beneath one root, reached without following a link. Paths are relative, POSIX.

    Every method raises Refused for a path that `parts` refuses and for what is not a regular file with one name
    (link, pipe, device, second hard link), and TryLater, with the word disk, when the disk says no (full, quota,
    read-only, error). What is not there is a FileNotFoundError.
    """

    def __init__(self, root: Path, staging: Path | None = None) -> None:
        """`staging`: a folder of the same file system, out of everybody's sight, where groups of files are written
        before they get their places; without one, that is beside each place."""
        self.root, self.staging = root, staging

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes:
        """The bytes of a file; Refused when there are more than `limit`."""
        with self._parent(path) as (folder, name):
            return read(folder, name, path, limit)

    def stat(self, path: str) -> os.stat_result:
        """The metadata of a file."""
        with self._parent(path) as (folder, name):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            check_regular(found, path)
            return found

    def exists(self, path: str) -> bool:
        """Whether the file is there. What is there but no ordinary file raises Refused: it cannot be written either."""
        try:
            self.stat(path)
        except FileNotFoundError:
            return False
        return True

    def modified(self, path: str) -> float:
        """When the content last changed, in seconds since the epoch."""
        return self.stat(path).st_mtime

    def list(self, folder: str = "", suffixes: Sequence[str] = ()) -> list[str]:
        """Sorted paths of the regular files below a folder ("" is the root), without hidden names."""
        return sorted(self.times(folder, suffixes))

    def times(self, folder: str = "", suffixes: Sequence[str] = (), skip: Sequence[str] = ()) -> dict[str, float]:
        """Path and modification time (seconds since the epoch) of what `list` lists, without the folders in `skip`.

        One pass, so that looking at ten thousand files costs tens of milliseconds. A missing folder is empty.
        """
        found: dict[str, float] = {}
        names = parts(folder.rstrip("/")) if folder else ()
        with told(folder), suppress(FileNotFoundError), opened(self.root, names, folder) as top:
            walk(top, "".join(f"{name}/" for name in names), tuple(suffixes), frozenset(skip), found)
        return found

    def write(self, path: str, data: bytes, *, expect: str | Literal[Any.ANY] | None) -> None:
        """Put `data` there, whole or not at all, and on disk when this returns; missing folders are made.

        `expect` is the sha256 hex of the bytes that must be there now, None when nothing may be there, ANY for
        files that are Gofer's own. What is there but should not be raises Busy, and nothing changes. A new
        file gets mode 0644 under the umask, an old one keeps its mode.
        The check comes right before the rename: an editor that saves within those microseconds is not noticed.
        """
        with self._parent(path, make=True) as (folder, name):
            mode = stat.S_IMODE(expected(folder, name, path, expect).st_mode) if isinstance(expect, str) else None
            with temporary.temporary(folder, data, mode) as temp:
                if expect is None:
                    rename_new(folder, temp, folder, name, path)
                else:
                    if isinstance(expect, str):
                        expected(folder, name, path, expect)
                    os.rename(temp, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def remove(self, path: str, expect: str) -> None:
        """Delete a file whose bytes have the sha256 hex `expect`; Busy when they are others."""
        with self._parent(path) as (folder, name):
            expected(folder, name, path, expect)
            os.unlink(name, dir_fd=folder)
            os.fsync(folder)

    def sweep(self, folder: str = "") -> Sequence[str]:
        """Remove the temporary files that ended processes left in a folder; their names are returned."""
        swept = []
        names = parts(folder.rstrip("/")) if folder else ()
        with told(folder), suppress(FileNotFoundError), opened(self.root, names, folder) as top:
            for name in os.listdir(top):
                if temporary.abandoned(name):
                    with suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=top)
                        swept.append(name)
        return swept

    @contextmanager
    def _parent(self, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The descriptor of the file's folder and the file's name; errors of the body are told in our words."""
        *folders, name = parts(path)
        with told(path), opened(self.root, folders, path, make=make) as folder:
            yield folder, name
