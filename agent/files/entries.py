"""One file in an open folder, by its name there: nothing but ordinary files, and never another one than expected."""

from __future__ import annotations

import errno
import hashlib
import os
import stat

from agent.errors import Busy, Refused
from agent.files.paths import refused
from agent.files.system import rename_no_replace

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def check_regular(found: os.stat_result, path: str) -> None:
    """Refused for what is not a regular file with one name."""
    if stat.S_ISLNK(found.st_mode):
        raise refused(path, "it is a link")
    if not stat.S_ISREG(found.st_mode):
        raise refused(path, "it is a folder, a pipe, a socket or a device, not a file")
    if found.st_nlink > 1:
        raise refused(path, "it has a second name (a hard link), so a change would reach another place")


def read(folder: int, name: str, path: str, limit: int) -> bytes:
    """The bytes of a file; Refused when there are more than `limit`. Never blocks, whatever has that name."""
    handle = os.open(name, _READ, dir_fd=folder)
    with os.fdopen(handle, "rb", buffering=0) as file:
        found = os.fstat(handle)
        if found.st_nlink == 0:  # deleted or replaced since it was opened
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        check_regular(found, path)
        chunks, left = [], limit + 1
        while left > 0 and (chunk := file.read(min(left, 1 << 20))):
            chunks.append(chunk)
            left -= len(chunk)
    if left <= 0:
        raise Refused("the file is too big", where=path, why=f"it has more than {limit:,} bytes")
    return b"".join(chunks)


def expected(folder: int, name: str, path: str, expect: str) -> os.stat_result:
    """The metadata of the file if its bytes are the expected ones; Busy if it is gone or other."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        check_regular(found, path)
        now = hashlib.sha256(read(folder, name, path, found.st_size)).hexdigest()
    except (FileNotFoundError, Refused) as error:
        if isinstance(error, Refused) and error.what != "the file is too big":  # it grew between the two calls
            raise
        now = None
    if now != expect:
        raise Busy("the file was changed by somebody else", where=path, fix="look at it, then try the task again")
    return found


def rename_new(where: int, temp: str, folder: int, name: str, path: str) -> None:
    """Give the temporary file in `where` its name in `folder` if nothing has that name, else Busy."""
    try:
        if not rename_no_replace(where, temp, folder, name):
            os.link(temp, name, src_dir_fd=where, dst_dir_fd=folder, follow_symlinks=False)
            os.unlink(temp, dir_fd=where)
    except FileExistsError:
        check_regular(os.stat(name, dir_fd=folder, follow_symlinks=False), path)
        raise Busy("the file is there already", where=path, why="it appeared meanwhile") from None
