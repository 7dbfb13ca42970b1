"""Long material in parts that fit the model: cut at headings and paragraphs, and small ones asked about together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.handlers.research.sources import Source
from agent.models.gate import estimate

FRAME = 24  # tokens around one part: its label and the marks of quoted data
_BLOCK = re.compile(r"\n\s*\n|\n(?=#{1,6} )")
_HEADING = re.compile(r"#{1,6} [^\n]*")
_MARKS = ("\n", ". ", " ")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of one source's text."""

    source: Source
    text: str


def questions(sources: Sequence[Source], room: int) -> list[list[Part]]:
    """All material, in order, in as few questions of at most `room` tokens as that takes."""
    asked: list[list[Part]] = []
    left = 0
    for source in sources:
        for text in split(source.text, room - FRAME):
            size = estimate(text) + FRAME
            if size > left:
                asked.append([])
                left = room
            asked[-1].append(Part(source, text))
            left -= size
    return asked


def split(text: str, room: int) -> Iterator[str]:
    """The text in pieces of at most `room` tokens: whole sections and paragraphs where they fit, else lines."""
    piece: list[str] = []
    left = room
    for block in (part for whole in _blocks(text) for part in _cut(whole, room)):
        size = estimate(block) + 2
        if size > left and piece:
            yield "\n\n".join(piece)
            piece, left = [], room
        piece.append(block)
        left -= size
    if piece:
        yield "\n\n".join(piece)


def halves(part: Part) -> tuple[Part, Part]:
    """Two parts of one that the model could not take, each with less than two thirds of its text."""
    at = _place(part.text, len(part.text) // 2)
    return Part(part.source, part.text[:at]), Part(part.source, part.text[at:])


def _blocks(text: str) -> Iterator[str]:
    """Paragraphs, a heading with the first one below it."""
    headings: list[str] = []
    for block in _BLOCK.split(text):
        if _HEADING.fullmatch(block.strip()):
            headings.append(block.strip())
        elif block.strip():
            yield "\n\n".join([*headings, block])
            headings.clear()
    if headings:
        yield "\n\n".join(headings)


def _cut(block: str, room: int) -> Iterator[str]:
    """A block that is too big, in pieces that are not."""
    while (size := estimate(block) + 2) > room:
        at = _place(block, max(1, len(block) * room // size - 8))
        yield block[:at]
        block = block[at:]
    yield block


def _place(text: str, near: int) -> int:
    """Where to cut at or before a place, not before two thirds of it: after a line, a sentence or a word."""
    for mark in _MARKS:
        if (at := text.rfind(mark, near * 2 // 3, near)) > 0:
            return at + len(mark)
    return near
