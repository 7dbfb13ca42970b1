"""What a beat finds: alarms, as loud as a rule of `docs/errands/heartbeat.md` says, and how each was told last."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agent.text import parse_utc, shorten

CRITICAL, WARNING, NOTICE = ORDER = ("critical", "warning", "notice")
HOUR, DAY = 3600.0, 86_400.0  # seconds
REMIND = {CRITICAL: HOUR, WARNING: DAY, NOTICE: DAY}  # seconds until the same is told again
EARLY = 120.0  # seconds by which a reminder may come too early: schedules are not exact, and the next beat is far
REMEMBERED = 2000  # things whose age is remembered

# What a kind of alarm is seen by. While the worker does not know that fact, the alarm is neither told again nor over.
SEEN_BY = {
    "model": "models",
    "disk": "disk",
    "inodes": "disk",
    "worker": "neighbours",
    "schedule": "schedules",
    "mailbox": "mailboxes",
    "money": "money",
}
ENDS_SILENTLY = frozenset({"run"})  # it is over because the person saw to it


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that the lead should know. `key` (`kind:` and what it is about) names it from beat to beat; `text` is
    for people, and may count days or bytes. It is news again when its severity or its `state` is another. `once`: it
    cannot change any more, and is told without reminders."""

    severity: str  # one of ORDER
    key: str
    text: str
    state: str = ""
    once: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """An alarm that the lead knows of, as it was told last."""

    at: float  # seconds since the epoch
    severity: str
    state: str
    text: str

    def covers(self, alarm: Alarm, now: float) -> bool:
        """Whether telling this alarm now would be a mere repetition. A clock that was set back does not silence it."""
        same = (self.severity, self.state) == (alarm.severity, alarm.state)
        return same and (alarm.once or 0 <= now - self.at < REMIND[alarm.severity] - EARLY)


@dataclass(frozen=True, slots=True)
class View:
    """What the checks look at: the worker's facts, and since when things have been as they are."""

    facts: Mapping[str, Any]
    now: datetime
    before: Mapping[str, float]  # key → when the last beat knew it to have begun, in seconds since the epoch
    task: str = ""  # the beat's own id
    thorough: bool = False  # nothing needs to be seen twice before it is told
    after: dict[str, float] = field(default_factory=dict)  # the same, for the next beat

    def rows(self, name: str) -> Sequence[Mapping[str, Any]]:
        """A list of facts, without what has not their form."""
        found = self.facts.get(name) or ()
        return [row for row in found if isinstance(row, Mapping)] if isinstance(found, Iterable) else []

    def since(self, key: str, known: float | None = None) -> float:
        """When something began: as an earlier beat saw it, or as it is `known`, or now. Remembered for the next one."""
        now = self.now.timestamp()
        first = min(self.before.get(key, now if known is None else known), now)
        if len(self.after) < REMEMBERED:
            self.after[key] = first
        return first

    def age(self, key: str, known: float | None = None) -> float:
        """The same as seconds that have passed."""
        return self.now.timestamp() - self.since(key, known)


_DIGITS = re.compile(r"\d+")

Check = Callable[[View], Iterable[Alarm]]


def about(key: str) -> str:
    """What an alarm is about: a path, an id, a name."""
    return key.split(":", 2)[1]


def kind(key: str) -> str:
    return key.partition(":")[0]


def when(value: object) -> datetime | None:
    """A time among facts, None for anything else."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        return parse_utc(value) if isinstance(value, str) and value else None
    except ValueError:
        return None


def number(value: object) -> float | None:
    """A number among facts, None for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    return float(value)


def span(seconds: float) -> str:
    """How long something has lasted, as people say it: `3 days`, `5 hours`, `10 minutes`."""
    for size, word in ((DAY, "day"), (HOUR, "hour"), (60.0, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {word}{'s' * (count != 1)}"
    return "less than a minute"


def named(row: Mapping[str, Any]) -> str:
    """`“Title” (id)` of a task or a hand-off."""
    name = shorten(str(row.get("id") or row.get("task") or "?"), 90)
    return f"“{shorten(str(row.get('title') or name), 90)}” ({name})"


def steady(text: str) -> str:
    """What of a reason stays the same while its counts and times go on: the rest is no news."""
    return _DIGITS.sub("#", text)
