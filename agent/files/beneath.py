"""Files beneath a root, reached so that nobody who swaps a folder for a link in the middle can lead us outside."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import itertools
import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Final, Literal

from agent.errors import Busy, Refused, TryLater
from agent.files.paths import parts, refused

READ_LIMIT = 1 << 20  # bytes


class Any(Enum):
    """For `expect`: whatever is there is replaced."""

    ANY = "any"


ANY: Final = Any.ANY

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_TEMP = re.compile(r"\.gofer-([0-9]{1,10})-[0-9]{1,12}\.tmp")
# Starts at random: process numbers come back, in containers at every start, and what a killed process left
# must not be in the way of the next.
_serial = itertools.count(secrets.randbelow(10**9))
_pending: set[str] = set()  # temporary names that threads of this process are writing now

_DISK = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is read-only",
    errno.EIO: "the disk reported an error",
}
_TOO_MANY = {errno.EMFILE, errno.ENFILE}
_NO_SUCH_CALL = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}


class Beneath:
    """Files beneath one root, reached without following a link. Paths are relative, POSIX.

    Every method raises Refused for a path that `parts` refuses and for what is not a regular file with one name
    (link, pipe, device, second hard link), and TryLater, with the word disk, when the disk says no (full, quota,
    read-only, error). What is not there is a FileNotFoundError.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes:
        """The bytes of a file; Refused when there are more than `limit`."""
        with self._parent(path) as (folder, name):
            return _read(folder, name, path, limit)

    def stat(self, path: str) -> os.stat_result:
        """The metadata of a file."""
        with self._parent(path) as (folder, name):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            _check_regular(found, path)
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
        with _told(folder), suppress(FileNotFoundError), self._folder(names, folder) as top:
            _walk(top, "".join(f"{name}/" for name in names), tuple(suffixes), frozenset(skip), found)
        return found

    def write(self, path: str, data: bytes, *, expect: str | Literal[Any.ANY] | None) -> None:
        """Put `data` there, whole or not at all, and on disk when this returns; missing folders are made.

        `expect` is the sha256 hex of the bytes that must be there now, None when nothing may be there, ANY for
        files that are Gofer's own. What is there but should not be raises Busy, and nothing changes. A new
        file gets mode 0644 under the umask, an old one keeps its mode.
        The check comes right before the rename: an editor that saves within those microseconds is not noticed.
        """
        with self._parent(path, make=True) as (folder, name):
            mode = stat.S_IMODE(_expected(folder, name, path, expect).st_mode) if isinstance(expect, str) else None
            with _temporary(folder, data, mode) as temp:
                if expect is None:
                    _rename_new(folder, temp, name, path)
                else:
                    if isinstance(expect, str):
                        _expected(folder, name, path, expect)
                    os.rename(temp, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def remove(self, path: str, expect: str) -> None:
        """Delete a file whose bytes have the sha256 hex `expect`; Busy when they are others."""
        with self._parent(path) as (folder, name):
            _expected(folder, name, path, expect)
            os.unlink(name, dir_fd=folder)
            os.fsync(folder)

    def sweep(self, folder: str = "") -> Sequence[str]:
        """Remove the temporary files that ended processes left in a folder; their names are returned."""
        swept = []
        names = parts(folder.rstrip("/")) if folder else ()
        with _told(folder), suppress(FileNotFoundError), self._folder(names, folder) as top:
            for name in os.listdir(top):
                match = _TEMP.fullmatch(name)
                if match and name not in _pending and not _alive(int(match[1])):
                    with suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=top)
                        swept.append(name)
        return swept

    @contextmanager
    def _parent(self, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The descriptor of the file's folder and the file's name; errors of the body are told in our words."""
        *folders, name = parts(path)
        with _told(path), self._folder(folders, path, make=make) as folder:
            yield folder, name

    @contextmanager
    def _folder(self, names: Sequence[str], path: str, *, make: bool = False) -> Iterator[int]:
        here = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in names:
                deeper = _enter(here, name, path, make=make)
                os.close(here)
                here = deeper
            yield here
        finally:
            os.close(here)


def _check_regular(found: os.stat_result, path: str) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise refused(path, "it is a link")
    if not stat.S_ISREG(found.st_mode):
        raise refused(path, "it is a folder, a pipe, a socket or a device, not a file")
    if found.st_nlink > 1:
        raise refused(path, "it has a second name (a hard link), so a change would reach another place")


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Errors of the operating system in our words. What is missing stays a FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in _DISK:
            raise TryLater(_DISK[error.errno], where=path, why=str(error.strerror), fix="make room on it") from error
        if error.errno in _TOO_MANY:
            raise TryLater("too many files are open", where=path) from error
        if error.errno == errno.ELOOP:
            raise refused(path, "it is a link or leads through one") from error
        if error.errno in (errno.EEXIST, errno.ESTALE, errno.EAGAIN):
            raise Busy("the file is being changed by somebody else", where=path) from error
        raise refused(path, (error.strerror or "the system refused it").lower()) from error


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


def _read(folder: int, name: str, path: str, limit: int) -> bytes:
    handle = os.open(name, _READ, dir_fd=folder)
    with os.fdopen(handle, "rb", buffering=0) as file:
        found = os.fstat(handle)
        if found.st_nlink == 0:  # deleted or replaced since it was opened
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        _check_regular(found, path)
        chunks, left = [], limit + 1
        while left > 0 and (chunk := file.read(min(left, 1 << 20))):
            chunks.append(chunk)
            left -= len(chunk)
    if left <= 0:
        raise Refused("the file is too big", where=path, why=f"it has more than {limit:,} bytes")
    return b"".join(chunks)


def _expected(folder: int, name: str, path: str, expect: str) -> os.stat_result:
    """The metadata of the file if its bytes are the expected ones; Busy if it is gone or other."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        _check_regular(found, path)
        now = hashlib.sha256(_read(folder, name, path, found.st_size)).hexdigest()
    except (FileNotFoundError, Refused) as error:
        if isinstance(error, Refused) and error.what != "the file is too big":  # it grew between the two calls
            raise
        now = None
    if now != expect:
        raise Busy("the file was changed by somebody else", where=path, fix="look at it, then try the task again")
    return found


def _temp_name() -> str:
    """A hidden name that nobody else uses, kept from the sweep until it leaves `_pending`."""
    name = f".gofer-{os.getpid()}-{next(_serial)}.tmp"
    _pending.add(name)
    return name


@contextmanager
def _temporary(folder: int, data: bytes, mode: int | None) -> Iterator[str]:
    """A hidden file with these bytes, on disk; it is gone afterwards unless it was renamed."""
    temp = _temp_name()
    try:
        handle = os.open(temp, _CREATE, 0o644, dir_fd=folder)
        with os.fdopen(handle, "wb") as file:
            if mode is not None:
                os.fchmod(handle, mode)
            file.write(data)
            file.flush()
            _sync(handle)
        yield temp
    finally:
        with suppress(OSError):
            os.unlink(temp, dir_fd=folder)
        _pending.discard(temp)


def _sync(handle: int) -> None:
    full = getattr(fcntl, "F_FULLFSYNC", None)  # macOS, where fsync does not reach the platter
    if full is None:
        os.fsync(handle)
    else:
        fcntl.fcntl(handle, full)


def _rename_new(folder: int, temp: str, name: str, path: str) -> None:
    """Give the temporary file its name if nothing has that name, else Busy."""
    try:
        if not _rename_no_replace(folder, temp, name):
            os.link(temp, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            os.unlink(temp, dir_fd=folder)
    except FileExistsError:
        _check_regular(os.stat(name, dir_fd=folder, follow_symlinks=False), path)
        raise Busy("the file is there already", where=path, why="it appeared meanwhile") from None


_libc = ctypes.CDLL(None, use_errno=True)
_RENAME_NOREPLACE = 1  # linux/fs.h


def _rename_no_replace(folder: int, old: str, new: str) -> bool:
    """renameat2 with RENAME_NOREPLACE; False where the system or the file system has no such call.

    Preferred to link and unlink: a crash between those two leaves a file with two names, which `read` refuses.
    """
    if not hasattr(_libc, "renameat2"):
        return False
    if _libc.renameat2(folder, os.fsencode(old), folder, os.fsencode(new), _RENAME_NOREPLACE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NO_SUCH_CALL:
        return False
    raise OSError(code, os.strerror(code), new)


def _walk(folder: int, prefix: str, suffixes: tuple[str, ...], skip: frozenset[str], found: dict[str, float]) -> None:
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
                _walk(deeper, f"{prefix}{name}/", suffixes, skip, found)
            finally:
                os.close(deeper)


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
