"""Lines of a log: when, how bad, and what it says. The usual forms are known; any other line is a message without time.

Forms: ISO 8601 and RFC 3339, RFC 5424, syslog (RFC 3164), the common log format of web servers, klog of Kubernetes, and
JSON lines with `time`/`ts`/`timestamp`, `level`/`severity` and `msg`/`message`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

LONGEST = 4096  # characters of a line; the rest is cut
LEVELS = ("error", "warning", "info", "")  # the worst first
_HEAD = 160  # characters in which a level is looked for
_LATEST = 253_370_764_800.0  # seconds since the epoch: the year 9999 begins, which every date can still show

_ISO = re.compile(
    r"^\W{0,3}(?:<\d{1,3}>\d? ?)?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.,]\d{1,9})?(Z|[+-]\d\d:?\d\d)?\]?[ \t:-]{0,4}"
)
_SYSLOG = re.compile(r"^(?:<\d{1,3}>)?([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d):(\d\d):(\d\d) \S{1,255} ")
_WEB = re.compile(r"\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d) ([+-]\d{4})\] ?")
_KLOG = re.compile(r"^([IWEF])(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.\d{1,9}\s{1,8}\d{1,10} ")
_LEVEL = re.compile(
    r"\b(FATAL|CRITICAL|CRIT|EMERG|ALERT|PANIC|ERROR|ERR|SEVERE|WARNING|WARN|NOTICE|INFO|DEBUG|TRACE)\b"
    r"|\b(?:level|severity|lvl)[\"']?\s?[=:]\s?[\"']?([A-Za-z]{3,12})"
    r"|\[(fatal|critical|crit|error|emerg|alert|warning|warn|notice|info|debug|trace)\]"
    r"|\b(fatal|critical|panic|error|warning|warn|\w{1,60}(?:Error|Exception)):",
    re.ASCII,
)
_LESS = dict.fromkeys(("warning", "warn"), "warning") | dict.fromkeys(
    ("notice", "info", "debug", "trace", "information"), "info"
)
_ERRORS = ("fatal", "critical", "crit", "emerg", "alert", "panic", "error", "err", "severe")
_STATUS = re.compile(r'" (?:(5\d\d)|(4\d\d)) ')  # of a web server's line
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_KLOG_LEVELS = {"E": "error", "F": "error", "W": "warning"}


class Entry(NamedTuple):
    """One message: seconds since the epoch (None: unknown), a level of LEVELS, the message without its time."""

    at: float | None
    level: str
    message: str


def entries(lines: Iterable[str], now: datetime, zone: tzinfo = UTC) -> Iterator[Entry | None]:
    """The entries of a log, in order; None for a line that goes on with the entry before it: a stack trace, a wrapped
    message. A time without a zone is of `zone`; one without a year is the last one before `now`."""
    started = False
    for line in lines:
        if not line or line.isspace():
            continue
        if started and line[0] in " \t}":
            yield None
            continue
        started = True
        yield entry(line[:LONGEST], now, zone)


def entry(line: str, now: datetime, zone: tzinfo = UTC) -> Entry:
    """One line, whatever it is."""
    if line.startswith("{") and (found := _of_json(line, zone)):
        return found
    if match := _ISO.match(line):
        at, message = _iso(match[1], match[2] or "", zone), line[match.end() :]
    elif match := _SYSLOG.match(line):
        at, message = _recent(now, zone, _month(match[1]), *map(int, match.groups()[1:])), line[match.end() :]
    elif match := _KLOG.match(line):
        month, day, *clock = map(int, match.groups()[1:])
        at = _recent(now, zone, month, day, *clock)
        return Entry(at, _KLOG_LEVELS.get(match[1], "info"), line[match.end() :])
    elif match := _WEB.search(line, 0, 300):
        status = _STATUS.search(line, match.end(), match.end() + 2000)
        level = "" if status is None else "error" if status[1] else "warning"
        return Entry(_web(match[1], match[2]), level, line[match.end() :])
    else:
        at, message = None, line
    return Entry(at, level_of(message), message)


def level_of(message: str) -> str:
    """The level that a message states: `error`, `warning`, `info`, or "" when it states none."""
    match = _LEVEL.search(message, 0, _HEAD)
    if match is None or match.lastindex is None:
        return ""
    word = match[match.lastindex].lower()
    return _LESS.get(word) or ("error" if word in _ERRORS or word.endswith(("error", "exception")) else "")


def _of_json(line: str, zone: tzinfo) -> Entry | None:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    message = next((said[key] for key in ("msg", "message", "event", "error") if isinstance(said.get(key), str)), None)
    if message is None:
        return None
    when = next((said[key] for key in ("time", "ts", "timestamp", "@timestamp") if key in said), None)
    at = None
    if isinstance(when, int | float) and not isinstance(when, bool):
        while 1e11 <= when < 1e20:  # milliseconds, or even smaller units
            when /= 1000
        at = _sane(when)
    elif isinstance(when, str) and (match := _ISO.match(when)):
        at = _iso(match[1], match[2] or "", zone)
    level = next((str(said[key]) for key in ("level", "severity", "lvl") if key in said), "")
    return Entry(at, level_of(f"{level.upper()} ") or level_of(message), message.replace("\n", " "))


def _iso(text: str, offset: str, zone: tzinfo) -> float | None:
    try:
        when = datetime.fromisoformat(text + ("+00:00" if offset == "Z" else offset))
    except ValueError:
        return None
    return _sane((when if offset else when.replace(tzinfo=zone)).timestamp())


def _web(text: str, offset: str) -> float | None:
    day, month, rest = text.split("/")
    year, _, clock = rest.partition(":")
    try:
        return _sane(datetime.fromisoformat(f"{year}-{_month(month):02}-{day}T{clock}{offset}").timestamp())
    except ValueError:
        return None


def _sane(at: float | None) -> float | None:
    """A time that a clock can show; None for any other, as for one that is no number."""
    return float(at) if at is not None and 0 <= at < _LATEST else None


def _recent(now: datetime, zone: tzinfo, month: int, day: int, hour: int, minute: int, second: int) -> float | None:
    for year in (now.year, now.year - 1):
        try:
            when = datetime(year, month, day, hour, minute, second, tzinfo=zone)
        except ValueError:
            continue
        if (when - now).total_seconds() < 86_400:
            return when.timestamp()
    return None


def _month(name: str) -> int:
    return _MONTHS.index(name) + 1 if name in _MONTHS else 0
