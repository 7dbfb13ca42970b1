"""The schedules of one vault: which run of each is due, and what became of the last one.

What a file says decides when it is due (`vault.schedule`); the state folder only remembers up to where each was served.
Without that memory a schedule counts from when it is seen, as a new one does: nothing of the past is made up for.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent.inbox import Drop, Signature
from agent.text import parse_utc, utc
from agent.vault.schedule import MOST, Schedule, instance_id, instance_of, name_of, opens_at, schedule_of
from agent.vault.values import Problem, Status, Task

LATE = timedelta(minutes=5)  # with `missed: skip` a run that nobody began for so long after it was due is skipped
RECENT = 64  # due times remembered, for a clock that is set back
LONGEST = 60.0  # seconds of sleep: the wall clock may be set, and a machine that slept does not count them
INTERVALS = 2  # after so many a schedule that did not run is a problem


@dataclass(frozen=True, slots=True)
class Entry:
    """How far one schedule was served: `done` and `recent` are due times, `last` is when its last run here ended."""

    rule: str
    done: str
    last: str = ""
    status: str = ""  # of the last run here
    recent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """One file. `schedule` is None for a draft, and for what is no schedule."""

    drop: Drop
    task: Task
    schedule: Schedule | None


@dataclass(slots=True)
class Schedules:
    """Not thread-safe: the road owns it. `ended(id)` says whether the vault holds the outcome of a run, `asked()` which
    tasks have asked for a tick; `hours` are the spans of the machine's day in which runs may begin. With `writes` False
    nothing is remembered."""

    path: Path
    hours: Sequence[str]
    ended: Callable[[str], bool]
    asked: Callable[[], Collection[str]] = tuple
    writes: bool = True
    _known: dict[str, Known] = field(default_factory=dict)  # by path
    _entries: dict[str, Entry] | None = None  # by name
    _saved: object = None
    _starts: dict[str, tuple[datetime, datetime | None]] = field(default_factory=dict)  # name → served to, next start
    _on_time: dict[str, datetime] = field(default_factory=dict)  # runs that may wait although they are late
    _since: datetime | None = None  # since when somebody here looks after them
    _looked: tuple[datetime, float] = (datetime.min.replace(tzinfo=UTC), 0.0)

    # -- the files -------------------------------------------------------------------------------------------------

    def knows(self, path: str, signature: Signature | None) -> bool:
        """Whether this file was learned as it is now."""
        return path in self._known and self._known[path].drop.signature == signature

    def learn(self, drop: Drop, task: Task) -> None:
        """This is what a file says now."""
        runs = task.problem is None and task.status is not Status.DRAFT
        self._known[drop.path] = Known(drop, task, schedule_of(task) if runs else None)
        if self._known[drop.path].schedule is None:
            self._forget(lambda name: name == _name(task))  # a draft that is opened counts from then

    def keep(self, paths: Collection[str]) -> None:
        """There are no other files."""
        gone = [path for path in self._known if path not in paths]
        names = {known.schedule.name for path in gone if (known := self._known.pop(path)).schedule}
        self._forget(lambda name: name in names)

    def task(self, drop: Drop) -> Task:
        """The task of a drop that `due` gave."""
        known = self._known[drop.path]
        if first := self._twin(known):
            problem = Problem(
                f"another schedule is called '{_name(known.task)}': {first}",
                why="the runs of two schedules with one name cannot be told apart",
                fix="rename this file, or give it an `id`",
            )
            return replace(known.task, problem=problem)
        return replace(known.task, id=drop.instance) if drop.instance else known.task

    def files(self) -> Mapping[str, bytes | None]:
        """The files of all that runs, with their bytes."""
        return {path: known.drop.raw for path, known in self._known.items() if known.schedule}

    def runs(self) -> list[str]:
        """An id of a run of every schedule, whichever."""
        any_time = datetime(2026, 1, 1, tzinfo=UTC)
        return [instance_id(known.schedule.name, any_time) for known in self._known.values() if known.schedule]

    def _twin(self, known: Known) -> str:
        """The path of the file that has the name of this one, and comes first; "" when there is none."""
        if known.schedule is None:
            return ""
        same = (p for p, k in self._known.items() if k.schedule and k.schedule.name == known.schedule.name)
        return first if (first := min(same)) != known.drop.path else ""

    # -- what is due -----------------------------------------------------------------------------------------------

    def due(self, now: datetime, running: Collection[str], owed: Collection[str]) -> list[Drop]:
        """The runs that are due, one for each schedule at most, and the files that are none. `running` are the paths of
        those at work, whose next run has to wait; `owed` the ids of runs that have ended and are not published yet."""
        self._looked, self._since = (now, time.monotonic()), self._since or now
        drops = []
        for path, known in sorted(self._known.items()):
            if path in running:
                continue
            if known.schedule is None or self._twin(known):
                drops.append(known.drop)
            elif when := self._asking(known) or self._due(known.schedule, now, owed):
                drops.append(replace(known.drop, instance=instance_id(known.schedule.name, when)))
        self._save()
        return drops

    def _asking(self, known: Known) -> datetime | None:
        """The due time of a run that waits for a tick: no later one takes its place before it has its answer."""
        if known.schedule is None or not known.task.approve:
            return None
        runs = (run for task in self.asked() if not self.ended(task) and (run := instance_of(task)))
        return min((due for name, due in runs if name == known.schedule.name), default=None)

    def _due(self, schedule: Schedule, now: datetime, owed: Collection[str]) -> datetime | None:
        """The due time of the run that may begin now. Of those that were missed, `once` takes the last, `all` one after
        the other, and `skip` none that is late."""
        start = self._next(schedule, now, owed)
        if start is None or now < start or not opens_at(self.hours, now.astimezone()):
            return None
        after = self._served(schedule, now, owed)
        for due in schedule.started(after, now, MOST if schedule.missed == "all" else 1):
            if not (self._skipped(schedule, due, now) or self._over(schedule, due, now)):
                self._on_time[schedule.name] = due
                return due
            self._mark(schedule.name, due)
        return None

    def _skipped(self, schedule: Schedule, due: datetime, now: datetime) -> bool:
        begun = self._on_time.get(schedule.name) == due  # it was begun in time, and had to wait
        return schedule.missed == "skip" and not begun and now - schedule.start(due) > LATE

    def _over(self, schedule: Schedule, due: datetime, now: datetime) -> bool:
        return utc(due) in self._entry(schedule, now).recent or self.ended(instance_id(schedule.name, due))

    def _next(self, schedule: Schedule, now: datetime, owed: Collection[str]) -> datetime | None:
        """When the first run that was not served starts."""
        after = self._served(schedule, now, owed)
        known = self._starts.get(schedule.name)
        if known is None or known[0] != after:
            known = self._starts[schedule.name] = after, schedule.next_start(after)
        return known[1]

    def _served(self, schedule: Schedule, now: datetime, owed: Collection[str]) -> datetime:
        runs = (run for task in owed if (run := instance_of(task)) and run[0] == schedule.name)
        return max([parse_utc(self._entry(schedule, now).done), *(due for _, due in runs)])

    @property
    def wake_times(self) -> list[float]:
        """When to look again, in monotonic seconds: at the next start, and within a minute in any case."""
        now, clock = self._looked
        starts = [known[1] for known in self._starts.values() if known[1]]
        waits = [(start - now).total_seconds() for start in starts if start > now]
        return [clock + min([LONGEST, *waits])] if starts else []

    # -- what became of it -----------------------------------------------------------------------------------------

    def ran(self, task: str, status: str, when: str) -> None:
        """A run of a schedule has ended here."""
        run = instance_of(task)
        if run and run[0] in self._all():
            self._mark(*run)
            self._all()[run[0]] = replace(self._all()[run[0]], last=when, status=status)
            self._save()

    def elsewhere(self, task: str) -> None:
        """A run of a schedule has ended on another machine."""
        if run := instance_of(task):
            self._mark(*run)
            self._save()

    def rows(
        self, now: datetime, running: Collection[str] = (), *, drafts: bool = False
    ) -> Iterator[tuple[Known, dict[str, Any]]]:
        """Every file, drafts if asked: `name`, `path`, `next` and `last` (UTC times or None), `overdue_s` (seconds
        since the first run that should have begun and did not), `problem` (why it is no schedule, "" when it is)."""
        for path, known in sorted(self._known.items()):
            if known.task.status is Status.DRAFT and known.task.problem is None and not drafts:
                continue
            row = {"name": _name(known.task), "path": path, "next": None, "last": None, "overdue_s": 0, "problem": ""}
            if problem := self.task(known.drop).problem:
                row["problem"] = problem.what
            elif schedule := known.schedule:
                row |= self._row(schedule, now, path in running)
            yield known, row

    def _row(self, schedule: Schedule, now: datetime, running: bool) -> dict[str, Any]:
        entry, following = self._entry(schedule, now), schedule.next_start(now)
        row: dict[str, Any] = {"next": following and utc(following), "last": entry.last or None}
        start = None if running else self._next(schedule, now, ())
        if start and start <= now and opens_at(self.hours, now.astimezone()):
            row["overdue_s"] = int((now - start).total_seconds())
        return row

    def _late(self, schedule: Schedule, start: datetime, now: datetime, since: datetime) -> str:
        """The sentence on a schedule that did not run for more than two of its intervals, while we looked after it."""
        due = schedule.next(parse_utc(self._entry(schedule, now).done))
        then = due and schedule.next(due)
        if not (due and then) or now - max(start, since) <= INTERVALS * (then - due):
            return ""
        return f"the schedule {schedule.name} should have run at {due:%Y-%m-%d %H:%M} UTC, and did not"

    def unattended(self, now: datetime) -> dict[str, str]:
        """The files of schedules that somebody here looked after, and nobody does by now: each with a sentence once it
        is long time for its next run."""
        found = {}
        for path, known in self._known.items():
            start = self._next(known.schedule, now, ()) if known.schedule else None
            if start and start <= now and known.schedule:
                found[path] = self._late(known.schedule, start, now, start)
        return {path: said for path, said in found.items() if said}

    @property
    def now(self) -> datetime:
        """What time it was when it was looked what is due."""
        return self._looked[0]

    def late(self, running: Collection[str]) -> dict[str, str]:
        """The files of schedules that do not run although it is long time for them, each with a sentence; none for who
        only exchanges with the remote, and never looked what is due."""
        found, now = {}, self.now
        if self._since is None:
            return {}
        for path, known in self._known.items():
            start = self._next(known.schedule, now, ()) if known.schedule and path not in running else None
            if start and start <= now and known.schedule and opens_at(self.hours, now.astimezone()):
                found[path] = self._late(known.schedule, start, now, self._since)
        return {path: said for path, said in found.items() if said}

    def last(self, known: Known) -> str:
        """How the last run here ended, in words; "" when there was none."""
        entry = self._all().get(_name(known.task))
        return f"{entry.status} {entry.last[:16].replace('T', ' ')} UTC" if entry and entry.last else ""

    # -- the memory ------------------------------------------------------------------------------------------------

    def _entry(self, schedule: Schedule, now: datetime) -> Entry:
        """What is known of a schedule. A new one, and one with another rule, counts from now; so does one whose last
        run lies ahead of a clock that was set back, but for the runs that there were."""
        entry = self._all().get(schedule.name)
        if entry is None or entry.rule != schedule.rule:
            last = entry and (entry.last, entry.status, entry.recent)
            entry = Entry(schedule.rule, utc(now), *(last or ()))
        elif parse_utc(entry.done) > now:
            entry = replace(entry, done=utc(now))
        self._all()[schedule.name] = entry
        return entry

    def _mark(self, name: str, due: datetime) -> None:
        entry = self._all().get(name)
        if entry:
            said = utc(due)
            recent = (*(known for known in entry.recent if known != said), said)[-RECENT:]
            self._all()[name] = replace(entry, done=max(entry.done, said), recent=recent)

    def _forget(self, which: Callable[[str], bool]) -> None:
        for name in [name for name in self._all() if which(name)]:
            del self._all()[name]
            self._starts.pop(name, None)
            self._on_time.pop(name, None)

    def _all(self) -> dict[str, Entry]:
        if self._entries is None:
            self._entries = _read(self.path)
        return self._entries

    def _save(self) -> None:
        said = {name: asdict(entry) for name, entry in self._all().items()}
        if not self.writes or said == self._saved:
            return
        with suppress(OSError):  # a full disk: what is lost is made up for by the archive and the claims
            part = self.path.with_suffix(".new")
            part.write_text(json.dumps({"v": 1, "schedules": said}), "utf-8")
            os.replace(part, self.path)
            self._saved = said


def _name(task: Task) -> str:
    """How a schedule is called, also while it is none."""
    return task.id if task.explicit_id else name_of(task.path)


def _read(path: Path) -> dict[str, Entry]:
    """What was remembered; nothing of what cannot be read."""
    try:
        said = json.loads(path.read_text("utf-8"))["schedules"]
        found = {name: Entry(**{**entry, "recent": tuple(entry["recent"])}) for name, entry in said.items()}
        for entry in found.values():
            parse_utc(entry.done)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return found
