"""Second opinions: an answer that counts only when samples of the same model agree on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.errors import Doubt
from agent.handlers.base import Context
from agent.models.base import Answer
from agent.text import shorten
from agent.vault.values import HandoffReason, Usage

LOW_CONFIDENCE = 0.5
CONFIDENCE = {"type": "number", "minimum": 0, "maximum": 1}


@dataclass(frozen=True, slots=True)
class Agreed:
    """The first answer, with which all others agree, and what all of them cost."""

    answer: Answer
    usage: tuple[Usage, ...]

    @property
    def data(self) -> dict[str, Any]:
        """The JSON object of the first answer."""
        found: dict[str, Any] = self.answer.data
        return found

    @property
    def model(self) -> str:
        return self.answer.usage.model


def agreed(
    ctx: Context, prompt: str, *, schema: Mapping[str, Any], max_tokens: int, same: Callable[[Any], Hashable]
) -> Agreed:
    """One answer at temperature 0; with more `ctx.opinions` also samples with seeds 1, 2, … that must agree with it.

    `same` gives of an answer's data what has to be equal, without its confidence. Raises Doubt (low-confidence) that
    names both answers at the first one that differs.
    """
    answers = [ctx.ask(prompt, schema=schema, max_tokens=max_tokens)]
    first = same(answers[0].data)
    for seed in range(1, ctx.opinions):
        ctx.check()
        answers.append(ctx.ask(prompt, schema=schema, max_tokens=max_tokens, seed=seed))
        if same(answers[-1].data) != first:
            raise Doubt(
                "the local model is not of one mind",
                reason=HandoffReason.LOW_CONFIDENCE,
                tried=f"{answers[0].usage.model} was asked {len(answers)} times and said "
                f"{_shown(answers[0])}, then {_shown(answers[-1])}",
            )
    return Agreed(answers[0], tuple(answer.usage for answer in answers))


def sure(found: Agreed, what: str) -> float:
    """The confidence of an answer. Raises Doubt (low-confidence) when it is too low, or when it says `known: false`."""
    confidence: float = found.data["confidence"]
    if confidence < LOW_CONFIDENCE or found.data.get("known") is False:
        raise Doubt(
            what,
            reason=HandoffReason.LOW_CONFIDENCE,
            tried=f"{found.model} said, with a confidence of {confidence:g}: {_shown(found.answer)}",
        )
    return confidence


def bad_answer(found: Agreed, what: str, why: str) -> Doubt:
    """The error for an answer that fails a check of ours."""
    return Doubt(
        what,
        reason=HandoffReason.BAD_ANSWER,
        why=why,
        tried=f"{found.model} said {_shown(found.answer)}; it was not used because {why}",
    )


def folded(text: str) -> str:
    """The form in which two texts are the same: one blank between words, no case."""
    return " ".join(text.split()).casefold()


def _shown(answer: Answer) -> str:
    said = {key: value for key, value in answer.data.items() if key != "confidence"}
    return shorten(json.dumps(said, ensure_ascii=False), 300)
