"""The `ask` type: a question that the local model answers, or passes on when it does not know."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from agent.errors import Doubt
from agent.handlers.base import Context, Handler
from agent.handlers.material import PathParams, read_mentioned, read_named
from agent.handlers.opinions import LOW_CONFIDENCE, agreed, folded
from agent.text import shorten
from agent.vault.prompts import quoted
from agent.vault.values import HandoffReason, Result, Role, Section, Tier

MAX_TOKENS = 800
SCHEMA = {
    "type": "object",
    "properties": {
        "answer": {"type": "string", "minLength": 1},
        "known": {"type": "boolean"},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
    },
    "required": ["answer", "known", "confidence"],
    "additionalProperties": False,
}


def run(ctx: Context, params: PathParams) -> Result:
    """One answer. What the model does not know, or is not sure of, goes to the lead."""
    question = ctx.task.text.strip() or ctx.task.title
    sources = read_named(ctx, params.path) if params.path else read_mentioned(ctx, question)
    material = [quoted(f"File {source.path}", source.text) for source in sources]
    parts = [*material, quoted("The question", question), "Answer the question."]
    found = agreed(ctx, "\n\n".join(parts), schema=SCHEMA, max_tokens=MAX_TOKENS, same=_said)
    answer = found.answer
    text, known, confidence = answer.data["answer"].strip(), answer.data["known"], answer.data["confidence"]
    if not known or confidence < LOW_CONFIDENCE or not text:
        raise Doubt(
            "the local model does not know the answer",
            reason=HandoffReason.LOW_CONFIDENCE,
            tried=f"{answer.usage.model} said, with a confidence of {confidence:g}: {shorten(text, 300)}",
        )
    return Result(
        findings=(shorten(text, 200), *answer.notes),
        sections=(Section("Result", text),),
        raw="\n".join(source.path for source in sources),
        usage=found.usage,
        confidence=confidence,
    )


def _said(data: Any) -> Hashable:
    return data["known"], folded(data["answer"]).rstrip(".!")


HANDLER = Handler("ask", Tier.STANDARD, Role.TASK, PathParams, run, limit=600.0)
