"""Wake-ups: the operating system's file events where there are any, and polling where there are none.

An event only says "look again". Which file and what happened to it is never taken from it (W06, W15).
"""

from __future__ import annotations

import os
import queue
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver

# File systems whose events tell nothing of what other machines do there (W14).
_REMOTE = ("nfs", "cifs", "smb", "9p", "fuse", "vboxsf", "drvfs", "afs", "ceph", "gluster")


class Bell:
    """Rings when something may have happened; the worker sleeps on it. Any thread may ring, and a signal handler:
    `SimpleQueue.put` may interrupt itself, where a `threading.Event` that is being waited on would deadlock."""

    def __init__(self) -> None:
        self._rings: queue.SimpleQueue[None] = queue.SimpleQueue()

    def ring(self) -> None:
        if self._rings.empty():
            self._rings.put(None)

    def wait(self, seconds: float) -> bool:
        """Sleep until it rings or the time is over; True when it rang."""
        try:
            self._rings.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return False
        with suppress(queue.Empty):
            while True:
                self._rings.get_nowait()
        return True


class Watcher:
    """Watches folders and rings the bell. `trouble` says why it fell back to polling, "" while events come."""

    def __init__(
        self, folders: Sequence[Path], bell: Bell, *, events: bool = True, poll: float = 2.0, rescan: float = 60.0,
        shallow: Path | None = None,
    ) -> None:  # fmt: skip
        """The folders are watched with all that is below them, `shallow` is not. `poll` and `rescan` are the seconds
        between two looks where no events come, and where they do: an overflow or a lost watch costs no more."""
        self.folders, self.bell, self.trouble = [*folders, *([shallow] if shallow else [])], bell, ""
        self._shallow = shallow
        self._poll, self._rescan = poll, rescan
        self._observer: BaseObserver | None = None
        self._watched: list[tuple[int, int] | None] = []
        self._wanted = events
        if events and (kind := _remote_file_system(self.folders[0])):
            self._wanted, self.trouble = False, f"no file events on {kind}; looking every {poll:g} s"
        self.look_again()

    @property
    def interval(self) -> float:
        """The longest time, in seconds, between two looks at the inbox."""
        blind = self._observer is None or None in self._watched  # a folder that comes back makes no event
        return self._poll if blind else self._rescan

    def look_again(self) -> None:
        """Watch the folders as they are now: one that was deleted and made anew is another folder (W04)."""
        now = [_identity(folder) for folder in self.folders]
        if not self._wanted or (self._observer is not None and now == self._watched):
            return
        self.close()
        self._watched = now
        try:
            self._start()
        except OSError as error:  # ENOSPC: watch limit, EMFILE: instance limit (W02)
            self.trouble = f"file events are not available ({error.strerror or error}); looking every {self._poll:g} s"
            self._observer = None
            self._wanted = self._wanted and error.errno is None

    def _start(self) -> None:
        from watchdog import events  # noqa: PLC0415 - heavy
        from watchdog.observers import Observer  # noqa: PLC0415

        # It warns when it meets a new folder twice, by an event and by looking. That is as it should be (W03).
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"watchdog\.")
        bell = self.bell

        class Ring(events.FileSystemEventHandler):
            def on_any_event(self, event: FileSystemEvent) -> None:
                bell.ring()

        # Not opening and closing: the kernel would tell of every file that we read ourselves.
        wanted: list[type[FileSystemEvent]] = [
            events.FileCreatedEvent, events.FileModifiedEvent, events.FileClosedEvent, events.FileMovedEvent,
            events.FileDeletedEvent, events.DirCreatedEvent, events.DirMovedEvent, events.DirDeletedEvent,
        ]  # fmt: skip
        observer = Observer()
        ring = Ring()
        for folder, identity in zip(self.folders, self._watched, strict=True):
            if identity is not None:
                observer.schedule(ring, str(folder), recursive=folder != self._shallow, event_filter=wanted)
        try:
            observer.start()
        except OSError:
            observer.stop()  # the watches that it did get
            raise
        self._observer, self.trouble = observer, ""

    def close(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(5)
            self._observer = None


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        info = os.stat(folder)
    except OSError:
        return None
    return info.st_dev, info.st_ino


def _remote_file_system(folder: Path) -> str:
    """The type of the file system a folder lies on, when it is one whose events cannot be trusted; else ""."""
    try:
        mounts = [line.split(" ")[1:3] for line in Path("/proc/self/mounts").read_text("utf-8").splitlines()]
    except OSError:
        return ""
    real = os.path.realpath(folder)
    under = [(place, kind) for place, kind in mounts if real == place or real.startswith(place.rstrip("/") + "/")]
    kind = max(under, key=lambda mount: len(mount[0]), default=("", ""))[1]
    return kind if kind.startswith(_REMOTE) else ""
