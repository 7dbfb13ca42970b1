"""The facts of a text that code can find and compare: numbers, dates, addresses, words. Nothing is understood here;
what a model says is looked for in what it was given."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

Day: TypeAlias = "tuple[int | None, int, int]"
"""Year, month, day; the year is None where the text leaves it out."""

_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"'`)\]}]+", re.IGNORECASE)
_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")
_NUMBER = re.compile(r"\d+(?:[.,'’_]\d+)*")
_SPACED = re.compile(r"(?<![\d.,])\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?!\d)")
_MONTHS = (
    ("january", "jan", "januar"),
    ("february", "feb", "februar"),
    ("march", "mar", "märz"),
    ("april", "apr"),
    ("may", "mai"),
    ("june", "jun", "juni"),
    ("july", "jul", "juli"),
    ("august", "aug"),
    ("september", "sep", "sept"),
    ("october", "oct", "oktober", "okt"),
    ("november", "nov"),
    ("december", "dec", "dezember", "dez"),
)
_MONTH = {name: number for number, names in enumerate(_MONTHS, 1) for name in names}
_NAMES = "|".join(sorted(_MONTH, key=len, reverse=True))
_ISO = re.compile(r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
_NUMERIC = re.compile(r"(?<![\d./-])(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?!\d)")
_DAY_FIRST = re.compile(
    rf"(?<!\d)(\d{{1,2}})(?:st|nd|rd|th)?\.?\s+(?:of\s+)?({_NAMES})\b\.?(?:,?\s+(\d{{4}}))?(?!\d)", re.IGNORECASE
)
_MONTH_FIRST = re.compile(
    rf"\b({_NAMES})\b\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?(?![\d:])(?:,?\s+(\d{{4}}))?(?!\d)", re.IGNORECASE
)
_WORD = re.compile(r"[^\W_]+")
_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "−": "-"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found. A date that can be read in two ways is a set of both readings; a number likewise."""

    dates: tuple[frozenset[Day], ...] = ()
    numbers: tuple[frozenset[Decimal], ...] = ()
    addresses: frozenset[str] = frozenset()

    def has_number(self, value: Decimal) -> bool:
        return any(value in readings for readings in self.numbers)

    def has_date(self, day: Day) -> bool:
        """Whether the day is there; a year that one side leaves out must at least be a number of the text."""
        year, *rest = day
        for readings in self.dates:
            for its_year, *its_rest in readings:
                if rest == its_rest and (
                    (None in (year, its_year) and (year is None or self.has_number(Decimal(year)))) or year == its_year
                ):
                    return True
        return False


def facts_of(text: str) -> Facts:
    """All facts of a text. What is part of an address is no number, what is part of a date is none either."""
    addresses = {clean_address(found[0]) for pattern in (_URL, _MAIL) for found in pattern.finditer(text)}
    rest = _MAIL.sub(" ", _URL.sub(" ", text))
    dates: list[frozenset[Day]] = []
    for pattern in (_ISO, _NUMERIC, _DAY_FIRST, _MONTH_FIRST):
        for found in pattern.finditer(rest):
            if readings := _readings(pattern, found):
                dates.append(readings)
                rest = rest[: found.start()] + " " * len(found[0]) + rest[found.end() :]
    numbers = [number_readings(found[0]) for found in _NUMBER.finditer(_SPACED.sub(" ", rest))]
    numbers += [frozenset([Decimal(re.sub(r"\D", "", found[0]))]) for found in _SPACED.finditer(rest)]
    return Facts(tuple(dates), tuple(numbers), frozenset(addresses))


def all_numbers(text: str) -> Facts:
    """The facts of a text, where the parts of dates and addresses count as numbers too."""
    found = facts_of(text)
    parts = (number_readings(token[0]) for token in _NUMBER.finditer(_SPACED.sub(" ", text)))
    return Facts(found.dates, (*found.numbers, *parts), found.addresses)


def parse_day(text: str) -> date | None:
    """The one calendar day that a text is, or None when it is none or can be read in two ways."""
    found = facts_of(text).dates
    if len(found) != 1 or len(found[0]) != 1:
        return None
    ((year, month, day),) = found[0]
    return date(year, month, day) if year is not None else None


def clean_address(text: str) -> str:
    """An address as it is compared: without the punctuation of the sentence around it."""
    return text.rstrip(".,;:!?").rstrip("/").casefold()


def plain(text: str) -> str:
    """The form in which a value is looked for: NFKC, one kind of quotes and dashes, single blanks, no case."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(_QUOTES).split()).casefold()


def occurs(value: str, plain_text: str) -> bool:
    """Whether a value stands in a text (in `plain` form already), and not only inside a longer word."""
    wanted = plain(value)
    return bool(wanted) and re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", plain_text) is not None


def words(text: str) -> frozenset[str]:
    """The words and numbers of a text, in ASCII where that is possible, without case."""
    ascii_text = unicodedata.normalize("NFKD", text.casefold())
    return frozenset(_WORD.findall("".join(sign for sign in ascii_text if not unicodedata.combining(sign))))


def share_a_word(these: Iterable[str], those: Iterable[str]) -> bool:
    """Whether two sets of words have one in common, or one that begins like another with at least four letters."""
    return any(
        one == other or (min(len(one), len(other)) >= 4 and (one.startswith(other) or other.startswith(one)))
        for one in these
        for other in those
    )


def _readings(pattern: re.Pattern[str], found: re.Match[str]) -> frozenset[Day]:
    if pattern is _ISO:
        days: list[Day] = [(int(found[1]), int(found[2]), int(found[3]))]
    elif pattern is _NUMERIC:
        year = int(found[4]) + (2000 if len(found[4]) == 2 else 0)
        days = [(year, int(found[3]), int(found[1]))]
        if found[2] != ".":  # with slashes, Americans write the month first
            days.append((year, int(found[1]), int(found[3])))
    else:
        day, name = (found[1], found[2]) if pattern is _DAY_FIRST else (found[2], found[1])
        days = [(int(found[3]) if found[3] else None, _MONTH[name.casefold()], int(day))]
    return frozenset(day for day in days if _exists(day))


def _exists(day: Day) -> bool:
    try:
        date(day[0] or 2000, day[1], day[2])
    except ValueError:
        return False
    return day[0] is None or day[0] >= 1000


def number_readings(token: str) -> frozenset[Decimal]:
    """What digits with separators can mean: 1,234.5 is one number, 1,234 is two, 1.2.3 is a list of three."""
    parts = re.split(r"([.,'’_])", token)
    groups, marks = parts[::2], parts[1::2]
    whole = "".join(groups)
    if not marks:
        return _decimals(whole)
    readings: list[str] = []
    grouped = len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])
    if len(set(marks)) == 1 and grouped:
        readings.append(whole)
    head_grouped = len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:-1])
    alone = marks[-1] in ".," and marks[-1] not in marks[:-1]
    if alone and (len(marks) == 1 or (len(set(marks)) == 2 and head_grouped)):
        readings.append("".join(groups[:-1]) + "." + groups[-1])
    return _decimals(*(readings or groups))


def _decimals(*texts: str) -> frozenset[Decimal]:
    try:
        return frozenset(Decimal(text) for text in texts if len(text) <= 40)
    except InvalidOperation:  # digits of other scripts that have no value
        return frozenset()
