"""Whether the errands get done: tasks that wait or failed, hand-offs, schedules, mailboxes, workers elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agent.errors import Refused
from agent.handlers.doors import Files
from agent.handlers.heartbeat.alarms import (
    CRITICAL,
    DAY,
    HOUR,
    NOTICE,
    WARNING,
    Alarm,
    View,
    named,
    number,
    span,
    steady,
    when,
)
from agent.text import shorten
from agent.vault.handoff import ends_soon

WAITS = DAY  # that a task waits for something that may never come
WAITS_LONG = 7 * DAY
URGENT_WAITS = HOUR  # a task or a hand-off of priority critical
LATE = 600.0  # seconds beyond twice its limit in which a run may still end by itself
UNANSWERED = DAY  # a hand-off that nobody answered for that long
EXPIRED_LATELY = 7 * DAY  # older ones are history
OVERDUE, OVERDUE_LONG = HOUR, DAY  # a schedule
POLLED = DAY  # a mailbox that nobody looked into for that long
QUIET = 35 * 60.0  # seconds without a word of a worker elsewhere: two missed, as `gofer status` counts

_REPORT_LIMIT = 256 << 10  # bytes
_LOUD = {"failed": WARNING, "unknown": WARNING, "needs-review": NOTICE}
_WORDS = {"failed": "failed", "unknown": "ended, and nobody knows how", "needs-review": "needs a look"}


def tasks(view: View) -> Iterator[Alarm]:
    """Tasks that wait for very long, and runs that outlived their limit."""
    for row in view.rows("tasks"):
        began, name = when(row.get("since")), str(row.get("id"))
        if began is None or name == view.task:
            continue
        age = (view.now - began).total_seconds()
        if row.get("state") == "waiting" and (severity := _waiting(age, str(row.get("priority")))):
            why = shorten(str(row.get("reason") or "nobody knows why"), 100)
            yield Alarm(severity, f"waiting:{name}", f"waits for {span(age)}: {named(row)}: {why}")
        limit = number(row.get("limit_s"))
        if row.get("state") == "running" and limit is not None and age > 2 * limit + LATE:
            text = f"runs for {span(age)}, and may take {span(limit)}: {named(row)}"
            yield Alarm(WARNING, f"running:{name}", text)


def _waiting(age: float, priority: str) -> str:
    if priority == "critical" and age >= URGENT_WAITS:
        return CRITICAL
    if age >= WAITS_LONG or (age >= WAITS and priority == "high"):
        return WARNING
    return NOTICE if age >= WAITS else ""


def failures(view: View, files: Files) -> Iterator[Alarm]:
    """Runs that ended badly, until somebody has looked: their report left the outbox, all its boxes are ticked, or a
    decision was made."""
    for row in view.rows("failed"):
        status, name = str(row.get("status")), str(row.get("task"))
        if status in _LOUD and _is_open(files, name):
            text = f"{_WORDS[status]}: {named(row)}, see outbox/{name}.md"
            yield Alarm(_LOUD[status], f"run:{name}", text, status)


def _is_open(files: Files, name: str) -> bool:
    try:
        return b"- [ ]" in files.read(f"outbox/{name}.md", _REPORT_LIMIT)
    except FileNotFoundError:
        return False
    except Refused:
        return True


def handoffs(view: View) -> Iterator[Alarm]:
    """Hand-offs that nobody answered: open for a day, near their end, past it, and over."""
    for row in view.rows("handoffs"):
        created, expires = when(row.get("created")), when(row.get("expires"))
        text, key = named(row), f"handoff:{row.get('id', '?')}"
        left = (expires - view.now).total_seconds() if expires else float("inf")
        if row.get("status") == "expired" and left > -EXPIRED_LATELY:
            yield Alarm(NOTICE, key, f"hand-off expired without an answer: {text}", "expired", once=True)
        elif row.get("status") in ("open", "claimed"):
            yield from _open_handoff(view, row, key, text, left, (view.now - created).total_seconds() if created else 0)


def _open_handoff(view: View, row: Mapping[str, Any], key: str, text: str, left: float, age: float) -> Iterator[Alarm]:
    urgent = row.get("priority") == "critical" and row.get("status") == "open"
    who = "waits for its answer" if row.get("status") == "claimed" else "waits for an answer"
    if left <= 0:
        severity, words, state = WARNING, f"hand-off is past its end and has no answer: {text}", "late"
    elif ends_soon(left, age):
        severity, words, state = WARNING, f"hand-off expires in {span(left)} without an answer: {text}", "ending"
    elif age >= UNANSWERED or (urgent and age >= URGENT_WAITS):
        severity, words, state = NOTICE, f"hand-off {who} for {span(age)}: {text}", "waiting"
    else:
        return
    yield Alarm(CRITICAL if urgent and age >= URGENT_WAITS else severity, key, words, state)


def schedules(view: View) -> Iterator[Alarm]:
    """Schedules that cannot be read, and those whose run is overdue. After a sleep all of them are, until each has had
    its turn: so one is told when its keeper says that this is a `problem`, or when the beat before saw the same."""
    for row in view.rows("schedules"):
        name, problem = str(row.get("name") or row.get("path") or "?"), shorten(str(row.get("problem") or ""), 120)
        key, overdue = f"schedule:{name}", number(row.get("overdue_s")) or 0.0
        if overdue < OVERDUE:
            if problem:
                yield Alarm(WARNING, key, f"schedule {name}: {problem}", steady(problem))
            continue
        seen_before = key in view.before
        view.since(key)
        if seen_before or view.thorough or problem:
            severity = CRITICAL if overdue >= OVERDUE_LONG else WARNING
            yield Alarm(severity, key, f"schedule {name} should have run {span(overdue)} ago", "overdue")


def mailboxes(view: View) -> Iterator[Alarm]:
    """Mailboxes that cannot be polled, or were not for long, and unread messages."""
    for row in view.rows("mailboxes"):
        name, unread, polled = str(row.get("name", "?")), number(row.get("unread")) or 0.0, when(row.get("last_poll"))
        if problem := str(row.get("problem") or ""):
            yield Alarm(WARNING, f"mailbox:{name}", f"mailbox {name}: {shorten(problem, 100)}", steady(problem))
        elif polled and (age := (view.now - polled).total_seconds()) >= POLLED:
            yield Alarm(WARNING, f"mailbox:{name}", f"mailbox {name} was not polled for {span(age)}", "unpolled")
        elif unread:
            text = f"mailbox {name}: {unread:.0f} unread message{'s' * (unread != 1)}"
            yield Alarm(NOTICE, f"mailbox:{name}", text, f"unread up to {row.get('seq')}")


def neighbours(view: View) -> Iterator[Alarm]:
    """Workers of other machines that fell silent without a good-bye."""
    for row in view.rows("neighbours"):
        seen = when(row.get("seen"))
        silent = (view.now - seen).total_seconds() if seen else 0.0
        if row.get("state") != "STOPPED" and silent >= QUIET:
            task = f", at work on {shorten(str(row['task']), 60)}" if row.get("task") else ""
            text = f"worker {row.get('name')} on another machine was last seen {span(silent)} ago{task}"
            yield Alarm(WARNING, f"worker:{row.get('name')}", text, str(row.get("seen")))
