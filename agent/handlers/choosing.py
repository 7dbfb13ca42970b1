"""A question about things that code has found: the model says which of them are meant, by their numbers, and nothing
else."""

from __future__ import annotations

from collections.abc import Sequence

from agent.handlers.base import Context
from agent.handlers.opinions import CONFIDENCE, agreed, sure
from agent.text import shorten
from agent.vault.prompts import quoted
from agent.vault.values import Usage

MAX_TOKENS = 600


def chosen(
    ctx: Context, asked: str, things: str, lines: Sequence[str], *, unsure: str
) -> tuple[list[int], tuple[Usage, ...], float]:
    """The numbers of the lines, from 1, that a question is about, what that cost, and how sure the model is. `things`
    is what it chooses among, in the plural. Raises Doubt with the words `unsure` when it is not sure."""
    shown = "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
    schema = {
        "type": "object",
        "properties": {
            things: {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": len(lines)}},
            "known": {"type": "boolean"},
            "confidence": CONFIDENCE,
        },
        "required": [things, "known", "confidence"],
        "additionalProperties": False,
    }
    parts = [quoted("The question", shorten(asked, 1000)), quoted(f"The {things}", shown)]
    parts.append(
        f"Which of the numbered {things} does the question ask about? If none of them answers it: known false."
    )
    found = agreed(
        ctx, "\n\n".join(parts), schema=schema, max_tokens=MAX_TOKENS, same=lambda data: tuple(sorted(data[things]))
    )
    confidence = sure(found, unsure)
    return sorted(set(found.data[things])), found.usage, confidence
