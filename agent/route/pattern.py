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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.route.request import CODE, NUMBER, PATH, TEXT, URL, Request, Word

_KINDS: dict[str, tuple[str, ...]] = {PATH: (PATH, CODE), CODE: (CODE,), URL: (URL,), TEXT: (TEXT,), NUMBER: (NUMBER,)}
_TERM = re.compile(r"(\^|\+|!\+|!|)([^!^+\s]+)")
_WORD = re.compile(r"[^\W_]+(?:[.'-][^\W_]+)*\*?|\*[.-]?[^\W_]+")
STEM = 3  # letters: a shorter stem would match half the dictionary


@dataclass(frozen=True, slots=True)
class Words:
    """What one word may be: any of several words, beginnings, endings or kinds."""

    exact: frozenset[str]
    stems: tuple[str, ...]
    endings: tuple[str, ...]
    kinds: frozenset[str]

    def fit(self, word: Word) -> bool:
        text = word.text
        return (
            text in self.exact
            or word.kind in self.kinds
            or text.startswith(self.stems)
            or (bool(self.endings) and text.endswith(self.endings))
        )


_fit = Words.fit


@dataclass(frozen=True, slots=True)
class Term:
    """One place in a pattern: any of its words, or of its phrases of several words side by side."""

    prefix: str
    choices: tuple[str, ...]
    parts: tuple[tuple[Words, ...], ...]  # what each choice is made of
    single: Words  # all choices of one word, as one question
    phrases: tuple[tuple[Words, ...], ...]  # the others

    def end(self, request: Request, number: int, start: int) -> int:
        """The place after the first match at or behind word `start` of sentence `number`, or -1."""
        sentence = request.sentences[number]
        if self.prefix == "^":
            opening_sentence, opening = request.opening
            return self._at(sentence, opening) if opening_sentence == number and opening >= start else -1
        orders = self.prefix.endswith("+")
        for place in range(start, len(sentence)):
            if not orders or sentence[place].clause:
                end = self._at(sentence, place)
                if end >= 0:
                    return end
        return -1

    def _at(self, sentence: Sequence[Word], place: int) -> int:
        if self.single.fit(sentence[place]):
            return place + 1
        for phrase in self.phrases:
            end = place + len(phrase)
            if phrase[0].fit(sentence[place]) and end <= len(sentence) and all(map(_fit, phrase, sentence[place:end])):
                return end
        return -1

    def first_keys(self) -> Iterator[str]:
        """Under which keys the index of the matrix keeps patterns that begin with this term."""
        for choice in self.choices:
            first = choice.partition("_")[0]
            open_ended = first in _KINDS or first.startswith("*")
            stem = f"{first[:STEM]}*" if first.endswith("*") else first
            yield f"{self.prefix}{'' if open_ended else stem}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One alternative of a row, compiled."""

    text: str
    terms: tuple[Term, ...]
    absent: tuple[Term, ...]
    alone: bool

    def fits(self, request: Request) -> str:
        """The alternatives by which the request fits, as `summar* notes`, or "" when it does not.

        All terms stand in this order in one sentence, and the absent ones nowhere. Takes words × terms steps.
        """
        if self.alone and not request.alone:
            return ""
        numbers = range(len(request.sentences))
        shown = next(filter(None, (self._in_sentence(request, number) for number in numbers)), "")
        if shown and any(term.end(request, number, 0) >= 0 for term in self.absent for number in numbers):
            return ""
        return shown

    def _in_sentence(self, request: Request, number: int) -> str:
        # The leftmost place of each term leaves most room for the next, so no other needs to be tried.
        ends = [0]
        for term in self.terms:
            ends.append(term.end(request, number, ends[-1]))
            if ends[-1] < 0:
                return ""
        sentence = request.sentences[number]
        return " ".join(_chosen(term, sentence, end) for term, end in zip(self.terms, ends[1:], strict=True))


def parse_pattern(text: str) -> Pattern:
    """Compile one pattern. ValueError says what is wrong with it, in words for the person who wrote it."""
    pieces = text.split()
    terms = [_term(piece) for piece in pieces if piece != "ALONE"]
    wanted = tuple(term for term in terms if not term.prefix.startswith("!"))
    if not wanted:
        raise ValueError(f"'{text}' names no word that the request must contain")
    if any(term.prefix == "^" for term in terms[1:]):
        raise ValueError(f"'{text}': ^ is the beginning of the request, so only the first term can have it")
    absent = tuple(term for term in terms if term.prefix.startswith("!"))
    return Pattern(text, wanted, absent, "ALONE" in pieces)


def index_keys(request: Request) -> set[str]:
    """The keys under which the index keeps all patterns that could fit this request."""
    keys = {"", "+"}
    for sentence in request.sentences:
        for word in sentence:
            stem = f"{word.text[:STEM]}*"
            keys.update((word.text, stem))
            if word.clause:
                keys.update((f"+{word.text}", f"+{stem}"))
    number, place = request.opening
    if number >= 0:
        text = request.sentences[number][place].text
        keys.update(("^", f"^{text}", f"^{text[:STEM]}*"))
    return keys


def _term(piece: str) -> Term:
    match = _TERM.fullmatch(piece)
    if not match:
        raise ValueError(f"'{piece}' is no term: before the word may stand ^, +, ! or !+")
    choices = tuple(match[2].split("/"))
    parts = tuple(tuple(_words((part,), piece) for part in choice.split("_")) for choice in choices)
    single = _words(tuple(choice for choice in choices if "_" not in choice), piece)
    return Term(match[1], choices, parts, single, tuple(phrase for phrase in parts if len(phrase) > 1))


def _words(choices: tuple[str, ...], piece: str) -> Words:
    plain = [choice for choice in choices if choice not in _KINDS]
    for word in plain:
        if not _WORD.fullmatch(word):
            raise ValueError(f"'{piece}': '{word}' is no word")
        if word != word.lower():
            raise ValueError(f"'{piece}': in capitals there are only {', '.join(_KINDS)} and ALONE")
        if word.endswith("*") and len(word) <= STEM:
            raise ValueError(f"'{piece}': a stem needs {STEM} letters before the *")
    return Words(
        frozenset(word for word in plain if "*" not in word),
        tuple(word[:-1] for word in plain if word.endswith("*")),
        tuple(word[1:] for word in plain if word.startswith("*")),
        frozenset(kind for choice in choices for kind in _KINDS.get(choice, ())),
    )


def _chosen(term: Term, sentence: Sequence[Word], end: int) -> str:
    """The alternative of `term` that matched up to `end`."""
    for choice, parts in zip(term.choices, term.parts, strict=True):
        place = end - len(parts)
        if place >= 0 and all(map(_fit, parts, sentence[place:end])):
            return choice
    return term.choices[0]
