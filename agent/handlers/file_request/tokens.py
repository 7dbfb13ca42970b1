"""A line cut into tokens, and whether tokens say certain words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_END = r"(?=[\s.,:;!?)]|$)"
_TOKEN = re.compile(
    rf"""\[\[(?P<link>[^\[\]\n]{{1,300}})\]\]{_END}
      | "(?P<quote>[^"\n]*)"{_END} | “(?P<curly>[^“”\n]*)”{_END} | '(?P<single>[^'\n]*)'{_END}
      | `(?P<code>[^`\n]+)`{_END}
      | (?P<colon>:)(?=\s|$) | (?P<comma>,)(?=\s|$)
      | (?P<word>[^\s"“”`,:]+(?:[,:]+[^\s"“”`,:]+)*)
      | (?P<bad>\S)""",
    re.VERBOSE,
)


class Token(NamedTuple):
    """A word, or something that is set apart by its marks, without them."""

    kind: str  # word, quote, code, link, colon, comma, bad
    text: str


def tokenise(line: str) -> Iterator[tuple[Token, int]]:
    """Each token of a line, and where the line goes on behind it."""
    for match in _TOKEN.finditer(line):
        group = match.lastgroup or "bad"
        kind = "quote" if group in ("curly", "single") else group
        yield Token(kind, match[group]), match.end()


def says(tokens: list[Token], words: list[str]) -> bool:
    """Whether the tokens begin with these words."""
    return len(tokens) >= len(words) and all(
        token.kind == "word" and token.text.casefold().replace("’", "'").rstrip(".!?;") == word
        for token, word in zip(tokens, words, strict=False)
    )


def word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


def phrases(text: str) -> list[list[str]]:
    """Phrases set apart by bars, each as its words."""
    return [phrase.split() for phrase in text.split("|")]
