"""The `classify` type: one label of a few for a text, for each of several files, or for each line of a list."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from pydantic import field_validator

from agent.errors import Doubt
from agent.handlers.base import Context, Handler
from agent.handlers.material import PathParams, read_mentioned, read_named
from agent.handlers.opinions import CONFIDENCE, agreed, sure
from agent.text import shorten
from agent.vault.prompts import quoted
from agent.vault.values import HandoffReason, Result, Role, Section, Tier, Usage

MAX_LABELS = 20
MAX_LABEL = 60  # characters
MAX_ITEMS = 50
MAX_TOKENS = 120
UNSURE = "unsure"

_AS = re.compile(r"\b(?:as|into)\s+(?:either\s+|one\s+of\s+)?:?\s*([^\n.?!:;]{3,400})", re.IGNORECASE)
_IS = re.compile(r"^\s*(?:is|are)\s+(?:this|that|it|these)\s+(?:\w+\s+)?([\w-]+ or [\w-]+)\b", re.IGNORECASE)
_END_OF_LABELS = re.compile(r"\s+(?:in|from|for|of|each|per|with|by|please)\b.*$", re.IGNORECASE)
_BETWEEN = re.compile(r"\s*(?:,\s*(?:or|and)\s+|[,/|]|\s(?:or|and)\s)\s*", re.IGNORECASE)
_LABEL = re.compile(r"[\w+#-]+(?: [\w+#-]+){0,2}")
_QUOTED = re.compile(r"\"([^\"\n]{3,2000})\"|“([^”\n]{3,2000})”|'([^'\n]{3,2000})'(?!\w)")
_BULLET = re.compile(r"^\s*(?:[-*+]\s+(?:\[[ xX]\]\s+)?|\d{1,3}[.)]\s+)")


class ClassifyParams(PathParams):
    """`labels`: 2 to 20 of them; `each`: every line is an item of its own."""

    labels: tuple[str, ...] = ()
    each: bool = False

    @field_validator("labels")
    @classmethod
    def _usable(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if labels and (flaw := _flaw(labels)):
            raise ValueError(flaw)
        return labels


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to label: how the report calls it, and its text."""

    name: str
    text: str


def run(ctx: Context, params: ClassifyParams) -> Result:
    """A label for every item. One item that the model is unsure of sends the whole task to the lead."""
    labels = params.labels or labels_in(ctx.task.text.strip() or ctx.task.title)
    items = _items(ctx, params)
    schema = {
        "type": "object",
        "properties": {"label": {"type": "string", "enum": [*labels, UNSURE]}, "confidence": CONFIDENCE},
        "required": ["label", "confidence"],
        "additionalProperties": False,
    }
    request = shorten(ctx.task.text.strip().partition("\n\n")[0] or ctx.task.title, 1000)
    chosen: list[tuple[Item, str]] = []
    unsure: list[tuple[Item, Doubt]] = []
    usage: list[Usage] = []
    confidence = 1.0
    for item in items:
        ctx.check()
        parts = [quoted("The request", request), quoted("The item", item.text)]
        parts.append(f"Choose one label for the item: {', '.join(labels)}; or {UNSURE}.")
        try:
            found = agreed(ctx, "\n\n".join(parts), schema=schema, max_tokens=MAX_TOKENS, same=_label)
            usage.extend(found.usage)
            confidence = min(confidence, sure(found, "the local model doubts its label"))
            if found.data["label"] == UNSURE:
                raise Doubt("unsure", reason=HandoffReason.LOW_CONFIDENCE, tried=f"{found.model} said {UNSURE}")
            chosen.append((item, found.data["label"]))
        except Doubt as doubt:
            if doubt.reason != HandoffReason.LOW_CONFIDENCE:
                raise
            unsure.append((item, doubt))
    if unsure:
        raise _doubt(chosen, unsure)
    counts = ", ".join(f"{label}: {n}" for label in labels if (n := sum(one == label for _, one in chosen)))
    told = f"`{shorten(items[0].name, 120)}` is {chosen[0][1]}." if len(items) == 1 else f"{len(items)} items. {counts}"
    return Result(
        findings=(told,),
        sections=(Section("Result", "\n".join(f"- {item.name} → {label}" for item, label in chosen)),),
        raw=json.dumps([{"item": item.name, "label": label} for item, label in chosen], ensure_ascii=False, indent=1),
        usage=tuple(usage),
        confidence=confidence,
    )


def labels_in(text: str) -> tuple[str, ...]:
    """The labels that the first paragraph of a request lists: "as bug, feature or question". Raises Doubt."""
    request = text.partition("\n\n")[0]
    for pattern in (_AS, _IS):
        for match in pattern.finditer(request):
            listed = _END_OF_LABELS.sub("", match[1])
            labels = tuple(dict.fromkeys(part.strip(" \"'`“”*_") for part in _BETWEEN.split(listed)))
            if all(_LABEL.fullmatch(label) for label in labels) and not _flaw(labels):
                return labels
    raise Doubt(
        "the labels are not clear", why="neither `labels` nor words like 'as bug, feature or question' list 2 to 20"
    )


def _flaw(labels: tuple[str, ...]) -> str:
    if not 2 <= len(labels) <= MAX_LABELS:
        return f"between 2 and {MAX_LABELS} labels are needed"
    if any(not label or len(label) > MAX_LABEL or "\n" in label for label in labels):
        return f"a label is one line of at most {MAX_LABEL} characters"
    if len({label.casefold() for label in labels}) < len(labels):
        return "two labels are the same"
    if any(label.casefold() == UNSURE for label in labels):
        return f"'{UNSURE}' is no label: it is what the model says when none fits"
    return ""


def _items(ctx: Context, params: ClassifyParams) -> list[Item]:
    text = ctx.task.text.strip()
    sources = read_named(ctx, params.path) if params.path else read_mentioned(ctx, text)
    if params.each:
        body = "\n".join(source.text for source in sources) if sources else text.partition("\n")[2]
        lines = [_BULLET.sub("", line).strip() for line in body.splitlines()]
        items = [Item(shorten(line, 120), line) for line in lines if line]
    elif sources:
        items = [Item(source.path, source.text) for source in sources if source.text]
    else:
        own = _own_text(text)
        items = [Item(shorten(own, 120), own)] if own else []
    if not items:
        raise Doubt("there is nothing to classify", why="no text file of the vault is named and there is no text")
    if len(items) > MAX_ITEMS:
        raise Doubt(
            "there are too many items for the local model",
            reason=HandoffReason.TOO_LONG,
            tried=f"{len(items)} items were found; at most {MAX_ITEMS} are labelled in one task",
        )
    return items


def _own_text(text: str) -> str:
    """What a request that names no file is about: the text below it, in quotes, or behind its colon."""
    first, _, below = text.partition("\n")
    if below.strip():
        return below.strip()
    if match := _QUOTED.search(first):
        return next(group for group in match.groups() if group)
    return first.partition(":")[2].strip()


def _doubt(chosen: list[tuple[Item, str]], unsure: list[tuple[Item, Doubt]]) -> Doubt:
    names = "; ".join(f"{item.name}: {doubt.tried}" for item, doubt in unsure[:5])
    sure_of = "; ".join(f"{item.name} → {label}" for item, label in chosen)
    count = f"{len(unsure)} of {len(unsure) + len(chosen)}"
    return Doubt(
        f"the local model could not label {count} items",
        reason=HandoffReason.LOW_CONFIDENCE,
        tried=shorten(f"{names}. It was sure of: {sure_of or 'none'}", 2000),
    )


def _label(data: Any) -> Hashable:
    return str(data["label"])


HANDLER = Handler("classify", Tier.STANDARD, Role.TASK, ClassifyParams, run, limit=600.0)
