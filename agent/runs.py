"""Run folders: the task, the log and the result of each run, apart from each other and outside the vault."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent.gate import OutputGate
from agent.text import utc

KEEP_DAYS = 30
LINE = 2000  # characters of one log line
_PLAIN = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW  # a command that worked here may have left a link


class RunFolder:
    """`task.md`, `run.log` and `result.md` of one run; a second attempt on the same day adds to the same log. They
    are for looking at: nothing depends on them, so they are not synced, and a full disk that refuses them stops
    nothing."""

    def __init__(self, path: Path, gate: OutputGate) -> None:
        self.path, self._gate, self._log = path, gate, -1
        with suppress(OSError):
            path.mkdir(parents=True, exist_ok=True)
            self._log = os.open(path / "run.log", _PLAIN | os.O_APPEND, 0o600)

    def note(self, line: str) -> None:
        """Add one line to the log, with the time. After the end of the run it is not heard any more."""
        if self._log >= 0:
            text = self._gate.redact(line).replace("\n", "\n    ")[:LINE]
            with suppress(OSError):
                os.write(self._log, f"{utc(datetime.now(UTC))} {text}\n".encode("utf-8", "replace"))

    def redact(self, text: str) -> str:
        """The text without known secrets, for what leaves the run for somebody else."""
        return self._gate.redact(text)

    def keep(self, name: str, text: str) -> None:
        """Put a file beside the log."""
        with suppress(OSError):
            handle = os.open(self.path / name, _PLAIN | os.O_TRUNC, 0o600)
            try:
                os.write(handle, text.encode("utf-8", "replace"))
            finally:
                os.close(handle)

    def keep_output(self, name: str, text: str) -> Path:
        """Put what something printed beside the log, without secrets; where that is."""
        self.keep(name, self._gate.redact(text))
        return self.path / name

    def close(self, line: str = "") -> None:
        """The last line, if there is one to add, and the end of the log."""
        if line:
            self.note(line)
        handle, self._log = self._log, -1
        if handle >= 0:
            os.close(handle)


class RunFolders:
    """`runs/<day>/<task id>/` for every run of the last thirty days."""

    def __init__(self, root: Path, gate: OutputGate) -> None:
        self.root, self._gate = root, gate

    def open(self, task: str, text: str, now: datetime) -> RunFolder:
        """Make the folder of a run and put the task into it."""
        folder = RunFolder(self.root / now.astimezone(UTC).strftime("%Y-%m-%d") / task, self._gate)
        folder.keep("task.md", self._gate.redact(text))
        return folder

    def find(self, task: str) -> Path | None:
        """The newest folder of a task, None when there is none (any more)."""
        days = sorted((day for day in self.root.glob("*") if (day / task).is_dir()), reverse=True)
        return days[0] / task if days else None

    def prune(self, now: datetime) -> None:
        """Remove the runs of days that are over for longer than 30 days."""
        oldest = (now.astimezone(UTC) - timedelta(days=KEEP_DAYS)).strftime("%Y-%m-%d")
        for day in self.root.glob("*"):
            if day.name < oldest:
                shutil.rmtree(day, ignore_errors=True)
