"""Why a task does not start now. Every reason is a sentence for the person who asks where their task is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from agent.errors import BadHeader
from agent.handlers import HANDLERS
from agent.handlers.base import Handler
from agent.text import utc
from agent.vault.params import has_params, read_params
from agent.vault.values import Decision, Problem, Status, Task, Who


@dataclass(frozen=True, slots=True)
class Situation:
    """What a decision on starting depends on, besides the task itself."""

    handlers: Mapping[str, Handler]
    offers: Collection[str]
    obsidian: bool  # the vault is open in Obsidian, which saves half-typed notes
    finished: Callable[[str], Status | None]  # what became of an id, a file name or a title; None: not ended
    model_away: Callable[[str], str]  # why a model cannot answer now, "" when it can
    approval: Callable[[Task, Decision], str | None]  # why it waits for a tick; None: it is planned first


def not_now(task: Task, decision: Decision, situation: Situation, now: datetime, *, committed: bool, told: bool) -> str:
    """The reason to wait, "" to start. A file that is no task "starts" once: that writes its report."""
    if task.status is Status.DRAFT:
        return "it is a draft: set status: open when it is ready"
    if task.problem is not None:
        return f"not a task: {task.problem.what}" if told else ""
    if task.not_before and task.not_before > now:
        return f"not before {utc(task.not_before)}"
    if reason := _dependency(task, situation):
        return reason
    if missing := sorted(set(task.needs) - set(situation.offers)):
        return f"needs {', '.join(missing)}, which this worker does not offer"
    if task.approve and (asks := situation.approval(task, decision)) is not None:
        return asks
    handler = situation.handlers.get(decision.type)
    if handler is None or decision.who is Who.LEAD:
        return ""
    marked = task.marked_open or committed or task.scheduled
    if situation.obsidian and not marked and handler.waits_unmarked(task):
        return "in an Obsidian vault a task that moves, deletes or sends starts only with status: open"
    return situation.model_away(decision.model) if decision.who is Who.LOCAL else ""


def is_draft(task: Task, reason: str) -> bool:
    """Whether the reason is one that only the person can lift, shown as `draft`."""
    return task.status is Status.DRAFT or "only with status: open" in reason


def _dependency(task: Task, situation: Situation) -> str:
    for name in task.after:
        status = situation.finished(name)
        if status is None:
            return f"waits for {name}"
        if status is Status.HANDED_OFF:
            return f"waits for {name}, which waits for the lead"
        if status is not Status.DONE:
            return f"waits for {name}, which ended {status}: it will not start by itself"
    return ""


def with_parameters(task: Task) -> Task:
    """A type that the task names must be able to use its parameters: if not, that is a bad header. One that reads
    plain English may have them in the text instead, when the header holds none."""
    handler = HANDLERS.get(task.type)
    if task.problem is not None or handler is None:
        return task
    try:
        if handler.understand is None or has_params(task):
            read_params(task, handler.params)
    except BadHeader as error:
        return replace(task, problem=Problem(error.what, error.line, error.why, error.fix, error.corrected))
    return task
