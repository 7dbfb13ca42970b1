"""A request as the matrix sees it: sentences of plain words, with what is quoted taken as material, not as orders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

HEAD, TAIL = 1500, 500  # characters looked at: people give their orders first or last, material lies between

PATH, CODE, URL, TEXT, NUMBER = "PATH", "CODE", "URL", "TEXT", "NUMBER"

_LEXEME = re.compile(
    r"""(?P<url>https?://[^\s<>"'`)\]]+)
      | (?P<quote>"[^"\n]{0,300}" | “[^”\n]{0,300}” | „[^“”\n]{0,300}[“”] | «[^»\n]{0,300}» | `[^`\n]{0,300}`)
      | (?P<chunk>[^\s"“”„«»`,;:!?()\[\]{}<>|–—]+)
      | (?P<stop>\n[ \t]*\n | [!?])
      | (?P<pause>[,;(–—\n|])
      | (?P<colon>:)""",
    re.VERBOSE,
)
_SUFFIX = re.compile(r"[\w*-]\.([a-z][a-z0-9]{0,7})$")
_BULLET = re.compile(r"(?:[-*+]|\d{1,3}[.)])(?:\s+\[[ x]\])?\s+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SOURCE = _words(
    "py js ts tsx jsx go rs c h cc cpp hpp cs java kt swift rb ex exs erl php pl lua scala clj hs sh bash sql vue"
)
_NOT_SUFFIX = frozenset({"e.g", "i.e", "a.m", "p.m", "z.b", "u.s"})

# Words that may stand before the verb that matters: "Hi Gofer, could you please just …", "I want you to …".
_POLITE = _words(
    """please pls plz kindly can could would will you hey hi hello dear good morning gofer just quickly quick now ok
    okay i i'd we need want like to help me us and also then first next finally today"""
)
# After these a new clause may begin, so the next word may be an order.
_OPENERS = _POLITE | _words(
    """or but let go must should shall might maybe perhaps afterwards later after before by plus try carefully
    thoroughly properly really actually so"""
)
# A sentence that begins like this tells how things are; the order comes after it.
_CONTEXT = _words(
    """the a an this these that those our my your his her its their it he she they there here since as because
    yesterday thanks thank fyi note"""
)
_JOINING = _words("and then also plus afterwards before after while or but")


class Word(NamedTuple):
    """One word, lower case. A path is known by its last part; of several quoted words only `kind` TEXT is kept."""

    text: str
    kind: str = ""
    clause: bool = False  # stands where an order would: it begins a sentence or follows a comma, "and", "to" …


@dataclass(frozen=True, slots=True)
class Request:
    """The words of a request by sentence, and where its first order stands."""

    sentences: tuple[tuple[Word, ...], ...]
    opening: tuple[int, int]  # sentence and word; (-1, -1) when there is no word at all
    alone: bool  # one sentence of one clause: nothing else is asked for


def read_request(title: str, text: str) -> Request:
    """Cut a request into sentences. Looks at the first 1,500 and the last 500 characters; linear in them."""
    if len(text) > HEAD + TAIL:
        text = f"{text[:HEAD]}\n\n{text[-TAIL:]}"
    if title and title not in text:
        text = f"# {title[:HEAD]}\n\n{text}"
    reader = _Reader()
    for line, heading in _lines(text.lower().replace("’", "'")):
        reader.take(line, heading)
    sentences = reader.finish()
    alone = len(sentences) == 1 and not reader.pauses and _JOINING.isdisjoint(word.text for word in sentences[0])
    return Request(sentences, _opening(sentences, reader.headings), alone)


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Paragraphs, with whether they are headings. Headings and bullets stand alone; block quotes and fenced
    blocks are material and shrink to one pair of quotes."""
    if "\n" not in text and text[:1] not in "#>-*+`0123456789":
        yield text, False
        return
    paragraph: list[str] = []
    fence = ""
    for line in text.split("\n"):
        stripped = line.strip()
        if fence:
            fence = "" if stripped.startswith(fence) else fence
            continue
        if stripped.startswith(("```", "~~~")):
            fence, stripped = stripped[:3], '"quoted text"'
        elif stripped.startswith(">"):
            stripped = '"quoted text"'
        bullet = _BULLET.match(stripped)
        if bullet or not stripped or stripped.startswith("#"):
            yield "\n".join(paragraph), False
            paragraph = []
        if stripped.startswith("#"):
            yield stripped.lstrip("#"), True
        elif stripped:
            paragraph.append(stripped[bullet.end() :] if bullet else stripped)
    yield "\n".join(paragraph), False


class _Reader:
    """Collects words into sentences."""

    def __init__(self) -> None:
        self.sentences: list[tuple[Word, ...]] = []
        self.headings: set[int] = set()
        self.pauses = 0
        self._words: list[Word] = []
        self._clause = True

    def take(self, paragraph: str, heading: bool) -> None:
        for match in _LEXEME.finditer(paragraph):
            kind, piece = match.lastgroup, match.group()
            if kind == "chunk":
                self._chunk(piece)
            elif kind == "quote":
                self._quote(piece[1:-1].strip())
            elif kind == "url":
                self._add(piece, URL)
            elif kind == "stop":
                self._end()
            else:
                self._clause = True
                self.pauses += kind == "pause"
        if heading and self._words:
            self.headings.add(len(self.sentences))
        self._end()

    def finish(self) -> tuple[tuple[Word, ...], ...]:
        return tuple(self.sentences)

    def _end(self) -> None:
        if self._words:
            self.sentences.append(tuple(self._words))
        self._words, self._clause = [], True

    def _add(self, text: str, kind: str = "") -> None:
        self._words.append(Word(text, kind, self._clause))
        self._clause = text in _OPENERS

    def _quote(self, inner: str) -> None:
        if " " in inner or not inner:
            self._words.append(Word("", TEXT))
        else:
            kind = _path_kind(inner)
            self._words.append(Word(_base(inner) if kind else inner, kind or TEXT))
        self._clause = False

    def _chunk(self, chunk: str) -> None:
        body = chunk.rstrip(".'_")
        kind = _path_kind(body)
        if kind:
            self._add(_base(body), kind)
        elif "/" in body:  # "pass/fail", but also "repos/site": read as words and as a path
            for part in filter(None, body.split("/")):
                self._clause = self._clause or bool(self._words)
                self._add(part, PATH)
        else:
            body = body.strip("*_'~-+=#").removesuffix("'s")
            if body:
                self._add(body, NUMBER if body[0].isdigit() or body[0] in "$€£" else "")
            elif chunk.strip(".") and self._words:
                self._clause = True
                self.pauses += 1
        if chunk.endswith("."):
            self._end()


def _path_kind(word: str) -> str:
    """PATH, CODE for the path of a source file, or "" when it is no path beyond doubt."""
    suffix = _SUFFIX.search(word[-12:])
    if suffix and word not in _NOT_SUFFIX:
        return CODE if suffix[1] in _SOURCE else PATH
    return PATH if "/" in word and (word[0] in "./~" or word[-1] == "/" or word.count("/") > 1) else ""


def _base(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _opening(sentences: tuple[tuple[Word, ...], ...], headings: set[int]) -> tuple[int, int]:
    """Where the first order stands, past greetings, headings and sentences that only tell how things are."""
    first = (-1, -1)
    for number, sentence in enumerate(sentences):
        for place, word in enumerate(sentence):
            if word.text in _POLITE and not word.kind:
                continue
            if first == (-1, -1):
                first = (number, place)
            if number in headings or word.text in _CONTEXT:
                break
            return number, place
    return first
