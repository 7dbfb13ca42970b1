"""What was: the change journals of finished tasks, and the content of files that tasks replaced or deleted.

Content is looked for in git; what was never committed is kept as a copy in the state folder, under its sha256.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from threading import Lock

from agent.errors import GoferError
from agent.files import Beneath
from agent.git.repository import Repository
from agent.vault import actions
from agent.vault.layout import CHANGES
from agent.vault.values import Change

COPIES = "replaced"  # folder of the state folder
KEPT_DAYS = 90
LARGEST = 64 << 20  # bytes of a journal, and of a file that is kept


@dataclass(slots=True)
class Past:
    """The past of one vault as one process sees it. Any thread may ask."""

    root: Path
    state: Path
    _repository: Repository | None = None
    _lock: Lock = field(default_factory=Lock)

    def changes(self, task: str) -> tuple[actions.Action, ...] | None:
        """What a finished task did to files, in order; None when it left no journal. ValueError for a broken one."""
        if not (path := journal_of(self.root, task)):
            return None
        return actions.parse(Beneath(self.root).read(path, LARGEST).decode("utf-8"))

    def content(self, digest: str, blob: str) -> bytes | None:
        """The bytes with this sha256, from git under this id or from the copies here; None when they are nowhere."""
        with suppress(OSError):
            data = (self.state / COPIES / digest).read_bytes()
            if sha256(data).hexdigest() == digest:
                return data
        with self._lock:
            found = self._git().contents(blob) if blob else None
        return found if found is not None and sha256(found).hexdigest() == digest else None

    def keep(self, changes: Iterable[Change], read: Callable[[str, int], bytes]) -> tuple[Change, ...]:
        """The same changes with the git ids of what they replace. What git does not have is copied first; `read` gives
        a file as the task saw it."""
        changes = tuple(changes)
        live_on = {action.path for action in actions.actions(changes) if action.op == "move"}
        return tuple(
            change if change.before is None or change.path in live_on else self._keep(change, read)
            for change in changes
        )

    def _keep(self, change: Change, read: Callable[[str, int], bytes]) -> Change:
        try:
            data = read(change.path, LARGEST)
        except (GoferError, FileNotFoundError):
            return change  # somebody changed it meanwhile: the change will not fit
        digest = sha256(data).hexdigest()
        with self._lock:
            blob, there = self._git().blob_id(data), self._git().info(f"HEAD:{change.path}")
        if there is not None and there[0] == blob:
            return replace(change, blob=blob)
        place = self.state / COPIES / digest
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            part = place.with_name(f"{digest}.{os.getpid()}.part")
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(place)
        os.utime(place)  # its 90 days begin anew
        return change

    def prune(self, now: datetime) -> None:
        """Remove the copies that are older than 90 days."""
        oldest = (now - timedelta(days=KEPT_DAYS)).timestamp()
        with suppress(FileNotFoundError):
            for entry in os.scandir(self.state / COPIES):
                if entry.stat().st_mtime < oldest:
                    os.unlink(entry.path)

    def rest(self) -> None:
        """Let git's long-lived process go."""
        with self._lock:
            if self._repository:
                self._repository.rest()

    def _git(self) -> Repository:
        if self._repository is None:
            self._repository = Repository(self.root)
        return self._repository


def journal_of(root: Path, task: str) -> str:
    """Where the change journal of a finished task lies, "" when there is none."""
    try:
        months = sorted(os.listdir(root / CHANGES), reverse=True)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    paths = (f"{CHANGES}/{month}/{task}.jsonl" for month in months)
    return next((path for path in paths if (root / path).is_file()), "")
