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

_BLANK = r"[ \t]{0,20}\n?[ \t]{0,20}"  # bounded, so that no run of blanks is tried in every way
_BARE = r"(?!<)(?:[^\s()\\]|\\[^\n]|\((?:[^\s()\\]|\\[^\n]|\([^\s()\\]*\))*\))*"
_ANGLE = r"(?:[^<>\n\\]|\\[^\n])*"
_TITLE = r"\"(?:[^\"\\]|\\[^\n])*\"|'(?:[^'\\]|\\[^\n])*'|\((?:[^()\\]|\\[^\n])*\)"
_WIKI = r"!?\[\[(?P<wiki>[^\[\]|\#\\\n]*)(?:\#[^\[\]|\\\n]*)?(?:\\?\|(?:[^\]\n]|\](?!\]))*)?\]\]"
_TOKEN = re.compile(
    rf"""(?P<escape>\\[!-/:-@\[-`{{-~])
      | (?P<code>`+)
      | {_WIKI}
      | ^[ \t>]{{0,12}}(?:(?:[-*+]|[0-9]{{1,9}}[.)])[ \t]{{1,4}}){{0,3}}
        \[(?!\^)(?:[^\[\]\\\n]|\\[^\n]){{1,300}}\]:{_BLANK}
        (?:<(?P<defined_angle>{_ANGLE})>|(?P<defined>[^\s<]\S*))
      | (?P<open>!?\[)
      | \]\({_BLANK}(?:<(?P<angle>{_ANGLE})>|(?P<bare>{_BARE}))(?:{_BLANK}(?<=\s)(?:{_TITLE}))?{_BLANK}\)
      | (?P<close>\])
    """,
    re.VERBOSE | re.MULTILINE,
)
_RUN = re.compile(r"`+")
_IN_HEADER = re.compile(_WIKI)
_HEADER = re.compile(r"\ufeff?---[ \t]*\r?\n.*?^---[ \t]*\r?(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")
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
    return "".join(letter if not letter.isascii() else quote(letter, safe=safe) for letter in path)


def _spans(text: str) -> Iterator[tuple[int, str, str]]:
    """Start, raw text and kind of every destination."""
    body = header_end(text)
    for match in _IN_HEADER.finditer(text, 0, body):
        yield match.start("wiki"), match["wiki"], WIKI
    parts = text_parts(text[body:] if body else text)
    for start, end in parts:
        yield from _inline(text, body + start, body + end)


def _inline(text: str, at: int, end: int) -> Iterator[tuple[int, str, str]]:
    """The destinations in one part, by CommonMark's stack of brackets: a link holds no other link, but images."""
    openers: list[tuple[bool, bool]] = []  # (is an image, may still become a link)
    runs: dict[int, list[int]] | None = None
    while match := _TOKEN.search(text, at, end):
        at = match.end()
        group = match.lastgroup
        if group == "code":
            runs = _code_runs(text, match.start(), end) if runs is None else runs
            at = _behind_code(runs, at, len(match["code"]))
        elif group == "wiki":
            yield match.start("wiki"), match["wiki"], WIKI
        elif group in ("defined", "defined_angle"):
            yield match.start(group), match[group], PLAIN if group == "defined" else ANGLE
        elif group == "open":
            openers.append((match["open"] == "![", True))
        elif group == "close" or (group in ("angle", "bare") and not openers):
            at = match.start() + 1
            openers[-1:] = []
        elif group in ("angle", "bare"):
            image, alive = openers.pop()
            if not alive:
                at = match.start() + 1
                continue
            if not image:
                openers = [(one, living and one) for one, living in openers]
            yield match.start(group), match[group], PLAIN if group == "bare" else ANGLE


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
