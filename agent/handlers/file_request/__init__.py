"""Plain English about one file, understood completely or not at all.

A request is cut into tokens, and the tokens must fit one of the forms below to the last word. So a second errand, a
condition, a pronoun or a text that is yet to be composed is never overlooked: it fits no form, and raises Doubt. What
is to be written must stand there literally: quoted, fenced, after a colon, or as a number or a word that says itself.

Matching is linear in the text: the token pattern has no nested repetition, and each form walks the tokens once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from agent.errors import Doubt
from agent.files import TEXT_SUFFIXES

MAX_LINE = 4000  # characters of the line that says what to do


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _phrases(text: str) -> list[list[str]]:
    """Phrases set apart by bars, each as its words."""
    return [phrase.split() for phrase in text.split("|")]


_END = r"(?=[\s.,:;!?)]|$)"
_TOKEN = re.compile(
    rf"""\[\[(?P<link>[^\[\]\n]{{1,300}})\]\]{_END}
      | "(?P<quote>[^"\n]*)"{_END} | “(?P<curly>[^“”\n]*)”{_END} | '(?P<single>[^'\n]*)'{_END}
      | `(?P<code>[^`\n]+)`{_END}
      | (?P<colon>:)(?=\s|$) | (?P<comma>,)(?=\s|$)
      | (?P<word>[^\s"“”`,:]+(?:[,:]+[^\s"“”`,:]+)*)
      | (?P<bad>\S)""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"[-+]?[$€£]?\d+(?:[.,:]\d+)*%?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:T[\d:.]+Z?)?")
_IDENTIFIER = re.compile(r"[A-Za-z][\w.-]*")
_GLOB = re.compile(r"[*?{}<>|$\[\]]|://")
# Words that can only be meant as themselves. Anything else might name a text that is yet to be written.
_SELF = _words(
    """hello hi hey world foo bar baz ok okay done yes no true false on off ping pong ready none null todo fixme open
    closed pass passed fail failed active inactive enabled disabled"""
)
# What a colon announces when it describes a text instead of giving it: "write to a.md: a short story about …".
_TO_COMPOSE = _words(
    """story stories poem haiku essay article summary summaries list table report plan draft description explanation
    overview analysis review code function script program module class test tests email letter message reply post
    answer answers result results output translation version outline introduction comparison notes list content
    contents documentation paragraph sentence joke jokes ideas date time number sum"""
)
_DESCRIBING = _words("a an the some all every my your one two three five ten short long what how why")

_POLITE_START = _phrases(
    """could you | can you | would you | will you | i want you to | i need you to | i'd like you to |
    please | kindly | just | go ahead and | hey | hi | hello | gofer | ok | okay | now | quickly"""
)
_POLITE_END = _phrases("please | thanks | thank you | cheers | for me | now")
_OVERWRITE = _phrases(
    """overwriting it | overwriting | and overwrite it | (overwrite) | replacing it | replacing what is there |
    overwriting what is there | even if it exists | replacing its content | replacing its contents |
    replacing the old content"""
)
_TO_THE_END = _phrases("the end of | the very end of | end of | the bottom of | bottom of")
_THE = ("the", "a", "an")
_FILE = ("file", "note", "document")
_INTO = ("to", "into", "in", "inside")
_TEXT_NOUN = ("text", "string", "line", "words", "content", "contents", "phrase", "sentence", "entry")


@dataclass(frozen=True, slots=True)
class Wish:
    """One operation on one file, as it was asked for."""

    op: str
    path: str  # a path, or a wikilink with its brackets
    to: str = ""  # a path, or a folder with its final slash
    text: str = ""
    overwrite: bool = False


class _Token(NamedTuple):
    kind: str  # word, quote, code, link, colon, comma, bad
    text: str


class _NoFit(Exception):
    """The tokens do not fit this form."""


def read_wish(text: str) -> Wish:
    """The one operation that a request asks for. Raises Doubt (unclassified) when that is not beyond doubt."""
    line, rest = _first_line(text)
    if len(line) > MAX_LINE:
        _doubt("its first line is too long")
    head, given = _split(line, rest)
    tokens = _without_courtesies(head, line)
    wishes = {wish for form in _FORMS if (wish := _fit(form, tokens, given))}
    if len(wishes) != 1:
        _doubt("its words fit no operation completely" if not wishes else "it can be read in two ways")
    return wishes.pop()


def _doubt(why: str) -> NoReturn:
    raise Doubt("the request is no file operation beyond doubt", reason="unclassified", why=why)


def _first_line(text: str) -> tuple[str, str]:
    """The line that says what to do, and everything below it. A heading above it is a title, unless it is all."""
    lines = text.strip().split("\n")
    if lines[0].startswith("# ") and any(line.strip() for line in lines[1:]):
        title = lines[0].casefold().split()
        if {"if", "unless", "when", "not", "don't", "never", "after", "before", "until", "every"} & set(title):
            _doubt("its heading sets a condition")
        lines = "\n".join(lines[1:]).strip().split("\n")
    first = lines[0].strip().removeprefix("# ").removeprefix("- ").removeprefix("[ ] ")
    return first, "\n".join(lines[1:])


def _split(line: str, rest: str) -> tuple[list[_Token], str | None]:
    """The tokens of the order, and the text that was given after its colon or in a fence below it (None: none)."""
    tokens: list[_Token] = []
    for match in _TOKEN.finditer(line):
        kind = match.lastgroup or "bad"
        if kind == "colon" and [token.text.casefold() for token in tokens] not in (["gofer"], ["hey", "gofer"]):
            return tokens, _given(line[match.end() :], rest)
        kind = "quote" if kind in ("curly", "single") else kind
        tokens.append(_Token(kind, match[match.lastgroup or 0]))
    if not rest.strip():
        return tokens, None
    if not rest.strip().startswith(("```", "~~~")):
        _doubt("there is more text below the order, which no colon announces")
    return tokens, _unfenced(rest.strip())


def _given(inline: str, rest: str) -> str:
    """The literal text after a colon: the rest of the line and all lines below, one fence or one pair of quotes off."""
    text = f"{inline.strip()}\n{rest}".strip("\n").rstrip() if inline.strip() else rest.strip("\n").rstrip()
    if not text.strip():
        _doubt("nothing follows the colon")
    if text.lstrip().startswith(("```", "~~~")):
        return _unfenced(text.strip())
    if "\n" not in text:
        if len(text) > 1 and (text[0], text[-1]) in {('"', '"'), ("“", "”"), ("`", "`")} and text[0] not in text[1:-1]:
            return text[1:-1]
        words = [word.strip(".,;:!?()").casefold() for word in text.split()[:6]]
        if words[0] in _TO_COMPOSE or (words[0] in _DESCRIBING and _TO_COMPOSE.intersection(words)):
            _doubt("what follows the colon may describe a text instead of being it; put it in quotes if it is")
    return text


def _unfenced(text: str) -> str:
    """The inside of a text that is exactly one fenced block."""
    lines = text.split("\n")
    mark = lines[0][: len(lines[0]) - len(lines[0].lstrip(lines[0][0]))]
    ends = [number for number, line in enumerate(lines[1:], 1) if line.strip() and not line.strip().strip(mark[0])]
    ends = [number for number in ends if len(lines[number].strip()) >= len(mark)]
    if not ends or ends[0] != len(lines) - 1:
        _doubt("there is something after the fenced text, or its fence is not closed")
    return "\n".join(lines[1:-1])


def _without_courtesies(tokens: list[_Token], line: str) -> list[_Token]:
    """The tokens without polite words around them and without the sentence's final mark."""
    start = 0
    asked = False
    moved = True
    while moved:
        moved = False
        for words in _POLITE_START:
            if _says(tokens[start:], words):
                start += len(words)
                asked = asked or words[-1] == "you"
                moved = True
        while moved and tokens[start : start + 1] and tokens[start].kind in ("comma", "colon"):
            start += 1
    if line.rstrip().endswith("?") and not asked:
        _doubt("it is a question")
    tokens = _unmarked(tokens[start:])
    moved = True
    while moved:
        moved = False
        for words in _POLITE_END:
            if len(tokens) > len(words) and _says(tokens[-len(words) :], words):
                tokens, moved = _unmarked(tokens[: -len(words)]), True
    return tokens


def _unmarked(tokens: list[_Token]) -> list[_Token]:
    while tokens and (tokens[-1].kind == "comma" or (tokens[-1].kind == "word" and not tokens[-1].text.strip(".!?;"))):
        tokens = tokens[:-1]
    if tokens and tokens[-1].kind == "word":
        tokens = [*tokens[:-1], _Token("word", tokens[-1].text.rstrip(".!?;"))]
    return tokens


def _says(tokens: list[_Token], words: list[str]) -> bool:
    """Whether the tokens begin with these words."""
    return len(tokens) >= len(words) and all(
        token.kind == "word" and token.text.casefold().replace("’", "'").rstrip(".!?;") == word
        for token, word in zip(tokens, words, strict=False)
    )


class _Reader:
    """Walks the tokens of one request once, for one form."""

    def __init__(self, tokens: list[_Token], given: str | None) -> None:
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

    def phrase(self, phrases: list[list[str]]) -> bool:
        """Step over one of these phrases if it comes next."""
        for words in phrases:
            if _says(self._tokens[self._at :], words):
                self._at += len(words)
                return True
        return False

    def comma(self) -> None:
        if self._peek().kind == "comma":
            self._at += 1

    def path(self) -> str:
        """A file: the words that may stand before its name, and a name with one of the text suffixes or a wikilink."""
        if self.maybe(*_THE):
            self.maybe("new", "existing", "empty")
        self.maybe("text", "markdown")
        if self.maybe(*_FILE):
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
        except _NoFit:
            self._at = at
        self.maybe(*_THE)
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

    def _peek(self) -> _Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else _Token("end", "")

    def _next(self) -> _Token:
        token = self._peek()
        self._at += 1
        return token

    def _no(self) -> NoReturn:
        raise _NoFit


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


def _fit(form: Callable[[_Reader], Wish], tokens: list[_Token], given: str | None) -> Wish | None:
    reader = _Reader(tokens, given)
    try:
        wish = form(reader)
        reader.end()
    except _NoFit:
        return None
    return wish


def _into(reader: _Reader) -> bool:
    """Steps over "to", "into" …; True when it goes to the end of what is there."""
    reader.need(*_INTO, "at", "as")
    return reader.phrase(_TO_THE_END)


def _write_into(reader: _Reader) -> Wish:
    """Write 42 to a.md · Save the following as a.md: …"""
    reader.need("write", "put", "save", "store")
    text = reader.text()
    end = _into(reader)
    path = reader.path()
    reader.comma()
    overwrite = reader.phrase(_OVERWRITE)
    return Wish("append" if end and not overwrite else "write", path, text=text, overwrite=overwrite)


def _write_to(reader: _Reader) -> Wish:
    """Write to a.md: … · Write to a.md the text "…" """
    reader.need("write", "save")
    end = _into(reader)
    path = reader.path()
    return Wish("append" if end else "write", path, text=reader.text())


def _in_file(reader: _Reader) -> Wish:
    """In a.md write 42 · To a.md, append: …"""
    reader.need(*_INTO)
    end = reader.phrase(_phrases("the end of"))
    path = reader.path()
    reader.comma()
    verb = reader.need("write", "put", "add", "append", "save")
    return Wish("append" if end or verb in ("add", "append") else "write", path, text=reader.text())


def _overwrite(reader: _Reader) -> Wish:
    """Overwrite a.md with "…" · Replace the content of a.md with: … · Set the content of a.md to "…" """
    verb = reader.need("overwrite", "replace", "set")
    reader.maybe("the")
    if reader.maybe("whole", "entire", "full"):
        reader.need("content", "contents", "text")
        reader.need("of", "in")
    elif reader.maybe("content", "contents", "text"):
        reader.need("of", "in")
    elif verb == "set":
        reader.need("content")
    path = reader.path()
    reader.need("to" if verb == "set" else "with", "by")
    return Wish("write", path, text=reader.text(), overwrite=True)


def _holding(reader: _Reader) -> bool:
    """Steps over "containing", "with the text" …, if one comes next."""
    if reader.maybe("containing", "saying", "holding"):
        return True
    if reader.maybe("that", "which"):
        reader.need("says", "contains", "reads", "holds")
        return True
    return bool(reader.maybe("with"))


def _create(reader: _Reader) -> Wish:
    """Create a file a.md with the text "…" · Create an empty note called a.md · Make a.md containing: …"""
    verb = reader.need("create", "make", "start", "add", "write", "save")
    empty = reader.phrase(_phrases("an empty | a new empty | the empty"))
    path = reader.path()
    holding = _holding(reader)
    if empty and not holding:
        return Wish("write", path, text=reader.nothing())
    if not holding and (verb in ("add", "save") or not reader.has_given()):
        raise _NoFit
    return Wish("write", path, text=reader.text())


def _create_with(reader: _Reader) -> Wish:
    """Create a file with the text "…" called a.md"""
    reader.need("create", "make", "write", "save")
    reader.need(*_THE)
    reader.maybe("new")
    reader.need(*_FILE)
    if not _holding(reader):
        raise _NoFit
    text = reader.text()
    reader.need("called", "named", "at", "in", "as")
    return Wish("write", reader.path(), text=text)


def _append(reader: _Reader) -> Wish:
    """Append "…" to a.md · Add the line "…" to the end of a.md · Add this at the bottom of a.md: …"""
    reader.need("append", "add")
    text = reader.text()
    _into(reader)
    return Wish("append", reader.path(), text=text)


def _append_to(reader: _Reader) -> Wish:
    """Append to a.md: … · Add to the end of a.md the line "…" """
    reader.need("append", "add")
    _into(reader)
    return Wish("append", reader.path(), text=reader.text())


def _content_of(reader: _Reader) -> bool:
    """Steps over "the full content of"; False when it does not come next."""
    the = reader.maybe("the", "me")
    the = reader.maybe("the") or the
    reader.maybe("whole", "full", "entire", "complete", "raw", "current")
    if reader.maybe("content", "contents", "text"):
        reader.need("of", "from", "in")
        return True
    return False


def _read(reader: _Reader) -> Wish:
    """Read a.md and give me its content · Show me a.md · cat a.md"""
    reader.need("read", "show", "display", "print", "cat", "view", "open", "output")
    _content_of(reader)
    path = reader.path()
    if reader.at_end():
        return Wish("read", path)
    reader.phrase(_phrases("to me"))
    reader.comma()
    if reader.maybe("and"):
        reader.need("give", "show", "tell", "send", "return", "print", "report", "display", "output", "paste")
        reader.maybe("me", "us")
        if not reader.maybe("it"):
            reader.need("its", "the")
            reader.maybe("whole", "full", "entire", "complete", "raw", "current")
            reader.need("content", "contents", "text")
        reader.maybe("back")
        reader.phrase(_phrases("to me | to us"))
    return Wish("read", path)


def _give(reader: _Reader) -> Wish:
    """Give me the content of a.md · Return the text of a.md"""
    reader.need("give", "get", "return", "send", "tell", "fetch", "report", "paste")
    if not _content_of(reader):
        raise _NoFit
    return Wish("read", reader.path())


def _move(reader: _Reader) -> Wish:
    """Move a.md to b/ · mv a.md b.md · Copy a.md to b/c.md · Make a copy of a.md in b/"""
    if reader.phrase(_phrases("make a copy of | create a copy of")):
        verb = "copy"
    else:
        verb = reader.need("move", "mv", "relocate", "copy", "cp", "duplicate")
    path = reader.path()
    shell = verb in ("mv", "cp")
    if not reader.maybe("to", "into", "as", "under", "in", "at", "→", "->") and not shell:
        raise _NoFit
    to = reader.place()
    if "/" not in to and (path.startswith("[[") or ("/" in path and not shell)):
        raise _NoFit  # the vault's root, or beside the file? Both are meant by people who say so
    return Wish("copy" if verb in ("copy", "cp", "duplicate") else "move", path, to)


def _rename(reader: _Reader) -> Wish:
    """Rename a/b.md to c.md: a bare name stays in the folder."""
    reader.need("rename")
    path = reader.path()
    reader.need("to", "as", "into", "→", "->")
    to = reader.path()
    if to.startswith("[[") or (path.startswith("[[") and "/" not in to):
        raise _NoFit  # a link does not say in which folder the note is
    folder = path.rpartition("/")[0]
    return Wish("move", path, f"{folder}/{to}" if folder and "/" not in to else to)


def _delete(reader: _Reader) -> Wish:
    """Delete a.md · Get rid of the file a.md"""
    if not reader.phrase(_phrases("get rid of")):
        reader.need("delete", "remove", "erase", "rm")
    path = reader.path()
    reader.phrase(_phrases("from the vault | from disk"))
    return Wish("delete", path)


_FORMS: tuple[Callable[[_Reader], Wish], ...] = (
    _write_into, _write_to, _in_file, _overwrite, _create, _create_with, _append, _append_to, _read, _give, _move,
    _rename, _delete,
)  # fmt: skip
