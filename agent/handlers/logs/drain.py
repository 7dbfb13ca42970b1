"""Patterns of log messages: a tree of fixed depth that puts messages of one shape together (Drain, He et al. 2017).

A message goes by its number of words, then by its first word, to a short list of patterns, and joins the one that it
shares most words with. What differs becomes `<*>`. Nothing is learned beforehand and no model is asked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

ANY = "<*>"
LEADING = 1  # word that leads through the tree, besides their number
SIMILAR = 0.65  # of the words must be equal
CHILDREN = 100  # different words at one place of the tree; the rest share one branch
PATTERNS = 2000  # in all; what fits none of them then is counted as one
SIBLINGS = 200  # at the end of one way through the tree, each of which is compared with
WORDS = 60  # of a message; the rest is cut
REMEMBERED = 50_000  # masked messages whose pattern is known without looking
REST = "(messages of other shapes)"

# What differs between two messages of one shape. Repetitions are bounded, or cannot meet their own beginning again.
_MASKS = re.compile(
    r"""(?P<id>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b
         |\b0[xX][0-9a-fA-F]{1,40}\b
         |\b(?=[a-f]{0,40}[0-9])(?=[0-9]{0,40}[a-f])[0-9a-f]{8,64}\b)
      | (?P<ip>\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::\d{1,5})?\b)
      | (?P<time>\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?\b
         |\b\d\d:\d\d:\d\d\b)
      | (?P<num>(?<![\w.])[-+]?\d[\d_]{0,30}(?:[.,]\d{1,20})?(?:%|[a-zA-Zµ]{1,3}\b)?(?!\w))
      | (?P<n>(?<=[\[(=:#/_-])\d{1,30}(?=[\])/.,:;&?_-]|$|\s))
    """,
    re.VERBOSE,
)
_NAMES = {"n": "<num>"}


@dataclass(slots=True)
class Pattern:
    """Messages of one shape. Times are seconds since the epoch, None where the log has none; `minutes` counts them by
    the minute. `known`: it was there the last time."""

    words: list[str]
    known: bool = False
    count: int = 0
    level: str = ""
    first: float | None = None
    last: float | None = None
    sample: str = ""
    minutes: Counter[int] = field(default_factory=Counter)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def masked(message: str) -> str:
    """The message with numbers, addresses, ids and times replaced by what they are."""
    return _MASKS.sub(_name, message)


def _name(match: re.Match[str]) -> str:
    kind = match.lastgroup or "num"
    return _NAMES.get(kind, f"<{kind}>")


class Tree:
    """The patterns of one look at a log; those of the last look can be planted before."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self.patterns: list[Pattern] = []
        self._root: dict[tuple[int, tuple[str, ...]], list[Pattern]] = {}
        self._children: dict[tuple[int, tuple[str, ...]], set[str]] = {}
        self._seen: dict[str, Pattern] = {}
        self._rest: Pattern | None = None
        for text in known:
            self._plant(text.split(), known=True)

    def of(self, message: str) -> Pattern:
        """The pattern that a message belongs to, a new one where it is like none."""
        key = masked(message)
        if found := self._seen.get(key):
            return found
        words = key.split()[:WORDS] or ["(empty)"]
        pattern = self._nearest(words) or self._plant(words)
        if len(self._seen) >= REMEMBERED:
            self._seen.clear()
        self._seen[key] = pattern
        return pattern

    def _nearest(self, words: list[str]) -> Pattern | None:
        best, most = None, -1.0
        for pattern in self._root.get(self._branch(words, grow=False), ()):
            same = sum(map(str.__eq__, pattern.words, words)) / len(words)
            if same >= SIMILAR and same > most:
                best, most = pattern, same
        if best is not None and most < 1:
            best.words = [mine if mine == theirs else ANY for mine, theirs in zip(best.words, words, strict=True)]
        return best

    def _plant(self, words: list[str], *, known: bool = False) -> Pattern:
        siblings = self._root.get(self._branch(words, grow=False), ())
        if len(self.patterns) >= PATTERNS or len(siblings) >= SIBLINGS:
            if self._rest is None:
                self._rest = Pattern([REST], known=True)
                self.patterns.append(self._rest)
            return self._rest
        pattern = Pattern(words, known)
        self.patterns.append(pattern)
        self._root.setdefault(self._branch(words, grow=True), []).append(pattern)
        return pattern

    def _branch(self, words: list[str], *, grow: bool) -> tuple[int, tuple[str, ...]]:
        """The way to the list where a message belongs. A word with a digit or a mask in it leads to nothing of its own,
        and neither does a new one where there are too many already."""
        way: tuple[str, ...] = ()
        for word in words[:LEADING]:
            step = ANY if "<" in word or not word.isascii() or any(map(str.isdigit, word)) else word
            there = (
                self._children.setdefault((len(words), way), set()) if grow else self._children.get((len(words), way))
            )
            if step != ANY and there is not None and step not in there and len(there) >= CHILDREN:
                step = ANY
            if grow and there is not None:
                there.add(step)
            way = (*way, step)
        return len(words), way
