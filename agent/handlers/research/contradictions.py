"""What sources say against each other: different values of the same thing, found by code, and what the model names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from agent.handlers.research.proof import folded, value_of
from agent.handlers.research.statements import Statement

ALIKE = 0.6  # of the words of two descriptions, for them to mean the same
MAX_SHOWN = 20
_WORD = re.compile(r"[^\W\d_]{2,}")
_FIGURE = re.compile(r"\d+(?:\.\d+)*")
_EMPTY = frozenset(
    [
        *(
            "the",
            "of",
            "in",
            "an",
            "for",
            "and",
            "or",
            "on",
            "at",
            "to",
            "is",
            "are",
            "was",
            "were",
            "be",
            "has",
            "have",
        ),
        *(
            "it",
            "its",
            "by",
            "with",
            "that",
            "this",
            "per",
            "der",
            "die",
            "das",
            "des",
            "dem",
            "den",
            "und",
            "im",
            "am",
        ),
        *("von", "fur", "für", "ist", "le", "la", "les", "du", "de", "et", "est", "el", "los"),
    ]
)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two statements of different sources that cannot both hold: `by_model` says who thinks so, else code does."""

    first: Statement
    second: Statement
    about: str = ""
    by_model: bool = False

    @property
    def key(self) -> frozenset[int]:
        return frozenset((self.first.number, self.second.number))


def differing(statements: Sequence[Statement]) -> Iterator[Contradiction]:
    """Pairs of different sources that give different values for what is described alike."""
    measured = [one for one in statements if one.value and one.about]
    for first, second in combinations(measured, 2):
        if first.source == second.source or not _alike(first.about, second.about):
            continue
        if _differ(first.value, second.value):
            yield Contradiction(first, second, first.about)


def named(found: Iterable[Contradiction], statements: Sequence[Statement]) -> list[Contradiction]:
    """All contradictions, each pair once, and each thing once for each two sources; what code found comes first."""
    once: dict[frozenset[int], Contradiction] = {}
    told: set[tuple[frozenset[int], str]] = set()
    for one in (*differing(statements), *found):
        thing = (frozenset((one.first.source, one.second.source)), folded(one.about))
        if one.key not in once and (not one.about or thing not in told):
            once[one.key] = one
            told.add(thing)
    return list(once.values())[:MAX_SHOWN]


def _alike(one: str, other: str) -> bool:
    ours, theirs = _words(one), _words(other)
    return bool(ours and theirs) and len(ours & theirs) / len(ours | theirs) >= ALIKE


def _words(text: str) -> frozenset[str]:
    return frozenset(_stem(word) for word in _WORD.findall(folded(text))) - _EMPTY


def _stem(word: str) -> str:
    return word[:-1] if word.endswith("s") and len(word) > 3 else word


def _differ(one: str, other: str) -> bool:
    """Whether two values are different ones: their numbers where both have some, else their words."""
    ours, theirs = value_of(one), value_of(other)
    numbers = [_FIGURE.findall(value) for value in (ours, theirs)]
    if all(numbers):
        return numbers[0] != numbers[1] and not _rounded(*numbers)
    return not any(numbers) and _words(ours) != _words(theirs)


def _rounded(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether one date or number is only told less exactly: `2026` of `2026-03-12`."""
    shorter, longer = sorted((ours, theirs), key=len)
    return len(shorter) < len(longer) and set(shorter) <= set(longer)
