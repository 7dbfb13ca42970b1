"""Files outside the vault that this machine's settings name: read, from their end, and never written."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from agent.errors import Refused

MOST = 64 << 20  # bytes from the end of a file


def last_lines(path: str, most: int = MOST) -> Iterator[str]:
    """The lines in the last `most` bytes of a text file, `~/` being this user's home; a line that was cut is left out.

    Raises Refused when it is not there, may not be read, or is no regular file."""
    place = Path(path).expanduser()
    try:
        handle = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        fix = "correct its path in this machine's config.toml, or let the worker's user read it"
        raise Refused("the file cannot be read", where=path, why=str(error.strerror), fix=fix) from None
    info = os.fstat(handle)
    if not stat.S_ISREG(info.st_mode):
        os.close(handle)
        raise Refused("the file cannot be read", where=path, why="it is no regular file")
    with open(handle, "rb") as file:
        if info.st_size > most:
            file.seek(info.st_size - most)
            file.readline()
        left = most
        for line in file:
            left -= len(line)
            if left < 0:  # it grows faster than it is read
                return
            yield line.decode("utf-8", "replace").rstrip("\r\n")
