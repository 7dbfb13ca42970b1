"""`prompts/forward.md`: a table that says who gets which message, read from top to bottom."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.errors import Refused

RULES = "prompts/forward.md"
_COLUMNS = ("when the message has", "to")
_ANY = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row. `words`: any one of them, as a whole word or phrase; `*` fits every message. `line` counts from 1."""

    words: tuple[str, ...]
    to: str
    line: int

    @property
    def says(self) -> str:
        return "every message" if _ANY in self.words else f"it has {' or '.join(repr(word) for word in self.words)}"

    def fits(self, text: str) -> bool:
        folded = " ".join(re.findall(r"\w+", text.casefold()))
        return _ANY in self.words or any(f" {_flat(word)} " in f" {folded} " for word in self.words)


def read_rules(text: str) -> tuple[Rule, ...]:
    """The rows of the first table with these columns; none when there is no such table. Raises Refused for a row that
    is none, with its line."""
    rules: list[Rule] = []
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if "|" in line else []
        if not inside:
            inside = tuple(cell.casefold() for cell in cells[:2]) == _COLUMNS
        elif not cells:
            break
        elif not set("".join(cells)) <= set("-: "):
            words = tuple(word for part in cells[0].split(",") if (word := part.strip().strip("`\"'").strip()))
            if len(cells) < 2 or not words or not cells[1].strip("`"):
                fix = "write it like: | invoice, payment | bookkeeping |"
                raise Refused("this row of the rules cannot be used", where=f"{RULES} line {number}", fix=fix)
            rules.append(Rule(words, cells[1].strip("`").strip(), number))
    return tuple(rules)


def _flat(word: str) -> str:
    return " ".join(re.findall(r"\w+", word.casefold()))
