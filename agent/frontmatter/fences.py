"""Where a header ends and the body begins, and what a person may have meant who left a fence out."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.errors import BadHeader

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


def cut(text: str) -> Parts:
    """As `split` says, but the corrected file of a BadHeader may have mistakes inside its header."""
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


def _looks_keyed(line: str) -> bool:
    return _KEYED.match(line) is not None


def _close(opening: str, rest: str) -> str:
    """The file with a closing fence after its last key line, or in place of a line that was meant as one."""
    lines = rest.split("\n")
    end = 0
    while end < len(lines) and (_looks_keyed(lines[end]) or re.match(r"[ \t]+\S|- |#", lines[end])):
        end += 1
    body = lines[end + 1 :] if end < len(lines) and _NEAR_FENCE.fullmatch(lines[end]) else lines[end:]
    return opening + "".join(f"{line}\n" for line in lines[:end]) + "---\n" + "\n".join(body)


def _refuse_late_header(text: str) -> None:
    below = text.lstrip()
    try:
        parts = cut(below)
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
