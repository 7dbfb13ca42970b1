"""The mark that everything a command starts carries in its environment, and how Linux is asked who does."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MARK = "GOFER_CHILD"  # in the environment of a command and of all that it starts
_SWEEPS = 10  # looks for what starts others while it is being ended


def marked(mark: str) -> Iterator[int]:
    """Linux: the processes that carry this mark, wherever they hide. One that takes the mark off is not found."""
    sign = f"{MARK}={mark}".encode()
    for folder in Path("/proc").glob("[0-9]*") if sys.platform == "linux" else ():
        with suppress(OSError):  # another's, or gone meanwhile
            if sign in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)


def sweep(mark: str) -> None:
    """Linux: kill them all, and what they start meanwhile."""
    for _ in range(_SWEEPS):
        found = False
        for pid in marked(mark):
            found = True
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return
