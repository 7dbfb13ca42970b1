"""Run folders: the task, the log and the result of each run, apart from each other and outside the vault."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent.gate import OutputGate
from agent.text import utc

KEEP_DAYS = 30
LINE = 2000  # characters of one log line


class RunFolders:
    """`runs/<day>/<task id>/` with `task.md`, `run.log` and `result.md`; a second attempt adds to the same log."""

    def __init__(self, root: Path, gate: OutputGate) -> None:
        self.root, self._gate = root, gate

    def open(self, task: str, text: str, now: datetime) -> Path:
        """Make the folder of a run and put the task into it."""
        folder = self.root / now.astimezone(UTC).strftime("%Y-%m-%d") / task
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "task.md").write_text(self._gate.redact(text), "utf-8")
        return folder

    def note(self, folder: Path, line: str) -> None:
        """Add one line to the run's log, with the time."""
        text = self._gate.redact(line).replace("\n", "\n    ")[:LINE]
        with (folder / "run.log").open("a", encoding="utf-8") as log:
            log.write(f"{utc(datetime.now(UTC))} {text}\n")

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
