"""The `heartbeat` type: is anything on fire? Looks at the person's lists, the vault, the queue, models and disk.

A scheduled beat with nothing new is quiet: no report, no commit. What is wrong is told when it is new or changed, then
as a reminder once a day, `critical` once an hour, and once more when it is over. A beat that somebody dropped always
reports, and tells everything.

What a beat remembers takes effect only when its report is known to be out. A run that starts again after a crash, or
a beat after one that was never published, begins where the last published one ended: an alert may come twice, but is
never lost.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from itertools import compress
from operator import not_
from pathlib import Path
from typing import Any

from agent.errors import Refused
from agent.handlers.base import Context, Handler, NoParams
from agent.handlers.checkboxes import OpenItem, open_items
from agent.handlers.status import model_line, queue_line, size_line
from agent.text import parse_utc, shorten
from agent.vault.values import Result, Role, Tier

LISTS = ("active-tasks.md", "HEARTBEAT.md", "memory/active-tasks.md", "memory/HEARTBEAT.md")
LIST_LIMIT = 128 << 10  # bytes of a list; parsing takes 2 ms a KiB, and up to 20 when it is hostile
OWN_FOLDERS = (
    "inbox",
    "outbox",
    "prompts",
    "memory/tasks",
    "memory/ledger",
    "memory/decisions",
    "memory/qwen-worker",
)
DAY = 86_400.0  # seconds
STALE = 14 * DAY  # an item without a date that nobody touched for that long
UNANSWERED = DAY  # a hand-off that nobody answered for that long
GRAIN = 0.02  # seconds by which a file system's clock may lag behind ours: rather twice than never
LOW_DISK, FULL_DISK = 1 << 30, 200 << 20  # bytes free
SHOWN = 20  # lines of one kind
LINE = 160  # characters of one line
REMEMBERED = 2000  # items
REMIND = {"critical": 3600.0, "warning": DAY, "notice": DAY}  # seconds until the same is told again
EARLY = 120.0  # seconds by which a reminder may come too early: schedules are not exact, and the next beat is far

ORDER = ("critical", "warning", "notice")


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that the lead should know. `key` (`kind:` and what it is about) names it from beat to beat; `text` is
    for people, and may count days or bytes. It is news again when its severity or its `state` is another."""

    severity: str  # one of ORDER
    key: str
    text: str
    state: str = ""


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
        return same and 0 <= now - self.at < REMIND[alarm.severity] - EARLY


@dataclass(slots=True)
class Memory:
    """What one beat leaves for the next: its time, when each dateless item was first seen, which alarms were told."""

    since: float | None = None  # seconds since the epoch; None before the first beat
    items: dict[str, float] = field(default_factory=dict)
    told: dict[str, Told] = field(default_factory=dict)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Memory:
        """The reverse of `asdict`. Raises TypeError or the like for anything else."""
        told = {
            str(key): Told(float(entry["at"]), entry["severity"], entry["state"], str(entry["text"]))
            for key, entry in data["told"].items()
        }
        since = None if data["since"] is None else float(data["since"])
        return Memory(since, {str(key): float(at) for key, at in data["items"].items()}, told)


def run(ctx: Context, params: NoParams) -> Result:
    """One beat."""
    facts = ctx.facts()
    now = ctx.now.timestamp()
    before = _remember(ctx, facts)
    after = Memory(since=now - GRAIN)
    alarms, open_count, unread = _lists(ctx, before, after)
    alarms += [*_handoffs(facts, ctx.now), *_health(facts)]
    changed = _changed(ctx, before.since, now)
    news, known = _sorted_out(alarms, before.told, now, everything=not ctx.task.scheduled)
    over = _over(before.told, alarms, unread)
    # What cannot be looked at now is neither told again nor over.
    after.told = {key: told for key, told in before.told.items() if key not in over}
    after.told |= {alarm.key: Told(now, alarm.severity, alarm.state, shorten(alarm.text, LINE)) for alarm in news}
    quiet = ctx.task.scheduled and not (news or over or changed)
    _keep(ctx, before, after, quiet=quiet)
    if quiet:
        ctx.note("nothing changed and nothing new is wrong")
        return Result(quiet=True)
    return _report(news, known, [before.told[key].text for key in over], changed, open_count, facts)


def _sorted_out(
    alarms: Sequence[Alarm], told: Mapping[str, Told], now: float, *, everything: bool
) -> tuple[list[Alarm], list[Alarm]]:
    """What to tell now, and what the lead knows already; the worst first."""
    ranked = sorted(alarms, key=lambda alarm: ORDER.index(alarm.severity))
    known = [a.key in told and told[a.key].covers(a, now) and not everything for a in ranked]
    return list(compress(ranked, map(not_, known))), list(compress(ranked, known))


def _over(told: Mapping[str, Told], alarms: Sequence[Alarm], unread: Sequence[str]) -> list[str]:
    """The keys of what was told and is not so any more, but for what stands in lists that could not be read."""
    still = {alarm.key for alarm in alarms}
    return [key for key in told if key not in still and key.split(":", 2)[1] not in unread]


def _report(
    news: Sequence[Alarm],
    known: Sequence[Alarm],
    over: Sequence[str],
    changed: Sequence[str],
    open_count: int,
    facts: Mapping[str, Any],
) -> Result:
    lines = [f"{alarm.severity}: {alarm.text}" for alarm in news]
    resolved = [f"resolved: {text}" for text in over]
    findings = [*lines[:SHOWN], *_more(len(lines) - SHOWN, "alerts")]
    findings += [*resolved[:SHOWN], *_more(len(resolved) - SHOWN, "resolved")]
    if known:
        counts = Counter(alarm.severity for alarm in known)
        told = ", ".join(f"{counts[severity]} {severity}" for severity in ORDER if counts[severity])
        findings.append(f"Told before and still so: {told}.")
    elif not news:
        findings.append("Nothing is wrong." if not resolved else "Nothing else is wrong.")
    findings.append(f"Open check boxes: {open_count}. Queue: {queue_line(facts.get('queue') or {})}.")
    if changed:
        findings.append(f"Files changed since the last beat: {len(changed)}")
        findings += [*(f"changed: {path}" for path in changed[:SHOWN]), *_more(len(changed) - SHOWN, "files")]
    actions = [f"see to this {alarm.severity}: {alarm.text}" for alarm in news if alarm.severity != "notice"]
    still = [f"still {alarm.severity}: {alarm.text}" for alarm in known]
    return Result(
        findings=tuple(shorten(line, LINE) for line in findings),
        actions=tuple(shorten(line, LINE) for line in [*actions[:SHOWN], *_more(len(actions) - SHOWN, "alerts")]),
        raw="\n".join([*lines, *resolved, *still, *(f"changed: {path}" for path in changed)]),
    )


def _more(count: int, what: str) -> list[str]:
    return [f"… and {count} more {what}"] if count > 0 else []


def _lists(ctx: Context, before: Memory, after: Memory) -> tuple[list[Alarm], int, list[str]]:
    """What the person's lists call for, how many check boxes are open in them, and which could not be read."""
    alarms: list[Alarm] = []
    unread: list[str] = []
    count = 0
    for path in LISTS:
        ctx.check()
        try:
            text = ctx.files.read(path, LIST_LIMIT).decode("utf-8", "replace")
            written = ctx.files.modified(path)
        except FileNotFoundError:
            continue
        except Refused as refused:
            why = refused.why or refused.what
            alarms.append(Alarm("warning", f"list:{path}", f"{path} could not be read: {why}", why))
            unread.append(path)
            after.items |= {key: first for key, first in before.items.items() if key.startswith(f"{path}:")}
            continue
        for item in open_items(text.replace("\r\n", "\n")):
            count += 1
            key = f"{path}:{shorten(item.text, LINE)}"
            first = min(before.items.get(key, written), ctx.now.timestamp())
            if item.due is None and len(after.items) < REMEMBERED:
                after.items[key] = first
            alarms += _item(key, f"“{shorten(item.text, 90)}” ({path} line {item.line})", item, first, ctx.now)
    return alarms, count, unread


def _item(key: str, text: str, item: OpenItem, first: float, now: datetime) -> Iterator[Alarm]:
    """The alarm of one open item, if any. Without a date it is as old as its text: at first sight as old as the file,
    later since it was `first` seen, however often the file around it was saved."""
    today = now.astimezone(UTC).date()
    age = now.timestamp() - first
    if item.bad_date:
        yield Alarm("warning", f"date:{key}", f"{item.bad_date} is no date: {text}", item.bad_date)
    if item.due is not None and item.due < today:
        since = f"{item.due} ({_days(item.due, today)})"
        yield Alarm("warning", f"overdue:{key}", f"overdue since {since}: {text}", str(item.due))
    if item.due is None and age >= STALE:
        yield Alarm("notice", f"stale:{key}", f"unchanged for {int(age // DAY)} days: {text}")


def _days(due: date, today: date) -> str:
    days = (today - due).days
    return f"{days} day{'s' * (days != 1)}"


def _handoffs(facts: Mapping[str, Any], now: datetime) -> Iterator[Alarm]:
    for handoff in facts.get("handoffs") or ():
        name, status = str(handoff.get("id", "?")), handoff.get("status")
        text = f"“{shorten(str(handoff.get('title') or name), 90)}” ({name})"
        created, expires = _when(handoff.get("created")), _when(handoff.get("expires"))
        key = f"handoff:{name}"
        if status == "expired":
            yield Alarm("notice", key, f"hand-off expired without an answer: {text}", "expired")
        elif status in ("open", "claimed") and expires is not None and expires <= now:
            yield Alarm("warning", key, f"hand-off is past its end and has no answer: {text}", "late")
        elif status in ("open", "claimed") and created is not None and (now - created).total_seconds() >= UNANSWERED:
            yield Alarm("notice", key, f"hand-off waits for an answer since {created:%Y-%m-%d}: {text}", "waiting")


def _when(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    with suppress(ValueError):
        return parse_utc(value) if isinstance(value, str) and value else None
    return None


def _health(facts: Mapping[str, Any]) -> Iterator[Alarm]:
    waiting = (facts.get("queue") or {}).get("waiting", 0)
    for model in facts.get("models") or ():
        if not model.get("ok"):
            # Without work for it, a model that is away is no more than worth knowing.
            text = f"model {model_line(model)}" + (f"; {waiting} tasks wait" if waiting else "")
            why = str(model.get("detail", ""))
            yield Alarm("warning" if waiting else "notice", f"model:{model.get('name')}", text, why)
    disk = facts.get("disk") or {}
    free, total = disk.get("free_bytes"), disk.get("total_bytes") or 1 << 62
    if free is not None and free < min(LOW_DISK, total / 10):
        severity = "critical" if free < min(FULL_DISK, total / 50) else "warning"
        yield Alarm(severity, "disk:", f"the disk has only {size_line(free)} left")
    if problem := (facts.get("sync") or {}).get("problem"):
        yield Alarm("warning", "sync:", f"sync: {problem}", str(problem))


def _changed(ctx: Context, since: float | None, now: float) -> list[str]:
    """Notes saved since the last beat, newest first. Gofer's own folders do not count, or no beat were ever quiet."""
    if since is None:
        return []
    times = ctx.files.times("", (), OWN_FOLDERS)
    fresh = [(time, path) for path, time in times.items() if since < time <= now]
    return [path for _, path in sorted(fresh, reverse=True)]


def _remember(ctx: Context, facts: Mapping[str, Any]) -> Memory:
    """The memory of the last beat whose report is known to be out."""
    try:
        state = json.loads((ctx.memory / "beat.json").read_bytes())
        pending = state.get("pending")
        published = pending is not None and _published(ctx, str(pending["task"]), facts)
        return Memory.from_json(pending["memory"] if published else state["memory"])
    except FileNotFoundError:
        return Memory()
    except (ValueError, TypeError, KeyError, AttributeError):
        ctx.note("the memory of earlier beats cannot be read; starting anew")
        return Memory()


def _published(ctx: Context, task: str, facts: Mapping[str, Any]) -> bool:
    if task == ctx.task.id:
        return False  # this very task ran before and was cut off
    if any(entry.get("task") == task for entry in facts.get("recent") or ()):
        return True
    with suppress(Refused):
        return ctx.files.exists(f"outbox/{task}.md")
    return False


def _keep(ctx: Context, before: Memory, after: Memory, *, quiet: bool) -> None:
    """A quiet beat has nothing to lose and counts at once; another one counts when its report is out."""
    pending = None if quiet else {"task": ctx.task.id, "memory": asdict(after)}
    state = {"memory": asdict(after if quiet else before), "pending": pending}
    _replace(ctx.memory / "beat.json", json.dumps(state, ensure_ascii=False).encode("utf-8"))


def _replace(path: Path, data: bytes) -> None:
    """Whole or not at all. The folder is this type's own, so a fixed temporary name will do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temp = path.with_suffix(".tmp")
    with temp.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temp.replace(path)


HANDLER = Handler(
    name="heartbeat",
    tier=Tier.TRIVIAL,
    role=Role.HEARTBEAT,
    params=NoParams,
    run=run,
    limit=30.0,
    uses_facts=True,
)
