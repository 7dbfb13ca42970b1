"""What one beat leaves for the next. It takes effect only when the beat's report is known to be out.

A run that starts again after a crash, or a beat after one that was never published, begins where the last published one
ended: an alarm may come twice, but is never lost.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agent.errors import Refused
from agent.handlers.base import Context
from agent.handlers.heartbeat.alarms import Told
from agent.vault.values import Status

FILE = "beat.json"


@dataclass(slots=True)
class Memory:
    """Its time, since when things have been as they are, which alarms were told."""

    since: float | None = None  # seconds since the epoch; None before the first beat
    items: dict[str, float] = field(default_factory=dict)
    told: dict[str, Told] = field(default_factory=dict)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Memory:
        """The reverse of `asdict`. Raises TypeError or the like for anything else."""
        told = {
            str(key): Told(float(entry["at"]), entry["severity"], entry["state"], str(entry["text"]))
            for key, entry in data["told"].items()
        }
        since = None if data["since"] is None else float(data["since"])
        return Memory(since, {str(key): float(at) for key, at in data["items"].items()}, told)


def remember(ctx: Context, facts: Mapping[str, Any]) -> Memory:
    """The memory of the last beat whose report is known to be out."""
    try:
        state = json.loads((ctx.memory / FILE).read_bytes())
        pending = state.get("pending")
        published = pending is not None and _published(ctx, str(pending["task"]), facts)
        return Memory.from_json(pending["memory"] if published else state["memory"])
    except FileNotFoundError:
        return Memory()
    except (ValueError, TypeError, KeyError, AttributeError):
        ctx.note("the memory of earlier beats cannot be read; starting anew")
        return Memory()


def _published(ctx: Context, task: str, facts: Mapping[str, Any]) -> bool:
    """Whether a beat's own report is out. One that says `failed` is not: it tells nothing of what the beat found."""
    if task == ctx.task.id:
        return False  # this very task ran before and was cut off
    for entry in facts.get("recent") or ():
        if entry.get("task") == task:
            return bool(entry.get("status") == Status.DONE)
    with suppress(Refused, FileNotFoundError):
        return b"\nstatus: done\n" in ctx.files.read(f"outbox/{task}.md")
    return False


def keep(ctx: Context, before: Memory, after: Memory, *, quiet: bool) -> None:
    """A quiet beat has nothing to lose and counts at once; another one counts when its report is out."""
    pending = None if quiet else {"task": ctx.task.id, "memory": asdict(after)}
    replace(ctx.memory / FILE, {"memory": asdict(after if quiet else before), "pending": pending})


def replace(path: Path, state: Mapping[str, Any]) -> None:
    """Put a state there, whole or not at all, and on disk when this returns. Two beats may run at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temp = path.with_suffix(f".{os.getpid()}.tmp")
    with temp.open("wb") as file:
        file.write(json.dumps(state, ensure_ascii=False).encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())
    temp.replace(path)
