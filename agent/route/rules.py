"""The decision where a task goes: what the task says, then the first matching row, then upward.

Being wrong upward costs money; being wrong downward costs trust. So whatever fits no row is complex.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from agent.errors import Doubt, GoferError
from agent.handlers.base import Handler
from agent.route.matrix import WHO, Match, Matrix
from agent.route.request import read_request
from agent.route.types import ASK, CONTROL_TYPES, HANDOFF, TYPES
from agent.vault.values import Decision, HandoffReason, Task, Tier, Who

_NO_ALIASES: Mapping[str, str] = MappingProxyType({})


def decide(
    task: Task, matrix: Matrix, handlers: Mapping[str, Handler], aliases: Mapping[str, str] = _NO_ALIASES
) -> Decision:
    """Where this task goes, and why in words for people. Never raises.

    `aliases` are the person's names for models; one that stands for `none`, `local` or `lead` acts as that.
    A lead's work always has the type `handoff`, and only that has a `handoff_reason`.
    """
    if task.type in CONTROL_TYPES:  # their `model` and `tier` tell of work that is done already
        return _code(task.type, f"the task says type: {task.type}")
    model = aliases[task.model] if aliases.get(task.model) in ("none", "local", "lead") else task.model
    if model == "lead":
        return _lead(HandoffReason.ASKED, "the task asks for the lead (model: lead)")
    if model == "auto" and task.tier == "complex":
        return _lead(HandoffReason.COMPLEX, "the task says tier: complex")
    if task.type == "auto":
        return _by_matrix(task, model, handlers, *_first_match(task, matrix, handlers))
    return _by_type(task, model, handlers)


def _by_type(task: Task, model: str, handlers: Mapping[str, Handler]) -> Decision:
    """The task names its type: that type in its own tier, by whom the task says."""
    said = f"the task says type: {task.type}"
    handler = handlers.get(task.type)
    tier = TYPES.get(task.type) or (handler.tier if handler else None)
    if task.type == HANDOFF and model == "auto":
        return _lead(HandoffReason.ASKED, said)
    if tier is None and model == "auto":
        return _lead(HandoffReason.UNCLASSIFIED, f"{said}, which is not known here")
    if tier is None or tier is Tier.COMPLEX or task.tier == Tier.COMPLEX:
        return _forced(model, f"{said}, tier: {task.tier}")
    if tier is Tier.TRIVIAL:
        return _code(task.type, said)
    if _by_code(task, task.type, handlers):
        return _enough(task.type, said)
    if task.tier == Tier.TRIVIAL:
        said += "; it needs a model, so tier: trivial is raised"
    return _local(task.type, model, said)


def _by_matrix(task: Task, model: str, handlers: Mapping[str, Handler], match: Match | None, doubt: str) -> Decision:
    """The task leaves the type open: what the first matching row says, within what the task allows."""
    if match is None:
        if task.tier == Tier.STANDARD or model != "auto":
            return _forced(model, f"{doubt}, and the task says {_wish(task)}")
        return _lead(HandoffReason.UNCLASSIFIED, f"{doubt}, and unsure means complex")
    row = match.row
    said = f"delegation.md row {row.number} '{match.words}'"
    if model == "auto" and task.tier == Tier.COMPLEX:
        return _lead(HandoffReason.COMPLEX, said)
    if row.who is Who.CODE and task.tier != Tier.COMPLEX:
        return _code(row.type, said)
    if row.who is Who.LOCAL and task.tier != Tier.COMPLEX and _by_code(task, row.type, handlers):
        return _enough(row.type, said)
    if row.who is Who.LOCAL and task.tier != Tier.COMPLEX:
        raised = "; it needs a model, so tier: trivial is raised" if task.tier == Tier.TRIVIAL else ""
        return _local(row.type, model, said + raised)
    if task.tier == Tier.STANDARD or model != "auto":
        return _forced(model, f"{said} is complex, but the task says {_wish(task)}")
    if task.tier == Tier.TRIVIAL:
        said += "; tier: trivial cannot change that, code does not do such work"
    return _lead(HandoffReason.COMPLEX, said)


def _first_match(task: Task, matrix: Matrix, handlers: Mapping[str, Handler]) -> tuple[Match | None, str]:
    """The first row whose words fit and whose type can read the request beyond doubt; or None, and why."""
    request = read_request(task.title, task.text)
    match = next((match for match in matrix.matches(request) if _reads(handlers.get(match.row.type), task)), None)
    if match is None:
        return None, "no row of delegation.md matches"
    if match.row.who is not Who.LEAD and not match.alone and (stranger := matrix.stranger(request)):
        return None, f"the further order '{stranger}' is none that delegation.md lists"
    return match, ""


def _reads(handler: Handler | None, task: Task) -> bool:
    if handler is None or handler.understand is None or handler.row_decides:
        return True
    try:
        handler.understand(task)
    except (Doubt, ValueError):
        return False
    except GoferError:
        return True  # understood, and refused for a reason: its own run tells the person which
    return True


def _wish(task: Task) -> str:
    return f"model: {task.model}" if task.model != "auto" else f"tier: {task.tier}"


def _lead(reason: HandoffReason, said: str) -> Decision:
    return Decision(Tier.COMPLEX, HANDOFF, Who.LEAD, "lead", f"complex: {said} → lead", reason)


def _code(type_: str, said: str) -> Decision:
    return Decision(Tier.TRIVIAL, type_, Who.CODE, "none", f"trivial: {said} → code")


def _by_code(task: Task, type_: str, handlers: Mapping[str, Handler]) -> bool:
    handler = handlers.get(type_)
    return handler is not None and handler.by_code is not None and handler.by_code(task)


def _enough(type_: str, said: str) -> Decision:
    """Standard work for which code is enough this time: no model is woken."""
    return Decision(Tier.STANDARD, type_, Who.CODE, "none", f"standard: {said}; code is enough → code")


def _forced(model: str, said: str) -> Decision:
    """The person keeps a task from the lead that no local type is made for: a plain question is all it can be."""
    return _local(ASK, model, said)


def _local(type_: str, model: str, said: str) -> Decision:
    """The local model, or the one the task names. With `model: none` it stays code's, which then fails and says so."""
    if model == "none":
        why = f"{said}; {type_} needs a model and the task says model: none, so it will fail"
        return Decision(Tier.STANDARD, type_, Who.CODE, "none", f"standard: {why} → code")
    named = "local" if model == "auto" else model
    return Decision(Tier.STANDARD, type_, WHO[Tier.STANDARD], named, f"standard: {said} → {named}")
