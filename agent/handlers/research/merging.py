"""Merging: statements of several parts and sources put together. The model orders and joins them by their numbers;
whatever it joins carries the sources of what was joined, and nothing that none of them says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from agent.errors import Doubt
from agent.handlers.opinions import CONFIDENCE
from agent.handlers.research.contradictions import Contradiction
from agent.handlers.research.proof import Ground
from agent.handlers.research.statements import LONGEST, Asked, Statement
from agent.models.gate import estimate
from agent.text import shorten
from agent.vault.prompts import quoted
from agent.vault.values import HandoffReason

MAX_FINDINGS = 15
_NUMBERS = {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 20}
SCHEMA = {
    "type": "object",
    "properties": {
        "findings": {
            "type": "array",
            "maxItems": MAX_FINDINGS,
            "items": {
                "type": "object",
                "properties": {"text": {"type": "string", "minLength": 1}, "statements": _NUMBERS},
                "required": ["text", "statements"],
                "additionalProperties": False,
            },
        },
        "contradictions": {
            "type": "array",
            "maxItems": 10,
            "items": {
                "type": "object",
                "properties": {
                    "first": {"type": "integer"},
                    "second": {"type": "integer"},
                    "about": {"type": "string"},
                },
                "required": ["first", "second", "about"],
                "additionalProperties": False,
            },
        },
        "confidence": CONFIDENCE,
    },
    "required": ["findings", "contradictions", "confidence"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one or several statements say, and which."""

    text: str
    statements: tuple[Statement, ...]

    @property
    def sources(self) -> tuple[int, ...]:
        return tuple(sorted({statement.source for statement in self.statements}))


def merge(asked: Asked, statements: Sequence[Statement]) -> tuple[list[Finding], list[Contradiction]]:
    """Findings, the most important first, and the contradictions that the model sees. Statements that cannot be put
    together are findings as they are, and a note says so."""
    findings = [Finding(statement.text, (statement,)) for statement in statements]
    if len(findings) == 1:
        return findings, []
    seen: list[Contradiction] = []
    while True:
        groups = list(_groups(findings, asked.room))
        joined: list[Finding] = []
        for group in groups:
            try:
                joined += _joined(asked, group, seen)
            except Doubt as doubt:
                if doubt.reason not in (HandoffReason.BAD_ANSWER, HandoffReason.TOO_LONG):
                    raise
                asked.notes.append("The model could not put the statements together: they stand as they were read.")
                asked.ctx.note(f"not merged: {doubt.tried or doubt}")
                return findings, seen
        done = len(groups) == 1 or len(joined) >= len(findings)
        findings = joined
        if done:
            return findings, seen


def _groups(findings: Sequence[Finding], room: int) -> Iterator[list[Finding]]:
    """As many as fit one question together."""
    group: list[Finding] = []
    left = room
    for finding in findings:
        size = estimate(_line(1000, finding)) + 4
        if size > left and len(group) > 1:
            yield group
            group, left = [], room
        group.append(finding)
        left -= size
    yield group


def _joined(asked: Asked, group: Sequence[Finding], seen: list[Contradiction]) -> list[Finding]:
    """The findings of one question. Adds to `seen` the contradictions it names."""
    numbered = dict(enumerate(group, 1))
    material = quoted("The statements", "\n".join(_line(number, finding) for number, finding in numbered.items()))
    answer = asked.ask("Put the statements together.", [material], SCHEMA)
    verdicts = [(one, _of(one, numbered)) for one in answer.data["findings"]]
    found = [finding for _, finding in verdicts if finding]
    if not found:
        raise Doubt("nothing was put together", reason=HandoffReason.BAD_ANSWER, tried="it named no finding that holds")
    asked.confidences.append(answer.data["confidence"])
    seen += _contradictions(answer.data["contradictions"], numbered)
    # What was refused must not take true statements with it.
    used = {statement for finding in found for statement in finding.statements}
    for number in (int(number) for one, finding in verdicts if finding is None for number in one["statements"]):
        lost = numbered.get(number)
        if lost and used.isdisjoint(lost.statements):
            found.append(lost)
            used.update(lost.statements)
    return found


def _of(one: Mapping[str, Any], numbered: Mapping[int, Finding]) -> Finding | None:
    """A finding of the model's, if its statements exist and bear every number and address in it."""
    numbers = dict.fromkeys(int(number) for number in one["statements"])
    if any(number not in numbered for number in numbers):
        return None
    statements = tuple(dict.fromkeys(statement for number in numbers for statement in numbered[number].statements))
    text = shorten(one["text"], LONGEST)
    says = "\n".join(f"{statement.text}\n{statement.quote}" for statement in statements)
    return Finding(text, statements) if Ground.of(says).bears(text) else None


def _contradictions(found: Sequence[Mapping[str, Any]], numbered: Mapping[int, Finding]) -> Iterator[Contradiction]:
    """Those between statements that exist, of different sources."""
    for one in found:
        first, second = numbered.get(int(one["first"])), numbered.get(int(one["second"]))
        if first is None or second is None:
            continue
        pairs = product(first.statements, second.statements)
        pair = next(((a, b) for a, b in pairs if a.source != b.source), None)
        if pair:
            about = shorten(one["about"], 80)
            bears = Ground.of(f"{pair[0].text}\n{pair[1].text}").bears(about)
            yield Contradiction(*pair, about if bears else "", by_model=True)


def _line(number: int, finding: Finding) -> str:
    where = ", ".join(f"source {source}" for source in finding.sources)
    return f"{number}. ({where}) {finding.text}"
