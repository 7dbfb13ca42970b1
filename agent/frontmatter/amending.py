"""Changing a person's file: the keys that are meant, and every other character as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent.errors import BadHeader
from agent.frontmatter.events import Unreadable, Value
from agent.frontmatter.fences import Parts, cut
from agent.frontmatter.reading import parse
from agent.frontmatter.writing import dump, export, pair


def amend(text: str, additions: Mapping[str, Any]) -> str:
    """The person's file with keys added to its front matter, and every other character as it was.

    A key that is there already is replaced where it stands; a file without a header gains one. Never raises: a
    header that cannot be read is left as body below a new one.
    """
    bom = "\ufeff" if text.startswith("\ufeff") else ""
    newline = "\r\n" if "\r\n" in text[: text.find("\n") + 1] else "\n"
    try:
        parts = cut(text)
        values, lines = parse(parts.header) if parts.header is not None else ({}, {})
    except (BadHeader, Unreadable):
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


def _edited(text: str, key: str, change: Callable[[str], str], *, first_only: bool = False) -> str:
    try:
        parts = cut(text)
        values, lines = parse(parts.header or "")
    except (BadHeader, Unreadable):
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
        return export({**values, **additions}).replace("\n", newline)
    first = rows[min(lines.values())] if lines else ""
    indent = first[: len(first) - len(first.lstrip())]
    tail: list[str] = []
    edits: list[tuple[int, int, str]] = []
    for key, value in additions.items():
        row = (indent + pair(key, value).replace("\n", "\n" + indent) + "\n").replace("\n", newline)
        if key in lines:
            edits.append((*_span(rows, lines, key), row.removesuffix("\n")))
        else:
            tail.append(row)
    for start, end, row in sorted(edits, reverse=True):
        rows[start:end] = [row]
    amended = "\n".join(rows) + "".join(tail)
    try:
        again = parse(amended)[0]
    except Unreadable:
        again = {}
    # A value may reach over its neighbours in a way that lines do not show; then the header is written anew.
    if again.keys() == {**values, **additions}.keys() and all(
        again[key] == values[key] for key in values.keys() - additions.keys()
    ):
        return amended
    return export({**values, **additions}).replace("\n", newline)
