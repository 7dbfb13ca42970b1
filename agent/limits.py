"""What a child process may take of the machine, and the look at it that no rlimit spares."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from agent.errors import TimeUp
from agent.marked import marked

_WATCH = 0.5  # seconds between looks


@dataclass(frozen=True, slots=True)
class Limits:
    """What a command may take. Sizes are bytes. `memory` bounds what each of its processes allocates (not on macOS),
    `file_size` each file; `processes` how many run at once (Linux); `free`: room on the disk that must be left."""

    output: int = 1 << 20
    memory: int = 4 << 30
    file_size: int = 1 << 30
    processes: int = 512
    free: int = 200 << 20


class Runaway(TimeUp):
    """It takes too much of the machine: every second counts."""


@dataclass(slots=True)
class Watch:
    """Looks now and then at what a command takes. `name` is its name for people, `folder` where it works."""

    name: str
    mark: str
    folder: Path
    limits: Limits
    _next: float = field(default_factory=lambda: time.monotonic() + _WATCH)

    def look(self) -> None:
        """Nothing while all is well, and between the looks. Raises Runaway."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _WATCH
        if sum(1 for _ in marked(self.mark)) > self.limits.processes:
            raise Runaway(f"'{self.name}' had more than {self.limits.processes} processes and was killed")
        try:
            disk = os.statvfs(self.folder)
        except OSError:  # it removed the folder
            return
        if disk.f_bavail * disk.f_frsize < self.limits.free:
            left = f"less than {self.limits.free >> 20} MiB are left on the disk"
            raise Runaway(f"'{self.name}' was killed: {left}", where=str(self.folder))
