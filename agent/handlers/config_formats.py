"""One value of a settings file, changed in its text: everything else stays as it was, byte for byte.

A format tells all values of a text (`leaves`), and gives the text with one of them set or added. Whether exactly that
one changed is not left to the format: the text is read again, before anything is proposed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from agent.errors import Refused

Path: TypeAlias = "tuple[str | int, ...]"
NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,40})(?:\.[0-9]{1,40})?(?:[eE][-+]?[0-9]{1,3})?")
TRUE = frozenset(["true", "yes", "on", "enabled", "enable"])
FALSE = frozenset(["false", "no", "off", "disabled", "disable"])
_KEY = re.compile(r"[\w-]{1,80}(?:\.[\w-]{1,80}){0,10}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value: text, number, boolean, null, date, or something else that is not edited; and how it reads as text."""

    kind: str
    text: str

    def same_as(self, other: Leaf) -> bool:
        if self.kind == other.kind == "number":
            try:
                return Decimal(self.text) == Decimal(other.text)
            except InvalidOperation:
                return self.text == other.text
        return self == other


@dataclass(frozen=True, slots=True)
class Format:
    """How one kind of file is read and edited. All three raise Refused for a text that they cannot handle."""

    leaves: Callable[[str], Mapping[Path, Leaf]]
    put: Callable[[str, Path, Leaf], str]
    add: Callable[[str, Path, Leaf], str]


@dataclass(frozen=True, slots=True)
class Edit:
    """The file's new text, and the value before ("" when it is new) and after."""

    text: str
    before: str
    after: str


def dotted(path: Path) -> str:
    return ".".join(map(str, path))


def find(leaves: Mapping[Path, Leaf], key: str) -> Path | None:
    """The path of a key, None when it is not there. Raises Refused when it is two, or a section."""
    found = [path for path in leaves if dotted(path) == key]
    if len(found) > 1:
        raise Refused(f"the key '{key}' can be read in {len(found)} ways")
    if found:
        return found[0]
    if any(dotted(path[:depth]) == key for path in leaves for depth in range(1, len(path))):
        raise Refused(f"'{key}' is a section or a list, not one value", fix="name the one value in it")
    return None


def edit(format_: Format, text: str, key: str, value: str, *, create: bool = False) -> Edit:
    """The text with this one value changed, or added when it is not there and `create` says so. Raises Refused when
    the key is not there, the value is of another type, or anything else would change with it."""
    leaves = format_.leaves(text)
    path = find(leaves, key)
    if path is None:
        if not create:
            raise missing(leaves, key)
        path, before = _new_path(leaves, key), None
        wanted = _as_kind(Leaf("null", ""), value, key)
        after = format_.add(text, path, wanted)
    else:
        before = leaves[path]
        wanted = _as_kind(before, value, key)
        after = text if wanted.same_as(before) else format_.put(text, path, wanted)
    if after != text:
        _must_differ_in_one(leaves, format_.leaves(after), path, wanted)
        _must_stay_on_its_line(text, after)
    return Edit(after, before.text if before else "", wanted.text)


def missing(leaves: Mapping[Path, Leaf], key: str) -> Refused:
    """The error for a key that is not there, with those that end alike."""
    last = key.rpartition(".")[2]
    near = [dotted(path) for path in leaves if dotted(path[-1:]) == last][:5]
    did_you = f"did you mean {', '.join(near)}? " if near else ""
    return Refused(f"the file has no '{key}'", fix=f"{did_you}`create: true` adds a new key")


def infer(text: str) -> Leaf:
    """A value of no known type: true and false, a number, else text."""
    if text.lower() in ("true", "false"):
        return Leaf("boolean", text.lower())
    return Leaf("number" if NUMBER.fullmatch(text) else "text", text)


def _as_kind(old: Leaf, text: str, key: str) -> Leaf:
    """The new value in the type of the old one."""
    if _UNPRINTABLE.search(text):
        raise Refused("the new value is not one line of plain text", where=key)
    bare = text.strip()
    if old.kind == "null":
        return infer(bare)
    if old.kind == "text":
        return Leaf("text", text)
    if old.kind == "boolean" and bare.lower() in TRUE | FALSE:
        return Leaf("boolean", "true" if bare.lower() in TRUE else "false")
    if old.kind == "number" and NUMBER.fullmatch(bare):
        return Leaf("number", bare.removeprefix("+"))
    if old.kind == "date" and re.fullmatch(r"[0-9][0-9T:Z.+ -]{4,40}", bare):
        return Leaf("date", bare)
    why = "it is a list, a section or a value of a special kind" if old.kind == "other" else f"it is a {old.kind} now"
    raise Refused(f"the value of '{key}' cannot become '{bare[:60]}'", why=why)


def _new_path(leaves: Mapping[Path, Leaf], key: str) -> Path:
    if not _KEY.fullmatch(key):
        raise Refused(f"'{key[:80]}' is no name for a new key", fix="letters, digits, '_' and '-', joined by dots")
    path: Path = tuple(key.split("."))
    parents = {other[:depth] for other in leaves for depth in range(len(other))} | {()}
    parents |= {other for other, leaf in leaves.items() if leaf == Leaf("other", "{}")}
    if path[:-1] not in parents:
        raise Refused(f"the file has no section '{dotted(path[:-1])}'", fix="add the section by hand first")
    return path


def _must_differ_in_one(before: Mapping[Path, Leaf], after: Mapping[Path, Leaf], path: Path, wanted: Leaf) -> None:
    others = dict(after)
    new = others.pop(path, None)
    rest = {other: leaf for other, leaf in before.items() if other != path}
    for depth in range(len(path)):  # a section that was empty is not empty any more
        if rest.get(path[:depth]) == Leaf("other", "{}"):
            del rest[path[:depth]]
    if new is None or not (new.same_as(wanted) or (new.kind == "date" and wanted.kind == "date")) or others != rest:
        raise Refused("the value cannot be changed alone", why="something else in the file would change with it")


def _must_stay_on_its_line(before: str, after: str) -> None:
    """What was replaced is part of one line. Raises Refused otherwise."""
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    if "\n" in before[start : len(before) - end]:
        raise Refused("the value cannot be changed alone", why="more than one line of the file would change")
