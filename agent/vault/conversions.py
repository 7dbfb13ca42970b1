"""What people write as values, as the values they mean. Every function raises ValueError for what it cannot mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone

from agent.frontmatter import Value

_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?")
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|w)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DATE = re.compile(
    r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})"
    r"(?:[T ] ?([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]{1,9})?)? ?(Z|UTC|[+-][0-9]{2}:?[0-9]{2})?)?",
    re.I,
)
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})")
_HOURS = re.compile(r"([0-9]{1,2}:[0-9]{2}) ?[-–—] ?([0-9]{1,2}:[0-9]{2})")
_LINK = re.compile(r"!?\[\[([^\[\]|#]+)(?:[|#][^\[\]]*)?\]\]")
_TRUE = frozenset(["true", "yes", "y", "on", "1", "x", "✓", "✔", "✅", "ja"])
_FALSE = frozenset(["false", "no", "n", "off", "0", "✗", "❌", "nein"])


def words(*allowed: str, **also: str) -> Callable[[str], str]:
    """One of these words in any case; `also` are other spellings and what they stand for."""

    def parse(text: str) -> str:
        word = text.lower()
        word = also.get(word, word)
        if word not in allowed:
            raise ValueError(text)
        return word

    return parse


def matching(pattern: re.Pattern[str], *, lower: bool = False) -> Callable[[str], str]:
    """Text that fits a pattern, in lower case if asked."""

    def parse(text: str) -> str:
        text = text.lower() if lower else text
        if not pattern.fullmatch(text):
            raise ValueError(text)
        return text

    return parse


def seconds(text: str) -> float:
    """A duration in seconds: `90`, `10m`, `1h30m`, `2 days`. It is above zero."""
    compact = text.strip().lower().replace(" ", "")
    total = float(compact) if _NUMBER.fullmatch(compact) else 0.0
    if not total and _DURATION.fullmatch(compact):
        total = sum(float(number) * _UNITS[unit[0]] for number, unit in _PART.findall(compact))
    if not 0 < total < 10 * 366 * 86_400:
        raise ValueError(text)
    return total


def truth(text: str) -> bool:
    """Yes or no, in the words and marks that people use for it."""
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(text)
    return word in _TRUE


def money(text: str) -> float:
    """An amount of dollars, with or without the sign."""
    number = text.removeprefix("$").removesuffix("$").strip()
    if not _NUMBER.fullmatch(number):
        raise ValueError(text)
    return float(number)


def every(text: str) -> str:
    """An interval as a duration; `daily` and its like are understood."""
    text = {"hourly": "1h", "hour": "1h", "daily": "1d", "day": "1d", "weekly": "1w", "week": "1w"}.get(
        text.lower(), text.lower()
    )
    seconds(text)
    return text


def hours(text: str) -> str:
    """Hours of the day as `08:00-23:00`."""
    found = _HOURS.fullmatch(text)
    if not found:
        raise ValueError(text)
    return "-".join(f"{_clock(part):%H:%M}" for part in found.groups())


def _clock(text: str) -> time:
    hour, minute = text.split(":")
    return time(int(hour), int(minute))


def instant(text: str, today: date | None, at: time) -> datetime:
    """A moment from what a person writes. `at` is the time of day when only the day is given."""
    text = _unlinked(text).strip()
    if today is not None:
        ahead = {"today": 0, "tomorrow": 1}.get(text.lower())
        if ahead is not None:
            return datetime.combine(today + timedelta(days=ahead), at, UTC)
        if _CLOCK.fullmatch(text):
            return datetime.combine(today, _clock(text), UTC)
    found = _DATE.fullmatch(text)
    if not found:
        raise ValueError(text)
    year, month, day, hour, minute, second, zone = found.groups()
    when = date(int(year), int(month), int(day))
    if hour is None:
        return datetime.combine(when, at, UTC)
    local = datetime.combine(when, time(int(hour), int(minute), int(second or 0)), _zone(zone))
    return local.astimezone(UTC)


def _zone(text: str | None) -> timezone:
    if text is None or text.upper() in ("Z", "UTC"):
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _unlinked(text: str) -> str:
    """Text with `[[target|shown]]` replaced by its target."""
    return _LINK.sub(lambda found: found[1].strip(), text)


def items(value: Value) -> tuple[str, ...]:
    """A list, or text with commas, as words without links and without repeats."""
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    if not all(isinstance(part, str) for part in parts):
        raise ValueError(str(value))
    names = (_unlinked(str(part)).strip() for part in parts)
    return tuple(dict.fromkeys(name for name in names if name))
