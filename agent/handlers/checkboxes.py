"""Check boxes of a Markdown note: what is open, and by when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

_BOX = re.compile(r"\[([^\[\]])\][ \t]+(\S.*)")
_CLOSED = frozenset("xX->")  # done, cancelled and forwarded, as the Tasks plugin of Obsidian writes them
_DUE = re.compile(r"(?:\bdue\b|\bdeadline\b|\bby\b|📅|⏰)[:(\s\ufe0f*_]{0,6}(\d{4}-\d{2}-\d{2})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OpenItem:
    """An open check box. `line` counts from 1; `due` is None without a date, `bad_date` a date that is none."""

    text: str
    line: int
    due: date | None = None
    bad_date: str = ""


def open_items(markdown: str) -> list[OpenItem]:
    """The open check boxes of a note, in order. Boxes in code and in front matter are not items.

    Dates are `due:: 2026-11-19`, `📅 2026-11-19`, `(due 2026-11-19)`, `@due(2026-11-19)`, `by 2026-11-19` and the
    like; the earliest of several counts.
    """
    if "[" not in markdown:
        return []
    from markdown_it import MarkdownIt  # noqa: PLC0415 - heavy, and most notes have no boxes

    start = front_matter_lines(markdown)
    tokens = MarkdownIt("commonmark").parse("\n" * start + "\n".join(markdown.split("\n")[start:]))
    found = []
    for item, paragraph, inline in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if (item.type, paragraph.type, inline.type) != ("list_item_open", "paragraph_open", "inline"):
            continue
        box = _BOX.match(inline.content.split("\n")[0])
        if box and box[1] not in _CLOSED:
            found.append(_item(box[2].strip(), inline.content, (inline.map or [0])[0] + 1))
    return found


def _item(text: str, whole: str, line: int) -> OpenItem:
    due, bad = due_of(whole)
    return OpenItem(text, line, due, bad)


def due_of(text: str) -> tuple[date | None, str]:
    """The day by which an item is due, None without one, and a date in it that is none; the earliest of several."""
    dues, bad = [], ""
    for match in _DUE.finditer(text):
        try:
            dues.append(date.fromisoformat(match[1]))
        except ValueError:
            bad = match[1]
    return min(dues, default=None), bad


def front_matter_lines(markdown: str) -> int:
    """How many lines the front matter takes, its marks included; 0 when there is none."""
    lines = markdown.split("\n")
    if lines[0].rstrip() != "---":
        return 0
    return next((number + 1 for number, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), 0)
