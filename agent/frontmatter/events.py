"""YAML as text, lists and mappings, straight from the parser's event stream, with the guard in front.

Nothing is composed or resolved (`off`, `001`, `12:30` stay what the person typed), and the guard sees each event
before the next one is parsed. Both parsers are lazy, so a bomb costs as much as its first 5,000 events.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import yaml
from frontmatter.default_handlers import YAMLHandler

from agent.text import shorten

Value: TypeAlias = "str | list[Value] | dict[str, Value]"
Parsed: TypeAlias = "tuple[dict[str, Value], dict[str, int]]"
"""The values of a header, and the line (from 0 within the header) of each top-level key."""

MAX_DEPTH = 20
MAX_EVENTS = 5_000
UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What YAML allows nowhere."""

# Only its step from a header to values is used, with a guarded loader. Its splitting and its writing lose or crash on
# keys called `content`, `handler` or `2026`, on lists, on a byte-order mark and on an unclosed block.
_HANDLER = YAMLHandler()


class Unreadable(Exception):
    """Why a header cannot be read; `line` counts from 0 within the header."""

    def __init__(self, what: str, line: int, why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what, self.line, self.why, self.fix = what, line, why, fix


class _Strings:
    """Turns a guarded event stream into text, lists and mappings. Mixed into a YAML loader."""

    lines: dict[str, int]
    seen: int

    def get_single_data(self) -> Parsed:
        self.lines, self.seen = {}, 0
        self._next()  # the stream's start
        if isinstance(self._next(), yaml.StreamEndEvent):
            return {}, {}
        event = self._next()
        if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and not event.value:
            return {}, {}
        if not isinstance(event, yaml.MappingStartEvent):
            kind = "a list" if isinstance(event, yaml.SequenceStartEvent) else "plain text"
            raise Unreadable(
                f"the front matter is {kind}, not `key: value` lines",
                event.start_mark.line,
                "only keys have a meaning here",
                "write each line as `key: value`",
            )
        values = self._mapping(1)
        self._next()
        if not isinstance(self._next(), yaml.StreamEndEvent):
            raise Unreadable("the front matter holds more than one YAML document", 0, "", "keep one block of keys")
        return values, self.lines

    def _next(self) -> Any:
        event = self.get_event()  # type: ignore[attr-defined]
        self.seen += 1
        if self.seen > MAX_EVENTS:
            raise Unreadable(
                "the front matter is too long",
                event.start_mark.line,
                f"it has more than {MAX_EVENTS:,} parts",
                "keep the keys here and move the rest below the closing `---`",
            )
        if getattr(event, "anchor", None):  # an alias event carries one too
            raise Unreadable(
                "YAML anchors and aliases are not read",
                event.start_mark.line,
                "a value that starts with `&` or `*` is a reference in YAML",
                "put the value in quotes",
            )
        if getattr(event, "tag", None):
            raise Unreadable(
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
            raise Unreadable(
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
                raise Unreadable("a key is not plain text", line, "a list or mapping stands for a key", "quote it")
            key = str(event.value)
            if key == "<<":
                raise Unreadable("YAML merge keys (`<<`) are not read", line, "", "write the keys out")
            if key in values:
                raise Unreadable(
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


def strict(header: str) -> Parsed:
    """One guarded reading, without mending; every way in which YAML fails is an Unreadable."""
    try:
        values, lines = _HANDLER.load(header, Loader=FastLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        last = max(0, header.rstrip().count("\n"))
        line = min(mark.line, last) if mark else 0
        # An unclosed quote or bracket is found where the header ends, but it was made where it opens.
        if error.context_mark and any(word in (error.context or "") for word in ("quoted", "flow", "simple key")):
            line = error.context_mark.line
        raise Unreadable("the front matter is not valid YAML", line, error.problem or "", "") from None
    except (yaml.YAMLError, ValueError, RecursionError, AttributeError, TypeError) as error:
        found = UNPRINTABLE.search(header)
        line = header.count("\n", 0, found.start()) if found else 0
        why = f"the character U+{ord(found[0]):04X} may not stand there" if found else str(error)
        fix = "delete that character" if found else ""
        raise Unreadable("the front matter is not valid YAML", line, why, fix) from None
    return values, lines
