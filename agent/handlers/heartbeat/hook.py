"""Calling the alert hook: what the receiver of critical alarms was told, and what it is still owed.

A call is written down before it is made and crossed out after it has worked. So it is made at least once, under the
same id each time; what fails is tried again by the next beat. All this stands apart from the report's own memory: a
report that is late must not delay a call, and a hook that fails must not hold a report back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from agent.handlers.base import Context
from agent.handlers.heartbeat.alarms import CRITICAL, WARNING, Alarm, Told
from agent.handlers.heartbeat.memory import replace
from agent.text import shorten, utc

FILE = "calls.json"
LINE = 300  # characters of one alarm
MOST = (
    50  # lines of one message; of what is over or still so no more are owed either, while a critical is never dropped
)


@dataclass(frozen=True, slots=True)
class Call:
    """One thing to tell: `critical`, `still critical` or `resolved`, and about what."""

    id: str  # the same however often it is told
    word: str
    key: str
    text: str


@dataclass(slots=True)
class _Book:
    told: dict[str, Told] = field(default_factory=dict)  # by the alarm's key: what the receiver knows, or is owed
    owed: list[Call] = field(default_factory=list)


def call(ctx: Context, alarms: Sequence[Alarm], hidden: Callable[[str], bool]) -> Alarm | None:
    """Tell the receiver of every critical alarm that is new, changed or due again, and of each that is over; returns
    the alarm that this failed, None when it worked or there is nobody to tell. What is `hidden` (by its key) is not
    over because it is not seen."""
    if ctx.alert is None:
        return None
    book, now = _read(ctx), ctx.now.timestamp()
    loud = {alarm.key: alarm for alarm in alarms if alarm.severity == CRITICAL}
    for key, alarm in loud.items():
        known = book.told.get(key)
        if known is None or not known.covers(alarm, now):
            same = known is not None and known.state == alarm.state
            _owe(book, "still critical" if same else "critical", alarm.key, alarm.text, ctx)
            book.told[key] = Told(now, CRITICAL, alarm.state, alarm.text)
    for key in [key for key in book.told if key not in loud and not hidden(key)]:
        _owe(book, "resolved", key, book.told.pop(key).text, ctx)
    old = {call.id for call in [call for call in book.owed if call.word != "critical"][:-MOST]}
    book.owed = [call for call in book.owed if call.id not in old]
    if not book.owed:
        return None
    replace(ctx.memory / FILE, asdict(book))
    why = ctx.alert(_message(ctx, book.owed))
    if why:
        ctx.note(f"the alert hook failed: {why}")
        return Alarm(WARNING, "alert:", f"the alert hook failed, and is tried again at the next beat: {why}", why)
    book.owed = []
    replace(ctx.memory / FILE, asdict(book))
    return None


def _owe(book: _Book, word: str, key: str, text: str, ctx: Context) -> None:
    """One more call. A reminder of what was not told yet would only be noise."""
    if word == "still critical" and any(call.key == key for call in book.owed):
        return
    name = "\n".join((ctx.worker, key, word, text, utc(ctx.now)))
    book.owed.append(Call(hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:12], word, key, text))


def _message(ctx: Context, owed: Sequence[Call]) -> str:
    """What the hook reads: a line for each call in their order, with its id at the end. Where there are too many, the
    criticals come before all else, and the rest is counted."""
    first = f"Gofer on {ctx.worker or 'this machine'}, {ctx.now:%Y-%m-%d %H:%M} UTC"
    loud = [call for call in owed if call.word == "critical"]
    shown = {call.id for call in [*loud, *(call for call in owed if call.word != "critical")][:MOST]}
    lines = [f"{call.word}: {shorten(call.text, LINE)} [{call.id}]" for call in owed if call.id in shown]
    if more := len(owed) - len(lines):
        hidden = sum(call.id not in shown for call in loud)
        lines.append(f"… and {more} more, {hidden} of them critical: they are in the heartbeat's report")
    return "\n".join([first, *lines]) + "\n"


def _read(ctx: Context) -> _Book:
    try:
        data: dict[str, Any] = json.loads((ctx.memory / FILE).read_bytes())
        told = {str(key): Told(float(t["at"]), t["severity"], t["state"], t["text"]) for key, t in data["told"].items()}
        owed = [Call(str(c["id"]), str(c["word"]), str(c["key"]), str(c["text"])) for c in data["owed"]]
        return _Book(told, owed)
    except FileNotFoundError:
        return _Book()
    except (ValueError, TypeError, KeyError, AttributeError):
        ctx.note("what the alert hook was told cannot be read; it is told everything anew")
        return _Book()
