"""What a server's refusal or slowness means, the same for every server. Policy only."""

from __future__ import annotations

import re

from agent.errors import CredentialsRefused, Doubt, GoferError, ModelAway, Unasked
from agent.models.base import Request
from agent.models.line import ServerSaid

_LONGEST_WORDS = 300  # characters of a server's own words in a message
_TOO_LONG = re.compile(
    r"exceed_context_size|context_length_exceeded|maximum context length|prompt is too long"
    r"|(?:longer than|greater than|exceeds|overflows) the (?:\w+ )?context",
    re.IGNORECASE,
)


def refusal(said: ServerSaid, where: str, *, model: str = "", fix: str = "") -> GoferError:
    """The error that an answer other than 200 stands for. `model` is empty when the request was about none; `fix`
    says how the model gets there."""
    words = said.words[:_LONGEST_WORDS] or f"HTTP {said.status}"
    if said.status in (401, 403):
        return CredentialsRefused("the model server refused us", where=where, why=words)
    if said.status == 404 and model:
        return Unasked(f"the model '{model}' is not there", where=where, why=words, fix=fix)
    if said.status == 413 or _TOO_LONG.search(said.words):
        return Doubt("the question does not fit the model", reason="too-long", tried=f"{model}: {words}", why=words)
    if said.status in (400, 422) and model:
        return Doubt("the model server refused the question", reason="failed", tried=f"{model}: {words}", why=words)
    return Unasked("the model server is busy or failing", where=where, why=f"HTTP {said.status}: {words}")


def late(request: Request, where: str, *, started: bool) -> GoferError:
    """An answer that took longer than `request.timeout`; `started` when some of it had come."""
    what, why = f"'{request.model}' did not finish its answer", f"it took longer than {request.timeout:g} s"
    if started:  # the same question would take as long again, so waiting does not help
        return Doubt(what, reason="failed", tried=f"{request.model}: {why}", where=where, why=why)
    return ModelAway(what, where=where, why=why)


def told(error: GoferError) -> str:
    """What is wrong without the remedy, which health tells apart from it."""
    return ", ".join(filter(None, (f"{error.what} at {error.where}" if error.where else error.what, error.why)))
