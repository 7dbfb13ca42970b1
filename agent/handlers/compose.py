"""The `compose` type: a short message with given facts, worded by the local model.

Code holds the message against the request: every fact that is listed must be in it, and no number, date or address
may be in it that nobody gave. Nothing is sent.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

from pydantic import Field, field_validator

from agent.handlers.base import Context, Handler
from agent.handlers.extract_facts import Facts, all_numbers, facts_of
from agent.handlers.material import PathParams, read_mentioned, read_named
from agent.handlers.opinions import CONFIDENCE, Agreed, agreed, bad_answer, sure
from agent.text import shorten
from agent.vault.prompts import quoted
from agent.vault.values import Result, Role, Section, Tier

MAX_FACTS = 30
SCHEMA = {
    "type": "object",
    "properties": {
        "subject": {"type": "string", "maxLength": 120},
        "message": {"type": "string"},
        "known": {"type": "boolean"},
        "confidence": CONFIDENCE,
    },
    "required": ["message", "known", "confidence"],
    "additionalProperties": False,
}
_PLACEHOLDER = re.compile(
    r"\[[^\]\n]{1,60}\]|\{[^}\n]{1,60}\}|<[A-Za-z][^>@:\n]{0,40}>|_{3,}|\bTODO\b|\bTBD\b|\bXXX+\b|\blorem ipsum\b"
)


class ComposeParams(PathParams):
    """`to`: whom the message is for; `tone`: how it sounds; `facts`: what must be in it, word for word where exact."""

    to: str = Field("", max_length=200)
    tone: str = Field("", max_length=200)
    max_words: int = Field(150, ge=5, le=600)
    facts: tuple[str, ...] = Field((), max_length=MAX_FACTS)

    @field_validator("facts", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


def run(ctx: Context, params: ComposeParams) -> Result:
    """One message, checked. What the model is not sure of, or what fails a check, goes to the lead."""
    request = ctx.task.text.strip() or ctx.task.title
    sources = read_named(ctx, params.path) if params.path else read_mentioned(ctx, request)
    given = [request, ctx.task.title, params.to, params.tone, *params.facts, *(source.text for source in sources)]
    found = agreed(
        ctx,
        _prompt(request, params, [quoted(f"File {source.path}", source.text) for source in sources]),
        schema=SCHEMA,
        max_tokens=200 + 4 * params.max_words,
        same=_exact_facts,
    )
    confidence = sure(found, "the local model is not sure of the message")
    subject, message = found.data.get("subject", "").strip(), found.data["message"].strip()
    _check(found, subject, message, params, "\n".join(given))
    count = len(message.split())
    to = f" to {params.to}" if params.to else ""
    return Result(
        findings=(f"A message{to} of {count} word{'s' * (count != 1)}; it was not sent.", *found.answer.notes),
        sections=(Section("Result", f"Subject: {subject}\n\n{message}" if subject else message),),
        raw=message,
        usage=found.usage,
        confidence=confidence,
    )


def _prompt(request: str, params: ComposeParams, material: list[str]) -> str:
    parts = [*material, quoted("The request", request)]
    if params.facts:
        parts.append(quoted("Facts that the message must hold", "\n".join(f"- {fact}" for fact in params.facts)))
    if params.to:
        parts.append(quoted("Whom it is for", params.to))
    if params.tone:
        parts.append(quoted("How it sounds", params.tone))
    parts.append(f"Write the message, in at most {params.max_words} words.")
    return "\n\n".join(parts)


def _check(found: Agreed, subject: str, message: str, params: ComposeParams, given: str) -> None:
    """Raises Doubt (bad-answer) that says which rule the message breaks."""
    what = "the message of the local model cannot be used"
    if not message:
        raise bad_answer(found, what, "it is empty")
    if (count := len(message.split())) > params.max_words:
        raise bad_answer(found, what, f"it has {count} words and may have {params.max_words}")
    whole = f"{subject}\n{message}"
    if hole := _PLACEHOLDER.search(whole):
        raise bad_answer(found, what, f"it holds the placeholder '{shorten(hole[0], 60)}'")
    source = all_numbers(given)
    if invented := missing(facts_of(whole), source):
        raise bad_answer(found, what, f"nobody gave it {_listed(invented)}")
    said = all_numbers(whole)
    for fact in params.facts:
        if lost := missing(facts_of(fact), said):
            raise bad_answer(found, what, f"it lacks {_listed(lost)} of the fact '{shorten(fact, 80)}'")


def missing(facts: Facts, text: Facts) -> list[str]:
    """Those of `facts` that a text does not hold, as words for people."""
    numbers = [next(iter(sorted(one))) for one in facts.numbers if one and not any(map(text.has_number, one))]
    dates = [min(one, key=str) for one in facts.dates if not any(map(text.has_date, one))]
    addresses = sorted(facts.addresses - text.addresses)
    days = ["-".join(f"{part:02}" for part in day if part is not None) for day in dates]
    return [*(format(number, "f") for number in numbers), *days, *addresses]


def _listed(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(names[:5]))


def _exact_facts(data: Any) -> Hashable:
    """Two wordings agree when they hold the same exact facts."""
    facts = facts_of(data["message"])
    return data["known"], frozenset(facts.dates), frozenset(facts.numbers), facts.addresses


HANDLER = Handler("compose", Tier.STANDARD, Role.TASK, ComposeParams, run, limit=600.0)
