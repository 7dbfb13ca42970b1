"""Settings in Markdown: the front matter, and lines of the text like `Key: value` and `- **Key:** value`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent import frontmatter
from agent.errors import BadHeader, Refused
from agent.handlers import config_yaml
from agent.handlers.config_formats import Format, Leaf, Path, infer
from agent.vault.prose import outside_fences

_LINE = re.compile(
    r"(?P<head>\s{0,8}(?:[-*+]\s+)?(?:(?P<bold>\*\*|__)(?P<b>[^\s*_:`|#][^*_:`|#\n]{0,60}?)(?::(?P=bold)|(?P=bold)\s?:)"
    r"|(?P<k>[^\W\d][^*_:`|#\n]{0,60}?):)[ \t]+)(?P<value>[^\n]*?)(?P<tail>[ \t\r]*)"
)
_TEXT = "\0text"  # where lines are kept whose key is there twice, or in the front matter too


def leaves(text: str) -> dict[Path, Leaf]:
    try:
        note = frontmatter.read(text)
    except BadHeader as error:
        raise Refused("the front matter cannot be read", why=error.what) from None
    found: dict[Path, Leaf] = {}
    for key, value in note.values.items():
        if isinstance(value, str):
            found[(key,)] = infer(value) if value else Leaf("null", "")
        else:
            found[(key, _TEXT)] = Leaf("other", repr(value))
    lines = [(key, value) for _, key, value, _ in _lines(note.body)]
    for place, (key, value) in enumerate(lines):
        alone = sum(one == key for one, _ in lines) == 1 and key not in note.values
        found[(key,) if alone else (_TEXT, key, place)] = infer(value)
    return found


def put(text: str, path: Path, leaf: Leaf) -> str:
    key, parts = str(path[0]), frontmatter.split(text)
    if key in frontmatter.read(text).values:
        return _header_put(text, parts.header or "", path, leaf)
    start, _, _, old = next(found for found in _lines(parts.body) if found[1] == key)
    at = len(text) - len(parts.body) + start
    return text[:at] + leaf.text + text[at + old :]


def add(text: str, path: Path, leaf: Leaf) -> str:
    if len(path) > 1:
        raise Refused("front matter is flat", fix="give a key without a dot")
    return frontmatter.amend(text, {str(path[0]): leaf.text})


def _header_put(text: str, header: str, path: Path, leaf: Leaf) -> str:
    """In place, so that a comment behind the value stays; by a new line where YAML sees more than one value there."""
    start = text.index("\n") + 1
    try:
        old = config_yaml.leaves(header)[path]
        new = Leaf("text", leaf.text) if old.kind not in ("boolean", "number") else Leaf(old.kind, leaf.text)
        changed = config_yaml.put(header, path, new)
        edited = text[:start] + changed + text[start + len(header) :]
        if frontmatter.read(edited).values.get(str(path[0])) == leaf.text:
            return edited
    except (Refused, BadHeader, KeyError):
        pass
    return frontmatter.amend(text, {str(path[0]): leaf.text})


def _lines(body: str) -> Iterator[tuple[int, str, str, int]]:
    """Where the value begins in the body, the key, the value, and its length, of every line that has them."""
    starts = [0]
    rows = body.split("\n")
    for row in rows:
        starts.append(starts[-1] + len(row) + 1)
    for place, row in outside_fences(rows):
        match = _LINE.fullmatch(row)
        if match and match["value"] and not match["value"].startswith("//"):
            key = (match["b"] or match["k"]).strip()
            yield starts[place] + match.start("value"), key, match["value"], len(match["value"])


MARKDOWN = Format(leaves, put, add)
