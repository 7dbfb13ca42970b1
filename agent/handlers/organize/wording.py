"""The summary of the day in one or two sentences, by a model of this machine. All facts stay below them, from code."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.errors import GoferError
from agent.handlers.base import Context
from agent.handlers.opinions import CONFIDENCE, LOW_CONFIDENCE
from agent.models.base import Answer
from agent.vault.prompts import quoted
from agent.vault.values import Usage

SECONDS = 45.0  # for the answer
LONGEST = 320  # characters
SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string", "minLength": 1}, "confidence": CONFIDENCE},
    "required": ["text", "confidence"],
    "additionalProperties": False,
}
_ASKED = """\
These are the facts of one day in a folder of notes. Say them in one or two sentences, for somebody who reads nothing
else. Use no number, name or path that does not stand in the facts; do not advise. `confidence`: how sure you are that
the sentences say what the facts say."""
_NUMBER = re.compile(r"\d+")


def worded(ctx: Context, facts: Sequence[str]) -> tuple[str, tuple[Usage, ...]]:
    """A model's sentences and what they cost; "" when no model stands ready, or when it cannot be believed. The names
    of notes are among the facts, so a model that is not this machine's is never asked."""
    if not ctx.model or ctx.leaves or ctx.attempt > 1:
        ctx.note("no model stands ready: the summary goes without its words")
        return "", ()
    try:
        prompt = quoted("The facts", "\n".join(facts))
        answer = ctx.ask(f"{prompt}\n\n{_ASKED}", schema=SCHEMA, max_tokens=200, seconds=SECONDS)
    except GoferError as error:
        ctx.check()  # a run that was cancelled ends here
        ctx.note(f"without a model's words: {error}")
        return "", error.usage
    text = " ".join(str(answer.data["text"]).split())
    if doubt := _doubt(text, answer, facts):
        ctx.note(f"without a model's words: {doubt}")
        return "", (answer.usage,)
    return text, (answer.usage,)


def _doubt(text: str, answer: Answer, facts: Sequence[str]) -> str:
    """Why the sentences are not believed, "" when they are."""
    if answer.data["confidence"] < LOW_CONFIDENCE:
        return f"it gave them a confidence of {answer.data['confidence']:g}"
    if not text or len(text) > LONGEST:
        return f"they have {len(text)} characters"
    known = set(_NUMBER.findall("\n".join(facts).replace(",", "")))
    if invented := [number for number in _NUMBER.findall(text.replace(",", "")) if number not in known]:
        return f"the number {invented[0]} is not among the facts"
    return ""
