"""Which lines of a Markdown text are running text and which are code, in one pass and without a parser.

As CommonMark 0.31 has it, as far as code is concerned: fences and indented code, in quotes and list items too. What it
leaves out (HTML blocks, set-free lists) changes no answer to the one question that is asked here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

DEEPEST = 64  # quotes and items inside each other; what is deeper is text
_QUOTE = -1  # a container: a quote, or the columns by which a list item's content is indented
_CODE_SIGN = re.compile(r"`|~~~|^[ >*+0-9.)-]*(?: {4}|\t)", re.MULTILINE)
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_ITEM = re.compile(r" {0,3}(?:[-*+]|([0-9]{1,9})[.)])(?= |$)")
_RULE = re.compile(r" {0,3}([-*_])[ ]*(?:\1[ ]*){2,}$")
_SETEXT = re.compile(r" {0,3}(?:=+|-+) *$")
_DEFINITION = re.compile(r" {0,3}\[(?:[^\[\]\\]|\\.){1,300}\]: *\S+ *$")
_HEADING = re.compile(r" {0,3}#{1,6}(?: |$)")


def text_parts(body: str) -> list[tuple[int, int]]:
    """Where running text begins and ends in a note without its header, in order.

    A part ends at the latest where a paragraph does, so that no inline code reaches from one part into the next.
    """
    if not _CODE_SIGN.search(body):
        return [(0, len(body))]
    state, at = _State(), 0
    odd = "\t" in body or "\r" in body
    for line in body.split("\n"):
        end = at + len(line)
        if line[:1].isalpha() and not state.containers and not state.fence:
            state.take_words(at, end)  # most lines, fast
        else:
            state.take(line.expandtabs(4).rstrip("\r") if odd else line, at, end)
        at = end + 1
    state.end_part()
    return state.parts


@dataclass(slots=True)
class _State:
    """What is open after the lines so far."""

    parts: list[tuple[int, int]] = field(default_factory=list)
    containers: list[int] = field(default_factory=list)
    fence: str = ""  # the marks that opened it
    paragraph: bool = False
    start: int = -1  # of the part that is open
    end: int = -1

    def take_words(self, at: int, end: int) -> None:
        """A line that begins with a letter, outside of everything."""
        if self.start < 0:
            self.start = at
        self.end, self.paragraph = end, True

    def take(self, line: str, at: int, end: int) -> None:
        rest, matched = self._inside(line)
        if self.fence and matched == len(self.containers):
            if _closes(rest, self.fence):
                self.fence = ""
            return
        self.fence = ""
        if not rest.strip():
            del self.containers[matched:]
            self.end_part()
            return
        rest, opened = self._enter(rest, matched)
        if not opened and matched < len(self.containers):
            if self.paragraph and not _begins_block(rest):
                self.end = end  # a lazy continuation: the containers stay open
                return
            del self.containers[matched:]
            self.end_part()
        self._leaf(rest, at, end)

    def end_part(self) -> None:
        if self.start >= 0:
            self.parts.append((self.start, self.end))
        self.start, self.paragraph = -1, False

    def _inside(self, line: str) -> tuple[str, int]:
        """What is left of a line inside the open containers, and how many of them it is in."""
        rest = line
        for number, width in enumerate(self.containers):
            bare = rest.lstrip(" ")
            indent = len(rest) - len(bare)
            if width == _QUOTE:
                if indent > 3 or not bare.startswith(">"):
                    return rest, number
                rest = bare[2:] if bare.startswith("> ") else bare[1:]
            elif not bare:
                continue
            elif indent < width:
                return rest, number
            else:
                rest = rest[width:]
        return rest, len(self.containers)

    def _enter(self, rest: str, matched: int) -> tuple[str, bool]:
        """What is left of a line behind the marks of quotes and items that begin in it."""
        opened = False
        while True:
            bare = rest.lstrip(" ")
            if len(rest) - len(bare) > 3 or len(self.containers) >= DEEPEST:
                return rest, opened
            if bare.startswith(">"):
                self._open(_QUOTE, matched, opened)
                rest, opened = bare[2:] if bare.startswith("> ") else bare[1:], True
                continue
            item = _ITEM.match(rest)
            if not item or _RULE.match(rest) or self._only_continues(rest, item, opened):
                return rest, opened
            content = rest[item.end() :]
            spaces = len(content) - len(content.lstrip(" "))
            width = item.end() + (spaces if 1 <= spaces <= 4 and content.strip() else 1)
            self._open(width, matched, opened)
            rest, opened = rest[width:], True

    def _only_continues(self, rest: str, item: re.Match[str], opened: bool) -> bool:
        """An empty item, or a number other than 1, does not interrupt a paragraph."""
        if opened or not self.paragraph:
            return False
        return not rest[item.end() :].strip() or (item[1] is not None and int(item[1]) != 1)

    def _open(self, container: int, matched: int, opened: bool) -> None:
        if not opened:
            del self.containers[matched:]
            self.end_part()
        self.containers.append(container)

    def _leaf(self, rest: str, at: int, end: int) -> None:
        if not self.paragraph and rest.startswith("    "):
            self.end_part()
            return
        if fence := _FENCE.match(rest):
            self.end_part()
            self.fence = fence[1]
            return
        heading = _HEADING.match(rest) or _RULE.match(rest)
        if heading:
            self.end_part()
        alone = heading or (self.start < 0 and _DEFINITION.match(rest))
        if self.start < 0:
            self.start = at
        self.end, self.paragraph = end, True
        if alone or (_SETEXT.match(rest) and self.start < at):
            self.end_part()


def _closes(rest: str, fence: str) -> bool:
    bare = rest.strip(" ")
    return len(rest) - len(rest.lstrip(" ")) <= 3 and len(bare) >= len(fence) and not bare.strip(fence[0])


def _begins_block(rest: str) -> bool:
    return bool(_FENCE.match(rest) or _HEADING.match(rest) or _RULE.match(rest))
