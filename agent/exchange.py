"""The way to the remote: outcomes and the person's drops become one commit there, together with the claims that go,
and the branch here follows. Every step can be repeated; what is on the remote is never built a second time.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent import clock, crash
from agent.claims import RemoteClaims
from agent.drafting import Draft, Drafter
from agent.errors import Busy, CredentialsRefused, GoferError, RemoteAway
from agent.files.group import change_all
from agent.git.repository import Head
from agent.journal import Record
from agent.landing import IN_USE, Landing
from agent.persons import Persons
from agent.publish import HISTORY, Published, Publisher, message
from agent.quarantine import Quarantine
from agent.sights import Sights
from agent.sync import Base, Pushed, Sync

TRIES = 6  # pushes in one travel of the road, when others are faster
FRESH = 0.05  # seconds for which a look at the remote is new enough to push without another one
CROWD = (0.2, 0.6)  # seconds between two pushes while others push too
HOLD = (2.0, 300.0)  # seconds until the next try, the first and the longest, when the remote takes nothing


@dataclass(frozen=True, slots=True)
class Step:
    """What one try to push came to: `done`; or why it waits, and whether that ends by itself in `seconds`. Neither:
    it is worth another try, of something else (`other`) or because others were faster."""

    done: bool = False
    other: bool = False
    wait: str = ""
    soon: bool = True
    seconds: float = 0.05


class Exchange:
    """One clone's exchange with its remote. Not thread-safe: the road owns it."""

    def __init__(
        self, sync: Sync, claims: RemoteClaims, sights: Sights, persons: Persons, drafter: Drafter,
        publisher: Publisher, quarantine: Quarantine, landing: Landing, resting: Callable[[], Collection[str]],
    ) -> None:  # fmt: skip
        """`resting()` gives the ids of the tasks that wait here."""
        self.sync, self.claims, self.sights, self.persons, self.drafter = sync, claims, sights, persons, drafter
        self.publisher, self.quarantine, self.landing, self._resting = publisher, quarantine, landing, resting
        self.repository, self.store, self.branch = publisher.repository, publisher.store, publisher.branch
        self.journal = publisher.journal
        self._settled: object = None  # how everything looked when nothing was left to do
        self._resolved: str | None = None  # the tip in which lost answers were looked up
        self._not_before, self._held, self._why = 0.0, 0.0, ""
        self._looked = 0.0
        self._ended: list[Record] = []
        self._unfit: list[Record] = []

    # -- what others need to know ----------------------------------------------------------------------------------

    def goes_here(self, record: Record) -> bool:
        """Whether an outcome is committed here at once: the remote is away, nobody else can see its task, and the
        commit cannot contradict what is on the remote. So the branch must have followed, no push may have arrived
        without an answer, and a file that is on the remote waits to be changed until it can be changed there."""
        if self.sync.away_since is None or self.sync.person == "off" or record.shared or self.journal.pushing:
            return False
        if record.key in self.journal.pushed or any(self.sights.holds(change.path) for change in record.changes):
            return False
        tip, head = self.sync.last_known, self.repository.head()
        if self.branch.blocked(head, clock.wall()):
            return False
        return tip is None or (head.commit is not None and self.sync.history.relation(head.commit, tip).behind == 0)

    @property
    def stop_there(self) -> frozenset[str]:
        """The stop files of the remote's tip."""
        return self.persons.stop_there(self.sync.tip)

    @property
    def tips(self) -> str | None:
        """The remote's branch as it was last seen, by us or by the person's own git."""
        return self.sync.last_known or (self.repository.info(self.sync.tracking_ref) or (None,))[0]

    def counted(self, old: str | None, new: str | None) -> int:
        """How many commits lead from one tip to another."""
        if new is None or old == new:
            return 0
        since = (f"^{old}",) if old else ()
        return int(self.repository.git.run("rev-list", "--count", new, *since, "--").text)

    @property
    def at_rest(self) -> bool:
        """Whether nothing is left to exchange."""
        return self._settled is not None and self._settled == self._looks()

    def catch_up(self) -> None:
        """Look at the remote now, and wait for its answer; that it is away is told by its state."""
        with suppress(RemoteAway, CredentialsRefused):
            self._fetch()

    def shown(self) -> dict[str, Any]:
        """What `status` tells of the remote."""
        said = self.sync.shown(self.repository.head(), len(self._owed()))
        return said if said["reason"] else {**said, "reason": self._why or self.landing.stuck or None}

    def close(self) -> None:
        """Give back what is to be given back, if the remote answers."""
        if self.claims.owes and not self.sync.away:
            with suppress(GoferError):
                self.claims.flush()

    # -- one travel ------------------------------------------------------------------------------------------------

    def publish(self, now: datetime) -> Published:
        """Exchange what there is to exchange. What cannot be now stays owed, with the reason."""
        here = self.publisher.publish(now)
        if self.journal.placed & self.journal.owed.keys():  # first what lies here already: it must not be overtaken
            self.sync.poll()
            return here
        self._ended, self._unfit, self.landing.moved = [], [], False
        try:
            there = self._exchange(now)
        except (RemoteAway, CredentialsRefused) as error:
            if not self.sync.away:
                self.sync.missed(error)
            there = Published(waiting=self.sync.words(len(self._owed())) if self._owed() else "")
        except (GoferError, OSError) as error:  # it stays owed: nothing of it is lost by trying again
            there = Published(waiting=str(error), soon=isinstance(error, Busy))
        ended = here.records + tuple(self._ended)
        waiting, soon = (there.waiting, there.soon) if there.waiting else (here.waiting, here.soon or there.soon)
        return Published(ended, waiting, soon, tuple(self._unfit), there.at)

    def _exchange(self, now: datetime) -> Published:
        self.sync.poll()
        if not self.sync.lookout.known and self.sync.away_since is None:
            return Published(waiting="the remote is being looked at" * bool(self._owed()), soon=bool(self._owed()))
        if self.sync.away or self.sync.paused:
            return Published(waiting=self.sync.words(len(self._owed())) if self._owed() else "")
        self._answers()
        self.sights.recover()
        self.claims.renew()
        self.sights.watch(self._resting)
        if self._looks() == self._settled:
            if self.claims.owes and not self.sync.budget.wait():  # no other push comes that could take them along
                self.sync.budget.spend()
                self.claims.flush()
            return Published()
        person = self.persons.files(self.sync.tip)
        step = self._push(now)
        stuck = self.landing.follow(now)
        if self.landing.at_tip:
            self.persons.forget()
        if step.done and not stuck and not self._owed() and person == self.persons.files(self.sync.tip):
            self._settled = self._looks()
        return self._told(step, stuck)

    def _told(self, step: Step, stuck: str) -> Published:
        """The two ways of waiting as one: for the push, and for the branch here."""
        if not step.done:
            words = step.wait if self._owed() else ""
            return Published(waiting=words, soon=step.soon, at=time.monotonic() + step.seconds)
        words = stuck if self.journal.pushed else ""
        return Published(waiting=words, soon=stuck == IN_USE, at=self.landing.retry_at)

    def _owed(self) -> list[Record]:
        """What is to be pushed as an outcome; what was placed here is committed here."""
        done = self.journal.pushed | self.journal.placed
        return [record for key, record in self.journal.owed.items() if key not in done]

    def _looks(self) -> object:
        """Everything whose change gives the exchange something to do, looked up without starting git."""
        head = (self.repository.git_dir / "HEAD").read_text("utf-8", "replace").strip()
        moved = self.repository.newest_ref_time(head.removeprefix("ref: "))
        person = tuple((path, data and hash(data)) for path, data in self.persons.files(self.sync.tip).items())
        return head, moved, self.sync.tip, tuple(self.journal.owed), person, self.publisher.leaving

    # -- pushing ---------------------------------------------------------------------------------------------------

    def _push(self, now: datetime) -> Step:
        """Push what there is, as often as others are faster, within reason."""
        if (left := self._not_before - time.monotonic()) > 0:
            return Step(wait=self._why, soon=not self._why, seconds=left)
        self._why = ""
        unmoved = 0
        for attempt in range(TRIES):
            if self.sync.crowded and self._owed() and time.monotonic() - self._looked > FRESH:
                self._fetch()
            tip = self.sync.tip
            step = self._push_once(now)
            if step.done or step.wait:
                break
            if step.other:
                continue
            threading.Event().wait(random.uniform(0.002, 0.02) * 2**attempt)  # noqa: S311  (no secret)
            self._fetch()
            unmoved += tip == self.sync.tip
            if unmoved > 1:
                step = Step()
                break
        if step.done:
            self._held = 0.0
            if self._ended and self.sync.crowded:
                self._not_before = time.monotonic() + random.uniform(*CROWD)  # noqa: S311  (no secret)
        elif unmoved > 1:
            step = self._hold(f"the remote does not move its branch: {self._why}")
        return step

    def _hold(self, why: str) -> Step:
        """Leave the remote alone for a while, longer each time."""
        self._held = min(HOLD[1], self._held * 2 or HOLD[0])
        self._not_before, self._why = time.monotonic() + self._held, why
        return Step(wait=why, soon=False, seconds=self._held)

    def _push_once(self, now: datetime) -> Step:
        head = self.repository.head()
        base = self.sync.base(head, still=bool(self.branch.blocked(head, now.timestamp())))
        if base.wait:
            return Step(wait=base.wait, soon=bool(self._owed()), seconds=min(1.0, base.seconds))
        ready, lost = self.sights.sort(self.quarantine.order(self._owed()), self.quarantine.group)
        self._discard(lost)
        pushed = [record for key, record in self.journal.owed.items() if key in self.journal.pushed and record.source]
        draft = self.drafter.draft(
            base.treeish, head.commit, ready, self.persons.files(self.sync.tip), self.publisher.leaving,
            {record.source: record.revision for record in pushed}, now.date(),
        )  # fmt: skip
        self.sights.unfit(draft.unfit)
        self._discard(draft.unfit, keep=True)
        self._arrived(draft.landed)
        if not draft.files and not base.merged and base.parent == self.sync.tip:
            self._arrived(draft.records)
            return Step(done=True)
        if (left := self.sync.budget.wait()) > 0:
            words = f"the host wants at most {self.sync.budget.rate:g} pushes a minute: the next in {left:.0f} s"
            return Step(wait=words, seconds=left)
        return self._send(base, draft, head, now)

    def _send(self, base: Base, draft: Draft, head: Head, now: datetime) -> Step:
        commit = self._build(base, draft, now)
        crash.step("commit built")
        if draft.private:
            change_all(self.publisher.files, ([change] for change in draft.private))
        tasks = [record.task for record in draft.records]
        if not self.sync.atomic and self._overtaken(tasks):
            return Step(other=True)
        self.journal.begin_push(record.key for record in draft.records)
        result = self.sync.push(commit, self.claims.fences(tasks))
        crash.step("pushed")
        if not result.ok:
            return self._not_taken(result, base, draft, head)
        self._looked = time.monotonic()
        self.quarantine.passed(draft.records)
        self.persons.published(draft.person)
        self._arrived(draft.records)
        return Step(done=True)

    def _build(self, base: Base, draft: Draft, now: datetime) -> str:
        if not draft.files and not base.merged and base.parent:
            return base.parent
        if draft.records:
            said = message(draft.records)
        else:
            count = len(draft.files)
            said = f"gofer: {count} file{'s' * (count != 1)} for the person\n" if count else "gofer: merge\n"
        building = self.store.begin(
            base.parent, said, int(now.timestamp()), draft.files, merged=base.merged, tree=base.tree
        )
        return self.store.finish(building)

    def _overtaken(self, tasks: Collection[str]) -> bool:
        """Where a push cannot carry the claims along, look before it: whether one of them is not ours any more."""
        self.claims.verify(tasks)
        return any(task in self.claims.gone for task in tasks)

    def _arrived(self, records: Sequence[Record]) -> None:
        """These outcomes are on the remote."""
        self.journal.push(record.key for record in records)
        tasks = [record.task for record in records]
        if self.sync.atomic:
            self.claims.published(tasks)  # they went with the push
        else:
            self.claims.release(tasks)
        self._ended += records

    def _not_taken(self, result: Pushed, base: Base, draft: Draft, head: Head) -> Step:
        """A push that the remote did not take: what has to be different the next time."""
        self._why = result.refused or result.why
        if result.stale:
            self.claims.lose([r.task for r in draft.records if self.claims.ref(r.task) in result.stale])
        elif not result.refused:
            self.claims.verify([record.task for record in draft.records])
        elif not base.alone and head.commit and self.sync.tip and self.sync.relation(head).ahead:
            self.sync.refuse(head, result.refused)  # first see whether it is this clone's commits that are refused
        elif draft.person:
            self.persons.refused(draft.person)
        elif why := self.quarantine.isolate(draft.records, result.refused):
            return self._hold(why)
        return Step(other=bool(result.refused))

    def _discard(self, records: Sequence[Record], *, keep: bool = False) -> None:
        """Outcomes that do not count: another machine has their tasks, or the vault changed under them. `keep`: the
        claims stay ours, for the next run."""
        if not keep:
            self.claims.published(record.task for record in records)
        self.journal.drop(record.key for record in records)
        self.journal.back(record.key for record in records)
        self._unfit += records

    # -- answers that were lost ------------------------------------------------------------------------------------

    def _fetch(self) -> None:
        self.sync.fetch()
        self._looked = time.monotonic()
        self._answers()

    def _answers(self) -> None:
        """Pushes without an answer, of this worker or of one before it: the remote says by now whether they arrived.
        One that somebody rewrote away is pushed again."""
        if self.sync.rewound:
            self.sync.rewound, self._resolved = False, None
            self.journal.unpush(self.journal.pushed)
            self.persons.forget()
        doubtful = [r for key, r in self.journal.owed.items() if key in self.journal.pushing and r.claim]
        if not doubtful or self.sync.tip is None or self._resolved == self.sync.tip:
            return
        said = frozenset(self.repository.trailers(self.sync.tip, "Gofer-Claim", HISTORY))
        self._arrived([record for record in doubtful if record.claim in said])
        self._resolved = self.sync.tip
