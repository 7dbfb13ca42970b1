"""The one reader and the one writer of front matter: YAML between two `---` lines at the top of a file.

Everything is read as text (`off`, `001`, `12:30` stay what the person typed), straight from YAML's event
stream: nothing is composed or resolved, and the guard sees each event before the next one is parsed. Both
parsers are lazy, so a bomb costs as much as its first 5,000 events. Common mistakes are mended line by line;
what cannot be mended beyond doubt is a BadHeader with its line in the file and the whole file corrected.

One module, although it is long: splitting, reading, mending and writing must agree on what a line means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml
from frontmatter.default_handlers import YAMLHandler

from agent.errors import BadHeader
from agent.text import shorten, utc

if TYPE_CHECKING:
    from frontmatter import Post

Value: TypeAlias = "str | list[Value] | dict[str, Value]"

MAX_DEPTH = 20
MAX_EVENTS = 5_000

_FENCE = re.compile(r"---[ \t]*\r?")
_CLOSING = re.compile(r"^---[ \t]*\r?$", re.MULTILINE)
_KEYED = re.compile(r"""^[ \t]*["']?[\w][^:\n]*:(?:\s|$)|^\w[\w-]*:\S""", re.MULTILINE)
_PROSE = re.compile(r"\s*\w")
_NEAR_FENCE = re.compile(r"[-–—_*]{1,6}[ \t]*\r?")


@dataclass(frozen=True, slots=True)
class Parts:
    """A file cut in two: the text between the fences, None without any; the rest, from line `body_line` (from 1)."""

    header: str | None
    body: str
    body_line: int = 1


@dataclass(frozen=True, slots=True)
class Note:
    """A file that was read: its values as text, the line in the file (from 1) of each top-level key, its body."""

    values: Mapping[str, Value] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    body: str = ""
    body_line: int = 1


def split(text: str) -> Parts:
    """The header and the body of a file, as they are.

    A header starts at the first line and ends at the next `---` line. A `---` that only draws a rule (prose
    below it, or nothing like `key:` before the file ends) is body. Raises BadHeader for a header that is not
    closed, or that starts below blank lines, where no editor would find it.
    """
    start = 1 if text.startswith("\ufeff") else 0
    first_end = text.find("\n", start)
    if first_end < 0 or not _FENCE.fullmatch(text, start, first_end):
        if text[start:].lstrip().startswith("---\n"):
            _refuse_late_header(text[start:])
        return Parts(None, text[start:])
    closing = _CLOSING.search(text, first_end + 1)
    if closing is None:
        rest = text[first_end + 1 :]
        if not _looks_keyed(rest.lstrip().split("\n", 1)[0]):
            return Parts(None, text[start:])
        raise BadHeader(
            "the front matter is not closed",
            line=1,
            why="it starts with `---` but no later line is exactly `---`",
            fix="put a line `---` after the last key",
            corrected=_close(text[start : first_end + 1], rest),
        )
    header = text[first_end + 1 : closing.start()]
    if _PROSE.match(header) and not _KEYED.search(header):
        return Parts(None, text[start:])
    end = min(closing.end() + 1, len(text))
    return Parts(header, text[end:], text.count("\n", 0, end) + 1)


def read(text: str) -> Note:
    """The values and the body of a whole file. Raises BadHeader with the corrected file."""
    parts = split(text)
    if parts.header is None:
        return Note(body=parts.body)
    try:
        values, lines = _parse(parts.header)
    except _Unreadable as error:
        raise _bad_header(error, parts) from None
    return Note(values, {key: line + 2 for key, line in lines.items()}, parts.body, parts.body_line)


def load(header: str) -> dict[str, Value]:
    """The values of a header (the text between the fences). Raises BadHeader; its line counts the opening fence."""
    try:
        return _parse(header)[0]
    except _Unreadable as error:
        raise _bad_header(error, Parts(header, "")) from None


def dump(mapping: Mapping[str, Any], body: str) -> str:
    """A file from values, in their order, and a body.

    Text is quoted when YAML would read it as another type. Numbers and booleans are written as they are; a
    datetime as `2026-11-20T09:30:00Z` in UTC and a date as `2026-11-20`, both without quotes; None as an empty value.
    """
    return f"---\n{_export(mapping)}---\n{body}"


def amend(text: str, additions: Mapping[str, Any]) -> str:
    """The person's file with keys added to its front matter, and every other character as it was.

    A key that is there already is replaced where it stands; a file without a header gains one. Never raises: a
    header that cannot be read is left as body below a new one.
    """
    bom = "\ufeff" if text.startswith("\ufeff") else ""
    newline = "\r\n" if "\r\n" in text[: text.find("\n") + 1] else "\n"
    try:
        parts = split(text)
        values, lines = _parse(parts.header) if parts.header is not None else ({}, {})
    except (BadHeader, _Unreadable):
        parts, values, lines = Parts(None, text.removeprefix(bom)), {}, {}
    if parts.header is None:
        return bom + dump(additions, "").replace("\n", newline) + text.removeprefix(bom)
    opening = text.index("\n") + 1
    header = _amended(parts.header, values, lines, additions, newline)
    return text[:opening] + header + text[opening + len(parts.header) :]


def without(text: str, key: str) -> str:
    """The file with one top-level key turned into a comment, so that no word of the person's is lost.

    A file that cannot be read, or has no such key, comes back as it is.
    """
    return _edited(text, key, lambda row: "# " + row)


def renamed(text: str, key: str, name: str) -> str:
    """The file with one top-level key called `name`; as it is when it cannot be read or has no such key."""
    return _edited(text, key, lambda row: row.replace(key, name, 1), first_only=True)


# --- reading ---------------------------------------------------------------------------------------------------


class _Unreadable(Exception):
    """Why a header cannot be read; `line` counts from 0 within the header."""

    def __init__(self, what: str, line: int, why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what, self.line, self.why, self.fix = what, line, why, fix


class _Strings:
    """Turns a guarded event stream into text, lists and mappings. Mixed into a YAML loader."""

    lines: dict[str, int]
    flow: bool
    seen: int

    def get_single_data(self) -> dict[str, Value]:
        self.lines, self.seen, self.flow = {}, 0, False
        self._next()  # the stream's start
        if isinstance(self._next(), yaml.StreamEndEvent):
            return {}
        event = self._next()
        if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and not event.value:
            return {}
        if not isinstance(event, yaml.MappingStartEvent):
            kind = "a list" if isinstance(event, yaml.SequenceStartEvent) else "plain text"
            raise _Unreadable(
                f"the front matter is {kind}, not `key: value` lines",
                event.start_mark.line,
                "only keys have a meaning here",
                "write each line as `key: value`",
            )
        self.flow = bool(event.flow_style)
        values = self._mapping(1)
        self._next()
        if not isinstance(self._next(), yaml.StreamEndEvent):
            raise _Unreadable("the front matter holds more than one YAML document", 0, "", "keep one block of keys")
        return values

    def _next(self) -> Any:
        event = self.get_event()  # type: ignore[attr-defined]
        self.seen += 1
        if self.seen > MAX_EVENTS:
            raise _Unreadable(
                "the front matter is too long",
                event.start_mark.line,
                f"it has more than {MAX_EVENTS:,} parts",
                "keep the keys here and move the rest below the closing `---`",
            )
        if getattr(event, "anchor", None):  # an alias event carries one too
            raise _Unreadable(
                "YAML anchors and aliases are not read",
                event.start_mark.line,
                "a value that starts with `&` or `*` is a reference in YAML",
                "put the value in quotes",
            )
        if getattr(event, "tag", None):
            raise _Unreadable(
                "YAML tags are not read",
                event.start_mark.line,
                "a value that starts with `!` is a type in YAML",
                "put the value in quotes",
            )
        return event

    def _value(self, event: Any, depth: int) -> Value:
        if isinstance(event, yaml.ScalarEvent):
            null = event.implicit[0] and event.value in ("null", "Null", "NULL", "~")
            return "" if null else str(event.value)
        if depth >= MAX_DEPTH:
            raise _Unreadable(
                "the front matter is nested too deeply",
                event.start_mark.line,
                f"more than {MAX_DEPTH} levels",
                "write it flat, or quote the value",
            )
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(depth + 1)
        items: list[Value] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._value(event, depth + 1))
        return items

    def _mapping(self, depth: int) -> dict[str, Value]:
        values: dict[str, Value] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            line = event.start_mark.line
            if not isinstance(event, yaml.ScalarEvent):
                raise _Unreadable("a key is not plain text", line, "a list or mapping stands for a key", "quote it")
            key = str(event.value)
            if key == "<<":
                raise _Unreadable("YAML merge keys (`<<`) are not read", line, "", "write the keys out")
            if key in values:
                raise _Unreadable(
                    f"the key `{shorten(key, 60)}` is there twice", line, "only one can be meant", "delete one of them"
                )
            values[key] = ""
            if depth == 1:
                self.lines[key] = line
            values[key] = self._value(self._next(), depth)
        return values


class PureLoader(_Strings, yaml.SafeLoader):
    """The guarded reader on the parser that is written in Python."""


if yaml.__with_libyaml__:

    class FastLoader(_Strings, yaml.CSafeLoader):
        """The guarded reader on libyaml's parser, about seven times as fast."""
else:
    FastLoader = PureLoader  # type: ignore[assignment,misc]


class _Handler(YAMLHandler):
    """python-frontmatter's YAML handler with this module's splitting, reading and writing in place of its own.

    Its module-level functions are never called: they lose or crash on keys called `content`, `handler` or
    `2026`, on lists, on a byte-order mark and on an unclosed block.
    """

    loader: type[Any] = FastLoader

    def split(self, text: str) -> tuple[str, str]:
        parts = split(text)
        return parts.header or "", parts.body

    def load(self, fm: str, **kwargs: object) -> dict[str, Any]:
        return self.parse(fm)[0]

    def parse(self, fm: str) -> tuple[dict[str, Value], dict[str, int]]:
        """The values, and the line (from 0) of each top-level key."""
        reader = self.loader(fm)
        try:
            return reader.get_single_data(), reader.lines
        finally:
            reader.dispose()

    def export(self, metadata: Mapping[str, object], **kwargs: object) -> str:
        return _export(metadata)

    def format(self, post: Post, **kwargs: object) -> str:
        return dump(post.metadata, post.content)


_handler = _Handler()


def _strict(header: str) -> tuple[dict[str, Value], dict[str, int]]:
    """One guarded reading, without mending; every way in which YAML fails is an _Unreadable."""
    try:
        return _handler.parse(header)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        last = max(0, header.rstrip().count("\n"))
        line = min(mark.line, last) if mark else 0
        # An unclosed quote or bracket is found where the header ends, but it was made where it opens.
        if error.context_mark and any(word in (error.context or "") for word in ("quoted", "flow", "simple key")):
            line = error.context_mark.line
        raise _Unreadable("the front matter is not valid YAML", line, error.problem or "", "") from None
    except (yaml.YAMLError, ValueError, RecursionError, AttributeError, TypeError) as error:
        found = _UNPRINTABLE.search(header)
        line = header.count("\n", 0, found.start()) if found else 0
        why = f"the character U+{ord(found[0]):04X} may not stand there" if found else str(error)
        fix = "delete that character" if found else ""
        raise _Unreadable("the front matter is not valid YAML", line, why, fix) from None


def _parse(header: str) -> tuple[dict[str, Value], dict[str, int]]:
    """The strict reading; after mending when it fails, or when YAML may have understood a line in its own way."""
    header = _INVISIBLE_BREAK.sub(" ", header)  # YAML would find a key behind it that nobody sees
    try:
        strict = _strict(header)
    except _Unreadable:
        return _strict(_mend(header))
    if not _SUSPECT.search(header):
        return strict
    try:
        return _strict(_mend(header, only=_SUSPECT))
    except _Unreadable:
        return strict


# --- mending ---------------------------------------------------------------------------------------------------

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Text that YAML reads without complaint, but not as the person meant it.
_SUSPECT = re.compile("\\[\\[|\\{\\{|[\u201c\u201d\u2018\u2019\u00a0]")
_INVISIBLE_BREAK = re.compile("[\x85\u2028\u2029]|\r(?!\n)")
_LINE = re.compile(r"(?P<lead> *(?:- +)*)(?P<key>[^\s\"'#&*!|>%@`{}\[\],?:-][^:#]*):(?:[ \t]+(?P<value>.*))?")
_ITEM = re.compile(r"(?P<lead> *(?:- +)+)(?P<value>.+)")
_GLUED = re.compile(r"([A-Za-z][\w-]*):(?!//)([^\s:].*)")
_BARE = re.compile(r"[A-Za-z][\w-]*")
_LINK = r"!?\[\[[^\[\]]+\]\]"
_ONE_LINK = re.compile(_LINK)
_LINKS = re.compile(rf"{_LINK}(?:[ \t]*,[ \t]*{_LINK})+,?|\[[ \t]*{_LINK}(?:[ \t]*,[ \t]*{_LINK})*[ \t]*\]")
_BLOCK = re.compile(r"[|>][-+0-9]{0,2}(?:[ \t]+#.*)?")
_DOUBLE = re.compile(
    r'"(?:[^"\\]|\\(?:[0abtnvfre "/\\N_LP]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}))*"(?:[ \t]+#.*)?'
)
_SINGLE = re.compile(r"'(?:[^']|'')*'(?:[ \t]+#.*)?")
_CURLY = re.compile(
    "[\u201c\u201d\u201e]([^\u201c\u201d\u201e\"]*)[\u201c\u201d]|[\u2018\u2019]([^\u2018\u2019']*)\u2019"
)
_COMMENT = re.compile(r"[ \t]#")


def _mend(header: str, only: re.Pattern[str] | None = None) -> str:
    """The header with the common mistakes put right, line for line, outside block text (`|`, `>`).

    With `only`, lines without such text stay as they are.
    """
    anchored = re.search(r"(?:^|[\s\[{,])&\w", header) is not None
    lines = []
    block = -1  # the indent of the key that owns the block text being passed, or -1
    for line in header.split("\n"):
        indent = len(line) - len(line.lstrip(" \t"))
        if block >= 0 and (indent > block or not line.strip()):
            lines.append(line)
            continue
        mended = _mend_line(line, anchored) if only is None or only.search(line) else line
        found = _LINE.fullmatch(mended) or _ITEM.fullmatch(mended)
        block = indent if found and _BLOCK.fullmatch((found["value"] or "").rstrip()) else -1
        lines.append(mended)
    return "\n".join(lines)


def _mend_line(line: str, anchored: bool) -> str:
    ending = "\r" if line.endswith("\r") else ""
    line = line.removesuffix("\r")
    bare = line.lstrip(" \t\u00a0")
    if not bare or bare.startswith("#"):
        return bare + ending
    line = line[: len(line) - len(bare)].replace("\t", "  ").replace("\u00a0", " ") + bare.replace(":\u00a0", ": ")
    if (glued := _GLUED.fullmatch(line)) and ": " not in line:
        line = f"{glued[1]}: {glued[2]}"
    elif _BARE.fullmatch(line.rstrip()):
        return line.rstrip() + ":" + ending
    found = _LINE.fullmatch(line)
    if found is None and (item := _ITEM.fullmatch(line)):
        return item["lead"] + _mend_value(item["value"].rstrip(), anchored) + ending
    if found is None or not found["value"]:
        return line + ending
    return f"{found['lead']}{found['key']}: {_mend_value(found['value'].rstrip(), anchored)}{ending}"


def _mend_value(value: str, anchored: bool) -> str:
    """A value as YAML must see it to read what the person meant; as it is when that is not beyond doubt."""
    if not value or _DOUBLE.fullmatch(value) or _SINGLE.fullmatch(value) or _BLOCK.fullmatch(value):
        return value
    if value[0] == value[-1] and value[0] in "\"'" and len(value) > 1 and value.count(value[0]) in (2, 3):
        return _quoted(value[1:-1])  # 'it's', "C:\\Users"
    if curly := _CURLY.fullmatch(value):
        return _quoted(curly[1] or curly[2] or "")
    if _ONE_LINK.fullmatch(value):
        return _quoted(value)
    if _LINKS.fullmatch(value):
        return "[" + ", ".join(_quoted(link) for link in _ONE_LINK.findall(value)) + "]"
    comment = _COMMENT.search(value)
    text, rest = (value[: comment.start()].rstrip(), value[comment.start() :]) if comment else (value, "")
    return (_quoted(text) if _is_plainly_text(text, anchored) else text) + rest


def _is_plainly_text(text: str, anchored: bool) -> bool:
    """Whether an unquoted value can only have been meant as text, although YAML would not read it so."""
    first, last = text[:1], text[-1:]
    if first in "\"'":
        return len(text) > 1 and (first == last or text.count(first) == 2)
    if first in "%@`":
        return True
    if first == "*":
        return not anchored
    if first == "[":
        return _ONE_LINK.match(text) is not None or ("]" in text and last != "]" and text.count("[") == text.count("]"))
    if first == "{":
        return text.startswith("{{") and "}}" in text
    if first in "|>":
        return text[1:2] == " "
    return first not in "&!-?#" and (": " in text or last == ":" or ":\t" in text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'" if '"' in text or "\\" in text else f'"{text}"'


# --- correcting ------------------------------------------------------------------------------------------------


def _bad_header(error: _Unreadable, parts: Parts) -> BadHeader:
    header = parts.header or ""
    lines = header.split("\n")
    shown = shorten(_UNPRINTABLE.sub("\ufffd", lines[min(error.line, len(lines) - 1)]), 80)
    return BadHeader(
        f"{error.what}: `{shown}`" if shown else error.what,
        line=error.line + 2,
        why=error.why,
        fix=error.fix or "put the value in quotes, or use the corrected text",
        corrected=f"---\n{_correct(header)}---\n{parts.body}",
    )


def _correct(header: str) -> str:
    """A header that can be read and keeps every word of the person's: quoted where that helps, else as a comment."""
    lines = _UNPRINTABLE.sub("\ufffd", _mend(_INVISIBLE_BREAK.sub(" ", header))).split("\n")
    for _ in range(8 if len(header) < 1 << 16 else 0):
        try:
            _strict("\n".join(lines))
        except _Unreadable as error:
            number = min(error.line, len(lines) - 1)
            lines[number] = _force(lines[number], as_comment=error.what.endswith("twice") or "merge" in error.what)
        else:
            return _ended("\n".join(lines))
    return _ended("\n".join(_as_single_lines(lines)))


def _force(line: str, as_comment: bool) -> str:
    found = _LINE.fullmatch(line.rstrip("\r"))
    value = (found["value"] or "").strip() if found else ""
    if found and value and not as_comment and not _DOUBLE.fullmatch(value) and not _SINGLE.fullmatch(value):
        return f"{found['lead']}{found['key']}: {_quoted(value.strip(chr(34) + chr(39)))}"
    return "# " + line.lstrip("# ")


def _as_single_lines(lines: Sequence[str]) -> Iterator[str]:
    """Every line that is a whole `key: value` by itself; the others as comments."""
    seen: set[str] = set()
    for number, line in enumerate(lines):
        try:
            values = _strict(line)[0] if line[:1].strip() and number < 1000 else {}
        except _Unreadable:
            values = {}
        if len(values) == 1 and isinstance(value := next(iter(values.values())), str) and not seen & values.keys():
            seen.update(values)
            yield _pair(next(iter(values)), value)
        else:
            yield line if not line.strip() or line.startswith("#") else "# " + line


def _ended(header: str) -> str:
    return header if not header or header.endswith("\n") else header + "\n"


def _looks_keyed(line: str) -> bool:
    return _KEYED.match(line) is not None


def _close(opening: str, rest: str) -> str:
    """The file with a closing fence after its last key line, or in place of a line that was meant as one."""
    lines = rest.split("\n")
    end = 0
    while end < len(lines) and (_looks_keyed(lines[end]) or re.match(r"[ \t]+\S|- |#", lines[end])):
        end += 1
    body = lines[end + 1 :] if end < len(lines) and _NEAR_FENCE.fullmatch(lines[end]) else lines[end:]
    closed = opening + "".join(f"{line}\n" for line in lines[:end]) + "---\n" + "\n".join(body)
    try:
        read(closed)
    except BadHeader as error:
        return error.corrected or closed
    return closed


def _refuse_late_header(text: str) -> None:
    below = text.lstrip()
    try:
        parts = split(below)
    except BadHeader:
        return  # a rule above text, most likely: nothing below it closes a header
    if parts.header and _looks_keyed(parts.header.lstrip().split("\n", 1)[0]):
        raise BadHeader(
            "the front matter does not start on the first line",
            line=text.count("\n", 0, len(text) - len(below)) + 1,
            why="blank lines stand above its `---`, so editors take it for text",
            fix="delete the blank lines at the top",
            corrected=below,
        )


# --- writing ---------------------------------------------------------------------------------------------------

# What YAML 1.1 and 1.2 both read as text without quotes; checked against the resolver in tests.
_PLAIN = re.compile(r"[^\W\d_](?:[^:#\x00-\x1f\x7f-\xa0\u2028\u2029\ufeff\ud800-\udfff]|:(?=[^\s:])|(?<=[^\s])#)*")
_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "nan", "inf"])
_HEX = re.compile(r"(?=[1-9][0-9be]*[acdf])[0-9a-f]+")
_MUST_ESCAPE = re.compile("[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def _export(mapping: Mapping[str, Any]) -> str:
    return "".join(_pair(key, value) + "\n" for key, value in mapping.items())


def _pair(key: str, value: Any) -> str:
    """`key: value`, or a key with one `- item` line per element of a list. No final line end."""
    name = _double(key) if ":" in key else _text(key)
    if isinstance(value, list | tuple) and value:
        return "\n".join([f"{name}:", *(f"  - {_scalar(item)}" for item in value)])
    text = _scalar(value)
    return f"{name}: {text}" if text else f"{name}:"


def _scalar(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f") if value - value == 0 else _text(str(value))
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_double(str(key))}: {_scalar(item) or 'null'}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(_in_flow(item) for item in value) + "]"
    raise TypeError(f"front matter holds text, numbers, lists and mappings, not {type(value).__name__}")


def _in_flow(value: Any) -> str:
    return _double(value) if isinstance(value, str) else _scalar(value) or "null"


def _text(value: str) -> str:
    if _HEX.fullmatch(value):
        return value
    plain = _PLAIN.fullmatch(value) and value[-1] not in " :" and value.lower() not in _WORDS
    return value if plain and not _SUSPECT.search(value) else _double(value)


def _double(value: str) -> str:
    text = json.dumps(_SURROGATE.sub("\ufffd", value), ensure_ascii=False)
    return _MUST_ESCAPE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _edited(text: str, key: str, change: Callable[[str], str], *, first_only: bool = False) -> str:
    try:
        parts = split(text)
        values, lines = _parse(parts.header or "")
    except (BadHeader, _Unreadable):
        return text
    if parts.header is None or key not in lines:
        return text
    rows = parts.header.split("\n")
    if _on_one_line(lines, rows):
        return dump({other: value for other, value in values.items() if other != key}, parts.body)
    start, end = _span(rows, lines, key)
    end = start + 1 if first_only else end
    rows[start:end] = [change(row) for row in rows[start:end]]
    opening = text.index("\n") + 1
    return text[:opening] + "\n".join(rows) + text[opening + len(parts.header) :]


def _on_one_line(lines: Mapping[str, int], rows: Sequence[str]) -> bool:
    """Whether the header is written `{a: b, c: d}`: then no key has lines of its own."""
    return bool(lines) and (rows[min(lines.values())].lstrip()[:1] == "{" or len(set(lines.values())) < len(lines))


def _span(rows: Sequence[str], lines: Mapping[str, int], key: str) -> tuple[int, int]:
    """The rows of one key and its value, from and to (excluded), without blank lines and comments behind it."""
    start = lines[key]
    end = min((other for other in lines.values() if other > start), default=len(rows) - 1)
    while end > start + 1 and (not rows[end - 1].strip() or rows[end - 1].startswith("#")):
        end -= 1
    return start, end


def _amended(
    header: str, values: Mapping[str, Value], lines: Mapping[str, int], additions: Mapping[str, Any], newline: str
) -> str:
    rows = header.split("\n")
    if _on_one_line(lines, rows):
        return _export({**values, **additions}).replace("\n", newline)
    first = rows[min(lines.values())] if lines else ""
    indent = first[: len(first) - len(first.lstrip())]
    tail: list[str] = []
    edits: list[tuple[int, int, str]] = []
    for key, value in additions.items():
        pair = (indent + _pair(key, value).replace("\n", "\n" + indent) + "\n").replace("\n", newline)
        if key in lines:
            edits.append((*_span(rows, lines, key), pair.removesuffix("\n")))
        else:
            tail.append(pair)
    for start, end, pair in sorted(edits, reverse=True):
        rows[start:end] = [pair]
    amended = "\n".join(rows) + "".join(tail)
    try:
        again = _parse(amended)[0]
    except _Unreadable:
        again = {}
    # A value may reach over its neighbours in a way that lines do not show; then the header is written anew.
    if again.keys() == {**values, **additions}.keys() and all(
        again[key] == values[key] for key in values.keys() - additions.keys()
    ):
        return amended
    return _export({**values, **additions}).replace("\n", newline)
