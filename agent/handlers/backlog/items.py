"""The items of a Markdown list by section: what, whose, until when, how urgent, done or not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from agent.handlers.checkboxes import due_of, front_matter_lines

if TYPE_CHECKING:
    from markdown_it.token import Token

NO_SECTION = ""
_BOX = re.compile(r"\[([^\[\]])\][ \t]+(\S.*)")
_DONE = frozenset("xX")
_DROPPED = frozenset("->")  # cancelled and forwarded, as the Tasks plugin of Obsidian writes them
_OWNER = re.compile(
    r"(?:^|[\s(])@([A-Za-z][\w.-]{0,60})(?![\w.(-])"
    r"|\b(?:owner|assignee|assigned)(?:::?|=| to)\s{0,3}@?([A-Za-z][\w.-]{0,60})"
)
_TAG = re.compile(r"(?:^|\s)#([A-Za-z][\w/-]{0,60})")
_PRIORITY = re.compile(r"(?:^|[\s(\[!])[!]?(P[0-4])\b|[(\[](?:prio(?:rity)?:\s?)(high|medium|low)[)\]]", re.IGNORECASE)
_ENDED = re.compile(r"(?:✅|\bdone::?|\bclosed::?|\bcompletion::)\s{0,3}(\d{4}-\d{2}-\d{2})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BacklogItem:
    """One item. `section` is its nearest heading, `path` all headings above it; `line` counts from 1; `state` is
    `open`, `done`, `dropped` or `none` (a list item without a check box); `depth` 0 is a top item."""

    text: str
    section: str
    path: tuple[str, ...]
    line: int
    state: str
    depth: int = 0
    owners: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    priority: str = ""
    due: date | None = None
    bad_date: str = ""
    ended: date | None = None


def read_items(markdown: str) -> list[BacklogItem]:
    """All list items of a note, in order. Lists in code and in front matter are none."""
    from markdown_it import MarkdownIt  # noqa: PLC0415  (20 ms, and most tasks never need it)

    start = front_matter_lines(markdown)
    tokens = MarkdownIt("commonmark").parse("\n" * start + "\n".join(markdown.split("\n")[start:]))
    return list(_items(tokens))


def _items(tokens: Sequence[Token]) -> Iterator[BacklogItem]:
    headings: list[tuple[int, str]] = []
    depth = -1
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            level = int(token.tag[1:])
            headings = [(at, text) for at, text in headings if at < level]
            headings.append((level, tokens[place + 1].content.strip()))
        elif token.type in ("bullet_list_open", "ordered_list_open"):
            depth += 1
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            depth -= 1
        elif token.type == "list_item_open":
            inline = tokens[place + 2] if place + 2 < len(tokens) else None
            if inline is not None and inline.type == "inline" and inline.content.strip():
                yield _item(inline, tuple(text for _, text in headings), depth)


def _item(inline: Token, path: tuple[str, ...], depth: int) -> BacklogItem:
    whole = inline.content
    box = _BOX.match(whole.split("\n")[0])
    text = box[2] if box else whole.split("\n")[0]
    mark = box[1] if box else None
    state = "none" if mark is None else "done" if mark in _DONE else "dropped" if mark in _DROPPED else "open"
    due, bad = due_of(whole)
    priority = _PRIORITY.search(whole)
    return BacklogItem(
        text.strip(),
        path[-1] if path else NO_SECTION,
        path,
        (inline.map or [0])[0] + 1,
        state,
        depth,
        tuple(dict.fromkeys(one or two for one, two in _OWNER.findall(whole))),
        tuple(dict.fromkeys(_TAG.findall(whole))),
        (priority[1] or priority[2]).upper() if priority else "",
        due,
        bad,
        _date(_ENDED.search(whole)),
    )


def _date(match: re.Match[str] | None) -> date | None:
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None
