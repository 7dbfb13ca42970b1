"""The small language of the matrix: words in order, and what the request must not contain.

`summar*`                 a word that begins with "summar", anywhere in a sentence
`*.log`                   a word that ends with ".log"
`^fetch/get price*`       the request begins with "fetch" or "get", and later in that sentence comes "price…"
`+review`                 "review" where an order stands: it begins a sentence or follows a comma, "and", "to" …
`root_cause`              two words side by side
`^WRITE`                  any word of the page's group WRITE
`message ~to/for`         "to" or "for" directly behind "message"
`^write message.`         the thing itself: "write a message", but not "write a message broker"
`^list !log`              and "log" nowhere in the request
`^tell to ALONE`          and the request is one sentence of one clause
PATH CODE URL TEXT NUMBER a path, one of a source file, an address, quoted words, a number
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from agent.route.request import CODE, FUNCTION_WORDS, LIKELY, NUMBER, PATH, TEXT, URL, Request, Word

Groups = Mapping[str, tuple[str, ...]]
"""The named word groups of a page, each with its choices as patterns write them."""

NO_GROUPS: Groups = MappingProxyType({})

KINDS: dict[str, tuple[str, ...]] = {PATH: (PATH, CODE), CODE: (CODE,), URL: (URL,), TEXT: (TEXT,), NUMBER: (NUMBER,)}
_TERM = re.compile(r"(\^|\+|~|!\+|!|)([^!^+~\s]+?)(\.?)")
_WORD = re.compile(r"[^\W_]+(?:[.'-][^\W_]+)*\*?|\*[.-]?[^\W_]+")
_GROUP = re.compile(r"[A-Z]+")
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
    starts: Words  # the first words of all choices: most words are turned away here
    single: Words  # all choices of one word, as one question
    phrases: Mapping[str, tuple[tuple[Words, ...], ...]]  # the others by first word; by "" when that is open
    whole: bool  # nothing may follow that would make it part of a longer name

    def places(self, request: Request, number: int, start: int) -> Iterable[int]:
        """Where it might begin, at or behind word `start` of sentence `number`."""
        if self.prefix == "^":
            opening_sentence, opening = request.opening
            return (opening,) if opening_sentence == number and opening >= start else ()
        sentence = request.sentences[number]
        if self.prefix.endswith("+"):
            return (place for place in range(start, len(sentence)) if sentence[place].order)
        return range(start, len(sentence))

    def end(self, sentence: Sequence[Word], place: int) -> int:
        """The place after it when it stands at `place`, or -1."""
        if place >= len(sentence) or not self.starts.fit(sentence[place]):
            return -1
        if self.single.fit(sentence[place]) and self._whole(sentence, place + 1):
            return place + 1
        if self.phrases:
            for phrase in (*self.phrases.get(sentence[place].text, ()), *self.phrases.get("", ())):
                end = place + len(phrase)
                if end <= len(sentence) and all(map(_fit, phrase, sentence[place:end])) and self._whole(sentence, end):
                    return end
        return -1

    def _whole(self, sentence: Sequence[Word], end: int) -> bool:
        if not self.whole or end == len(sentence):
            return True
        text, kind, order = sentence[end]
        return bool(kind) or order >= LIKELY or text in FUNCTION_WORDS or text.endswith(("ing", "ed", "ly"))

    def first_keys(self) -> Iterator[str]:
        """Under which keys the index of the matrix keeps patterns that begin with this term."""
        for choice in self.choices:
            first = choice.partition("_")[0]
            if first.startswith("*"):
                yield f"{self.prefix}*"
            elif first in KINDS:
                yield from (f"{self.prefix}{kind}" for kind in KINDS[first])
            else:
                yield f"{self.prefix}{first[:STEM]}*" if first.endswith("*") else f"{self.prefix}{first}"


Run = tuple[Term, ...]
"""Terms that stand side by side: one, and those with ~ behind it."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One alternative of a row, compiled."""

    text: str
    runs: tuple[Run, ...]
    absent: tuple[Run, ...]
    alone: bool

    def fits(self, request: Request) -> str:
        """The alternatives by which the request fits, as `summar* notes`, or "" when it does not.

        All runs stand in this order in one sentence, and the absent ones nowhere. Takes words × terms steps.
        """
        if self.alone and not request.alone:
            return ""
        numbers = range(len(request.sentences))
        shown = next(filter(None, (self._in_sentence(request, number) for number in numbers)), "")
        if shown and any(_ends(run, request, number, 0) for run in self.absent for number in numbers):
            return ""
        return shown

    def _in_sentence(self, request: Request, number: int) -> str:
        # The leftmost place of each run leaves most room for the next, so no other needs to be tried.
        ends = [0]
        for run in self.runs:
            found = _ends(run, request, number, ends[-1])
            if not found:
                return ""
            ends += found
        sentence = request.sentences[number]
        terms = (term for run in self.runs for term in run)
        return " ".join(_chosen(term, sentence, end) for term, end in zip(terms, ends[1:], strict=True))


def parse_group(text: str, groups: Groups = NO_GROUPS) -> tuple[str, ...]:
    """The choices of a word group: `show, give, have a look, PATH`. ValueError says what is wrong with one."""
    pieces = [piece.strip().replace(" ", "_") for piece in re.split(r",\s*", " ".join(text.split()))]
    choices: list[str] = []
    for piece in pieces:
        if not piece:
            raise ValueError("there is a comma without a word")
        choices += _expand((piece,), groups)
    for choice in choices:
        for part in choice.split("_"):
            any_of((part,), choice)
    return tuple(choices)


def parse_pattern(text: str, groups: Groups = NO_GROUPS) -> Pattern:
    """Compile one pattern. ValueError says what is wrong with it, in words for the person who wrote it."""
    pieces = text.split()
    runs: list[Run] = []
    absent: list[Run] = []
    for term in (_term(piece, groups) for piece in pieces if piece != "ALONE"):
        if term.prefix == "^" and runs:
            raise ValueError(f"'{text}': ^ is the beginning of the request, so only the first term can have it")
        if term.prefix.startswith("!"):
            absent.append((term,))
        elif term.prefix == "~":
            if not runs:
                raise ValueError(f"'{text}': ~ stands behind another term")
            runs[-1] = (*runs[-1], term)
        else:
            runs.append((term,))
    if not runs:
        raise ValueError(f"'{text}' names no word that the request must contain")
    return Pattern(text, tuple(runs), tuple(absent), "ALONE" in pieces)


def index_keys(request: Request) -> set[str]:
    """The keys under which the index keeps all patterns that could fit this request."""
    keys: set[str] = set()
    for sentence in request.sentences:
        for word in sentence:
            keys.update(_word_keys(word, ""))
            if word.order:
                keys.update(_word_keys(word, "+"))
    number, place = request.opening
    if number >= 0:
        keys.update(_word_keys(request.sentences[number][place], "^"))
    return keys


def _word_keys(word: Word, prefix: str) -> tuple[str, ...]:
    return f"{prefix}{word.text}", f"{prefix}{word.text[:STEM]}*", f"{prefix}{word.kind}", f"{prefix}*"


def _term(piece: str, groups: Groups) -> Term:
    match = _TERM.fullmatch(piece)
    if not match:
        raise ValueError(f"'{piece}' is no term: before the word may stand ^, +, ~, ! or !+")
    choices = _expand(match[2].split("/"), groups)
    parts = tuple(tuple(any_of((part,), piece) for part in choice.split("_")) for choice in choices)
    single = any_of(tuple(choice for choice in choices if "_" not in choice), piece)
    starts = any_of(tuple(choice.partition("_")[0] for choice in choices), piece)
    phrases: dict[str, tuple[tuple[Words, ...], ...]] = {}
    for phrase in parts:
        if len(phrase) > 1:
            key = next(iter(phrase[0].exact), "")
            phrases[key] = (*phrases.get(key, ()), phrase)
    return Term(match[1], choices, parts, starts, single, phrases, bool(match[3]))


def _expand(choices: Iterable[str], groups: Groups) -> tuple[str, ...]:
    found: list[str] = []
    for choice in choices:
        if _GROUP.fullmatch(choice) and choice not in KINDS:
            if choice not in groups:
                known = ", ".join((*KINDS, *groups))
                raise ValueError(f"'{choice}': in capitals there are only ALONE, {known}")
            found += groups[choice]
        else:
            found.append(choice)
    return tuple(dict.fromkeys(found))


def any_of(choices: tuple[str, ...], piece: str) -> Words:
    """Compile single words, beginnings, endings and kinds. ValueError names the `piece` that one cannot be read in."""
    try:
        return _compiled(choices)
    except ValueError as problem:
        raise ValueError(f"'{piece}': {problem}") from None


@lru_cache(maxsize=4096)  # a page names the same groups again and again
def _compiled(choices: tuple[str, ...]) -> Words:
    plain = [choice for choice in choices if choice not in KINDS]
    for word in plain:
        if not _WORD.fullmatch(word):
            raise ValueError(f"'{word}' is no word")
        if word != word.lower():
            raise ValueError("words are written in small letters, a group in capitals")
        if word.endswith("*") and len(word) <= STEM:
            raise ValueError(f"a stem needs {STEM} letters before the *")
    return Words(
        frozenset(word for word in plain if "*" not in word),
        tuple(word[:-1] for word in plain if word.endswith("*")),
        tuple(word[1:] for word in plain if word.startswith("*")),
        frozenset(kind for choice in choices for kind in KINDS.get(choice, ())),
    )


def _ends(run: Run, request: Request, number: int, start: int) -> list[int]:
    """Where each term of the run ends, at its first place at or behind word `start`; empty when it has none."""
    sentence = request.sentences[number]
    for place in run[0].places(request, number, start):
        ends = [run[0].end(sentence, place)]
        for term in run[1:]:
            if ends[-1] >= 0:
                ends.append(term.end(sentence, ends[-1]))
        if ends[-1] >= 0:
            return ends
    return []


def _chosen(term: Term, sentence: Sequence[Word], end: int) -> str:
    """The alternative of `term` that matched up to `end`."""
    for choice, parts in zip(term.choices, term.parts, strict=True):
        place = end - len(parts)
        if place >= 0 and all(map(_fit, parts, sentence[place:end])):
            return choice
    return term.choices[0]
