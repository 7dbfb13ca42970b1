"""The desk: everything the road needs, built once from the settings. Nothing below knows the settings as a whole."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from agent import facts
from agent.admission import Situation, is_draft, not_now
from agent.asking import Asking
from agent.board import Board
from agent.claims import Claim, LocalClaims
from agent.config import Settings, load_settings, state_dir
from agent.errors import BadHeader, Busy, Doubt, Refused, TaskOver, TryLater
from agent.files import Beneath, VaultFiles
from agent.files.overlay import OverlayFiles
from agent.gate import OutputGate
from agent.git.branch import Branch
from agent.git.repository import Repository
from agent.git.store import Store
from agent.handlers import HANDLERS
from agent.handlers.base import Context
from agent.identity import identify
from agent.inbox import Drop, Inbox, Look
from agent.journal import Journal, Record
from agent.models.base import Model
from agent.publish import Published, Publisher
from agent.records import Scribe
from agent.requests import Requests
from agent.route.router import Router
from agent.route.types import KNOWN_TYPES
from agent.runner import Lane, Run
from agent.runs import RunFolders
from agent.text import utc
from agent.tray import outdated, taken_out
from agent.vault.finished import Archive
from agent.vault.task import read_params, read_task
from agent.vault.values import Decision, HandoffReason, Outcome, Problem, Result, Status, Task, Tier, Who

BATCH = 256  # tasks admitted in one travel of the road
RECHECK = 10.0  # seconds until a task that waits for something outside is looked at again
ROUTED_LIMIT = 60.0  # seconds, for a run that only writes a hand-off

Ended = Result | TryLater
Timed = tuple[Ended, float]  # and how long it took, in seconds


@dataclass(frozen=True, slots=True)
class Tick:
    """What one travel of the road came to."""

    published: tuple[Record, ...] = ()
    running: int = 0
    settling: int = 0
    owed: int = 0
    stuck: str = ""  # why what is owed is not published
    more: bool = False  # there is more to do right now
    next_at: float | None = None  # monotonic seconds: when to travel again at the latest


@dataclass(frozen=True, slots=True)
class Rest:
    """A task that waits: not looked at again before `until`, unless its file changes or something finishes."""

    drop: Drop
    task: Task
    decision: Decision
    reason: str
    until: float  # monotonic seconds
    outcomes: int  # how many outcomes there were when it was looked at


@dataclass(slots=True)
class Desk:
    """One worker's desk in one vault. `Desk.open` takes the worker's lock; everything else is looked up in files."""

    settings: Settings
    root: Path
    state: Path
    worker: str
    lock: FileLock
    repository: Repository
    branch: Branch
    store: Store
    files: Beneath
    overlay: OverlayFiles
    gate: OutputGate
    journal: Journal
    claims: LocalClaims
    publisher: Publisher
    archive: Archive
    runs: RunFolders
    board: Board
    router: Router
    scribe: Scribe
    asking: Asking
    inbox: Inbox
    code: Lane[Timed]
    local: Lane[Timed]
    requests: Requests
    only: str = ""  # a path: everything else is left alone
    _resting: dict[str, Rest] = field(default_factory=dict)
    _look: Look = field(default_factory=Look)
    _outcomes: int = 0
    _more: bool = False
    _stuck: str = ""
    _blocked: bool = False
    _cancelled: frozenset[str] = frozenset()
    _begun: set[str] = field(default_factory=set)  # keys whose attempt was counted in this travel
    _delivered: set[str] = field(default_factory=set)

    @classmethod
    def open(
        cls,
        vault: Path,
        env: Mapping[str, str],
        *,
        ring: Callable[[], None] = lambda: None,
        model: Model | None = None,
        only: str = "",
    ) -> Desk:
        """Build it all. BadConfig for broken settings, Busy when another worker has this vault's lock."""
        repository = Repository(vault)
        root = repository.work_tree
        settings = load_settings(root, env).checked()
        state = state_dir(root, env)
        lock = _take_lock(state, root)
        worker = settings.worker.name
        gate = OutputGate(secrets=settings.secret_values)
        files, archive = Beneath(root), Archive(root)
        journal = Journal(state / "journal.jsonl")
        branch, store = Branch(repository), Store(repository, state / "objects.git")
        watch = settings.watch
        obsidian = (root / ".obsidian").is_dir()
        desk = cls(
            settings, root, state, worker, lock, repository, branch, store, files, OverlayFiles(VaultFiles(root)), gate,
            journal, LocalClaims(state, worker),
            Publisher(repository, store, branch, files, journal, gate.scan, worker),
            archive, RunFolders(state / "runs", gate), Board(state / "board.json"), Router(root, settings.aliases),
            Scribe(root, gate, settings, worker), Asking(root, settings, model),
            Inbox(
                root,
                watch.settle_obsidian_seconds if obsidian else watch.settle_seconds,
                watch.settle_open_seconds,
                lambda path, raw: _is_committed(repository, path, raw),
            ),
            Lane("code", 1, ring), Lane("model", 1, ring), Requests(state / "requests"), only,
        )  # fmt: skip
        desk._recover()
        return desk

    def _recover(self) -> None:
        """Put right what an earlier worker left when it was killed."""
        self.branch.repair()
        self.claims.sweep()
        self.files.sweep("inbox")
        self.deliver()

    def close(self) -> None:
        left = (*self.code.runs, *self.local.runs)
        for run in left:
            run.cancelled.set()
        for lane in (self.code, self.local):
            lane.close()
        self.journal.back(run.drop.key for run in left)  # handed back: the next worker begins anew
        self.claims.release(run.task.id for run in left)
        self.repository.rest()
        self.store.close()
        self.branch.close()
        self.journal.close()
        self.claims.close()
        self.board.write({})
        self.lock.release()

    # -- the stations of the road, in their order --------------------------------------------------------------------

    def admit(self, now: datetime) -> Sequence[Drop]:
        """What lies in the inbox and may start, most urgent and oldest first, at most 256 at a time. Each drop's
        attempt is counted, durably, before anything of it is parsed; one that failed to end before goes alone."""
        clock = time.monotonic()
        self._look = Look() if facts.stopped(self.root) else self.inbox.look(clock, now.timestamp())
        self._cancelled = self.requests.pending("cancel")
        for run in (*self.code.runs, *self.local.runs):
            if run.task.id in self._cancelled:
                run.cancelled.set()
        busy = {run.drop.path for run in (*self.code.runs, *self.local.runs)}
        busy |= {record.source for record in self.journal.owed.values()}
        self._resting = {path: rest for path, rest in self._resting.items() if path in self._look.ready}
        drops: list[Drop] = [d for d in self._look.refused if f"{d.key}" not in self.journal.told]
        self._more = False
        for path in self._look.ready:
            if path in busy or self._still_rests(path, clock) or (self.only and path != self.only):
                continue
            if len(drops) >= BATCH:
                self._more = True
                break
            if drop := self.inbox.take(path, clock):
                drops.append(drop)
        suspects = [drop for drop in drops if self.journal.attempts.get(drop.key) and not self._rests(drop)]
        if suspects:
            drops = [drop for drop in drops if drop not in suspects] or suspects[:1]
            self._more = True
        fresh = [drop.key for drop in drops if not self._rests(drop)]
        self.journal.begin(fresh)
        self._begun = set(fresh)
        return drops

    def _rests(self, drop: Drop) -> bool:
        """Whether it was parsed before and only waits: looking at it again needs no attempt."""
        rest = self._resting.get(drop.path)
        return rest is not None and rest.drop.key == drop.key

    def _still_rests(self, path: str, clock: float) -> bool:
        rest = self._resting.get(path)
        if rest is None or self.inbox.signature(path) != rest.drop.signature:
            return False
        return clock < rest.until and rest.outcomes == self._outcomes and rest.task.id not in self._cancelled

    def read(self, drop: Drop) -> Task | None:
        """The task in a drop, under its own id; None for a left-over of a finished one, which is removed.

        What brought the worker down three times is not parsed again.
        """
        if self.journal.attempts.get(drop.key, 0) > self.settings.tasks.max_attempts:
            return self.scribe.dead_letter(drop)
        if drop.raw is None:
            return self.scribe.unreadable(drop)
        rest = self._resting.get(drop.path)
        same = rest is not None and rest.drop.key == drop.key
        task = rest.task if rest and same else read_task(drop.raw, drop.path, types=KNOWN_TYPES)
        identity = identify(task, self.root, self.archive, self._taken(drop.path))
        if identity.left_over:
            self.publisher.remove_left_over(drop.path, identity.task.revision)
            self._give_back(drop.key)
            return None
        return self._with_parameters(identity.task)

    def _with_parameters(self, task: Task) -> Task:
        """A type that the task names must be able to use its parameters: if not, that is a bad header."""
        handler = HANDLERS.get(task.type)
        if task.problem is not None or handler is None:
            return task
        try:
            read_params(task, handler.params)
        except BadHeader as error:
            problem = Problem(error.what, error.line, error.why, error.fix, error.corrected)
            return replace(task, problem=problem)
        return task

    def _taken(self, but: str) -> dict[str, str]:
        taken = {rest.task.id: path for path, rest in self._resting.items() if path != but}
        taken.update((run.task.id, run.drop.path) for run in (*self.code.runs, *self.local.runs))
        taken.update((record.task, record.source) for record in self.journal.owed.values())
        return taken

    def route(self, task: Task) -> Decision:
        return self.router.route(task)

    def not_now(self, drop: Drop, task: Task, decision: Decision, now: datetime) -> str:
        """Why this one waits, "" when it may start. A cancelled one need not wait for anything."""
        if task.id in self._cancelled and task.problem is None:
            return ""
        situation = Situation(
            HANDLERS,
            self.settings.worker.offers,
            (self.root / ".obsidian").is_dir(),
            self._finished,
            self._model_away,
        )
        told = drop.key in self.journal.told
        return not_now(task, decision, situation, now, committed=drop.committed, told=told)

    def _finished(self, name: str) -> Status | None:
        found = self.archive.resolve(name)
        return (found.status or Status.UNKNOWN) if found else None

    def _model_away(self, wanted: str) -> str:
        return self.asking.away(wanted) or ("" if self.local.room else "the model is busy with another task")

    def wait(self, drop: Drop, task: Task, decision: Decision, reason: str) -> None:
        """Let it rest. The attempt does not count; nothing is lost and nobody is told twice."""
        self._give_back(drop.key)
        until = time.monotonic() + RECHECK
        if task.problem is not None or is_draft(task, reason):
            until = float("inf")
        elif task.not_before and reason.startswith("not before"):
            until = time.monotonic() + max(0.0, task.not_before.timestamp() - time.time())
        self._resting[drop.path] = Rest(drop, task, decision, reason, until, self._outcomes)

    def claim(self, drop: Drop, task: Task) -> Claim | None:
        """Take the task; None when another worker holds it."""
        if drop.key not in self._begun:
            self.journal.begin([drop.key])
            self._begun.add(drop.key)
        claim = self.claims.take(task.id, self.journal.attempts.get(drop.key, 1))
        if claim is None:
            self._give_back(drop.key)
        return claim

    def _give_back(self, key: str) -> None:
        if key in self._begun:
            self._begun.discard(key)
            self.journal.back([key])

    def start(
        self, drop: Drop, task: Task, decision: Decision, claim: Claim, now: datetime,
        work: Callable[[Desk, Run], Ended],
    ) -> None:  # fmt: skip
        """Send it into its lane: code and hand-offs run at once, the local model's tasks beside them."""
        handler = HANDLERS.get(decision.type)
        limit = (
            task.timeout or self.settings.time_limits.get(decision.type) or (handler.limit if handler else ROUTED_LIMIT)
        )
        folder = self.runs.open(task.id, task.raw, now)
        self._resting.pop(drop.path, None)
        run = Run(drop, task, decision, claim, now, limit, folder, deadline=time.monotonic() + limit)
        self.runs.note(folder, f"attempt {claim.attempt} by {self.worker}: {decision.reason}")
        lane = self.local if decision.who is Who.LOCAL and task.problem is None else self.code
        lane.start(run, lambda run: _timed(work, self, run))

    def perform(self, run: Run) -> Result:
        """What a task is: its handler, with the little of the world that it may see. Raises what it raises."""
        task, decision = run.task, run.decision
        if task.problem is not None:
            return Result(Status.INVALID)
        if task.id in self._cancelled:
            return Result(Status.CANCELLED, findings=("somebody cancelled it before it ran",))
        if run.claim.attempt > self.settings.tasks.max_attempts:
            raise TaskOver(
                f"it brought the worker down {self.settings.tasks.max_attempts} times and was given up",
                fix="look at the text, then: gofer retry " + task.id,
            )
        if decision.who is Who.LEAD:
            return Result(Status.HANDED_OFF, handoff=decision.handoff_reason or HandoffReason.COMPLEX)
        handler = HANDLERS.get(decision.type)
        if handler is None:
            raise Doubt(f"the type '{decision.type}' is not built yet", reason=HandoffReason.NEEDS)
        if task.model == "none" and handler.tier is not Tier.TRIVIAL:
            raise Refused("the task says model: none, and its type needs a model", fix="model: local, or another type")
        params = handler.understand(task) if handler.understand else read_params(task, handler.params)
        memory = self.state / "memory" / handler.name
        memory.mkdir(parents=True, exist_ok=True)
        result = handler.run(
            Context(
                task=task,
                now=run.started,
                files=self.overlay,
                ask=self.asking.of(run),
                facts=self.facts,
                note=lambda line: self.runs.note(run.folder, line),
                check=run.check,
                memory=memory,
                run_dir=run.folder,
            ),
            params,
        )
        self.overlay.propose(result.changes)
        return result

    def log_defect(self, run: Run, error: BaseException) -> None:
        self.runs.note(run.folder, "".join(traceback.format_exception(error)))

    def collect(self) -> list[tuple[Run, Timed]]:
        """What has ended: all code that was started, and the model's tasks that are finished by now."""
        ended = self.code.collect(_given_up, wait=True) + self.local.collect(_given_up, wait=False)
        self._outcomes += len(ended)
        return ended

    def record(self, ended: Sequence[tuple[Run, Timed]]) -> None:
        """Turn what ended into records and owe them, durably: from here on they are published, never run again."""
        records: list[Record] = []
        for run, (end, seconds) in ended:
            if isinstance(end, TryLater):
                self._put_back(run, str(end))
            elif end.quiet and run.task.scheduled:
                self.journal.back([run.drop.key])
                self.journal.count_quiet(1)
                self.claims.release([run.task.id])
            else:
                finished = run.started + timedelta(seconds=seconds)
                outcome = Outcome(
                    run.task, run.decision, end, self.worker, run.started, finished, run.claim.attempt, run.claim.nonce
                )
                record = self.scribe.record(outcome, run.drop, 0 if records else self.journal.quiet)
                self.runs.note(run.folder, f"ended: {record.status}")
                records.append(record)
        try:
            self.journal.owe(records)
        except TryLater as error:
            for run, _ in ended:
                self._put_back(run, str(error))
            raise
        if records and self.journal.quiet:
            self.journal.count_quiet(0)

    def _put_back(self, run: Run, reason: str) -> None:
        self.runs.note(run.folder, f"waits: {reason}")
        self.claims.release([run.task.id])
        self._begun.add(run.drop.key)
        self.wait(run.drop, run.task, run.decision, reason)

    def deliver(self) -> None:
        """Put what is owed into the work tree. What no longer fits what a person wrote meanwhile runs again."""
        self.overlay.clear()
        records = [record for key, record in self.journal.owed.items() if key not in self._delivered]
        misfits = self.publisher.deliver(records)
        self._delivered = set(self.journal.owed)
        self.journal.back(record.key for record in misfits)
        self.claims.release(record.task for record in misfits)
        self._more = self._more or bool(misfits)

    def publish(self, now: datetime) -> Published:
        """One commit for all that is owed, when the person's repository can take it."""
        published = self.publisher.publish(now)
        self.journal.tell(record.key for record in published.records if record.status == Status.INVALID)
        self.claims.release(record.task for record in published.records)
        for record in published.records:
            if record.task in self._cancelled:
                self.requests.done("cancel", record.task)
        self._stuck, self._blocked = published.waiting, bool(published.waiting) and not published.soon
        return published

    def tick(self, published: Published) -> Tick:
        """Sum up, and show it on the board."""
        running = (*self.code.runs, *self.local.runs)
        self._show(running)
        wake = [rest.until for rest in self._resting.values() if rest.until != float("inf")]
        if self._look.next_at is not None:
            wake.append(self._look.next_at)
        if published.soon or self.journal.owed:
            wake.append(time.monotonic() + 0.05 if published.soon else time.monotonic() + 1)
        return Tick(
            published.records,
            len(running),
            len(self._look.settling),
            len(self.journal.owed),
            self._stuck,
            self._more,
            min(wake, default=None),
        )

    def interrupted(self, error: TryLater) -> Tick:
        """A travel that ended early, because of the disk or git: nothing is lost, the next one goes on from here."""
        self._stuck, self._blocked = str(error), True
        return replace(self.tick(Published(waiting=str(error))), next_at=time.monotonic() + RECHECK, more=False)

    # -- what others see ---------------------------------------------------------------------------------------------

    @property
    def resting(self) -> Mapping[str, Rest]:
        """The tasks that wait, by path."""
        return self._resting

    def waiting(self) -> dict[str, dict[str, Any]]:
        """The tasks that wait, by id, as `run --once --json` shows them; `away`: for a model."""
        shown = {}
        for rest in self._resting.values():
            if rest.task.problem is None and not is_draft(rest.task, rest.reason):
                shown[rest.task.id] = {
                    "id": rest.task.id, "status": str(Status.WAITING), "tier": str(rest.decision.tier),
                    "type": rest.decision.type, "model": None, "report": None, "seconds": 0,
                    "input_tokens": 0, "output_tokens": 0, "reason": rest.reason,
                    "away": rest.decision.who is Who.LOCAL,
                }  # fmt: skip
        return shown

    @property
    def idle(self) -> bool:
        return not (self.code.runs or self.local.runs or self.journal.owed or self._more)

    @property
    def blocked(self) -> bool:
        """Whether what is owed waits for a person: it will not help to try again at once."""
        return self._blocked

    def prune(self, now: datetime) -> None:
        """Remove old run folders; and see what leaves the outbox with the next commit that is made anyway."""
        self.runs.prune(now)
        gone = outdated(self.root, self.settings.tasks.outbox_days, now) + taken_out(self.repository)
        self.publisher.leaving = frozenset(gone)

    def rest(self) -> None:
        """Quiet-moment work: merge packs, let long-lived git processes go."""
        if self.store.wants_merging():
            self.store.merge_packs()
        self.repository.rest()
        self.branch.rest()
        self.store.close()
        self.journal.compact()

    def _show(self, running: Sequence[Run]) -> None:
        self.board.write(
            {
                "worker": self.worker,
                "pid": os.getpid(),
                "running": [
                    {"id": r.task.id, "path": r.drop.path, "type": r.decision.type, "since": utc(r.started)}
                    for r in running
                ],
                "waiting": {path: rest.reason for path, rest in self._resting.items()},
                "models": facts.models(self.asking.known()),
                "owed": len(self.journal.owed),
                "stuck": self._stuck,
                "quiet_beats": self.journal.quiet,
            }
        )

    def facts(self) -> Mapping[str, Any]:
        """What handlers may know of the worker and the vault."""
        drafts = sum(1 for rest in self._resting.values() if is_draft(rest.task, rest.reason))
        invalid = sum(1 for rest in self._resting.values() if rest.task.problem is not None)
        self.asking.health()
        return {
            "worker": self.worker,
            "queue": {
                "draft": drafts,
                "open": len(self._look.settling) + len(self._look.ready) - len(self._resting),
                "waiting": len(self._resting) - drafts - invalid,
                "running": len(self.local.runs),
                "invalid": invalid,
            },
            "recent": facts.recent_runs(self.root),
            "models": facts.models(self.asking.known()),
            "sync": {"waiting": len(self.journal.owed), "stuck": self._stuck},
            "disk": facts.disk(self.root),
            "handoffs": facts.handoffs(self.root),
            "quiet_beats": self.journal.quiet,
        }


def _take_lock(state: Path, root: Path) -> FileLock:
    state.mkdir(parents=True, exist_ok=True)
    lock = FileLock(state / "worker.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        holder = Board(state / "board.json").read().get("pid", "unknown")
        raise Busy(
            "another worker runs in this vault",
            where=str(root),
            why=f"process {holder} holds its lock",
            fix="let it work (gofer status shows it), or end it first",
        ) from None
    return lock


def _is_committed(repository: Repository, path: str, raw: bytes) -> bool:
    """Whether HEAD holds exactly these bytes at this path: such a file is whole."""
    found = repository.info(f"HEAD:{path}")
    return found is not None and found[0] == repository.blob_id(raw)


def _timed(work: Callable[[Desk, Run], Ended], desk: Desk, run: Run) -> Timed:
    began = time.monotonic()
    return work(desk, run), time.monotonic() - began


def _given_up(run: Run) -> Timed:
    return Result(
        Status.FAILED,
        findings=(f"the time limit of {run.limit:g} s passed, and the run did not end by itself",),
        actions=(f"decide whether to retry: gofer retry {run.task.id}",),
    ), run.limit
