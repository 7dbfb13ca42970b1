"""What a worker plans and has not done yet: one file for each task in the state folder, so that what is approved is
done as it was planned, and no model is asked twice."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent.vault.values import Change, Result, Section, Status, Usage

VERSION = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan for one revision of a task: its digest, the approval file as it was written, and what the run came to;
    None for a task that is only run when it is approved."""

    revision: str
    digest: str
    text: str
    result: Result | None


class Plans:
    """One folder of plans, by task id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, task: str) -> Plan | None:
        """The plan of a task; None when there is none that can be read."""
        try:
            data = json.loads(self._path(task).read_text("utf-8"))
            if data["v"] != VERSION:
                return None
            result = None if data["result"] is None else _result(data["result"])
            return Plan(data["revision"], data["digest"], data["text"], result)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, task: str, plan: Plan) -> None:
        """Keep a plan, on disk when this returns."""
        result = None if plan.result is None else _as_data(plan.result)
        data = {"v": VERSION, "revision": plan.revision, "digest": plan.digest, "text": plan.text, "result": result}
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(task)
        part = path.with_suffix(".part")
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(data, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def forget(self, task: str) -> None:
        with suppress(FileNotFoundError):
            self._path(task).unlink()

    def _path(self, task: str) -> Path:
        return self._folder / f"{hashlib.sha256(task.encode()).hexdigest()[:32]}.json"


def _as_data(result: Result) -> dict[str, Any]:
    """A result that acts, without what only hand-offs have."""
    return {
        "status": str(result.status),
        "findings": result.findings,
        "actions": result.actions,
        "sections": [asdict(section) for section in result.sections],
        "raw": result.raw,
        "changes": [
            [c.path, c.before, None if c.after is None else base64.b64encode(c.after).decode(), c.blob]
            for c in result.changes
        ],
        "usage": [asdict(usage) for usage in result.usage],
        "confidence": result.confidence,
        "verified": result.verified,
    }


def _result(data: dict[str, Any]) -> Result:
    return Result(
        Status(data["status"]),
        tuple(data["findings"]),
        tuple(data["actions"]),
        tuple(Section(**section) for section in data["sections"]),
        data["raw"],
        tuple(Change(p, b, None if a is None else base64.b64decode(a), blob) for p, b, a, blob in data["changes"]),
        tuple(Usage(**usage) for usage in data["usage"]),
        data["confidence"],
        data["verified"],
    )
