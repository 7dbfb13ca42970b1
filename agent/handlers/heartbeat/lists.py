"""What the person's own lists call for: open check boxes that are overdue, without a real date, or stale."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime

from agent.errors import Refused
from agent.handlers.base import Context
from agent.handlers.checkboxes import OpenItem, open_items
from agent.handlers.heartbeat.alarms import CRITICAL, DAY, NOTICE, WARNING, Alarm, View
from agent.text import shorten

LISTS = ("active-tasks.md", "HEARTBEAT.md", "memory/active-tasks.md", "memory/HEARTBEAT.md")
LIST_LIMIT = 128 << 10  # bytes of a list; parsing takes 2 ms a KiB, and up to 20 when it is hostile
LINE = 160  # characters of an item that is remembered
STALE = 14 * DAY  # an item without a date that nobody touched for that long
_URGENT = re.compile(r"#critical\b|🔺", re.IGNORECASE)  # 🔺: the highest priority of Obsidian's Tasks plugin


def look(ctx: Context, view: View) -> tuple[list[Alarm], int, frozenset[str]]:
    """What the lists call for, how many check boxes are open in them, and which could not be read."""
    alarms: list[Alarm] = []
    unread: set[str] = set()
    count = 0
    for path in LISTS:
        ctx.check()
        try:
            text = ctx.redact(ctx.files.read(path, LIST_LIMIT).decode("utf-8", "replace"))  # items are remembered
            written = ctx.files.modified(path)
        except FileNotFoundError:
            continue
        except Refused as refused:
            why = refused.why or refused.what
            alarms.append(Alarm(WARNING, f"list:{path}", f"{path} could not be read: {why}", why))
            unread.add(path)
            view.after.update((key, first) for key, first in view.before.items() if key.startswith(f"{path}:"))
            continue
        for item in open_items(text.replace("\r\n", "\n")):
            count += 1
            alarms += _item(view, path, item, written)
    return alarms, count, frozenset(unread)


def _item(view: View, path: str, item: OpenItem, written: float) -> Iterator[Alarm]:
    """The alarm of one open item, if any. Without a date it is as old as its text: at first sight as old as the file,
    later since it was first seen, however often the file around it was saved."""
    key = f"{path}:{shorten(item.text, LINE)}"
    text, today = f"“{shorten(item.text, 90)}” ({path} line {item.line})", view.now.astimezone(UTC).date()
    if item.bad_date:
        yield Alarm(WARNING, f"date:{key}", f"{item.bad_date} is no date: {text}", item.bad_date)
    if item.due is not None and item.due < today:
        severity = CRITICAL if _URGENT.search(item.text) else WARNING
        yield Alarm(severity, f"overdue:{key}", f"overdue since {_due(item.due, today)}: {text}", str(item.due))
    if item.due is None and (age := view.age(key, written)) >= STALE:
        yield Alarm(NOTICE, f"stale:{key}", f"unchanged for {int(age // DAY)} days: {text}")


def _due(due: date, today: date) -> str:
    days = (today - due).days
    return f"{due} ({days} day{'s' * (days != 1)})"


def changed(ctx: Context, since: float | None, now: datetime, skip: tuple[str, ...]) -> list[str]:
    """Notes saved since the last beat, newest first. Gofer's own folders (`skip`) do not count, or no beat were ever
    quiet."""
    if since is None:
        return []
    times, until = ctx.files.times("", (), skip), now.timestamp()
    fresh = [(time, path) for path, time in times.items() if since < time <= until]
    return [path for _, path in sorted(fresh, reverse=True)]
