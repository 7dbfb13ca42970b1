"""One or two sentences of facts, by a model of this machine that stands ready. The facts stay code's, and nobody waits
for the words: what cannot be believed is left out."""

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
_NUMBER = re.compile(r"\d+")


def in_words(
    ctx: Context, label: str, facts: Sequence[str], order: str, *, must_say: str = ""
) -> tuple[str, tuple[Usage, ...]]:
    """A model's sentences and what they cost; "" when no model stands ready, or when it cannot be believed. A model
    that is not this machine's is never asked. `must_say`: a word that may not be left out."""
    if not ctx.model or ctx.leaves or ctx.attempt > 1:
        ctx.note("no model stands ready: the report goes without its words")
        return "", ()
    try:
        prompt = quoted(label, "\n".join(facts))
        answer = ctx.ask(f"{prompt}\n\n{order}", schema=SCHEMA, max_tokens=200, seconds=SECONDS)
    except GoferError as error:
        ctx.check()  # a run that was cancelled ends here
        ctx.note(f"without a model's words: {error}")
        return "", error.usage
    text = " ".join(str(answer.data["text"]).split())
    if doubt := _doubt(text, answer, facts, must_say):
        ctx.note(f"without a model's words: {doubt}")
        return "", (answer.usage,)
    return text, (answer.usage,)


def _doubt(text: str, answer: Answer, facts: Sequence[str], must_say: str) -> str:
    """Why the sentences are not believed, "" when they are."""
    if answer.data["confidence"] < LOW_CONFIDENCE:
        return f"it gave them a confidence of {answer.data['confidence']:g}"
    if not text or len(text) > LONGEST:
        return f"they have {len(text)} characters"
    known = set(_NUMBER.findall("\n".join(facts).replace(",", "")))
    if invented := [number for number in _NUMBER.findall(text.replace(",", "")) if number not in known]:
        return f"the number {invented[0]} is not among the facts"
    if must_say not in text.casefold():
        return f"they leave out that something is {must_say}"
    return ""
