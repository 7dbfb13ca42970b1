"""The pusher: outcomes and the person's drops become one commit on the remote, together with the claims that go.

Every step can be repeated; what is on the remote is never built a second time.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from agent import crash
from agent.claims import RemoteClaims
from agent.courtesy import Courtesy
from agent.drafting import Draft, Drafter
from agent.files.group import change_all
from agent.git.repository import Head
from agent.ground import Base, Ground
from agent.journal import Record
from agent.landing import Landing
from agent.persons import Persons
from agent.publish import HISTORY, Publisher, message
from agent.quarantine import Quarantine
from agent.sights import Sights
from agent.sync import Pushed
from agent.vault.values import Status

TRIES = 6  # pushes in one travel of the road, when others are faster
FRESH = 0.05  # seconds for which a look at the remote is new enough to push without another one
CROWD = (0.2, 0.6)  # seconds between two pushes while others push too
NEAR = 1.2  # seconds for which the turn to push is waited for; if it is further, other work comes first
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


class Pusher:
    """Carries what one clone owes to its remote. Not thread-safe: the road owns it."""

    def __init__(
        self, ground: Ground, sights: Sights, persons: Persons, drafter: Drafter, publisher: Publisher,
        quarantine: Quarantine, landing: Landing,
    ) -> None:  # fmt: skip
        self.ground, self.sync, self.sights, self.persons = ground, ground.sync, sights, persons
        self.drafter, self.publisher, self.quarantine, self.landing = drafter, publisher, quarantine, landing
        self.claims: RemoteClaims = sights.claims
        self.repository, self.store, self.branch = publisher.repository, publisher.store, publisher.branch
        self.journal = publisher.journal
        self.ended: list[Record] = []  # outcomes that arrived in this travel of the road
        self.unfit: list[Record] = []  # outcomes that do not count
        self.why = ""  # what the remote said when it took nothing
        self._not_before, self._held, self._looked = 0.0, 0.0, 0.0
        self.courtesy = Courtesy(publisher.worker)
        self._resolved: str | None = None  # the tip in which lost answers were looked up
        self._sure = False  # whether what an earlier worker pushed was looked up

    def start(self) -> None:
        """A new travel of the road."""
        self.ended, self.unfit = [], []

    def owed(self) -> list[Record]:
        """What is to be pushed as an outcome; what was placed here is committed here."""
        done = self.journal.pushed | self.journal.placed
        return [record for key, record in self.journal.owed.items() if key not in done]

    def push(self, now: datetime) -> Step:
        """Push what there is, as often as others are faster, within reason."""
        if later := self._later():
            return later
        self.why, unmoved = "", 0
        for attempt in range(TRIES):
            if self.sync.crowded and self.owed() and time.monotonic() - self._looked > FRESH:
                self.fetch()
            if self.sync.paused:
                return Step(wait=self.sync.words(len(self.owed())), soon=False)
            tip = self.sync.tip
            step = self._push_once(now)
            if step.done or step.wait:
                break
            if step.other:
                continue
            threading.Event().wait(random.uniform(0.002, 0.02) * 2**attempt)  # noqa: S311  (no secret)
            self.fetch()
            if tip != self.sync.tip:
                self.courtesy.collided()
            unmoved += tip == self.sync.tip
            if unmoved > 1 or self.courtesy.wait(self.sync.others) > 0:
                step = Step(seconds=self.courtesy.wait(self.sync.others))
                break
        if step.done:
            self._held = 0.0
            if self.ended and self.sync.crowded:
                self._not_before = time.monotonic() + random.uniform(*CROWD)  # noqa: S311  (no secret)
        elif unmoved > 1:
            step = self._hold(f"the remote does not move its branch: {self.why}")
        return step

    def _later(self) -> Step | None:
        """Why nothing is pushed yet; a turn that is near is waited for."""
        if (left := self._not_before - time.monotonic()) > 0:
            return Step(wait=self.why, soon=not self.why, seconds=left)
        if self.owed() and (left := self.courtesy.wait(self.sync.others)) > 0:
            if left > NEAR:
                return Step(wait="another machine's turn to push", seconds=left - NEAR / 2)
            threading.Event().wait(left)
        return None

    def _hold(self, why: str) -> Step:
        """Leave the remote alone for a while, longer each time."""
        self._held = min(HOLD[1], self._held * 2 or HOLD[0])
        self._not_before, self.why = time.monotonic() + self._held, why
        return Step(wait=why, soon=False, seconds=self._held)

    def _push_once(self, now: datetime) -> Step:
        head, tip = self.repository.head(), self.sync.tip
        base = self.ground.base(head, still=bool(self.branch.blocked(head, now.timestamp())))
        if base.wait:
            return Step(wait=base.wait, soon=bool(self.owed()), seconds=min(1.0, base.seconds))
        ready, lost = self.sights.sort(self.quarantine.order(self.owed()), self.quarantine.group)
        if tip != self.sync.tip:  # claims were made up for, and somebody pushed: it would be built on what was before
            return Step(other=True)
        pushed = [record for key, record in self.journal.owed.items() if key in self.journal.pushed and record.source]
        draft = self.drafter.draft(
            base.treeish, head.commit, ready, self.persons.files(self.sync.tip), self.publisher.leaving,
            {record.source: record.revision for record in pushed}, now.date(),
        )  # fmt: skip
        self.sights.unfit(draft.unfit)
        self._discard(draft.unfit, keep=not self.landing.stuck)
        self._discard([*lost, *draft.ended])
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
        tasks = self._tasks(draft.records)
        if not self.sync.atomic and self._overtaken(tasks):
            return Step(other=True)
        if self.sync.others and self.sync.crowded and self.sync.has_moved():
            return Step()  # somebody was faster while this was built
        self.journal.begin_push(record.key for record in draft.records)
        began = time.monotonic()
        result = self.sync.push(commit, self.claims.fences(tasks, self._asking(draft.records)))
        crash.step("pushed")
        if not result.ok:
            return self._not_taken(result, base, draft, head)
        self._looked = time.monotonic()
        self.courtesy.pushed(self._looked - began)
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

    def _tasks(self, records: Sequence[Record]) -> list[str]:
        """The ids under which these are claimed: a draft may give an outcome another one."""
        return [self.journal.owed[record.key].task for record in records]

    def _asking(self, records: Sequence[Record]) -> frozenset[str]:
        """Those that only ask for a tick, and have not ended."""
        return frozenset(record.task for record in records if record.status == Status.WAITING)

    def _overtaken(self, tasks: Collection[str]) -> bool:
        """Where a push cannot carry the claims along, look before it: whether one of them is not ours any more."""
        self.claims.verify(tasks)
        return any(task in self.claims.gone for task in tasks)

    def _arrived(self, records: Sequence[Record]) -> None:
        """These outcomes are on the remote."""
        self.journal.push(record.key for record in records)
        tasks = self._tasks(records)
        if self.sync.atomic:
            self.claims.published(tasks)  # they went with the push
        else:
            asking = self._asking(records)
            self.claims.release(asking)
            self.claims.finish(task for task in tasks if task not in asking)
        self.ended += records

    def _not_taken(self, result: Pushed, base: Base, draft: Draft, head: Head) -> Step:
        """A push that the remote did not take: what has to be different the next time."""
        self.why = result.refused or result.why
        if result.stale:
            self.claims.lose([task for task in self._tasks(draft.records) if self.claims.ref(task) in result.stale])
        elif not result.refused:
            self.claims.verify(self._tasks(draft.records))
        elif not base.alone and head.commit and self.sync.tip and self.sync.relation(head).ahead:
            self.ground.refuse(head, result.refused)  # first see whether it is this clone's commits that are refused
        elif draft.person:
            self.persons.refused(draft.person)
        elif why := self.quarantine.isolate(draft.records, result.refused):
            return self._hold(why)
        return Step(other=bool(result.refused))

    def _discard(self, records: Sequence[Record], *, keep: bool = False) -> None:
        """Outcomes that do not count: another machine has their tasks, or the vault changed under them. `keep`: the
        claims stay ours, for the next run."""
        if not keep:
            self.claims.release(record.task for record in records)
        self.journal.drop(record.key for record in records)
        self.journal.back(record.key for record in records)
        self.unfit += records

    # -- answers that were lost ------------------------------------------------------------------------------------

    def fetch(self) -> None:
        self.sync.fetch()
        self._looked = time.monotonic()
        self.answers()

    def answers(self) -> None:
        """Pushes without an answer, of this worker or of one before it: the remote says by now whether they arrived.
        When the person took a rewritten history, perhaps just before a start, what it lacks is pushed again."""
        if self.sync.rewound:
            self.persons.forget()
        if self.sync.rewound or not self._sure:
            self.sync.rewound, self._sure, self._resolved = False, True, None
            self.journal.unpush(self.journal.pushed & self.journal.owed.keys())
        doubtful = [r for key, r in self.journal.owed.items() if key in self.journal.pushing and r.claim]
        if not doubtful or self.sync.tip is None or self._resolved == self.sync.tip:
            return
        said = frozenset(self.repository.trailers(self.sync.tip, "Gofer-Claim", HISTORY))
        self._arrived([record for record in doubtful if record.claim in said])
        self._resolved = self.sync.tip
