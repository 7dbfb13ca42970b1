"""YAML: the parser says where a scalar stands in the text, and only that place is written.

Anchors, aliases, tags, merge keys, several documents and keys that are no plain text are refused: a change of one
value could there be a change of another, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from agent.errors import Refused
from agent.handlers.config_formats import NUMBER, TRUE, Format, Leaf, Path

MAX_EVENTS = 20_000
MAX_DEPTH = 40
_TAG = "tag:yaml.org,2002:"
_KINDS = {"str": "text", "bool": "boolean", "int": "number", "float": "number", "null": "null", "timestamp": "date"}
_PAIRS = (("true", "false"), ("yes", "no"), ("on", "off"))
_PLAIN = re.compile(r"[A-Za-z0-9_/.][^\x00-\x1f]*")


def leaves(text: str) -> dict[Path, Leaf]:
    return {path: leaf for path, leaf, _ in _walk(_root(text), (), 0)}


def put(text: str, path: Path, leaf: Leaf) -> str:
    node = next(node for other, _, node in _walk(_root(text), (), 0) if other == path)
    start, end = node.start_mark.index, node.end_mark.index
    if node.style in ("|", ">") or "\n" in text[start:end]:
        raise Refused("a value of several lines is not edited", where=".".join(map(str, path)))
    if start == end:  # nothing at all behind the colon
        return _first_that_reads(text[:start], [" " + way for way in _ways(leaf, None, "")], text[end:], path, leaf)
    return _first_that_reads(text[:start], _ways(leaf, node.style, node.value), text[end:], path, leaf)


def add(text: str, path: Path, leaf: Leaf) -> str:
    """A line behind the last value of its mapping, as far to the right as the first key."""
    root, name = _root(text), str(path[-1])
    key = name if re.fullmatch(r"[A-Za-z_][\w-]*", name) and _leaf_of(name).kind == "text" else json.dumps(name)
    if root is None:
        head = text if text.endswith("\n") or not text else text + "\n"
        return _first_that_reads(f"{head}{key}: ", _ways(leaf, None, ""), "\n", path, leaf)
    node = root
    for part in path[:-1]:
        node = next(value for one, value in node.value if one.value == part)
    if not isinstance(node, yaml.MappingNode) or node.flow_style or not node.value:
        raise Refused("a key can only be added to a section written in lines", where=".".join(map(str, path)))
    last = node
    while isinstance(last, yaml.CollectionNode) and last.value and not last.flow_style:
        last = last.value[-1][1] if isinstance(last, yaml.MappingNode) else last.value[-1]
    if isinstance(last, yaml.ScalarNode) and last.style in ("|", ">"):
        raise Refused("a key cannot be added behind a text of several lines", where=".".join(map(str, path)))
    line_end = text.find("\n", last.end_mark.index)
    head, tail = (text, "") if line_end < 0 else (text[:line_end], text[line_end:])
    newline = "\r\n" if head.endswith("\r") else "\n"
    head = head.removesuffix("\r")
    indent = " " * node.value[0][0].start_mark.column
    tail = ("\r" if newline == "\r\n" else "") + tail
    return _first_that_reads(f"{head}{newline}{indent}{key}: ", _ways(leaf, None, ""), tail, path, leaf)


def _first_that_reads(head: str, ways: list[str], tail: str, path: Path, leaf: Leaf) -> str:
    """The first way of writing a value that reads as this value again."""
    for way in ways:
        try:
            read = leaves(head + way + tail).get(path)
        except Refused:
            continue
        if read is not None and (read.same_as(leaf) or read.kind == leaf.kind == "date"):
            return head + way + tail
    raise Refused("the value cannot be written in this place", where=".".join(map(str, path)))


def _ways(leaf: Leaf, style: str | None, old: str) -> list[str]:
    if leaf.kind == "boolean":
        return [_boolean(leaf.text == "true", old)]
    if leaf.kind != "text":
        return [leaf.text]
    double = json.dumps(leaf.text, ensure_ascii=False)
    single = "'" + leaf.text.replace("'", "''") + "'"
    plain = [leaf.text] if _PLAIN.fullmatch(leaf.text) else []
    return {"'": [single, double], '"': [double]}.get(style or "", [*plain, double, single])


def _boolean(value: bool, old: str) -> str:
    """True or false in the words and the case of the old value."""
    pair = next((pair for pair in _PAIRS if old.lower() in pair), _PAIRS[0])
    word = pair[0] if value else pair[1]
    return word.upper() if old.isupper() and len(old) > 1 else word.capitalize() if old[:1].isupper() else word


def _root(text: str) -> Any:
    """The one document as nodes; None for an empty file."""
    try:
        for number, event in enumerate(yaml.parse(text, yaml.SafeLoader)):
            tagged = getattr(event, "tag", None) not in (None, "!")
            if number > MAX_EVENTS or getattr(event, "anchor", None) or tagged:
                raise Refused("the file is not edited", why="it is very long, or uses anchors, aliases or tags of YAML")
        return yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Refused("the file is not YAML that can be edited", why=" ".join(str(error).split())[:200]) from None


def _walk(node: Any, path: Path, depth: int) -> Iterator[tuple[Path, Leaf, Any]]:
    if depth > MAX_DEPTH:
        raise Refused("the file is nested too deeply")
    if node is None:
        return
    if isinstance(node, yaml.ScalarNode):
        yield path, _leaf(node), node
    elif not node.value:
        yield path, Leaf("other", "{}" if isinstance(node, yaml.MappingNode) else "[]"), node
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in seen or key.tag == _TAG + "merge":
                raise Refused("the file is not edited", why="a key in it is no plain text, a merge, or there twice")
            seen.add(key.value)
            yield from _walk(value, (*path, key.value), depth + 1)
    else:
        for place, value in enumerate(node.value):
            yield from _walk(value, (*path, place), depth + 1)


def _leaf(node: Any) -> Leaf:
    kind = _KINDS.get(node.tag.removeprefix(_TAG), "other")
    if kind == "boolean":
        return Leaf(kind, "true" if node.value.lower() in TRUE else "false")
    if kind == "null":
        return Leaf(kind, "")
    if kind == "number" and not NUMBER.fullmatch(node.value):
        kind = "other"  # 0x1F, 12:30 and 1_000 are numbers to YAML; what is put there may not be
    return Leaf(kind, node.value)


def _leaf_of(text: str) -> Leaf:
    root = _root(text)
    return _leaf(root) if isinstance(root, yaml.ScalarNode) else Leaf("other", text)


YAML = Format(leaves, put, add)
