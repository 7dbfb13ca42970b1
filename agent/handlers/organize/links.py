"""The links of a note, found by one linear scan: wiki links and embeds, Markdown links, reference definitions.

Formats: CommonMark 0.31 (links, code spans) and Obsidian's internal links (`[[note#heading|alias]]`, in front matter
too). Nothing inside code counts; a line that reads like a definition does, wherever it stands.
`tests/handlers/test_organize_links.py` holds this against markdown-it-py.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote, unquote

from agent.handlers.organize.blocks import text_parts

WIKI, PLAIN, ANGLE = "wiki", "plain", "angle"
LONGEST_PREFIX = 80  # characters before a definition: marks of quotes and items

_BLANK = r"[ \t]{0,20}\n?[ \t]{0,20}"  # bounded, so that no run of blanks is tried in every way
_BARE = r"(?!<)(?:[^\s()\\]|\\[^\n]|\((?:[^\s()\\]|\\[^\n]|\([^\s()\\]*\))*\))*"
_ANGLE = r"(?:[^<>\n\\]|\\[^\n])*"
_TITLE = r"\"(?:[^\"\\]|\\[^\n])*\"|'(?:[^'\\]|\\[^\n])*'|\((?:[^()\\]|\\[^\n])*\)"
_SPECIAL = re.compile(r"[\\`\[\]]")
_WIKI = re.compile(r"\[\[(?P<path>[^\[\]|#\\\n]*)(?:#[^\[\]|\\\n]*)?(?:\\?\|(?:[^\[\]\n]|\[(?!\[)|\](?!\]))*)?\]\]")
_INLINE = re.compile(
    rf"\]\({_BLANK}(?:<(?P<angle>{_ANGLE})>|(?P<plain>{_BARE}))(?:{_BLANK}(?<=\s)(?:{_TITLE}))?{_BLANK}\)"
)
_DEFINITION = re.compile(
    rf"\[(?!\^)(?:[^\[\]\\\n]|\\[^\n]){{1,300}}\]:{_BLANK}(?:<(?P<angle>{_ANGLE})>|(?P<plain>[^\s<]\S*))"
)
_BEFORE_DEFINITION = re.compile(r"[ \t>]{0,12}(?:(?:[-*+]|[0-9]{1,9}[.)])[ \t]{1,4}){0,3}")
_RUN = re.compile(r"`+")
_HEADER = re.compile(r"\ufeff?---[ \t]*\r?\n.*?^---[ \t]*\r?(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


class Link(NamedTuple):
    """One link inside the vault. `start` and `end` enclose what names the file in the note's text, without a heading;
    `target` is that name decoded, "" for the note itself; `line` counts from 1."""

    start: int
    end: int
    target: str
    kind: str  # WIKI, PLAIN or ANGLE
    line: int


def header_end(text: str) -> int:
    """Where the body begins: behind the front matter, or at 0."""
    match = _HEADER.match(text) if text.startswith(("---", "\ufeff---")) else None
    return match.end() if match else 0


def links(text: str) -> list[Link]:
    """All links of a note that can lead to a file of the vault, in order. Addresses with a scheme are left out."""
    found: list[Link] = []
    if "[" not in text:
        return found
    line, counted = 1, 0
    for start, raw, kind in _spans(text):
        if kind != WIKI and _SCHEME.match(raw):
            continue
        path = raw if kind == WIKI else raw.partition("#")[0]
        target = raw.strip() if kind == WIKI else decoded(path)
        line += text.count("\n", counted, start)
        counted = start
        found.append(Link(start, start + len(path), target, kind, line))
    return found


def decoded(destination: str) -> str:
    """A Markdown destination as the path that it means."""
    if "\\" in destination:
        destination = _ESCAPED.sub(r"\1", destination)
    if "&" in destination:
        destination = html.unescape(destination)
    try:
        return unquote(destination, errors="strict")
    except UnicodeDecodeError:
        return destination


def encoded(path: str, kind: str) -> str:
    """A path as the destination of a link of this kind: the reverse of what `links` reads."""
    if kind == WIKI:
        return path
    safe = "/ ()'!$,;=@~+*" if kind == ANGLE else "/'!$,;=@~+*"
    if path.isascii():
        return quote(path, safe=safe)
    return "".join(letter if not letter.isascii() else quote(letter, safe=safe) for letter in path)


def _spans(text: str) -> Iterator[tuple[int, str, str]]:
    """Start, raw text and kind of every destination."""
    body = header_end(text)
    for match in _WIKI.finditer(text, 0, body):
        yield match.start("path"), match["path"], WIKI
    for start, end in text_parts(text[body:] if body else text):
        yield from _inline(text, body + start, body + end)


def _inline(text: str, at: int, end: int) -> Iterator[tuple[int, str, str]]:
    """The destinations in one part, by CommonMark's stack of brackets: a link holds no other link, but images."""
    openers: list[bool] = []  # whether each is an image's
    inside = 0  # so many of them are around a link: those that are no images cannot become one any more
    runs: dict[int, list[int]] | None = None
    while special := _SPECIAL.search(text, at, end):
        before, here = at, special.start()
        at = here + 1
        match text[here]:
            case "\\":
                at += text[at : at + 1] in _PUNCTUATION
            case "`":
                run = _RUN.match(text, here, end)
                runs = _code_runs(text, here, end) if runs is None else runs
                at = _behind_code(runs, run.end(), run.end() - here) if run else at
            case "[":
                if (found := _begun_here(text, here, end)) is not None:
                    yield found[:3]
                    at = found[3]
                else:
                    openers.append(here > before and text[here - 1] == "!")
            case _ if openers:
                image = openers.pop()
                alive, inside = image or len(openers) >= inside, min(inside, len(openers))
                if alive and (link := _INLINE.match(text, here, end)):
                    inside = inside if image else len(openers)
                    yield _destination(link)
                    at = link.end()


def _begun_here(text: str, here: int, end: int) -> tuple[int, str, str, int] | None:
    """The wiki link or the definition that begins at a bracket, and where it ends."""
    if text.startswith("[[", here):
        wiki = _WIKI.match(text, here, end)
        return (wiki.start("path"), wiki["path"], WIKI, wiki.end()) if wiki else None
    line = text.rfind("\n", max(0, here - LONGEST_PREFIX), here) + 1
    if here - line > LONGEST_PREFIX or not _BEFORE_DEFINITION.fullmatch(text, line, here):
        return None
    definition = _DEFINITION.match(text, here, end)
    return (*_destination(definition), definition.end()) if definition else None


def _destination(match: re.Match[str]) -> tuple[int, str, str]:
    kind = PLAIN if match[PLAIN] is not None else ANGLE
    return match.start(kind), match[kind], kind


def _code_runs(text: str, at: int, end: int) -> dict[int, list[int]]:
    """Where runs of backticks end, by their length, last first: so that a search for a partner never starts anew."""
    runs: dict[int, list[int]] = {}
    for match in _RUN.finditer(text, at, end):
        runs.setdefault(match.end() - match.start(), []).append(match.end())
    for ends in runs.values():
        ends.reverse()
    return runs


def _behind_code(runs: dict[int, list[int]], at: int, length: int) -> int:
    """Behind the code span that a run opened which ends at `at`; behind the run itself when nothing closes it."""
    ends = runs.get(length, [])
    while ends and ends[-1] <= at:
        ends.pop()
    return ends.pop() if ends else at
