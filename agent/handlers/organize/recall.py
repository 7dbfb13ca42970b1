"""What one run leaves for the next: the notes as they were, and what was told. In the state folder, never in the vault.

A memory counts when the report of its run is known to be out, so that a run which starts again after a crash begins
where the last published one ended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from agent.errors import Refused
from agent.handlers.base import Context
from agent.vault.layout import finished_task_path, report_path

FILE = "organize.json"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The notes at one time: path → modification time, both as they were before that run's own changes; `own` are the
    paths that it moved to or changed itself; `told` names what it found wrong."""

    at: float  # seconds since the epoch
    notes: Mapping[str, float] = field(default_factory=dict)
    moved: Mapping[str, str] = field(default_factory=dict)
    own: Sequence[str] = ()
    told: str = ""


@dataclass(frozen=True, slots=True)
class Differences:
    """What others did to notes since a snapshot, or since the UTC day began when there is none (then what is new is
    among `changed`, and nothing is known of what is gone)."""

    since: float
    known: bool
    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        return bool(self.new or self.changed or self.gone)


def differences(before: Snapshot | None, times: Mapping[str, float], now: datetime) -> Differences:
    """What changed among notes; what the organizer itself did last time does not count."""
    if before is None:
        since = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
        changed = tuple(sorted(path for path, at in times.items() if since <= at <= now.timestamp()))
        return Differences(since, known=False, changed=changed)
    made = {*before.own, *before.moved.values()}
    new = [path for path in times if path not in before.notes and path not in made]
    changed_ones = [p for p, at in times.items() if p in before.notes and at != before.notes[p] and p not in made]
    gone = [p for p in before.notes if p not in times and before.moved.get(p) not in times]
    return Differences(before.at, True, tuple(sorted(new)), tuple(sorted(changed_ones)), tuple(sorted(gone)))


def recall(ctx: Context, facts: Mapping[str, Any]) -> Snapshot | None:
    """The snapshot of the last run whose report is out, None when there is none."""
    try:
        state = json.loads((ctx.memory / FILE).read_bytes())
        found = state["after"] if _counts(ctx, state, facts) else state["before"]
        return None if found is None else Snapshot(**found)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        ctx.note("the memory of earlier runs cannot be read; starting anew")
        return None


def keep(ctx: Context, before: Snapshot | None, after: Snapshot, *, quiet: bool) -> None:
    """Leave a snapshot for the next run; a quiet run has no report to wait for."""
    state = {
        "task": "" if quiet else ctx.task.id,
        "before": None if before is None else asdict(before),
        "after": asdict(after),
    }
    target = ctx.memory / FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    temp = target.with_suffix(".tmp")  # the folder is this type's own
    with temp.open("wb") as file:
        file.write(json.dumps(state, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        file.flush()
        os.fsync(file.fileno())
    temp.replace(target)


def _counts(ctx: Context, state: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    task = str(state["task"])
    if task == ctx.task.id:
        return False  # this very task ran before and was cut off
    if not task or any(entry.get("task") == task for entry in facts.get("recent") or ()):
        return True
    finished = datetime.fromtimestamp(state["after"]["at"], UTC)
    with suppress(Refused):  # it may have been taken out of the outbox long ago
        return ctx.files.exists(report_path(task)) or ctx.files.exists(finished_task_path(task, finished))
    return False
