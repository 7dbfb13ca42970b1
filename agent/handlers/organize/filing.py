"""Which row of the rules a file fits, and the folder that it says."""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from agent import frontmatter
from agent.errors import BadHeader
from agent.frontmatter import Value
from agent.handlers.organize.blocks import text_parts
from agent.handlers.organize.dating import header_day, name_day, saved_day, valid_day
from agent.handlers.organize.links import header_end
from agent.handlers.organize.names import folder_of
from agent.handlers.organize.rules import Rule

_NO_FOLDER = re.compile(r'[\\/:*?"<>|#^\[\]{}\x00-\x1f]|%%|^\.|\.$')


@dataclass(frozen=True, slots=True)
class Wish:
    """Where a row wants a file to be; `problem` says why it cannot be told."""

    rule: Rule
    folder: str = ""
    problem: str = ""


@dataclass(slots=True)
class Paper:
    """A file as the rules see it. `text` is "" for what is no note; `modified` is in seconds since the epoch."""

    path: str
    modified: float
    text: str = ""
    _values: Mapping[str, Value] | None = field(default=None, repr=False)

    @property
    def values(self) -> Mapping[str, Value]:
        """The front matter; none where nobody can read it."""
        if self._values is None:
            try:
                self._values = frontmatter.read(self.text[: header_end(self.text)]).values if self.text else {}
            except BadHeader:
                self._values = {}
        return self._values

    def day(self, named: Mapping[str, str]) -> date:
        """The day that the file is about, `named` being the digits that a glob found in its path."""
        by_glob = _named_day(named)
        return by_glob or name_day(self.path) or header_day(self.values) or saved_day(self.modified)

    def has(self, key: str, wanted: str) -> bool:
        value = self.values.get(key)
        said = value if isinstance(value, list) else [value]
        return any(isinstance(one, str) and one.strip().casefold() == wanted.casefold() for one in said)

    def tagged(self, tag: str) -> bool:
        """Whether a tag, or one below it, stands in the front matter or in the text."""
        for key in ("tags", "tag"):
            value = self.values.get(key)
            said = value if isinstance(value, list) else re.split(r"[\s,]+", value) if isinstance(value, str) else []
            if any(isinstance(one, str) and _is_tag(one.strip().lstrip("#").casefold(), tag) for one in said):
                return True
        wanted = re.compile(rf"(?:^|\s)#{re.escape(tag)}(?![\w-])", re.IGNORECASE)
        start = header_end(self.text)
        body = self.text[start:]
        if not wanted.search(body):
            return False
        return any(wanted.search(body, begin, end) for begin, end in text_parts(body))


@dataclass(frozen=True, slots=True)
class Fit:
    """A row that a file fits, and the digits of a date that its globs found in the path."""

    rule: Rule
    named: Mapping[str, str]


def first_fit(rules: Sequence[Rule], paper: Paper, today: date, older: int | None = None) -> Fit | None:
    """The first row that a file fits. `older` (days) takes the place of every row's own age limit."""
    names = paper.path.split("/")
    for rule in rules:
        named = _fits(rule, paper, names, today, older)
        if named is not None:
            return Fit(rule, named)
    return None


def wish_of(fit: Fit, paper: Paper) -> Wish | None:
    """What a row wants of a file that fits it, None when that is that the file stays where it is."""
    rule = fit.rule
    if rule.target is None or rule.target.form.fullmatch(folder_of(paper.path)):
        return None
    day = paper.day(fit.named)
    words = {"year": f"{day.year:04}", "month": f"{day.month:02}", "day": f"{day.day:02}"}
    words["folder"] = folder_of(paper.path).rpartition("/")[2]
    folder = rule.target.text.rstrip("/")
    for word in rule.target.placeholders:
        value = words.get(word) or paper.values.get(word)
        said = value.strip() if isinstance(value, str) else ""
        if not said or _NO_FOLDER.search(said):
            why = f"its `{word}` is no folder name" if said else f"it has no `{word}`"
            return Wish(rule, problem=why)
        folder = folder.replace(f"{{{word}}}", said)
    return Wish(rule, folder)


def _fits(rule: Rule, paper: Paper, names: Sequence[str], today: date, older: int | None) -> Mapping[str, str] | None:
    named: dict[str, str] = {}
    for glob in rule.globs:
        found = glob.fits(names)
        if found is None:
            return None
        named |= found
    if named and _named_day(named) is None:
        return None  # 2026-13-45 is no date
    if rule.unchanged is not None and (today - saved_day(paper.modified)).days <= (older or rule.unchanged):
        return None
    if rule.older is not None and (today - paper.day(named)).days <= (older or rule.older):
        return None
    if not all(paper.has(key, value) for key, value in rule.fields):
        return None
    return named if all(paper.tagged(tag) for tag in rule.tags) else None


def _named_day(named: Mapping[str, str]) -> date | None:
    """A whole date; the last day of a month or of a year where the path names no more."""
    if "year" not in named:
        return None
    month = named.get("month", "12")
    if not 1 <= int(month) <= 12:
        return None
    last = calendar.monthrange(max(1, int(named["year"])), int(month))[1]
    return valid_day(named["year"], month, named.get("day", str(last)))


def _is_tag(said: str, tag: str) -> bool:
    return said == tag or said.startswith(f"{tag}/")
