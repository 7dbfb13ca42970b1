"""The one table on a page that a person edits: its rows with their lines, and what is wrong with it in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from agent.errors import BadConfig

if TYPE_CHECKING:
    from markdown_it.token import Token


def only_table(
    tokens: Sequence[Token], columns: Sequence[str], *, what: str, where: str
) -> Iterator[tuple[int, list[Token]]]:
    """The body rows of the only table in a parsed page, each with its line (from 1) and its cells. `columns`: its
    headings, in small letters, without an ellipsis at their end. Raises BadConfig: `what` of `where` cannot be read."""
    starts = [token.map[0] + 1 for token in tokens if token.type == "table_open" and token.map]
    if len(starts) != 1:
        raise BadConfig(
            f"{what} cannot be read",
            where=f"{where}, line {starts[1] if starts else 1}",
            why="there is a second table on the page" if starts else "there is no table on the page",
            fix=f"keep exactly one table, with the columns {' | '.join(columns)}",
        )
    line = starts[0]
    cells: list[Token] = []
    for token in tokens:
        if token.type == "tr_open" and token.map:
            line, cells = token.map[0] + 1, []
        elif token.type == "inline" and token.level >= 4:  # deeper than paragraph text: a cell
            cells.append(token)
        elif token.type == "tr_close" and line == starts[0]:
            found = [cell.content for cell in cells]
            if tuple(name.strip().lower().rstrip(" …") for name in found) != tuple(columns):
                raise BadConfig(
                    f"{what} cannot be read",
                    where=f"{where}, line {line}",
                    why=f"its columns are {' | '.join(found)}",
                    fix=f"name them {' | '.join(columns)}",
                )
        elif token.type == "tr_close":
            yield line, cells
