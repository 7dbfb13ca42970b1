"""The desk: everything the road needs, built once from the settings. Nothing below knows the settings as a whole."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from agent import facts, selfview
from agent.approving import Approvals
from agent.asking import Asking
from agent.bench import Bench
from agent.board import Board
from agent.budget import rate_of
from agent.claims import LEASE, LocalClaims, RemoteClaims, namespace_of
from agent.clock import utc_now
from agent.config import load_settings, state_dir
from agent.crew.hiring import lanes, names
from agent.crew.roster import Roster
from agent.drafting import Drafter
from agent.errors import TryLater
from agent.exchange import Exchange
from agent.files import Beneath, VaultFiles
from agent.files.overlay import OverlayFiles
from agent.gate import OutputGate
from agent.git.branch import Branch
from agent.git.follow import Follower
from agent.git.history import History
from agent.git.repository import Repository
from agent.git.store import Store
from agent.git.worktree import WorkTree
from agent.ground import YOUNG, Ground
from agent.holding import Holding
from agent.intake import RECHECK, Intake, Rest
from agent.journal import Journal, Record
from agent.landing import Landing
from agent.measuring import Measured
from agent.meeting import Meeting
from agent.models.base import Model
from agent.money.baseline import Baselines
from agent.notes import Notes
from agent.opening import inbox, staging, take_lock
from agent.outlet import Outlet
from agent.paying import price_list
from agent.persons import Persons
from agent.presence import Presence
from agent.publish import GROUP, Published, Publisher
from agent.pusher import Pusher
from agent.quarantine import Quarantine
from agent.records import Scribe
from agent.remotes import address, choose
from agent.repos import ListedRepos
from agent.requests import Requests
from agent.route.router import Router
from agent.runs import RunFolders
from agent.schedules import Schedules
from agent.sights import Sights
from agent.stopping import at_once, stopped
from agent.sync import Sync
from agent.text import utc
from agent.tray import outdated, taken_out, unwanted
from agent.vault.finished import Archive
from agent.vault.layout import APPROVALS, OUTBOX
from agent.workbench import Workbench

SYNC = "sync"


@dataclass(frozen=True, slots=True)
class Tick:
    """What one travel of the road came to."""

    published: tuple[Record, ...] = ()
    running: int = 0
    settling: int = 0
    owed: int = 0
    stuck: str = ""  # why what is owed is not published
    more: bool = False  # there is more to do right now
    soon: bool = False  # the exchange with the remote goes on by itself
    next_at: float | None = None  # monotonic seconds: when to travel again at the latest


class Desk:
    """The one desk of a clone. Opening it takes the clone's lock and puts right what a killed worker left; BadConfig
    for broken settings, Busy when another desk has this vault.

    It alone writes journal, branch and claims. `workers` is how many processes run its tasks (0: it only syncs, and
    admits nothing); None: they run in threads of this process."""

    def __init__(
        self,
        vault: Path,
        env: Mapping[str, str],
        *,
        ring: Callable[[], None] = lambda: None,
        model: Model | None = None,
        only: str = "",
        push: bool = True,
        workers: int | None = None,
    ) -> None:
        """`only`: a path, everything else is left alone. `push` False: the remote is left alone."""
        self.repository = Repository(vault)
        self.root = root = self.repository.work_tree
        self.settings = settings = load_settings(root, env).checked()
        self.state = state = state_dir(root, env)
        self._lock = take_lock(state, root)
        self.worker, self.workers = settings.worker.name, 1 if workers is None else workers
        gate = OutputGate(secrets=settings.secret_values)
        self.files, overlay = Beneath(root, staging(self.repository)), OverlayFiles(VaultFiles(root))
        self.journal = Journal(state / "journal.jsonl")
        self.claims = LocalClaims(state, self.worker)
        self.requests = Requests(state / "requests")
        self.branch, self.store = Branch(self.repository), Store(self.repository, state / "objects.git")
        self.folders = RunFolders(state / "runs", gate)
        self.board = Board(state / "board.json")
        self.router = Router(root, settings.names)
        self.roster = Roster(names(self.worker, self.workers))
        self.asking = Asking(root, settings, model, state=state, env=env)
        baselines = Baselines(price_list(settings, state), settings.money.baseline, Measured(root, state))
        scribe = Scribe(root, gate, settings, self.worker, baselines)
        attempts = settings.tasks.max_attempts
        repos = ListedRepos(settings.repos, root, self.repository.common_dir)
        self.workbench = Workbench(
            Bench.of(state, overlay, self.asking, repos, env), self.folders, settings.time_limit, self.facts,
            *lanes(workers, root, self.repository.common_dir, state, settings, env, ring),
        )  # fmt: skip
        self.publisher = Publisher(
            self.repository, self.store, self.branch, self.files, self.journal, gate.scan, self.worker
        )
        self.remote = choose(self.repository, settings.sync.remote) if push else ""
        self.neighbours: Meeting | None = None
        self.exchange = self._exchange(scribe, gate, env, ring) if self.remote else None
        drops = inbox(self.repository, settings, self.worker if self.remote else "")
        archive = Archive(root)
        self.schedules = Schedules(
            state / "schedules.json", (settings.active_hours, settings.vault_active_hours),
            lambda run: archive.find(run) is not None, lambda: facts.asked(root),
        )  # fmt: skip
        self.approvals = Approvals(root, state, gate, lambda: self.journal.owed)
        self.intake = Intake(
            root, drops, self.journal, Holding(self.claims, self.exchange), self.requests, archive, scribe,
            self.schedules, self.approvals, settings.worker.offers, attempts, self.workbench.away, self.workbench.quick,
            self.publisher.remove_left_over, only, self.workers > 0, self.halted,
        )  # fmt: skip
        if self.exchange:
            self.exchange.claims.kept = self.schedules.runs
        self.outlet = Outlet(
            self.worker, self.journal, self.intake, scribe, self.publisher, overlay, self.workbench.settled,
            self.exchange,
        )  # fmt: skip
        self.watching = ""  # why the inbox is polled, "" while file events come
        self._recover()

    def _exchange(self, scribe: Scribe, gate: OutputGate, env: Mapping[str, str], ring: Callable[[], None]) -> Exchange:
        """What carries results to the remote, and brings what others did."""
        repository, state, wish = self.repository, self.state, self.settings.sync
        history = History(repository, state / "merge.git")
        rate = wish.pushes_per_minute or rate_of(address(repository, self.remote))
        sync = Sync(
            repository, self.store, self.branch, history, state, self.remote, person=wish.person,
            poll=wish.poll_seconds, rate=rate, ring=ring,
        )  # fmt: skip
        lease = float(env.get("GOFER_LEASE_S") or LEASE)
        claims = RemoteClaims(
            sync.network, state / "claims.json", self.worker, lease=lease, namespace=namespace_of(state)
        )  # fmt: skip
        self.publisher.placed_only = True
        ground = Ground(sync, YOUNG if self.workers else 0.0)
        follower = Follower(repository, self.branch, history, WorkTree(repository, self.files))
        presence = Presence(
            sync.network, self.worker, self.settings.worker.offers, utc_now(), rationed=rate is not None
        )
        self.neighbours = Meeting(presence, sync, claims, lambda: self._rows(stopped=bool(self.halted())))
        notes = Notes(repository, self.publisher.read, gate.scan, lambda: sync.looks)
        pusher = Pusher(
            ground, Sights(sync, claims, wish.offline, self._unpushed),
            Persons(repository, sync.remembered, wish.person, self._waiting_drops, notes, gate.scan),
            Drafter(repository, self.publisher.read, gate.scan), self.publisher,
            Quarantine(state / "quarantine", self.journal, scribe, GROUP), Landing(ground, follower, self.publisher),
        )  # fmt: skip
        return Exchange(pusher, lambda: frozenset(rest.task.id for rest in self.intake.resting.values()))

    def _unpushed(self) -> frozenset[str]:
        return frozenset(r.task for key, r in self.journal.owed.items() if key not in self.journal.pushed)

    def _waiting_drops(self) -> Mapping[str, bytes | None]:
        return self.intake.to_publish()

    def _recover(self) -> None:
        self.branch.repair(self.journal.moving)
        self.claims.sweep()
        for folder in {"inbox", *self.outlet.folders_owed()}:
            self.files.sweep(folder)
        if self.files.staging:
            Beneath(self.files.staging).sweep()
        self.outlet.deliver()

    def close(self) -> None:
        """Hand back what runs, end every process of ours, let the lock go."""
        left = self.workbench.close()
        if self.neighbours:
            self.neighbours.leave(self._rows(stopped=True), utc_now())
        self.journal.back(run.drop.key for run in left)
        self.intake.holding.release(run.task.id for run in left)
        if self.exchange:
            self.exchange.close()
        self.repository.rest()
        self.workbench.bench.past.rest()
        self.store.close()
        self.branch.close()
        if self.files.staging:
            with suppress(OSError):
                self.files.staging.rmdir()
        self.journal.close()
        self.claims.close()
        self.board.write({"workers": self._rows(stopped=True)})
        self._lock.release()

    def tick(self, published: Published) -> Tick:
        """Sum a travel up, and show it on the board."""
        self._show()
        if self.intake.look.settling:
            self.workbench.prepare()  # a process needs about as long to start as a file to settle
        news = self.exchange is not None and self.exchange.landing.moved  # it may have brought tasks
        times = [*self.intake.wake_times, *self.workbench.wake_times]
        if published.at:
            times.append(published.at)
        elif published.soon or self.journal.owed:
            times.append(time.monotonic() + (0.05 if published.soon else 1.0))
        if self.exchange:
            times.append(self.exchange.sync.lookout.wake_at)
        return Tick(
            published.records,
            len(self.workbench.runs),
            len(self.intake.look.settling),
            len(self.journal.owed),
            self.outlet.stuck,
            self.intake.more or news or self.intake.outdated,
            published.soon,
            min(times, default=None),
        )

    def interrupted(self, error: TryLater) -> Tick:
        """A travel that ended early, because of the disk or git: nothing is lost, the next one goes on from here."""
        self.intake.hand_back(self.workbench.runs)
        self.outlet.stuck, self.outlet.blocked = str(error), True
        return replace(self.tick(Published(waiting=str(error))), next_at=time.monotonic() + RECHECK, more=False)

    def halted(self) -> str:
        """Why nothing starts: the stop switch, here or on the remote; "" when it may."""
        if reason := stopped(self.root, self.state):
            return reason
        there = self.exchange.stop_there if self.exchange else frozenset()
        return f"the file {min(there)} on the remote stops every worker of this vault" if there else ""

    @property
    def tray(self) -> tuple[Path, ...]:
        """Where people tick, to be watched; made, so that it can be. Not without an outbox, which would then look as if
        the person had emptied it."""
        if not (self.root / OUTBOX).is_dir():
            return ()
        with suppress(OSError):
            (self.root / APPROVALS).mkdir(exist_ok=True)
        return (self.root / APPROVALS,)

    @property
    def at_rest(self) -> bool:
        """Whether all that lies here was exchanged with the remote, as far as it can be."""
        return self.exchange is None or self.exchange.at_rest

    def catch_up(self) -> None:
        """Look at the remote before anything else is done, if there is one and it answers."""
        if self.exchange:
            self.exchange.catch_up()

    def announce(self, now: datetime) -> None:
        """Tell the other machines who works here, and see who else does, when it is time to."""
        if self.neighbours:
            self.neighbours.meet(self.roster.names, now)
            self.intake.inbox.others = self.neighbours.presence.others

    def heed(self) -> None:
        """The stop switch in its hard form: what runs is killed and waits again."""
        if self.workbench.runs and at_once(self.root, self.state):
            self.workbench.kill()

    def stop_admitting(self) -> None:
        """Nothing starts any more, and what was only waiting for its turn is handed back."""
        self.intake.admitting = False
        for run in self.workbench.withdraw():
            self.intake.put_back(run, "Gofer is ending")

    @property
    def idle(self) -> bool:
        """Whether nothing runs, nothing is owed and nothing is left to admit."""
        return not (self.workbench.runs or self.journal.owed or self.intake.more)

    def rest(self) -> None:
        """Quiet-moment work: merge packs, let long-lived git processes go, forget paid debts."""
        if self.store.wants_merging():
            self.store.merge_packs()
        self.repository.rest()
        self.branch.rest()
        self.store.close()
        self.workbench.bench.past.rest()
        self.journal.compact()
        if self.exchange:
            self.exchange.sync.network.prune()

    def asked(self) -> bool:
        """Whether another process of this clone asks for an exchange with the remote, now."""
        asked = bool(self.requests.pending(SYNC))
        if asked:
            self.catch_up()
        return asked

    def answer(self, tick: Tick) -> None:
        """It was done, or cannot be for the reason that the board shows."""
        if self.at_rest or tick.stuck or (self.exchange and self.exchange.sync.away):
            self.requests.done(SYNC, "")

    def prune(self, now: datetime) -> None:
        """Remove old run folders; and see what leaves the outbox with the next commit that is made anyway."""
        self.folders.prune(now)
        self.workbench.bench.past.prune(now)
        gone = outdated(self.root, self.settings.tasks.outbox_days, now) + taken_out(self.repository)
        if self.intake.look.folders:  # the inbox was looked at: what waits is known
            here = {rest.task.id for rest in self.intake.resting.values()}
            gone += unwanted(self.root, now, here.__contains__)
        self.publisher.leaving = frozenset(gone)

    def expire(self, now: datetime) -> None:
        """End the tasks whose hand-offs nobody answered in time. What the disk refuses now is done the next time."""
        if not self.halted():
            with suppress(TryLater):
                self.outlet.expire(now)

    def _show(self) -> None:
        self.board.write(
            {
                "worker": self.worker,
                "pid": os.getpid(),
                "workers": self._rows(stopped=bool(self.halted())),
                "running": [
                    {"id": r.task.id, "path": r.drop.path, "type": r.decision.type, "since": utc(r.started)}
                    for r in self.workbench.runs
                ],
                "waiting": {path: self._why(rest) for path, rest in self.intake.resting.items()},
                "models": facts.models(self.asking.known()),
                "trouble": self.intake.trouble,
                "watching": self.watching,
                "late": self.schedules.late(self.intake.at_work),
                "owed": len(self.journal.owed),
                "stuck": self.outlet.stuck,
                "quiet_beats": self.journal.quiet,
                "sync": self.exchange.shown() if self.exchange else None,
            }
        )

    def _why(self, rest: Rest) -> str:
        """Why a task waits, and why nobody else can take it."""
        held = self.exchange.persons.held(rest.drop.path) if self.exchange and not rest.drop.committed else ""
        return f"{rest.reason}; {held}" if held else rest.reason

    def _rows(self, *, stopped: bool) -> list[dict[str, Any]]:
        posts = [lane.posts for lane in self.workbench.lanes]
        return self.roster.rows(posts, utc_now(), stopped=stopped)

    def facts(self) -> Mapping[str, Any]:
        """What handlers may know of the worker and the vault."""
        self.asking.health()
        runs = facts.recent_runs(self.root, 10_000)
        return {
            "worker": self.worker,
            "queue": self.intake.counts(),
            "recent": runs[: facts.RECENT],
            "failed": facts.unseen_failures(self.root, runs),
            "day": facts.last_day(runs, utc_now()),
            "models": facts.models(self.asking.known()),
            "sync": selfview.sync(self.journal, self.outlet, self.exchange),
            "disk": facts.disk(self.root),
            "state_disk": facts.other_disk(self.state, self.root),
            "handoffs": facts.handoffs(self.root),
            "mailboxes": facts.mailboxes(self.state),
            "tasks": selfview.tasks(self.intake.waiting(), self.workbench.runs),
            "workers": selfview.workers(self._rows(stopped=bool(self.halted())), self.workbench.lanes),
            "neighbours": self.neighbours.presence.elsewhere if self.neighbours else None,
            "money": selfview.money(self.settings, self.state, utc_now()),
            "inbox": self.intake.trouble,
            "quiet_beats": self.journal.quiet,
            "schedules": [row for _, row in self.schedules.rows(self.schedules.now, self.intake.at_work)],
        }
