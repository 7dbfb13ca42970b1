"""A request as the matrix sees it: sentences of plain words, with what is quoted taken as material, not as orders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

POSSIBLE, LIKELY, SURE = (
    1,
    2,
    3,
)  # behind "to" or "please"; behind a comma or "and"; begins a sentence or follows "then"

HEAD, TAIL = 1500, 500  # characters looked at: people give their orders first or last, material lies between

PATH, CODE, URL, TEXT, NUMBER = "PATH", "CODE", "URL", "TEXT", "NUMBER"

_LEXEME = re.compile(
    r"""(?P<url>https?://[^\s<>"'`)\]]+)
      | (?P<quote>"[^"\n]{0,300}" | “[^”\n]{0,300}” | „[^“”\n]{0,300}[“”] | «[^»\n]{0,300}» | `[^`\n]{0,300}`)
      | (?P<chunk>[^\s"“”„«»`,;:!?()\[\]{}<>|–—]+)
      | (?P<stop>\n[ \t]*\n | [!?;](?=[\s"')*_]|$))
      | (?P<pause>[,(–—\n|])
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
_SHORTENED = _words("dr. mr. mrs. ms. prof. st. vs. approx. incl. no. nr.")
_NOT_SUFFIX = frozenset({"e.g", "i.e", "a.m", "p.m", "z.b", "u.s"})

# Words that may stand before the verb that matters: "Hi Gofer, could you please just …", "I want you to …".
_POLITE = _words(
    """please pls plz kindly can could would will you hey hi hello dear good morning gofer just quickly quick now ok
    okay i i'd we need want like to help me us and also then first next finally today short brief briefly"""
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
_ARTICLES = _words("the a an")
_CLAUSES = _words("and then also plus afterwards before after while or but")
_SURELY = _words("then afterwards")  # what follows is an order
JOINING = _words("and also plus but or")  # what follows is an order or one more thing
# Words that are never an order by themselves.
FUNCTION_WORDS = _words(
    """the a an this these that those our my your his her its their it he she they i we you me us him them there here
    of in on at for from to with by about as into onto under over since than per via until till between without within
    before after during against towards through along out up down off like is are was were be been being has have had
    do does did am can could will would may might must and or but also plus then so if when while where whether how
    what which who whom whose not no yes ok please pls thanks thank cheers now today tomorrow yesterday tonight right
    all any each every both some only just even still already too again ever most more less least few many much
    one two three four five six seven eight nine ten twice once first last next other another same such
    anything something everything nothing whatever anyone everyone
    because although unless else instead currently monday tuesday wednesday thursday friday saturday sunday"""
)
THINGS = _words(
    """the a an this these that those our my your his her its their it them him me us all any each every both some
    whatever everything anything something one two three four five everyone everybody there"""
)


class Word(NamedTuple):
    """One word, lower case. A path is known by its last part; of several quoted words only `kind` TEXT is kept."""

    text: str
    kind: str = ""
    order: int = 0  # how surely an order stands here: SURE, LIKELY, POSSIBLE, or 0 for not at all


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
    alone = len(sentences) == 1 and not reader.pauses and _CLAUSES.isdisjoint(word.text for word in sentences[0])
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
        self._sentence = SURE  # what begins a sentence of the first paragraph is an order; later ones may be material
        self._order = SURE
        self._paused = False

    def take(self, paragraph: str, heading: bool) -> None:
        """One paragraph. The first that is no heading is the person's; later ones may be material."""
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
            elif kind == "pause":
                self._pause()
            else:
                if self._words:  # "Anna: …" is a speaker or a label
                    self._words[-1] = self._words[-1]._replace(order=min(self._words[-1].order, POSSIBLE))
                self._order = max(self._order, LIKELY)
        if heading and self._words:
            self.headings.add(len(self.sentences))
        self._end()
        if not heading and self.sentences:
            self._sentence = self._order = LIKELY

    def finish(self) -> tuple[tuple[Word, ...], ...]:
        return tuple(self.sentences)

    def _end(self) -> None:
        if self._words:
            self.sentences.append(tuple(self._words))
        self._words, self._order, self._paused = [], self._sentence, False

    def _pause(self) -> None:
        self._order, self._paused = max(self._order, LIKELY), True

    def _add(self, text: str, kind: str = "") -> None:
        self.pauses += self._paused and text not in _POLITE
        self._words.append(Word(text, kind, self._order))
        self._paused = False
        if text in _SURELY:
            self._order = SURE
        elif text in JOINING:
            self._order = max(LIKELY, self._order)
        elif text not in _POLITE:
            self._order = POSSIBLE if text in _OPENERS else 0
        else:
            self._order = max(POSSIBLE, self._order)

    def _quote(self, inner: str) -> None:
        self._paused = False
        if " " in inner or not inner:
            self._words.append(Word("", TEXT))
        else:
            kind = _path_kind(inner)
            self._words.append(Word(_base(inner) if kind else inner, kind or TEXT))
        self._order = 0

    def _chunk(self, chunk: str) -> None:
        body = chunk.rstrip(".'_")
        kind = _path_kind(body)
        if kind:
            self._add(_base(body), kind)
        elif "/" in body:  # "pass/fail", but also "repos/site": read as words and as a path
            for part in filter(None, body.split("/")):
                self._order = self._order or (POSSIBLE if self._words else 0)
                self._add(part, PATH)
        else:
            body = body.strip("*_'~-+=#").removesuffix("'s")
            if body:
                self._add(body, NUMBER if body[0].isdigit() or body[0] in "$€£" else "")
            elif chunk.strip(".") and self._words:
                self._pause()
        if chunk.endswith(".") and chunk not in _SHORTENED:
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
                behind_article = word.text in _ARTICLES and place + 1 < len(sentence)
                first = (number, place + behind_article)
            if number in headings or word.text in _CONTEXT:
                break
            return number, place
    return first
