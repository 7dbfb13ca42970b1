"""When a schedule is due: pure functions of its header and of instants that are given.

Every machine comes to the same due times without a word between them: they depend on the file and on the time zone data
alone. `every` is a grid: of whole days at local midnight, or where the active hours begin when it does not lie in them
(weeks begin on Monday); of anything else since 1970 in UTC.
A `cron` line with `*` for the hour means every hour that really passes; with any other hour it means local times, each
of them once: one that the clock skips comes right after the gap, one that it shows twice comes the first time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from hashlib import sha256
from itertools import islice
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from agent.text import slug
from agent.vault.conversions import seconds
from agent.vault.layout import SCHEDULES
from agent.vault.values import Task

DAY = 86_400
MINUTE = timedelta(minutes=1)
MOST = 100  # missed runs that `missed: all` makes up for
CANDIDATES = 50_000  # due times that are tried until one lies in the active hours
HORIZON = timedelta(days=5 * 366)  # a schedule that is not due for so long never is
_FIRST_SPAN = timedelta(hours=2)
_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_INSTANCE = re.compile(r"(.+)-([0-9]{8}t[0-9]{4})z")
_FORM = "%Y%m%dt%H%M"


@dataclass(frozen=True, slots=True)
class Schedule:
    """One recurring task. `every` in seconds, 0 when `cron` says when; `hours` as `08:00-23:00`, "" for always."""

    name: str
    every: int
    cron: str
    zone: tzinfo
    hours: str = ""
    jitter: float = 0.0
    missed: str = "once"

    @property
    def rule(self) -> str:
        """What decides when it is due, as one text: another one counts anew."""
        return f"{self.every} {self.cron} {self.zone} {self.hours}"

    def due_in(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """The due times later than `after`, up to and with `until`, in UTC, without jitter."""
        local = self._grid(after, until) if self.every else self._cron(after, until)
        return (due for due in local if is_open(self.hours, due.astimezone(self.zone)))

    def next(self, after: datetime) -> datetime | None:
        """The first due time after an instant; None when there is none for years."""
        span, tried = timedelta(days=1), after
        until = min(after + HORIZON, datetime.max.replace(tzinfo=UTC) - HORIZON)
        while tried < until:
            end = min(until, tried + span)
            if found := next(self.due_in(tried, end), None):
                return found
            tried, span = end, span * 4
        return None

    def start(self, due: datetime) -> datetime:
        """When a due run may start: up to `jitter` later, the same on every machine, and before the next one is due."""
        if self.jitter < 1:
            return due
        part = int.from_bytes(sha256(instance_id(self.name, due).encode()).digest()[:4], "big") / 2**32
        following = self.next(due)
        most = self.jitter if following is None else min(self.jitter, (following - due).total_seconds())
        return due + timedelta(seconds=int(part * most))

    def started(self, after: datetime, now: datetime, most: int = 1) -> list[datetime]:
        """The last due times later than `after` whose runs may have started by `now`, oldest first."""
        span = _FIRST_SPAN
        while True:
            since = max(after, now - span)
            found = [due for due in self.due_in(since, now) if self.start(due) <= now]
            if since == after or len(found) >= most:
                return found[-most:]
            span *= 4

    def next_start(self, after: datetime) -> datetime | None:
        """When the first run that is due after an instant starts."""
        due = self.next(after)
        return due and self.start(due)

    def _grid(self, after: datetime, until: datetime) -> Iterator[datetime]:
        if self.every % DAY:
            number = int(after.timestamp() // self.every) + 1
            while (due := datetime.fromtimestamp(number * self.every, UTC)) <= until:
                yield due
                number += 1
            return
        days, clock = self.every // DAY, time(0)
        if not is_open(self.hours, datetime.combine(date.min, clock)):
            clock = time.fromisoformat(self.hours.partition("-")[0])
        number = (after.astimezone(self.zone).date().toordinal() - 1) // days
        while (due := self._instant(datetime.combine(date.fromordinal(number * days + 1), clock))) <= until:
            if due > after:
                yield due
            number += 1

    def _cron(self, after: datetime, until: datetime) -> Iterator[datetime]:
        hourly = self.cron.split()[1] == "*"
        here = after.astimezone(self.zone)
        # A local clock that was set back shows an earlier time than before: begin so early that none is left out.
        begin = here if hourly else here.replace(tzinfo=None) - timedelta(days=1)
        last = None
        for said in CronSim(self.cron, begin):
            due = said.astimezone(UTC) if hourly else self._instant(said)
            if due > until:
                return
            if due > after and due != last:
                yield due
                last = due

    def _instant(self, local: datetime) -> datetime:
        """A local time as an instant: one that is skipped is the end of the gap, one that comes twice the first."""
        early, late = (local.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (1, 0))
        if early >= late:
            return late
        offset = early.astimezone(self.zone).utcoffset()
        while late - early > MINUTE:  # the gap ends between the two, on a whole minute
            middle = early + (late - early) // 2 // MINUTE * MINUTE
            if middle.astimezone(self.zone).utcoffset() == offset:
                early = middle
            else:
                late = middle
        return late


def schedule_of(task: Task) -> Schedule:
    """The schedule that a file in `inbox/schedules/` states; Unfit when it states none."""
    if bool(task.every) == bool(task.cron):
        both = "`every` and `cron` are both there" if task.every else "it does not say when it is due"
        why = "a schedule has one of them: every: 1d, or cron: 0 9 * * 1-5"
        raise Unfit("cron", both, why) if task.every else Unfit("", both, why, every="1d")
    every = round(seconds(task.every)) if task.every else 0
    if every % 60 or (every and seconds(task.every) != every):
        what, whole = f"`every: {task.every}` is no whole number of minutes", f"{every // 60 + 1}m"
        raise Unfit("every", what, "the shortest is 1m", every=whole)
    if every and task.jitter >= every:
        raise Unfit("jitter", f"`jitter` is as long as `every: {task.every}`", "it has to be shorter")
    name = task.id if task.explicit_id else name_of(task.path)
    zone = zone_of(task.timezone)
    schedule = Schedule(name, every, cron_of(task.cron), zone, task.active_hours, task.jitter, task.missed)
    if not _ever(schedule):
        why = f"no due time lies in active_hours: {task.active_hours}" if task.active_hours else "there is no such day"
        raise Unfit("active_hours" if task.active_hours else "cron", "it would never run", why)
    return schedule


class Unfit(ValueError):
    """A header that is no schedule: the key that is wrong ("" when one is missing), what, and why; an `every` that
    would do, "" when the key had better go."""

    def __init__(self, key: str, what: str, why: str, *, every: str = "") -> None:
        super().__init__(what)
        self.key, self.what, self.why, self.every = key, what, why, every


def _ever(schedule: Schedule) -> bool:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    if not schedule.hours:
        return schedule.next(now) is not None
    bare = Schedule(schedule.name, schedule.every, schedule.cron, schedule.zone)
    tried = islice(bare.due_in(now, now + HORIZON), CANDIDATES)
    return any(is_open(schedule.hours, due.astimezone(schedule.zone)) for due in tried)


def name_of(path: str) -> str:
    """A schedule's name from its path below `inbox/schedules/`."""
    return slug(str(PurePosixPath(path).relative_to(SCHEDULES).with_suffix("")).replace("/", "-"))


def instance_id(name: str, due: datetime) -> str:
    """The id of one run: the schedule's name and its due time in UTC, `heartbeat-20261120t0930z`."""
    return f"{name}-{due.astimezone(UTC).strftime(_FORM)}z"


def instance_of(task: str) -> tuple[str, datetime] | None:
    """The schedule's name and the due time of a run's id; None for every other id."""
    found = _INSTANCE.fullmatch(task)
    if not found:
        return None
    try:
        return found[1], datetime.strptime(found[2], _FORM).replace(tzinfo=UTC)
    except ValueError:
        return None


def zone_of(text: str) -> tzinfo:
    """A time zone by its IANA name, UTC for ""; ValueError for one that is not known here."""
    if text in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(text)
    except (OSError, ValueError, KeyError) as error:  # a folder, a bad name, no such zone
        raise ValueError(text) from error


def cron_of(text: str) -> str:
    """Five cron fields, `@daily` and its like spelled out, "" as it is; ValueError for what is none."""
    text = " ".join(_NAMED.get(text.lower(), text).split())
    if not text:
        return text
    try:
        CronSim(text, datetime(2026, 1, 1))
    except CronSimError as error:
        raise ValueError(str(error)) from error
    if len(text.split()) != 5:
        raise ValueError(text)
    return text


def is_open(hours: str, local: datetime) -> bool:
    """Whether a local time lies in hours of the day like `08:00-23:00`, the end not counted; they may pass midnight."""
    if not hours:
        return True
    start, _, end = hours.partition("-")
    clock = f"{local:%H:%M}"
    return start <= clock < end if start < end else clock >= start or clock < end


def opens_at(hours: Sequence[str], local: datetime) -> bool:
    """Whether all of several spans are open."""
    return all(is_open(span, local) for span in hours)
