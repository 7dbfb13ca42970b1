"""The task types that this version can do itself. A type that is not here is handed to the lead, with that reason."""

from __future__ import annotations

from collections.abc import Mapping

from agent.handlers import (
    answer,
    ask,
    backlog,
    branch,
    classify,
    compose,
    config_edit,
    extract,
    fetch,
    file,
    forward,
    git,
    heartbeat,
    logs,
    mailbox,
    organize,
    research,
    run_checks,
    status,
    summarize,
    undo,
)  # fmt: skip
from agent.handlers.base import Handler
from agent.vault.values import Decision, Who

HANDLERS: Mapping[str, Handler] = {
    "answer": answer.ANSWER,
    "ask": ask.HANDLER,
    "backlog": backlog.HANDLER,
    "branch": branch.HANDLER,
    "claim-handoff": answer.CLAIM,
    "classify": classify.HANDLER,
    "compose": compose.HANDLER,
    "config": config_edit.HANDLER,
    "extract": extract.HANDLER,
    "fetch": fetch.HANDLER,
    "file": file.HANDLER,
    "forward": forward.HANDLER,
    "git": git.HANDLER,
    "heartbeat": heartbeat.HANDLER,
    "research": research.HANDLER,
    "logs": logs.HANDLER,
    "mailbox": mailbox.HANDLER,
    "organize": organize.HANDLER,
    "status": status.HANDLER,
    "summarize": summarize.HANDLER,
    "test": run_checks.HANDLER,
    "undo": undo.HANDLER,
}


def is_quick(decision: Decision, *, lead_acts: bool = False) -> bool:
    """Whether a task runs at once: code that waits for no model and no other machine, and hand-offs, unless the lead
    is asked before."""
    if decision.who is Who.LEAD:
        return not lead_acts
    handler = HANDLERS.get(decision.type)
    return decision.who is not Who.LOCAL and not (decision.who is Who.CODE and handler and handler.outside)
