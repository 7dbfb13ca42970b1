"""The `summarize` type: a summary of files, or of the task's own text, by the local model.

What does not fit the model's context is halved, each half is summarised, and the summaries are summarised.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agent.errors import Doubt
from agent.handlers.base import Context, Handler
from agent.handlers.material import PathParams, Source, read_mentioned, read_named
from agent.models.base import Answer
from agent.vault.prompts import quoted
from agent.vault.values import HandoffReason, Result, Role, Section, Tier

MAX_ASKS = 24  # a dozen parts and their merging
SMALLEST_PART = 400  # characters; what does not fit in this size never will
LONGEST_REQUEST = 1500  # characters; a longer text is not a request but the material itself
SHORTEST_MATERIAL = 120  # characters; "Summarize the discussion" alone is nothing to summarise
LOW_CONFIDENCE = 0.5
MAX_TOKENS = 900
SCHEMA = {
    "type": "object",
    "properties": {
        "summary": {"type": "string", "minLength": 1},
        "points": {"type": "array", "items": {"type": "string"}, "maxItems": 10},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
    },
    "required": ["summary", "points", "confidence"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class _Work:
    """One run: what is wanted, and the answers so far."""

    ctx: Context
    wish: str
    answers: list[Answer] = field(default_factory=list)

    def condense(self, text: str) -> dict[str, Any]:
        """The summary of a text of any length, as the data of SCHEMA."""
        self.ctx.check()
        if len(self.answers) >= MAX_ASKS:
            raise Doubt(
                "the material is too long for the local model",
                reason=HandoffReason.TOO_LONG,
                tried=f"{len(self.answers)} parts were summarised, and there are more",
            )
        try:
            return self._ask(text)
        except Doubt as doubt:
            if doubt.reason != HandoffReason.TOO_LONG or len(text) < 2 * SMALLEST_PART:
                raise
        first, second = _halves(text)
        self.ctx.note(f"{len(text)} characters do not fit the model at once: two parts")
        return self.condense("\n\n".join(_as_text(self.condense(part)) for part in (first, second)))

    def _ask(self, text: str) -> dict[str, Any]:
        parts = [quoted("The request", self.wish), quoted("The material", text), "Summarise the material."]
        answer = self.ctx.ask("\n\n".join(parts), schema=SCHEMA, max_tokens=MAX_TOKENS)
        self.answers.append(answer)
        data: dict[str, Any] = answer.data
        if data["confidence"] < LOW_CONFIDENCE:
            raise Doubt(
                "the local model doubts its own summary",
                reason=HandoffReason.LOW_CONFIDENCE,
                tried=f"{answer.usage.model} gave it a confidence of {data['confidence']:g}",
            )
        return data


def run(ctx: Context, params: PathParams) -> Result:
    """One summary of everything that was named, or of the text itself."""
    request = ctx.task.text.strip()
    sources = read_named(ctx, params.path) if params.path else read_mentioned(ctx, request)
    material = "\n\n".join(f"File {source.path}:\n{source.text}" for source in sources if source.text)
    if len(request) > LONGEST_REQUEST or not sources:
        material = f"{request}\n\n{material}".strip()
    if not sources and len(request) < SHORTEST_MATERIAL:
        raise Doubt("there is nothing to summarise", why="no file of the vault is named and there is hardly any text")
    if not material:
        raise Doubt("there is nothing to summarise", why="the files that are named are empty")
    work = _Work(ctx, request if len(request) <= LONGEST_REQUEST and sources else ctx.task.title)
    data = work.condense(material)
    return _result(data, work.answers, sources)


def _result(data: dict[str, Any], answers: list[Answer], sources: tuple[Source, ...]) -> Result:
    points = tuple(point.strip() for point in data["points"] if point.strip())
    notes = tuple(dict.fromkeys(note for answer in answers for note in answer.notes))
    read = [f"{source.path}: {len(source.text)} characters" for source in sources] or ["the task's own text"]
    return Result(
        findings=(points or (data["summary"].strip(),)) + notes,
        sections=(Section("Result", data["summary"].strip()),),
        raw="\n".join([*read, f"asked {len(answers)} times" if len(answers) > 1 else "asked once"]),
        usage=tuple(answer.usage for answer in answers),
        confidence=min(answer.data["confidence"] for answer in answers),
    )


def _as_text(data: dict[str, Any]) -> str:
    return "\n".join([data["summary"], *(f"- {point}" for point in data["points"])])


def _halves(text: str) -> tuple[str, str]:
    """Two parts, cut at the paragraph, line or blank nearest before the middle, else in the middle."""
    middle = len(text) // 2
    for mark in ("\n\n", "\n", " "):
        if (cut := text.rfind(mark, middle // 2, middle)) > 0:
            return text[:cut], text[cut + len(mark) :]
    return text[:middle], text[middle:]


HANDLER = Handler("summarize", Tier.STANDARD, Role.RESEARCH, PathParams, run, limit=900.0)
