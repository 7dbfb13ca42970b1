"""JSON: the place of every value in the text, so that one can be replaced and nothing else is touched."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from agent.errors import Refused
from agent.handlers.config_formats import Format, Leaf, Path

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str)
Span = tuple[int, int]


def leaves(text: str) -> dict[Path, Leaf]:
    _parse(text)
    found: dict[Path, Leaf] = {}
    for path, span in _spans(text):
        raw = text[span[0] : span[1]]
        if raw[0] in "{[":
            if not raw[1:-1].strip():
                found[path] = Leaf("other", raw[0] + raw[-1])
        elif raw[0] == '"':
            found[path] = Leaf("text", json.loads(raw))
        else:
            kind = "boolean" if raw in ("true", "false") else "null" if raw == "null" else "number"
            found[path] = Leaf(kind, raw)
    return found


def put(text: str, path: Path, leaf: Leaf) -> str:
    start, end = next(span for other, span in _spans(text) if other == path)
    return text[:start] + _written(leaf) + text[end:]


def add(text: str, path: Path, leaf: Leaf) -> str:
    """A pair behind the last one of its object, laid out like that one."""
    spans = dict(_spans(text))
    start, end = spans[path[:-1]]
    if text[start] != "{":
        raise Refused("a list has no keys", where=".".join(map(str, path)))
    pair = f"{json.dumps(str(path[-1]), ensure_ascii=False)}: {_written(leaf)}"
    last = [span for other, span in spans.items() if other[:-1] == path[:-1] and len(other) == len(path)]
    if not last:
        return f"{text[: start + 1]}{pair}{text[end - 1 :]}"
    behind = last[-1][1]
    first_key = _space(text, start + 1)
    between = text[start + 1 : first_key]  # the line end and indentation before the first key
    return f"{text[:behind]},{between or ' '}{pair}{text[behind:]}"


def _written(leaf: Leaf) -> str:
    return json.dumps(leaf.text, ensure_ascii=False) if leaf.kind == "text" else leaf.text


def _parse(text: str) -> None:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(made := dict(pairs)) < len(pairs):
            raise ValueError("a key stands in it twice")
        return made

    def constant(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    try:
        json.loads(text, object_pairs_hook=once, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise Refused("the file is not JSON that can be edited", why=str(error)[:200]) from None


def _space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _spans(text: str) -> list[tuple[Path, Span]]:
    """Path and place of every value, objects and lists too, of a text that is JSON."""
    start = _space(text, 0)
    try:
        return list(_walk(text, start, ()))
    except RecursionError:
        raise Refused("the file is nested too deeply") from None


def _walk(text: str, start: int, path: Path) -> Iterator[tuple[Path, Span]]:
    if text[start] not in "{[":
        end: int = _DECODER.raw_decode(text, start)[1]
        yield path, (start, end)
        return
    at, number = _space(text, start + 1), 0
    inner: list[tuple[Path, Span]] = []
    while text[at] not in "}]":
        name: str | int = number
        if text[start] == "{":
            name, at = _DECODER.raw_decode(text, at)
            at = _space(text, _space(text, at) + 1)  # over the colon
        for found in _walk(text, at, (*path, name)):
            inner.append(found)
            if found[0] == (*path, name):
                at = found[1][1]
        at, number = _space(text, at), number + 1
        if text[at] == ",":
            at = _space(text, at + 1)
    yield path, (start, at + 1)
    yield from inner


JSON = Format(leaves, put, add)
