"""The delegation matrix: one Markdown table that a person reads and edits, compiled into a frozen value."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from agent.errors import BadConfig
from agent.route.pattern import Pattern, index_keys, parse_pattern
from agent.route.request import Request
from agent.route.types import HANDOFF, TYPES
from agent.vault.values import Tier, Who

if TYPE_CHECKING:
    from markdown_it.token import Token

COLUMNS = ("#", "when the request says", "type", "tier", "who", "why")
WHO = MappingProxyType({Tier.TRIVIAL: Who.CODE, Tier.STANDARD: Who.LOCAL, Tier.COMPLEX: Who.LEAD})
"""Who does the work of a tier."""

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


@dataclass(frozen=True, slots=True)
class Matrix:
    """The rows in their order, and an index from first words to (row, pattern) so that few patterns are tried."""

    rows: tuple[Row, ...]
    index: Mapping[str, tuple[tuple[int, int], ...]]

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
                yield Match(row, words)


def load_matrix(
    text: str, where: str = "prompts/delegation.md", known_types: Collection[str] = frozenset(TYPES)
) -> Matrix:
    """Read the one table of the page. Raises BadConfig with the line of what is wrong; nothing is half loaded."""
    rows: list[Row] = []
    for line, cells in _table(text, where):
        try:
            row = _row(cells, known_types)
            if any(row.number == other.number for other in rows):
                raise ValueError(f"another row has the number {row.number} already")
        except ValueError as problem:
            raise BadConfig(
                "A row of the delegation matrix cannot be used",
                where=f"{where}, line {line}",
                why=str(problem),
                fix="mend that row; until then the last good matrix stays in force",
            ) from None
        rows.append(row)
    return Matrix(tuple(rows), _index(rows))


def _index(rows: Sequence[Row]) -> Mapping[str, tuple[tuple[int, int], ...]]:
    index: dict[str, tuple[tuple[int, int], ...]] = {}
    for number, row in enumerate(rows):
        for place, pattern in enumerate(row.patterns):
            for key in pattern.runs[0][0].first_keys():
                index[key] = (*index.get(key, ()), (number, place))
    return MappingProxyType(index)


def _row(cells: Sequence[Token], known_types: Collection[str]) -> Row:
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
    return Row(number, tuple(map(parse_pattern, _code_spans(cells[1]))), type_, tier, WHO[tier], why)


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


def _table(text: str, where: str) -> Iterator[tuple[int, list[Token]]]:
    """The body rows of the only table, each with its line (from 1) and its cells."""
    from markdown_it import MarkdownIt  # noqa: PLC0415  (50 ms that most commands need not pay)

    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    starts = [token.map[0] + 1 for token in tokens if token.type == "table_open" and token.map]
    if len(starts) != 1:
        raise BadConfig(
            "The delegation matrix cannot be read",
            where=f"{where}, line {starts[1] if starts else 1}",
            why="there is a second table on the page" if starts else "there is no table on the page",
            fix=f"keep exactly one table, with the columns {' | '.join(COLUMNS)}",
        )
    line = starts[0]
    cells: list[Token] = []
    for token in tokens:
        if token.type == "tr_open" and token.map:
            line, cells = token.map[0] + 1, []
        elif token.type == "inline" and token.level >= 4:  # deeper than paragraph text: a cell
            cells.append(token)
        elif token.type == "tr_close" and line == starts[0]:
            _check_columns([cell.content for cell in cells], f"{where}, line {line}")
        elif token.type == "tr_close":
            yield line, cells


def _check_columns(found: Sequence[str], where: str) -> None:
    if tuple(name.strip().lower().rstrip(" …") for name in found) != COLUMNS:
        raise BadConfig(
            "The delegation matrix cannot be read",
            where=where,
            why=f"its columns are {' | '.join(found)}",
            fix=f"name them {' | '.join(COLUMNS)}",
        )
