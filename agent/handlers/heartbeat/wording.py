"""One or two sentences on top of a report, by the local model. All facts stay below them, from code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from agent.errors import GoferError
from agent.handlers.base import Context
from agent.handlers.opinions import CONFIDENCE, LOW_CONFIDENCE
from agent.models.base import Answer
from agent.vault.prompts import quoted
from agent.vault.values import Result

SECONDS = 45.0  # for the answer: a beat never waits longer for its words
LONGEST = 320  # characters
SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string", "minLength": 1}, "confidence": CONFIDENCE},
    "required": ["text", "confidence"],
    "additionalProperties": False,
}
_NUMBER = re.compile(r"\d+")


def worded(ctx: Context, result: Result, *, critical: bool) -> Result:
    """The result with a model's sentences as its first finding; as it was when no model stands ready, or when what it
    says cannot be believed. `critical`: the sentences must say that something is."""
    if not ctx.model or ctx.attempt > 1:
        ctx.note("no model stands ready: the report goes without its words")
        return result
    prompt = quoted("What the heartbeat found", "\n".join(result.findings))
    try:
        answer = ctx.ask(f"{prompt}\n\nSay it in one or two sentences.", schema=SCHEMA, max_tokens=200, seconds=SECONDS)
    except GoferError as error:
        ctx.check()  # a run that was cancelled ends here
        ctx.note(f"without a model's words: {error}")
        return replace(result, usage=error.usage)
    text = " ".join(str(answer.data["text"]).split())
    if doubt := _doubt(text, answer, result.findings, critical=critical):
        ctx.note(f"without a model's words: {doubt}")
        return replace(result, usage=(answer.usage,))
    return replace(result, findings=(f"In short: {text}", *result.findings), usage=(answer.usage,))


def _doubt(text: str, answer: Answer, findings: Sequence[str], *, critical: bool) -> str:
    """Why the sentences are not believed, "" when they are."""
    data: dict[str, Any] = answer.data
    if data["confidence"] < LOW_CONFIDENCE:
        return f"it gave them a confidence of {data['confidence']:g}"
    if not text or len(text) > LONGEST:
        return f"they have {len(text)} characters"
    known = set(_NUMBER.findall("\n".join(findings)))
    if invented := [number for number in _NUMBER.findall(text) if number not in known]:
        return f"the number {invented[0]} is not among the findings"
    if critical and "critical" not in text.casefold():
        return "they leave out that something is critical"
    return ""
