"""The small language of the matrix: words in order, and what the request must not contain.

`summar*`                 a word that begins with "summar", anywhere in a sentence
`*.log`                   a word that ends with ".log"
`^fetch/get price*`       the request begins with "fetch" or "get", and later in that sentence comes "price…"
`+review`                 "review" where an order stands: it begins a sentence or follows a comma, "and", "to" …
`root_cause`              two words side by side
`^list !log`              and "log" nowhere in the request
`^tell to ALONE`          and the request is one sentence of one clause
PATH CODE URL TEXT NUMBER a path, one of a source file, an address, quoted words, a number
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from agent.route.request import CODE, NUMBER, PATH, TEXT, URL, Request, Word

_ATOMS: dict[str, frozenset[str]] = {
    PATH: frozenset({PATH, CODE}),
    CODE: frozenset({CODE}),
    URL: frozenset({URL}),
    TEXT: frozenset({TEXT}),
    NUMBER: frozenset({NUMBER}),
}
_TERM = re.compile(r"(?P<prefix>[!^+]*)(?P<choices>[^!^+\s]+)")
_PART = re.compile(r"\*?[^\W_*]+(?:[.'-][^\W_*]+)*\*?|\*\.[a-z]+")
STEM = 3  # letters: a shorter stem would match half the dictionary

Phrase = tuple[Callable[[Word], bool], ...]


@dataclass(frozen=True, slots=True)
class Term:
    """One place in a pattern: any of its phrases, perhaps only where the request or a clause begins."""

    phrases: tuple[Phrase, ...]
    opens: bool = False
    orders: bool = False

    def end(self, request: Request, number: int, start: int) -> int:
        """The place after the first match at or behind word `start` of sentence `number`, or -1."""
        sentence = request.sentences[number]
        if self.opens:
            if request.opening[0] != number or request.opening[1] < start:
                return -1
            return self._at(sentence, request.opening[1])
        for place in range(start, len(sentence)):
            if self.orders and not sentence[place].clause:
                continue
            end = self._at(sentence, place)
            if end >= 0:
                return end
        return -1

    def _at(self, sentence: tuple[Word, ...], place: int) -> int:
        for phrase in self.phrases:
            end = place + len(phrase)
            if end <= len(sentence) and all(map(_fits, phrase, sentence[place:end])):
                return end
        return -1


@dataclass(frozen=True, slots=True)
class Pattern:
    """One alternative of a row, compiled. `keys` are what the first term's words begin with, for the index."""

    text: str
    terms: tuple[Term, ...]
    absent: tuple[Term, ...]
    alone: bool
    keys: tuple[str, ...]

    def matches(self, request: Request) -> bool:
        """Whether all terms stand in this order in one sentence, and the absent ones nowhere. Time: words × terms."""
        numbers = range(len(request.sentences))
        return (
            (request.alone or not self.alone)
            and any(self._in_sentence(request, number) for number in numbers)
            and not any(term.end(request, number, 0) >= 0 for term in self.absent for number in numbers)
        )

    def _in_sentence(self, request: Request, number: int) -> bool:
        # The leftmost place of each term leaves most room for the next, so no other needs to be tried.
        place = 0
        for term in self.terms:
            place = term.end(request, number, place)
            if place < 0:
                return False
        return True


def parse_pattern(text: str) -> Pattern:
    """Compile one pattern. ValueError says what is wrong with it, in words for the person who wrote it."""
    terms: list[Term] = []
    absent: list[Term] = []
    keys: tuple[str, ...] = ()
    alone = False
    for piece in text.split():
        if piece == "ALONE":
            alone = True
            continue
        match = _TERM.fullmatch(piece)
        if not match or match["prefix"] not in ("", "^", "+", "!", "!+"):
            raise ValueError(f"'{piece}' is no term: before the word may stand ^, +, ! or !+")
        if match["prefix"] == "^" and terms:
            raise ValueError(f"'{piece}': ^ is the beginning of the request, so only the first term can have it")
        choices = [_phrase(choice, piece) for choice in match["choices"].split("/")]
        term = Term(tuple(phrase for phrase, _ in choices), match["prefix"] == "^", "+" in match["prefix"])
        if "!" in match["prefix"]:
            absent.append(term)
        else:
            keys = keys or tuple(key for _, key in choices)
            terms.append(term)
    if not terms:
        raise ValueError("it names no word that the request must contain")
    return Pattern(text, tuple(terms), tuple(absent), alone, keys)


def key_of(word: Word) -> tuple[str, ...]:
    """The index keys under which patterns beginning with this word are found."""
    return (word.text, f"{word.text[:STEM]}*", "")


def _phrase(choice: str, piece: str) -> tuple[Phrase, str]:
    parts = choice.split("_")
    tests = tuple(_part(part, piece) for part in parts)
    first = parts[0]
    if first in _ATOMS or first.startswith("*"):
        return tests, ""
    return tests, f"{first[:STEM]}*" if first.endswith("*") else first


def _part(part: str, piece: str) -> Callable[[Word], bool]:
    if part in _ATOMS:
        kinds = _ATOMS[part]
        return lambda word: word.kind in kinds
    if not _PART.fullmatch(part):
        raise ValueError(f"'{piece}': '{part}' is no word")
    if part != part.lower():
        raise ValueError(f"'{piece}': words are lower case; in capitals there are only {', '.join(_ATOMS)} and ALONE")
    if part.startswith("*"):
        return lambda word: word.text.endswith(part[1:])
    if part.endswith("*"):
        if len(part) <= STEM:
            raise ValueError(f"'{piece}': a stem needs {STEM} letters before the *")
        return lambda word: word.text.startswith(part[:-1])
    return lambda word: word.text == part


def _fits(test: Callable[[Word], bool], word: Word) -> bool:
    return test(word)
