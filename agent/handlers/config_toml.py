"""TOML: read by the standard library, edited by tomlkit, which keeps comments, order and layout."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

from agent.errors import Refused
from agent.handlers.config_formats import Format, Leaf, Path


def leaves(text: str) -> dict[Path, Leaf]:
    try:
        return dict(_walk(tomllib.loads(text.replace("\r\n", "\n")), ()))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Refused("the file is not TOML that can be read", why=str(error)[:200]) from None


def put(text: str, path: Path, leaf: Leaf) -> str:
    return _changed(text, path, leaf, new=False)


def add(text: str, path: Path, leaf: Leaf) -> str:
    return _changed(text, path, leaf, new=True)


def _changed(text: str, path: Path, leaf: Leaf, *, new: bool) -> str:
    import tomlkit  # noqa: PLC0415

    try:
        document = tomlkit.parse(text)
        node: Any = document
        for name in path[:-1]:
            node = node[name]
        value = tomlkit.string(leaf.text) if leaf.kind == "text" else tomlkit.value(leaf.text)
        if new:
            node.add(path[-1], value)
        else:
            node[path[-1]] = value
        return tomlkit.dumps(document)
    except Exception as error:  # tomlkit raises a dozen kinds, also for TOML that is fine
        raise Refused("the value cannot be changed in this file", where=str(path[-1]), why=str(error)[:200]) from None


def _walk(value: Any, path: Path) -> Iterator[tuple[Path, Leaf]]:
    if isinstance(value, dict | list) and not value:
        yield path, Leaf("other", "{}" if isinstance(value, dict) else "[]")
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _walk(part, (*path, name))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from _walk(part, (*path, place))
    else:
        yield path, _leaf(value)


def _leaf(value: Any) -> Leaf:
    if isinstance(value, bool):
        return Leaf("boolean", "true" if value else "false")
    if isinstance(value, int | float):
        return Leaf("number", repr(value))
    if isinstance(value, datetime | date | time):
        return Leaf("date", value.isoformat())
    return Leaf("text", value)


TOML = Format(leaves, put, add)
