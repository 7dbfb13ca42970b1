"""What the operating system says about a file, in our words."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from agent.errors import Busy, TryLater
from agent.files.paths import refused

_DISK = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is read-only",
    errno.EIO: "the disk reported an error",
}
_TOO_MANY = {errno.EMFILE, errno.ENFILE}


def disk_trouble(error: BaseException, where: str = "") -> TryLater | None:
    """The disk's no in our words; None for any other error."""
    if not isinstance(error, OSError) or error.errno not in _DISK:
        return None
    return TryLater(_DISK[error.errno], where=where, why=str(error.strerror), fix="make room on it")


@contextmanager
def told(path: str) -> Iterator[None]:
    """Errors of the operating system in our words. What is missing stays a FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if trouble := disk_trouble(error, path):
            raise trouble from error
        if error.errno in _TOO_MANY:
            raise TryLater("too many files are open", where=path) from error
        if error.errno == errno.ELOOP:
            raise refused(path, "it is a link or leads through one") from error
        if error.errno in (errno.EEXIST, errno.ESTALE, errno.EAGAIN):
            raise Busy("the file is being changed by somebody else", where=path) from error
        raise refused(path, (error.strerror or "the system refused it").lower()) from error
