"""The rules: `prompts/organize.md`, a Markdown page with one table that a person reads and edits, as frozen values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.errors import BadConfig, Refused
from agent.files import writable
from agent.handlers.organize.globs import Glob, read_glob
from agent.vault.tables import only_table

if TYPE_CHECKING:
    from markdown_it.token import Token

PAGE = "prompts/organize.md"
COLUMNS = ("when", "move to", "why")
KEEP = "keep"
UNITS = {"day": 1, "week": 7, "month": 30, "year": 365}  # days; an age limit need not be more exact
WORDS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10, "twelve": 12}

_AGE = re.compile(
    rf"(older than|unchanged for) ([0-9]{{1,5}}|{'|'.join(WORDS)}) ?(d|days?|w|weeks?|months?|y|years?)", re.IGNORECASE
)
_FIELD = re.compile(r"([^\s=#*/][^=*/]{0,60}?)\s*=\s*(\S.{0,200})")
_TAG = re.compile(r"#([^\W\d][\w/-]{0,100})")
_BETWEEN = re.compile(r"\s*,\s*|\s+and\s+|^and\s+|\s+and$")
_FILLERS = frozenset({"", "and", "with", "tagged"})
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_DATE_WORDS = frozenset({"year", "month", "day"})
_UNLINKABLE = re.compile(r"[#^\[\]|]|%%")  # what no wiki link to a note in there could say


@dataclass(frozen=True, slots=True)
class Target:
    """A folder, with placeholders in braces: `memory/archive/{year}/`."""

    text: str
    form: re.Pattern[str]  # the folders that it can become, and what lies below them

    @property
    def placeholders(self) -> tuple[str, ...]:
        return tuple(_PLACEHOLDER.findall(self.text))

    @property
    def dated(self) -> bool:
        return not _DATE_WORDS.isdisjoint(self.placeholders)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: everything in `When` must be so. Ages are in days, None without a limit; no target keeps the file."""

    line: int
    when: str  # as it is written
    globs: tuple[Glob, ...] = ()
    older: int | None = None
    unchanged: int | None = None
    fields: tuple[tuple[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    target: Target | None = None
    why: str = ""


def load_rules(text: str, where: str = PAGE) -> tuple[Rule, ...]:
    """Read the one table of the page. Raises BadConfig with the line of what is wrong; nothing is half loaded."""
    rules = []
    for line, cells in only_table(_parsed(text), COLUMNS, what="The organizer's rules", where=where):
        try:
            rules.append(_rule(line, cells))
        except ValueError as error:
            raise BadConfig(
                "A row of the organizer's rules cannot be used",
                where=f"{where}, line {line}",
                why=str(error),
                fix="mend that row, then run the task again; nothing was moved",
            ) from None
    return tuple(rules)


def age(text: str) -> int:
    """`30 days`, `30d`, `two weeks` in days. ValueError for anything else."""
    if not (match := _AGE.fullmatch(f"older than {text.strip()}")):
        raise ValueError(f"'{text}' is no age; write it like 30 days, 2 weeks, 6 months or 1 year")
    return _days(match)


def _days(match: re.Match[str]) -> int:
    number = WORDS.get(match[2].lower()) or int(match[2])
    unit = next(days for name, days in UNITS.items() if name.startswith(match[3].lower().rstrip("s")))
    return number * unit


def _rule(line: int, cells: Sequence[Token]) -> Rule:
    when, to, why = cells[:3]
    globs: list[Glob] = []
    fields: list[tuple[str, str]] = []
    tags: list[str] = []
    ages: dict[str, int] = {}
    for said, is_code in _conditions(when):
        if match := _AGE.fullmatch(said):
            key = match[1].lower()
            if key in ages:
                raise ValueError(f"'{key}' stands twice in it")
            ages[key] = _days(match)
        elif not is_code:
            raise ValueError(f"'{said}' is not understood; write patterns in backticks, ages like `older than 30 days`")
        elif tag := _TAG.fullmatch(said):
            tags.append(tag[1].casefold())
        elif pair := _FIELD.fullmatch(said):
            fields.append((pair[1].strip(), pair[2].strip()))
        else:
            globs.append(read_glob(said))
    if not (globs or fields or tags or ages):
        raise ValueError("column When is empty")
    return Rule(
        line, when.content.strip(), tuple(globs), ages.get("older than"), ages.get("unchanged for"), tuple(fields),
        tuple(tags), _target(to), why.content.strip(),
    )  # fmt: skip


def _conditions(cell: Token) -> Iterator[tuple[str, bool]]:
    """Each condition of a cell, and whether it stands in backticks."""
    for token in cell.children or ():
        if token.type == "code_inline":
            yield token.content.strip(), True
        else:
            for part in _BETWEEN.split(token.content.strip()):
                if part.strip().lower() not in _FILLERS:
                    yield part.strip(), False


def _target(cell: Token) -> Target | None:
    said = cell.content.strip().strip("`").strip()
    if said.lower() == KEEP:
        return None
    if not said.endswith("/") or said.startswith("/"):
        raise ValueError(f"column Move to says '{said}'; it must be a folder like `memory/archive/{{year}}/`, or keep")
    if _UNLINKABLE.search(said):
        raise ValueError(f"no link can lead into '{said}': leave out #, ^, |, [ and ]")
    words = _PLACEHOLDER.findall(said)
    if any(not word.strip() for word in words) or set("{}") & set(_PLACEHOLDER.sub("", said)):
        raise ValueError(f"a brace in '{said}' is not closed, or there is nothing in it")
    try:
        writable(_PLACEHOLDER.sub("2026", said) + "a.md")
    except Refused as error:
        raise ValueError(f"nothing may be moved to '{said}': {error.why}") from None
    pieces = _PLACEHOLDER.split(said.rstrip("/"))  # plain text and placeholders in turn
    form = "".join(
        re.escape(piece) if at % 2 == 0 else "[0-9]{2,4}" if piece in _DATE_WORDS else "[^/]+"
        for at, piece in enumerate(pieces)
    )
    return Target(said, re.compile(f"{form}(?:/.*)?"))


def _parsed(text: str) -> list[Token]:
    from markdown_it import MarkdownIt  # noqa: PLC0415  (50 ms that most commands need not pay)

    return MarkdownIt("commonmark").enable("table").parse(text)
