"""The task types that this version can do itself. A type that is not here is handed to the lead, with that reason."""

from __future__ import annotations

from collections.abc import Mapping

from agent.handlers import answer, ask, file, git, heartbeat, status, summarize
from agent.handlers.base import Handler

HANDLERS: Mapping[str, Handler] = {
    "answer": answer.ANSWER,
    "ask": ask.HANDLER,
    "claim-handoff": answer.CLAIM,
    "file": file.HANDLER,
    "git": git.HANDLER,
    "heartbeat": heartbeat.HANDLER,
    "status": status.HANDLER,
    "summarize": summarize.HANDLER,
}
