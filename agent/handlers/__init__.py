"""The task types that this version can do itself. A type that is not here is handed to the lead, with that reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module

from agent.handlers.base import Handler
from agent.vault.values import Decision, Who


class Registry(MutableMapping[str, Handler]):
    """Handlers by type. The module of a type is imported when it is first asked for: `gofer status` needs few of them,
    and all together take longer than everything else that it does."""

    def __init__(self, places: Mapping[str, str]) -> None:
        """`places`: `module:NAME` below this package, by type."""
        self._known: dict[str, str | Handler] = dict(places)

    def __getitem__(self, type_: str) -> Handler:
        found = self._known[type_]
        if isinstance(found, str):
            module, _, name = found.partition(":")
            found = self._known[type_] = getattr(import_module(f"{__name__}.{module}"), name)
        return found

    def __setitem__(self, type_: str, handler: Handler) -> None:
        self._known[type_] = handler

    def __delitem__(self, type_: str) -> None:
        del self._known[type_]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __contains__(self, type_: object) -> bool:
        return type_ in self._known

    def __len__(self) -> int:
        return len(self._known)


HANDLERS: Mapping[str, Handler] = Registry(
    {
        "answer": "answer:ANSWER",
        "ask": "ask:HANDLER",
        "backlog": "backlog:HANDLER",
        "branch": "branch:HANDLER",
        "claim-handoff": "answer:CLAIM",
        "classify": "classify:HANDLER",
        "compose": "compose:HANDLER",
        "config": "config_edit:HANDLER",
        "extract": "extract:HANDLER",
        "fetch": "fetch:HANDLER",
        "file": "file:HANDLER",
        "forward": "forward:HANDLER",
        "git": "git:HANDLER",
        "heartbeat": "heartbeat:HANDLER",
        "research": "research:HANDLER",
        "logs": "logs:HANDLER",
        "mailbox": "mailbox:HANDLER",
        "organize": "organize:HANDLER",
        "status": "status:HANDLER",
        "summarize": "summarize:HANDLER",
        "test": "run_checks:HANDLER",
        "undo": "undo:HANDLER",
    }
)


def is_quick(decision: Decision, *, lead_acts: bool = False) -> bool:
    """Whether a task runs at once: code that waits for no model and no other machine, and hand-offs, unless the lead
    is asked before."""
    if decision.who is Who.LEAD:
        return not lead_acts
    handler = HANDLERS.get(decision.type)
    return decision.who is not Who.LOCAL and not (decision.who is Who.CODE and handler and handler.outside)
