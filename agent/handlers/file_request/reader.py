"""Reading the tokens of an order from left to right: paths, places and literal texts."""

from __future__ import annotations

import re
from typing import NoReturn

from agent.files import TEXT_SUFFIXES
from agent.handlers.file_request.tokens import Token, says, word_set

_NUMBER = re.compile(r"[-+]?[$€£]?\d+(?:[.,:]\d+)*%?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:T[\d:.]+Z?)?")
_IDENTIFIER = re.compile(r"[A-Za-z][\w.-]*")
_GLOB = re.compile(r"[*?{}<>|$\[\]]|://")
# Words that can only be meant as themselves. Anything else might name a text that is yet to be written.
_SELF = word_set(
    """hello hi hey world foo bar baz ok okay done yes no true false on off ping pong ready none null todo fixme open
    closed pass passed fail failed active inactive enabled disabled"""
)
THE = ("the", "a", "an")
FILE = ("file", "note", "document")
INTO = ("to", "into", "in", "inside")
_TEXT_NOUN = ("text", "string", "line", "words", "content", "contents", "phrase", "sentence", "entry")


class NoFit(Exception):
    """The tokens do not fit this form."""


class Reader:
    """Walks the tokens of one request once, for one form."""

    def __init__(self, tokens: list[Token], given: str | None) -> None:
        self._tokens, self._at, self._given = tokens, 0, given

    def maybe(self, *words: str) -> str:
        """The next word if it is one of these, and step over it; "" otherwise."""
        token = self._peek()
        if token.kind == "word" and token.text.casefold() in words:
            self._at += 1
            return token.text.casefold()
        return ""

    def need(self, *words: str) -> str:
        return self.maybe(*words) or self._no()

    def phrase(self, wanted: list[list[str]]) -> bool:
        """Step over one of these phrases if it comes next."""
        for words in wanted:
            if says(self._tokens[self._at :], words):
                self._at += len(words)
                return True
        return False

    def comma(self) -> None:
        if self._peek().kind == "comma":
            self._at += 1

    def path(self) -> str:
        """A file: the words that may stand before its name, and a name with one of the text suffixes or a wikilink."""
        if self.maybe(*THE):
            self.maybe("new", "existing", "empty")
        self.maybe("text", "markdown")
        if self.maybe(*FILE):
            self.maybe("called", "named", "at")
        token = self._next()
        if token.kind == "link":
            return f"[[{token.text}]]" if "#" not in token.text else self._no()
        if token.kind in ("word", "quote", "code") and is_file_name(token.text):
            return token.text
        return self._no()

    def place(self) -> str:
        """Where something goes: a file, or a folder with a slash in its name, given with its final slash."""
        at = self._at
        try:
            return self.path()
        except NoFit:
            self._at = at
        self.maybe(*THE)
        self.maybe("folder", "directory")
        token = self._next()
        if token.kind not in ("word", "quote", "code") or "/" not in token.text or _GLOB.search(token.text):
            self._no()
        if not token.text.endswith("/") and "." in token.text.rpartition("/")[2]:
            self._no()
        self.maybe("folder", "directory")
        return token.text.rstrip("/") + "/"

    def literal(self) -> str:
        """What is to be written: in quotes, as a number or a word that says itself, or given below."""
        self.maybe("the", "a", "this")
        self.maybe("new", "single")
        noun = self.maybe(*_TEXT_NOUN, "word", "number", "value")
        self.maybe("saying", "reading") if noun else ""
        token = self._next()
        if token.kind == "quote" or (token.kind == "code" and not is_file_name(token.text)):
            return token.text
        if token.kind != "word":
            self._no()
        if _NUMBER.fullmatch(token.text) or _DATE.fullmatch(token.text):
            return token.text
        if noun == "word" and token.text.isalpha() and token.text.casefold() not in ("count", "list", "cloud", "total"):
            return token.text
        if noun and noun not in ("text", "string", "value"):
            self._no()
        if not _says_itself(token.text):
            self._no()
        words = [token.text]
        while self._peek().kind == "word" and self._peek().text.casefold() in _SELF:
            words.append(self._next().text)
        return " ".join(words)

    def text(self) -> str:
        """A literal, or the text given after the colon or in the fence, however the order speaks of it."""
        if self._given is None:
            return self.literal()
        if self.maybe("this", "that"):
            self.maybe(*_TEXT_NOUN)
        elif self.maybe("the"):
            self.maybe("following", "text", "lines", *_TEXT_NOUN)
            self.maybe("lines", *_TEXT_NOUN)
            self.maybe("below")
        elif self.maybe("a"):
            self.maybe("new")
            self.need("line")
        else:
            self.maybe("following", "content", "contents", "text")
        return self.take_given()

    def take_given(self) -> str:
        given, self._given = self._given, None
        return self._no() if given is None else given

    def nothing(self) -> str:
        """The empty text, when none was given."""
        return "" if self._given is None else self._no()

    def has_given(self) -> bool:
        return self._given is not None

    def at_end(self) -> bool:
        return self._at == len(self._tokens)

    def end(self) -> None:
        """Every token was accounted for, and so was the given text."""
        if not self.at_end() or self._given is not None:
            self._no()

    def _peek(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else Token("end", "")

    def _next(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _no(self) -> NoReturn:
        raise NoFit


def is_file_name(name: str) -> bool:
    """Whether a word can only be meant as the name of one text file."""
    return (
        name.casefold().endswith(TEXT_SUFFIXES)
        and not name.casefold().rpartition("/")[2].startswith(TEXT_SUFFIXES)
        and not _GLOB.search(name)
        and not name.startswith("~")
    )


def _says_itself(word: str) -> bool:
    if is_file_name(word):
        return False
    return word.casefold() in _SELF or bool(_IDENTIFIER.fullmatch(word) and any(sign.isdigit() for sign in word))
