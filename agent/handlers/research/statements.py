"""Reading: the model is asked part by part what the sources say, and only what can be proven is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.errors import Doubt
from agent.handlers.base import Context
from agent.handlers.opinions import CONFIDENCE
from agent.handlers.research.parts import Part, halves, questions
from agent.handlers.research.proof import Ground
from agent.handlers.research.sources import Source
from agent.models.base import Answer
from agent.models.gate import estimate
from agent.text import shorten
from agent.vault.prompts import quoted
from agent.vault.values import HandoffReason, Usage

MAX_QUESTIONS = 24  # parts of the material; a question takes seconds to minutes
MAX_ASKS = 40  # with those that had to be divided, and with the merging
PART_LIMIT = 12_000  # tokens of one question, however much a model holds: its answer is bounded too
SMALLEST_PART = 400  # characters; what does not fit in this size never will
OVERHEAD = 1300  # tokens of the system prompt, the schema and what stands around the material
LONGEST = 500  # characters of a statement or a quote
_MANY = 12  # statements of one answer
_TEXT = {"type": "string", "minLength": 1}
SCHEMA = {
    "type": "object",
    "properties": {
        "statements": {
            "type": "array",
            "maxItems": _MANY,
            "items": {
                "type": "object",
                "properties": {
                    "source": {"type": "integer"},
                    "statement": _TEXT,
                    "quote": _TEXT,
                    "about": {"type": "string"},
                    "value": {"type": "string"},
                },
                "required": ["source", "statement", "quote", "about", "value"],
                "additionalProperties": False,
            },
        },
        "confidence": CONFIDENCE,
    },
    "required": ["statements", "confidence"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Statement:
    """What one source says, with the words that prove it. `about` and `value` name what is measured, if anything."""

    number: int
    source: int
    text: str
    quote: str
    about: str = ""
    value: str = ""


@dataclass(slots=True)
class Asked:
    """One run's questions: what they cost, how sure the answers were, and what there is to say about them."""

    ctx: Context
    wish: str
    usage: list[Usage] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    confidences: list[float] = field(default_factory=list)
    asks: int = 0

    @property
    def max_tokens(self) -> int:
        """Of an answer: what the model holds is shared between question and answer."""
        return min(1800, self.ctx.window // 4)

    @property
    def room(self) -> int:
        """Tokens of material in one question."""
        wish = estimate(quoted("The request", self.wish))
        return max(200, min(PART_LIMIT, self.ctx.window - self.max_tokens - OVERHEAD - wish))

    def ask(self, order: str, material: Sequence[str], schema: dict[str, Any]) -> Answer:
        """One answer. Raises what `ctx.ask` raises, and Doubt when there were too many questions already."""
        self.ctx.check()
        if self.asks >= MAX_ASKS:
            raise Doubt(
                "the material is too long for the local model",
                reason=HandoffReason.TOO_LONG,
                tried=f"the model was asked {self.asks} times, and there is more",
            )
        self.asks += 1
        prompt = "\n\n".join([quoted("The request", self.wish), *material, order])
        try:
            answer = self.ctx.ask(prompt, schema=schema, max_tokens=self.max_tokens)
        except Doubt as doubt:
            self.usage += doubt.usage
            raise
        self.usage.append(answer.usage)
        self.notes += [note for note in answer.notes if note not in self.notes]
        return answer


@dataclass(slots=True)
class Reading:
    """What was kept of the model's statements, and what was not, with the reasons."""

    kept: list[Statement] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)  # parts to which the model had no answer that could be used
    parts: int = 0


def read(asked: Asked, sources: Sequence[Source]) -> Reading:
    """What the sources say to the request. Raises Doubt: too-long beforehand, or when nothing could be proven."""
    room = asked.room
    if (least := -(-sum(estimate(source.text) for source in sources) // room)) > MAX_QUESTIONS:
        raise _too_long(sources, least)  # before a text without end is divided
    todo = questions(sources, room)
    if len(todo) > MAX_QUESTIONS:
        raise _too_long(sources, len(todo))
    reading = Reading()
    grounds = {source.number: Ground.of(source.text) for source in sources}
    todo.reverse()
    while todo:
        parts = todo.pop()
        try:
            answer = asked.ask("List what the sources say to the request.", _material(parts), SCHEMA)
        except Doubt as doubt:
            if doubt.reason == HandoffReason.TOO_LONG and (smaller := _smaller(parts)):
                todo += reversed(smaller)
                continue
            if doubt.reason != HandoffReason.BAD_ANSWER:
                raise
            reading.unread.append(f"{_names(parts)}: {doubt.why or doubt}")
            asked.ctx.note(f"no answer could be used: {doubt.tried}")
            continue
        reading.parts += 1
        before = len(reading.kept)
        _keep(reading, answer.data["statements"], grounds, {part.source.number for part in parts})
        if len(reading.kept) > before:
            asked.confidences.append(answer.data["confidence"])
    _must_hold(reading)
    return reading


def _too_long(sources: Sequence[Source], asks: int) -> Doubt:
    size = sum(len(source.text) for source in sources)
    return Doubt(
        "the material is too long for the local model",
        reason=HandoffReason.TOO_LONG,
        tried=f"{size:,} characters of {len(sources)} source{'s' * (len(sources) != 1)} would take {asks} questions, "
        f"and {MAX_QUESTIONS} are the limit; nothing was asked",
    )


def _material(parts: Sequence[Part]) -> list[str]:
    # What a page calls itself is its own words too: it stands inside of the quoted text, not in its label.
    return [quoted(f"Source {part.source.number}", _headed(part)) for part in parts]


def _headed(part: Part) -> str:
    about = (("Title", part.source.title), ("Date", part.source.date))
    head = [f"{name}: {shorten(value, 120)}" for name, value in about if value]
    return "\n".join([*head, part.text])


def _smaller(parts: list[Part]) -> list[list[Part]]:
    """A question that was too long as two, or nothing when it cannot be divided any more."""
    if len(parts) > 1:
        return [parts[: len(parts) // 2], parts[len(parts) // 2 :]]
    if len(parts[0].text) < 2 * SMALLEST_PART:
        return []
    return [[half] for half in halves(parts[0])]


def _keep(reading: Reading, found: Sequence[dict[str, Any]], grounds: dict[int, Ground], shown: set[int]) -> None:
    """Add the statements of one answer that stand on a source that the model was shown."""
    for one in found:
        text, quote = shorten(one["statement"], LONGEST), shorten(one["quote"], LONGEST)
        about, value = shorten(one["about"], 80), shorten(one["value"], 60)
        source = int(one["source"])
        ground = grounds[source] if source in shown else None
        if ground is None:
            reason = "there is no such source"
        elif not ground.quotes(one["quote"].strip()[:LONGEST]):
            reason = "its quote is not in the source"
        elif not (ground.bears(text) and ground.bears(about)):
            reason = "it has a number or an address that is not in the source"
        else:
            if not ground.bears(value):
                about = value = ""
            if all((old.text, old.source) != (text, source) for old in reading.kept):
                reading.kept.append(Statement(len(reading.kept) + 1, source, text, quote, about, value))
            continue
        reading.dropped.append(f"source {source}, {reason}: {shorten(text, 160)}")


def _must_hold(reading: Reading) -> None:
    """Raises Doubt when there is nothing to report, or when more than half was not true."""
    if not reading.parts:
        raise Doubt(
            "no answer of the model could be used",
            reason=HandoffReason.BAD_ANSWER,
            tried="; ".join(reading.unread[:3]),
        )
    if len(reading.dropped) > len(reading.kept):
        raise Doubt(
            "what the local model says is not in the sources",
            reason=HandoffReason.LOW_CONFIDENCE,
            tried=f"{len(reading.dropped)} of {len(reading.dropped) + len(reading.kept)} statements had no proof; "
            f"the first: {reading.dropped[0]}",
        )
    if not reading.kept:
        raise Doubt(
            "the local model found nothing in the sources that answers the request",
            reason=HandoffReason.LOW_CONFIDENCE,
            tried=f"it read {reading.parts} part{'s' * (reading.parts != 1)} of the sources and named no statement",
        )


def _names(parts: Sequence[Part]) -> str:
    return ", ".join(dict.fromkeys(f"source {part.source.number}" for part in parts))
