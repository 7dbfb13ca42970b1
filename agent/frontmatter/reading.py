"""The one way to read a file with front matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.errors import BadHeader
from agent.frontmatter.correcting import bad_header
from agent.frontmatter.events import Parsed, Unreadable, Value, strict
from agent.frontmatter.fences import Parts, cut
from agent.frontmatter.mending import INVISIBLE_BREAK, SUSPECT, mend


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
    try:
        return cut(text)
    except BadHeader as error:
        error.corrected = _readable(error.corrected or text)
        raise


def read(text: str) -> Note:
    """The values and the body of a whole file. Raises BadHeader with the corrected file."""
    parts = split(text)
    if parts.header is None:
        return Note(body=parts.body)
    try:
        values, lines = parse(parts.header)
    except Unreadable as error:
        raise bad_header(error, parts) from None
    return Note(values, {key: line + 2 for key, line in lines.items()}, parts.body, parts.body_line)


def load(header: str) -> dict[str, Value]:
    """The values of a header (the text between the fences). Raises BadHeader; its line counts the opening fence."""
    try:
        return parse(header)[0]
    except Unreadable as error:
        raise bad_header(error, Parts(header, "")) from None


def parse(header: str) -> Parsed:
    """The strict reading; after mending when it fails, or when YAML may have understood a line in its own way."""
    header = INVISIBLE_BREAK.sub(" ", header)  # YAML would find a key behind it that nobody sees
    try:
        parsed = strict(header)
    except Unreadable:
        return strict(mend(header))
    if not SUSPECT.search(header):
        return parsed
    try:
        return strict(mend(header, only=SUSPECT))
    except Unreadable:
        return parsed


def _readable(text: str) -> str:
    """A correction that can be read: there may be more to correct than the fences."""
    try:
        read(text)
    except BadHeader as error:
        return error.corrected or text
    return text
