"""The delegation matrix: a Markdown page that a person reads and edits, compiled into a frozen value.

The page has one table of rows, and may have a list of word groups before it under the heading "Words".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from agent.errors import BadConfig
from agent.route.pattern import KINDS, Groups, Pattern, Words, any_of, index_keys, parse_group, parse_pattern
from agent.route.request import FUNCTION_WORDS, JOINING, LIKELY, NUMBER, SURE, THINGS, Request, Word
from agent.route.types import HANDOFF, TYPES
from agent.vault.tables import only_table
from agent.vault.values import Tier, Who

if TYPE_CHECKING:
    from markdown_it.token import Token

FURTHER = "FURTHER"
"""The group of words with which a further order may begin; any other takes the whole request to the lead."""

COLUMNS = ("#", "when the request says", "type", "tier", "who", "why")
WHO = MappingProxyType({Tier.TRIVIAL: Who.CODE, Tier.STANDARD: Who.LOCAL, Tier.COMPLEX: Who.LEAD})
"""Who does the work of a tier."""

_GROUP_LINE = re.compile(r"([A-Z]+):?\s*`([^`]*)`", re.DOTALL)
_BETWEEN_PATTERNS = re.compile(r"[\s,]*(?:or)?[\s,]*")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: any of its patterns sends a request to this type, tier and doer. `number` is what column # says."""

    number: str
    patterns: tuple[Pattern, ...]
    type: str
    tier: Tier
    who: Who
    why: str


@dataclass(frozen=True, slots=True)
class Match:
    """A row that a request fits, and the words of the pattern by which it does."""

    row: Row
    words: str
    alone: bool = False  # the pattern allows nothing beside it in the request


@dataclass(frozen=True, slots=True)
class Matrix:
    """The rows in their order, and an index from first words to (row, pattern) so that few patterns are tried."""

    rows: tuple[Row, ...]
    index: Mapping[str, tuple[tuple[int, int], ...]]
    further: Words

    def stranger(self, request: Request) -> str:
        """A further order that is none of FURTHER, or "".

        Any unknown word counts that begins a sentence or follows "then". Behind a comma or "and" it may be one more
        thing, so there it counts when it has an object: "and harden the server", "and draw conclusions", but not
        "names and numbers". Being too strict here sends "names and phone numbers" up, which only costs money.
        """
        first, place = request.opening
        for number, sentence in enumerate(request.sentences):
            for at, word in enumerate(sentence):
                if word.order < LIKELY or word.kind or (number, at) <= (first, place):
                    continue
                if word.text in FUNCTION_WORDS or self.further.fit(word):
                    continue
                if word.order == SURE or _has_object(sentence, at):
                    return word.text
        return ""

    def matches(self, request: Request) -> Iterator[Match]:
        """Every row that fits, first row first, each with its first pattern that does."""
        found = {place for key in index_keys(request) for place in self.index.get(key, ())}
        last = -1
        for number, place in sorted(found):
            if number == last:
                continue
            row = self.rows[number]
            words = row.patterns[place].fits(request)
            if words:
                last = number
                yield Match(row, words, row.patterns[place].alone)


def load_matrix(
    text: str, where: str = "prompts/delegation.md", known_types: Collection[str] = frozenset(TYPES)
) -> Matrix:
    """Read the one table of the page. Raises BadConfig with the line of what is wrong; nothing is half loaded."""
    tokens = _tokens(text)
    groups: dict[str, tuple[str, ...]] = {}
    for line, name, words in _groups(tokens, where):
        with _told("A group of words of the delegation matrix cannot be used", where, line, "that line"):
            if name in (*KINDS, "ALONE"):
                raise ValueError(f"{name} has a meaning already")
            if name in groups:
                raise ValueError(f"another group is called {name} already")
            groups[name] = parse_group(words, groups)
            if name == FURTHER and any("_" in choice for choice in groups[name]):
                raise ValueError("an order begins with one word; no phrase can stand here")
    rows: list[Row] = []
    for line, cells in only_table(tokens, COLUMNS, what="The delegation matrix", where=where):
        with _told("A row of the delegation matrix cannot be used", where, line, "that row"):
            row = _row(cells, known_types, groups)
            if any(row.number == other.number for other in rows):
                raise ValueError(f"another row has the number {row.number} already")
            rows.append(row)
    return Matrix(tuple(rows), _index(rows), any_of(groups.get(FURTHER, ()), FURTHER))


def _has_object(sentence: Sequence[Word], at: int) -> bool:
    if at + 1 == len(sentence) or sentence[at + 1].order >= LIKELY:
        return False
    text, kind, _ = sentence[at + 1]
    joined = sentence[at - 1].text in JOINING and kind != NUMBER and text not in FUNCTION_WORDS
    return text in THINGS or joined


@contextmanager
def _told(problem: str, where: str, line: int, what: str) -> Iterator[None]:
    """A ValueError inside becomes a BadConfig that names the line."""
    try:
        yield
    except ValueError as error:
        raise BadConfig(
            problem,
            where=f"{where}, line {line}",
            why=str(error),
            fix=f"mend {what}; until then the last good matrix stays in force",
        ) from None


def _index(rows: Sequence[Row]) -> Mapping[str, tuple[tuple[int, int], ...]]:
    index: dict[str, tuple[tuple[int, int], ...]] = {}
    for number, row in enumerate(rows):
        for place, pattern in enumerate(row.patterns):
            for key in pattern.runs[0][0].first_keys():
                index[key] = (*index.get(key, ()), (number, place))
    return MappingProxyType(index)


def _row(cells: Sequence[Token], known_types: Collection[str], groups: Groups) -> Row:
    number, type_, tier_word, who_word, why = (cells[place].content.strip() for place in (0, 2, 3, 4, 5))
    if not number:
        raise ValueError("column # is empty; reports name a row by it")
    if type_ not in known_types:
        raise ValueError(f"the type '{type_}' is not known; known are {', '.join(sorted(known_types))}")
    if tier_word not in list(Tier):
        raise ValueError(f"the tier is '{tier_word}'; it must be {', '.join(Tier)}")
    tier = Tier(tier_word)
    if who_word != WHO[tier]:
        raise ValueError(f"{tier} work is done by {WHO[tier]}, not by '{who_word}'")
    if type_ == HANDOFF and tier is not Tier.COMPLEX:
        raise ValueError("a handoff is complex work of the lead's")
    if tier is Tier.TRIVIAL and TYPES.get(type_, tier) is Tier.STANDARD:
        raise ValueError(f"'{type_}' needs a model, so it cannot be trivial")
    patterns = tuple(parse_pattern(span, groups) for span in _code_spans(cells[1]))
    return Row(number, patterns, type_, tier, WHO[tier], why)


def _code_spans(cell: Token) -> list[str]:
    spans = []
    for token in cell.children or ():
        if token.type == "code_inline":
            spans.append(token.content)
        elif not _BETWEEN_PATTERNS.fullmatch(token.content):
            raise ValueError(f"'{token.content.strip()}' stands outside backticks; write each pattern as `pattern`")
    if not spans:
        raise ValueError("it has no pattern; write at least one in backticks")
    return spans


def _tokens(text: str) -> list[Token]:
    from markdown_it import MarkdownIt  # noqa: PLC0415  (50 ms that most commands need not pay)

    return MarkdownIt("commonmark").enable("table").parse(text)


def _groups(tokens: Sequence[Token], where: str) -> Iterator[tuple[int, str, str]]:
    """The items of the list under the heading "Words": line, name, and the words in backticks."""
    under_words, heading, item = False, False, False
    for token in tokens:
        if token.type in ("heading_open", "list_item_open"):
            heading, item = token.type == "heading_open", token.type == "list_item_open"
        elif token.type == "inline" and heading:
            under_words, heading = token.content.strip().lower() == "words", False
        elif token.type == "inline" and item and under_words:
            item = False
            line = token.map[0] + 1 if token.map else 1
            match = _GROUP_LINE.fullmatch(token.content)
            if not match:
                raise BadConfig(
                    "A group of words of the delegation matrix cannot be read",
                    where=f"{where}, line {line}",
                    why=f"'{token.content[:60]}' is not of the form NAME `word, word`",
                    fix="write the name in capitals and the words in one pair of backticks, with commas between",
                )
            yield line, match[1], match[2]
