"""Whether a statement of the model's stands on its source: its quote word for word, its numbers and its addresses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

SHORTEST_QUOTE = 8  # characters: a shorter one stands in every text
SMALL = 12  # numbers up to it are also written as words, or counted
_ALIKE = str.maketrans("‘’‚‛“”„‟«»‹›′″‐‑‒–—―−", "''''\"\"\"\"\"\"'''\"-------")
_MARKUP = re.compile(r"[*_`#|>~\\\u00ad\u200b-\u200f\u2060\ufeff]+")
_EDGES = " \t\n.,;:!?…'\"-()[]"
_NUMBER = re.compile(r"\d+(?:[.,'\u00a0\u202f]\d+)*")
_GROUPED = re.compile(r"\d{1,3}(?:([.,'\u00a0\u202f])\d{3})(?:\1\d{3})*")
_ADDRESS = re.compile(
    r"[a-z][a-z0-9+.-]{0,30}:/{1,3}\S{1,2000}|\bwww\.\S{1,2000}|\b(?:javascript|data):\S{1,2000}", re.I
)


@dataclass(frozen=True, slots=True)
class Ground:
    """A text against which statements are held."""

    folded: str
    numbers: frozenset[str] = field(repr=False)

    @classmethod
    def of(cls, text: str) -> Ground:
        return cls(folded(text), frozenset(part for number in _NUMBER.findall(_same(text)) for part in _parts(number)))

    def quotes(self, quote: str) -> bool:
        """Whether a quote stands there, white space, case, markup and the kind of dashes and quotation marks aside."""
        wanted = folded(quote).strip(_EDGES)
        return len(wanted) >= SHORTEST_QUOTE and wanted in self.folded

    def bears(self, text: str) -> bool:
        """Whether every number and address in a text is there too."""
        plain = _same(text)
        addresses = [found[0].rstrip(_EDGES) for found in _ADDRESS.finditer(plain)]
        rest = _ADDRESS.sub(" ", plain)
        return all(folded(one) in self.folded for one in addresses) and all(map(self._has, _NUMBER.findall(rest)))

    def _has(self, number: str) -> bool:
        whole, *parts = _parts(number)
        if whole in self.numbers or (whole.isdigit() and int(whole) <= SMALL):
            return True
        return bool(parts) and all(part in self.numbers for part in parts)


def folded(text: str) -> str:
    """The form in which a quote and its place are the same."""
    return " ".join(_MARKUP.sub(" ", _same(text)).casefold().split())


def value_of(text: str) -> str:
    """The form in which two values are the same: numbers without separators and idle zeros, no case."""
    return _NUMBER.sub(lambda found: next(_parts(found[0])), folded(text)).strip(_EDGES)


def _same(text: str) -> str:
    return unicodedata.normalize("NFKC", text).translate(_ALIKE)


def _parts(number: str) -> Iterator[str]:
    """A number as a number, then its groups of digits, if it may be a date or a version: 12.03.2026."""
    if _GROUPED.fullmatch(number):
        yield re.sub(r"\D", "", number).lstrip("0") or "0"
    else:
        plain = number.replace(",", ".")
        plain = plain.rstrip("0").rstrip(".") if plain.count(".") == 1 else plain
        yield plain.lstrip("0") or "0"
    groups = re.split(r"\D", number)
    if len(groups) > 1:
        yield from (group.lstrip("0") or "0" for group in groups)
