"""The intake: which drops start now. It reads them, settles their identity, and keeps the ones that wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from agent.admission import Situation, is_draft, not_now, with_parameters
from agent.approving import Approvals
from agent.claims import Claim, Wanted
from agent.clock import wall
from agent.errors import TryLater
from agent.facts import outcome_of
from agent.handlers import HANDLERS
from agent.holding import TURN, Holding
from agent.identity import identify
from agent.inbox import Drop, Inbox, Look
from agent.journal import Journal
from agent.patience import Patience
from agent.records import Scribe
from agent.requests import Requests
from agent.route.types import KNOWN_TYPES
from agent.runner import Run
from agent.schedules import LONGEST, Schedules
from agent.vault.finished import Archive
from agent.vault.names import is_schedule
from agent.vault.task import read_task
from agent.vault.values import Decision, Problem, Result, Status, Task

BATCH = 256  # tasks admitted in one travel of the road
SHARED = 64  # where others work too: who takes what they cannot begin soon keeps it from them
RECHECK = 10.0  # seconds until a task that waits for something outside is looked at again
LOOK_SECONDS = 30.0  # for one look at the inbox: 20,000 files take less than one
CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Rest:
    """A task that waits: not looked at again before `until`, unless its file changes or something finishes."""

    drop: Drop
    task: Task
    decision: Decision
    reason: str
    until: float  # monotonic seconds
    state: object  # how the world looked then
    tried: bool = False  # it began, and the world was not ready

    @property
    def is_draft(self) -> bool:
        return is_draft(self.task, self.reason)

    def has_its_time(self, now: datetime) -> bool:
        """Whether it waited for nothing but a time that has come: a machine that slept does not count the seconds."""
        return bool(self.task.not_before and self.reason.startswith("not before") and self.task.not_before <= now)

    def as_data(self) -> dict[str, object]:
        """As `run --once --json` shows a task that waits."""
        return {
            "id": self.task.id,
            "status": str(Status.WAITING),
            "tier": str(self.decision.tier),
            "type": self.decision.type,
            "model": None,
            "report": None,
            "seconds": 0,
            "input_tokens": 0,
            "output_tokens": 0,
            "reason": self.reason,
        }


@dataclass(slots=True)
class Intake:
    """One worker's intake. `away(model)` says why a model cannot answer now, `quick` whether a task runs at once;
    `forget(path, revision)` removes a left-over; `only`, when it is a path, leaves everything else alone."""

    root: Path
    inbox: Inbox
    journal: Journal
    holding: Holding
    requests: Requests
    archive: Archive
    scribe: Scribe
    schedules: Schedules
    approvals: Approvals
    offers: Collection[str]
    max_attempts: int
    away: Callable[[str], str]
    quick: Callable[[Task, Decision], bool]
    forget: Callable[[str, str], None]
    only: str = ""
    works: bool = True  # False: this process only syncs
    halted: Callable[[], str] = str  # why nothing may start, "" when it may
    admitting: bool = True  # False: nothing starts any more
    resting: dict[str, Rest] = field(default_factory=dict)  # by path
    look: Look = field(default_factory=Look)
    more: bool = False  # there is more to admit right now
    outcomes: int = 0  # so many runs have ended: what waits for one of them is looked at again
    cancelled: frozenset[str] = frozenset()
    trouble: str = ""  # why the inbox could not be looked at
    _state: object = None  # what may let a waiting task start: outcomes here, and what others do
    _running: tuple[Run, ...] = ()
    _patience: Patience = field(default_factory=lambda: Patience("the inbox", LOOK_SECONDS))
    _wanted: list[tuple[Drop, Task, Decision]] = field(default_factory=list)
    _claimed: frozenset[str] = frozenset()  # paths of what starts in this travel
    _begun: set[str] = field(default_factory=set)  # keys whose attempt is counted and not given back

    def admit(self, now: datetime, running: Sequence[Run]) -> Sequence[Drop]:
        """What lies in the inbox and may start, most urgent and oldest first, at most 256 at a time. Each drop's
        attempt is counted, durably, before anything of it is parsed; one that failed to end before goes alone."""
        clock = time.monotonic()
        self._running = tuple(running)
        self._cancel()
        self._state = self._now()
        self.trouble = ""
        try:
            drops, schedules = self._patience.call(lambda: self._candidates(clock, now))
        except TryLater as error:
            self.trouble, drops, schedules = str(error), [], None
        if schedules is not None:
            drops = [*self._due(schedules, clock, now), *drops]
        suspects = [drop for drop in drops if self.journal.attempts.get(drop.key) and not self._rests(drop)]
        if suspects:
            innocent = [drop for drop in drops if drop not in suspects]
            least = min(suspects, key=lambda drop: self.journal.attempts[drop.key])  # the likeliest culprit comes last
            drops, self.more = innocent or [least], True
        fresh = [drop.key for drop in drops if not self._rests(drop)]
        self.journal.begin(fresh)
        self._begun.update(fresh)
        return drops

    def _now(self) -> object:
        return self.outcomes, self.holding.state, self.approvals.state

    @property
    def outdated(self) -> bool:
        """Whether something that waits may start by now."""
        return bool(self.resting) and self._state != self._now()

    def _cancel(self) -> None:
        self.cancelled = self.requests.pending(CANCEL)
        for run in self._running:
            if run.task.id in self.cancelled:
                run.cancelled.set()
        self.holding.stop_overdue(self._running)

    def _candidates(self, clock: float, now: datetime) -> tuple[list[Drop], list[Drop] | None]:
        """Look and read: what may start, and the files of schedules that are new, None while none is looked after.
        Both can hang on a bad disk, so nothing else of the worker's happens in here."""
        closed = not self.admitting or (self.works and bool(self.halted()))
        self.look = Look() if closed else self.inbox.look(clock, now.timestamp())
        present = {*self.look.ready, *self.look.schedules}
        self.resting = {path: rest for path, rest in self.resting.items() if path in present}
        busy = {run.drop.path for run in self._running} | {record.source for record in self.journal.owed.values()}
        known = self.journal.told | self.journal.owed.keys()  # reported, or about to be
        drops = [drop for drop in self.look.refused if drop.key not in known]
        self.more, room = False, (SHARED if self.holding.exchange else BATCH) - len(self._running)
        for path in self.look.ready:
            if path in busy or self._still_rests(path, clock, now) or (self.only and path != self.only):
                continue
            if len(drops) >= room:
                self.more = room > 0  # else the next run that ends makes room, and rings
                break
            drop = self.inbox.take(path, clock)
            if drop and drop.key not in self.journal.owed:
                drops.append(drop)
        if closed or self.only:
            return drops, None
        known_here = (self.schedules.knows(path, self.inbox.signature(path)) for path in self.look.schedules)
        new = [path for path, known in zip(self.look.schedules, known_here, strict=True) if not known]
        return drops, [drop for path in new if (drop := self.inbox.take(path, clock))]

    def _due(self, new: Sequence[Drop], clock: float, now: datetime) -> list[Drop]:
        """The schedules whose next run may begin, and the files in their folder that are none."""
        for drop in new:
            self.schedules.learn(drop, self._parsed(drop))
        self.schedules.keep({*self.look.schedules, *self.look.settling})
        owed = [record.task for record in self.journal.owed.values() if record.schedule]
        due = self.schedules.due(now, {run.drop.path for run in self._running}, owed) if self.works else []
        fresh = (drop for drop in due if drop.key not in self.journal.owed)
        return [drop for drop in fresh if not self._still_rests(drop.path, clock, now, drop.instance)]

    def _parsed(self, drop: Drop) -> Task:
        """The task in a file of a schedule. This too counts as an attempt, until it has gone well."""
        dead = self.scribe.dead_letter(drop)
        if self.journal.attempts.get(drop.key, 0) >= self.max_attempts:
            return replace(dead, scheduled=True, problem=Problem("reading it brought Gofer down too often"))
        self.journal.begin([drop.key])
        task = with_parameters(read_task(drop.raw or b"", drop.path, types=KNOWN_TYPES))
        self.journal.back([drop.key])
        return task

    def _still_rests(self, path: str, clock: float, now: datetime, instance: str = "") -> bool:
        rest = self.resting.get(path)
        if (
            rest is None
            or rest.drop.instance != instance
            or self.inbox.signature(path) != rest.drop.signature
            or rest.task.id in self.cancelled
            or rest.has_its_time(now)
        ):
            return False
        return clock < rest.until and rest.state == self._state

    def _rests(self, drop: Drop) -> bool:
        """Whether it was parsed before and only waits: looking at it again needs no attempt."""
        rest = self.resting.get(drop.path)
        return rest is not None and rest.drop.key == drop.key

    def read(self, drop: Drop) -> Task | None:
        """The task in a drop, under its own id; None for a left-over of a finished one, which is removed.

        What brought the worker down too often is not parsed again.
        """
        if self.journal.attempts.get(drop.key, 0) > self.max_attempts:
            dead = self.scribe.dead_letter(drop)
            return replace(dead, id=drop.instance, scheduled=True) if drop.instance else dead
        if drop.raw is None:
            return self.scribe.unreadable(drop)
        if is_schedule(drop.path):
            return self.schedules.task(drop)
        rest = self.resting.get(drop.path)
        rest = rest if self._rests(drop) else None
        task = rest.task if rest else read_task(drop.raw, drop.path, types=KNOWN_TYPES)
        identity = identify(
            task, self.root, self.archive, self._taken(drop.path), partial(self.holding.is_another, task)
        )
        if identity.left_over:
            self.forget(drop.path, identity.task.revision)
            self.resting.pop(drop.path, None)  # or it would be published anew
            self.give_back(drop.key)
            return None
        return identity.task if rest else with_parameters(identity.task)  # what rests has been through that

    def _taken(self, but: str) -> Mapping[str, str]:
        taken = {rest.task.id: path for path, rest in self.resting.items() if path != but}
        taken.update((task.id, drop.path) for drop, task, _ in self._wanted)
        taken.update((run.task.id, run.drop.path) for run in self._running)
        owed = (record for record in self.journal.owed.values() if record.status != Status.WAITING)
        taken.update((record.task, record.source) for record in owed)
        return taken

    def not_now(self, drop: Drop, task: Task, decision: Decision, now: datetime) -> str:
        """Why this one waits, "" when it may start. A cancelled one need not wait for anything."""
        if task.id in self.cancelled and task.problem is None:
            return ""
        obsidian = (self.root / ".obsidian").is_dir()
        situation = Situation(
            HANDLERS, self.offers, obsidian, partial(outcome_of, self.root, self.archive), self.away,
            partial(self.approvals.why_waits, now=now),
        )  # fmt: skip
        told = task.problem is not None and self._is_told(drop, task)
        reason = not_now(task, decision, situation, now, committed=drop.committed, told=told)
        if reason:
            return reason
        return self.holding.look(drop, task) if self.works else "this process only syncs; a worker takes it"

    def _is_told(self, drop: Drop, task: Task) -> bool:
        """Whether this file was reported as no task, here or by another machine that sees it too."""
        if drop.key not in self.journal.told and self.holding.is_told(task):
            self.journal.tell([drop.key])
        return drop.key in self.journal.told

    def wait(self, drop: Drop, task: Task, decision: Decision, reason: str, *, tried: bool = False) -> None:
        """Let it rest. The attempt does not count; nothing is lost and nobody is told twice."""
        self.give_back(drop.key)
        until = time.monotonic() + (0.0 if reason == TURN else RECHECK)
        if (task.problem is not None and task.problem.what in reason) or is_draft(task, reason):
            until = float("inf")
        elif task.not_before and reason.startswith("not before"):
            until = time.monotonic() + min(LONGEST, max(0.0, task.not_before.timestamp() - wall()))
        reason = self.scribe.gate.redact(reason)  # it may quote the task, and others are told of it
        self.resting[drop.path] = Rest(drop, task, decision, reason, until, self._state, tried)

    def want(self, drop: Drop, task: Task, decision: Decision) -> None:
        """This one may start, as soon as it is claimed."""
        if drop.key not in self._begun:
            self.journal.begin([drop.key])
            self._begun.add(drop.key)
        self._wanted.append((drop, task, decision))

    def claim(self) -> Iterator[tuple[Drop, Task, Decision, Claim]]:
        """Claim what may start, all of it in one push; what others hold waits. Those that were won."""
        wanted, self._wanted = self._wanted, []
        mine = self.holding.take(
            [(d, t, Wanted(t.id, t.revision, self.journal.attempts.get(d.key, 1))) for d, t, _ in wanted],
            len(self.look.ready),
            frozenset(d.path for d, task, decision in wanted if d.path in self.look.own and self.quick(task, decision)),
        )
        self._claimed = frozenset(drop.path for drop, task, _ in wanted if task.id in mine)
        for drop, task, decision in wanted:
            if claim := mine.get(task.id):
                self.resting.pop(drop.path, None)
                yield drop, task, decision, claim
            elif drop.instance and (last := self.holding.over(task.id)):
                self.resting.pop(drop.path, None)
                self.give_back(drop.key)
                self.schedules.elsewhere(last)
                self.more = True  # a later one may be due
            else:
                self.wait(drop, task, decision, self.holding.why(task.id))

    def known(self, task: Task, decision: Decision, now: datetime) -> Result | None:
        """What a task that asks first comes to without running: what was decided on its plan, or that it must ask."""
        return None if task.id in self.cancelled else self.approvals.known(task, decision, now)

    def put_back(self, run: Run, reason: str) -> None:
        """A run that could not end now: its task waits again."""
        self.holding.release([run.task.id])
        self.wait(run.drop, run.task, run.decision, reason, tried=True)

    def crashed(self, run: Run) -> None:
        """The process of a run died in it: its task is looked at anew, and the attempt stays counted."""
        self.holding.release([run.task.id])
        self._begun.discard(run.drop.key)

    def hand_back(self, running: Sequence[Run]) -> None:
        """A travel of the road ended early: what it had begun and does not run is as if it had not begun."""
        busy = {run.drop.key for run in running} | self.journal.owed.keys()
        for key in self._begun - busy:
            self.give_back(key)

    def give_back(self, key: str) -> None:
        """Take one counted attempt back."""
        if key in self._begun:
            self._begun.discard(key)
            self.journal.back([key])

    def ended(self, keys: Iterable[str]) -> None:
        """These runs are over."""
        keys = set(keys)
        self._begun -= keys
        self.outcomes += len(keys)

    @property
    def wake_times(self) -> list[float]:
        """When something that waits or settles is due, in monotonic seconds."""
        times = [rest.until for rest in self.resting.values() if rest.until != float("inf")]
        times += self.schedules.wake_times
        return times if self.look.next_at is None else [*times, self.look.next_at]

    def waiting(self) -> list[Rest]:
        """The tasks that wait for something, without drafts and files that are no tasks."""
        return [rest for rest in self.resting.values() if rest.task.problem is None and not rest.is_draft]

    def to_publish(self) -> dict[str, bytes | None]:
        """What the person dropped here and this worker does not do now: others may, once it is on the remote."""
        drops = {
            path: rest.drop.raw
            for path, rest in self.resting.items()
            if rest.drop.raw is not None and not rest.is_draft and rest.task.problem is None
        }
        return {**drops, **self.schedules.files()}

    @property
    def at_work(self) -> frozenset[str]:
        """The files whose tasks run."""
        return self._claimed | {run.drop.path for run in self._running}

    def counts(self) -> dict[str, int]:
        """How many tasks stand where, in the inbox."""
        drafts = sum(rest.is_draft for rest in self.resting.values())
        invalid = sum(rest.task.problem is not None for rest in self.resting.values())
        return {
            "draft": drafts,
            "open": len(self.look.settling) + len(self.look.ready) - len(self.resting.keys() - {*self.look.schedules}),
            "waiting": len(self.resting) - drafts - invalid,
            "running": len(self._running),
            "invalid": invalid,
        }
