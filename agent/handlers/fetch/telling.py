"""What a schedule has told already. What is wrong is told when it begins, once a day while it lasts, and at its end.

A source that is down all night is one report, not a hundred. What was told counts only when its report is there to be
read: after a crash, or when nothing could be published, it is told again rather than never.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agent.errors import Refused
from agent.handlers.base import Context
from agent.handlers.fetch.report import Judged
from agent.text import parse_utc, utc
from agent.vault.layout import report_path

REMIND = 86_400.0 - 120.0  # seconds until the same is told again; a little less than a day, since schedules wander


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a scheduled run has nothing to say, and what was told and is over."""

    quiet: bool = False
    over: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Told:
    marks: Mapping[str, str]  # what is wrong → the sentence that said it
    at: datetime | None = None


def weigh(ctx: Context, judged: Sequence[Judged]) -> Verdict:
    """Judge a scheduled run, and remember what it is going to tell."""
    path = ctx.memory / f"told-{_digest(judged)}.json"
    marks = {mark: text for one in judged for mark, text in one.complaints.items()}
    told = _before(ctx, path)
    over = tuple(text for mark, text in told.marks.items() if mark not in marks)
    again = told.at is None or not 0 <= (ctx.now - told.at).total_seconds() < REMIND
    new = any(mark not in told.marks for mark in marks)
    fresh = any(one.news or one.fetched.text for one in judged)
    if not (over or new or fresh or (marks and again)):
        return Verdict(quiet=True)
    state = {"task": ctx.task.id, "at": utc(ctx.now), "marks": marks, "before": dict(told.marks)}
    state["since"] = utc(told.at) if told.at else ""
    part = path.with_suffix(f".{os.getpid()}.part")
    with suppress(OSError):  # then it is told twice
        part.write_text(json.dumps(state), "utf-8")
        part.replace(path)
    return Verdict(over=over)


def _before(ctx: Context, path: Path) -> _Told:
    try:
        state = json.loads(path.read_bytes())
        if state["task"] != ctx.task.id and _published(ctx, str(state["task"])):
            return _Told(dict(state["marks"]), parse_utc(state["at"]))
        return _Told(dict(state["before"]), parse_utc(state["since"]) if state["since"] else None)
    except (OSError, ValueError, TypeError, KeyError):
        return _Told({})


def _published(ctx: Context, task: str) -> bool:
    try:
        return ctx.files.exists(report_path(task))
    except (Refused, ValueError):
        return False


def _digest(judged: Sequence[Judged]) -> str:
    said = [(one.source.name, one.source.shape, [alert.text for alert in one.source.alerts]) for one in judged]
    return hashlib.sha256(repr(said).encode()).hexdigest()[:24]
