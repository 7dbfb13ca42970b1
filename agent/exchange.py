"""The way to the remote: outcomes and the person's drops become one commit there, together with the claims that go,
and the branch here follows. Every step can be repeated; what is on the remote is never built a second time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime
from typing import Any

from agent import clock
from agent.errors import Busy, CredentialsRefused, GoferError, RemoteAway, TryLater
from agent.journal import Record
from agent.landing import IN_USE
from agent.publish import Published
from agent.pusher import Pusher, Step


class Exchange:
    """One clone's exchange with its remote. Not thread-safe: the road owns it."""

    def __init__(self, pusher: Pusher, resting: Callable[[], Collection[str]]) -> None:
        """`resting()` gives the ids of the tasks that wait here."""
        self.pusher, self._resting = pusher, resting
        self.ground, self.sync, self.claims = pusher.ground, pusher.sync, pusher.claims
        self.sights, self.persons, self.landing = pusher.sights, pusher.persons, pusher.landing
        self.publisher, self.journal, self.repository = pusher.publisher, pusher.journal, pusher.repository
        self._settled: object = None  # how everything looked when nothing was left to do

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
        if self.pusher.branch.blocked(head, clock.wall()):
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
        """Look at the remote now, and wait for its answer; that it is away, or the disk full, is told by its state."""
        with suppress(TryLater, CredentialsRefused):
            self.pusher.fetch()

    def shown(self) -> dict[str, Any]:
        """What `status` tells of the remote."""
        said = self.ground.shown(self.repository.head(), len(self.pusher.owed()))
        return said if said["reason"] else {**said, "reason": self.pusher.why or self.landing.stuck or None}

    def close(self) -> None:
        """Give back what is to be given back, if the remote answers."""
        if self.claims.owes and not self.sync.away:
            with suppress(GoferError):
                self.claims.flush()

    # -- one travel ------------------------------------------------------------------------------------------------

    def publish(self, now: datetime) -> Published:
        """Exchange what there is to exchange. What cannot be now stays owed, with the reason."""
        here = self.publisher.publish(now)
        self.pusher.start()
        self.landing.moved = False
        if self.journal.placed & self.journal.owed.keys():  # first what lies here already: it must not be overtaken
            self.sync.poll()
            return here
        try:
            there = self._exchange(now)
        except (RemoteAway, CredentialsRefused) as error:
            if not self.sync.away:
                self.sync.missed(error)
            there = Published(waiting=self.sync.words(len(self.pusher.owed())) if self.pusher.owed() else "")
        except (GoferError, OSError) as error:  # it stays owed: nothing of it is lost by trying again
            there = Published(waiting=str(error), soon=isinstance(error, Busy))
        ended = here.records + tuple(self.pusher.ended)
        waiting, soon = (there.waiting, there.soon) if there.waiting else (here.waiting, here.soon or there.soon)
        return Published(ended, waiting, soon, tuple(self.pusher.unfit), there.at)

    def _exchange(self, now: datetime) -> Published:
        self.sync.poll()
        if not self.sync.lookout.known and self.sync.away_since is None:
            return Published(
                waiting="the remote is being looked at" * bool(self.pusher.owed()), soon=bool(self.pusher.owed())
            )
        if self.sync.away or self.sync.paused:
            return Published(waiting=self.sync.words(len(self.pusher.owed())) if self.pusher.owed() else "")
        self.pusher.answers()
        self.sights.recover()
        self.claims.renew()
        self.sights.watch(self._resting)
        if self._looks() == self._settled:
            if self.claims.owes and not self.sync.budget.wait():  # no other push comes that could take them along
                self.sync.budget.spend()
                self.claims.flush()
            return Published()
        person = self.persons.files(self.sync.tip)
        step = self.pusher.push(now)
        more = self.sync.crowded and bool(self.pusher.ended or self.pusher.owed())
        stuck = self.landing.follow(now, busy=more)
        if self.landing.at_tip:
            self.persons.forget()
        done = step.done and not stuck and not self.landing.put_off and not self.pusher.owed()
        if done and person == self.persons.files(self.sync.tip):
            self._settled = self._looks()
        return self._told(step, stuck)

    def _told(self, step: Step, stuck: str) -> Published:
        """The two ways of waiting as one: for the push, and for the branch here."""
        if not step.done:
            words = step.wait if self.pusher.owed() else ""
            return Published(waiting=words, soon=step.soon, at=time.monotonic() + step.seconds)
        words = stuck if self.journal.pushed else ""
        return Published(waiting=words, soon=stuck == IN_USE, at=self.landing.retry_at)

    def _looks(self) -> object:
        """Everything whose change gives the exchange something to do, looked up without starting git."""
        head = (self.repository.git_dir / "HEAD").read_text("utf-8", "replace").strip()
        moved = self.repository.newest_ref_time(head.removeprefix("ref: "))
        person = tuple((path, data and hash(data)) for path, data in self.persons.files(self.sync.tip).items())
        return head, moved, self.sync.tip, tuple(self.journal.owed), person, self.publisher.leaving
