"""The keys of a task's front matter. An alias counts only when its key is absent and the value is valid for it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cached_property
from typing import Any

from agent.frontmatter import Value
from agent.redact import find_tokens
from agent.vault.conversions import every, hours, instant, items, matching, money, seconds, truth, words
from agent.vault.schedule import cron_of, instance_of, zone_of

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_TYPE = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,119}")
_CRON = re.compile(r"@(?:hourly|daily|midnight|weekly|monthly|yearly|annually)|[\w*/,#-]+(?:[ \t]+[\w*/,#-]+){4}")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}")


@dataclass(frozen=True)
class Key:
    """One row of the table: how its value is read, its aliases, and what to tell when it is not valid."""

    name: str
    parse: Callable[..., Any]
    allowed: str  # for people, after "it may be"
    aliases: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    list: bool = False
    dated: bool = False

    @cached_property
    def spellings(self) -> frozenset[str]:
        return frozenset((self.name, *self.aliases))


_PRIORITY_ALIASES = {
    "medium": "normal",
    "urgent": "critical",
    "p0": "critical",
    "p1": "high",
    "p2": "normal",
    "p3": "low",
}
_BOOL = "true or false"
_DATES = "a date (2026-11-20) or a time (2026-11-20 09:30)"
_LEVELS = ("off", "low", "medium", "high")
_PRIORITIES = ("low", "normal", "high", "critical")
_TIERS = ("trivial", "standard", "complex", "auto")
_MISSED = ("skip", "once", "all")


def _model(text: str) -> str:
    text = text.lower() if text.lower() in ("auto", "none", "local", "lead") else text
    return matching(_MODEL)(text)


def _identity(text: str) -> str:
    """It stands in names, messages and claims, from which nothing can be left out: so it may be no secret."""
    if any(find_tokens(text)) or instance_of(text):
        raise ValueError(text)
    return matching(_ID)(text)


def _cron(text: str) -> str:
    """As it is written, when it is one: five fields, or `@daily` and its like."""
    cron_of(matching(_CRON)(text))
    return text


def _zone(text: str) -> str:
    zone_of(matching(_ZONE)(text))
    return text


def _due(text: str, today: date | None) -> datetime:
    return instant(text, today, time(23, 59, 59))


def _start(text: str, today: date | None) -> datetime:
    return instant(text, today, time(0))


TABLE = (
    Key(
        "type",
        matching(_TYPE, lower=True),
        "the name of a task type, or auto",
        ("task_type", "task", "handler", "action"),
        ("auto",),
    ),
    Key(
        "model", _model, "auto, none, local, lead, an alias, or provider/name", words=("auto", "none", "local", "lead")
    ),
    Key(
        "priority",
        words(*_PRIORITIES, **_PRIORITY_ALIASES),
        "low, normal, high or critical",
        words=(*_PRIORITIES, *_PRIORITY_ALIASES),
    ),
    Key(
        "thinking",
        words(*_LEVELS, false="off", no="off", none="off"),
        "off, low, medium or high",
        words=_LEVELS,
    ),
    Key("tier", words(*_TIERS), "trivial, standard, complex or auto", ("complexity", "route"), _TIERS),
    Key("status", words("open", "draft"), "open or draft", ("state",), ("open", "draft")),
    Key(
        "id",
        _identity,
        "up to 80 of a-z, 0-9, dot, underscore and hyphen, starting with a letter or digit, no secret, and not one "
        "that ends like the run of a schedule",
    ),
    Key("title", str, "text", ("name",)),
    Key("not_before", _start, _DATES, ("scheduled", "start", "wait"), dated=True),
    Key("due", _due, _DATES, ("due_date",), dated=True),
    Key("after", items, "a list of ids, file names or titles", ("depends_on", "dependencies", "blocked_by"), list=True),
    Key("needs", items, "a list of words", list=True),
    Key("timeout", seconds, "seconds, or a duration such as 10m or 1h30m", ("timeout_s",)),
    Key("budget_usd", money, "an amount such as 0.50; 0 forbids paid models"),
    Key("private", truth, _BOOL, words=("true", "false")),
    Key("verify", str, "the name of a registered check"),
    Key("approve", truth, _BOOL, words=("true", "false")),
    Key("every", every, "a duration such as 30m or 1d", ("schedule",)),
    Key("cron", _cron, "five cron fields such as `0 9 * * 1-5`", ("schedule",)),
    Key("missed", words(*_MISSED), "skip, once or all", ("if_missed",), _MISSED),
    Key("active_hours", hours, "hours such as 08:00-23:00"),
    Key("timezone", _zone, "UTC or the name of a time zone such as Europe/Berlin", ("time_zone", "tz")),
    Key("jitter", seconds, "a duration such as 5m"),
)
_NAMES = frozenset(key.name for key in TABLE)
RESERVED = _NAMES | {alias for key in TABLE for alias in key.aliases} | {"ready"}
"""Words that types do not use as names of their parameters."""


def fold(key: str) -> str:
    """A key as the table spells it: `Not Before` and `not-before` are `not_before`."""
    return key.strip().lower().replace("-", "_").replace(" ", "_")


def absent(value: Value) -> bool:
    """Nothing, or a template's placeholder that nobody has filled in."""
    if isinstance(value, str):
        return not value.strip() or ("{{" in value and "}}" in value) or ("<%" in value and "%>" in value)
    return not value or (isinstance(value, list) and all(absent(item) for item in value))


def nearest(text: str, words: Collection[str]) -> str:
    """The word that was probably meant, "" when none is near."""
    near = difflib.get_close_matches(text.lower()[:80], sorted(words), n=1, cutoff=0.6)
    return near[0] if near else ""
