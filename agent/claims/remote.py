"""Claims among all machines: a ref per task on the remote. First push wins, and what the remote says afterwards counts.

Each ref points at a commit of its own, with random numbers in it: two pushes of one object would both "succeed". Its id
is noted durably before it is pushed, so that after a lost answer, or a crash, the remote can be asked whose it is. What
an earlier process noted, or a copy of it on another machine, becomes ours only by moving the ref to a new object.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from agent.claims.base import NAMESPACES, Claim, Wanted
from agent.claims.pushing import Pushing
from agent.claims.record import Held
from agent.clock import wall as wall_clock
from agent.errors import CredentialsRefused, RemoteAway
from agent.git.network import Network, Told, Update, Verdict
from agent.vault.schedule import instance_of

LEASE = 900.0  # seconds that a claim stands without being renewed
RENEWALS = 5  # in a lease: a worker under load may miss a few
AHEAD = 3600.0  # seconds that another machine's clock may be ahead of ours
MARGIN = 15  # the part of a lease (one in …) that is left at the end, for a push under way


def boot_clock() -> float:
    """Seconds since the start of the machine, those that it slept included where the system counts them."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class RemoteClaims(Pushing):
    """One worker's claims on one remote. Not thread-safe: the road owns it. What is asked of the remote raises what
    `Network` raises; nothing is forgotten then, and asking again is safe."""

    def __init__(
        self, network: Network, record: Path, worker: str, *, lease: float = LEASE, namespace: str = NAMESPACES[0],
        clock: Callable[[], float] = boot_clock, wall: Callable[[], float] = wall_clock,
    ) -> None:  # fmt: skip
        """`record`: a file of this worker's in the state folder. `clock` measures leases; `wall` only dates commits."""
        super().__init__(network, record, worker, lease, namespace, clock, wall)
        self.over: dict[str, str] = {}  # runs of schedules that had ended elsewhere, and the last one that has
        self.losses = 0  # so many claims somebody else was faster with
        self.refusal = ""  # what the remote said when it allowed no claim, as of the last `take`
        self._asked: set[str] = set()  # renewals that had not arrived when the remote was asked
        self._pruned = clock()

    # -- take ------------------------------------------------------------------------------------------------------

    def take(self, wanted: Sequence[Wanted]) -> dict[str, Claim]:
        """Claim many tasks in one push; each is won or lost by itself. The result holds what is ours now, by id; what
        was ours before is among it, with the same claim."""
        free = (want for want in wanted if want.task not in self.held and not self.taken(want.task))
        fresh = {self.ref(want.task): want for want in free}.values()
        self.refusal, self.over = "", {}
        if fresh:
            expect = self._expected({self.ref(want.task): want.task for want in fresh})
            sent = self._clock()  # before the push: others count from when they saw it arrive
            tries = [self._new(w, ref, expect[ref], sent) for w in fresh if (ref := self.ref(w.task)) in expect]
            told = self._send({held: expect[held.ref] for held in tries})
            self._ask_about([held for held in tries if not self._hear(held, told[held.ref])])
            self._notes.save()
        return {want.task: self.held[want.task].claim for want in wanted if want.task in self.held}

    def _expected(self, refs: Mapping[str, str]) -> dict[str, str]:
        """What these refs (with their tasks) hold if their tasks are free: nothing, the claim of a dead worker, an
        object of our own that was never confirmed, or that of a run of the schedule that has ended. Those that are not
        free are left out."""
        self._notes.reclaim(refs)
        expect = {ref: left.oid if (left := self._others.left(ref)) else "" for ref in refs}
        runs = {ref: task for ref, task in refs.items() if instance_of(task)}
        doubtful = [ref for ref in refs if ref in runs or self._notes.pushes(ref)]
        there = self._there(doubtful)
        own = self._notes.own()
        self._others.read({ref: there[ref] for ref in runs if there[ref] and there[ref] not in own})
        for ref, oid in there.items():
            expect[ref] = oid
            if not oid:
                self._others.forget(ref)
            elif oid in own and oid not in self._notes.unsure:
                del expect[ref]  # another run of the schedule, which is not published yet
            elif oid not in self._notes.unsure:
                self._others.see(ref, oid)
                if self._others.holds(ref) or self._is_over(ref, runs.get(ref, "")):
                    del expect[ref]
        return expect

    def _is_over(self, ref: str, task: str) -> bool:
        """Whether a run of a schedule has ended, or a later one; what lies ahead of our clock is not believed."""
        ended, wanted = instance_of(self._others.ended(ref)), instance_of(task)
        if ended and wanted and wanted[1] <= ended[1] and ended[1].timestamp() < self._wall() + AHEAD:
            self.over[task] = self._others.ended(ref)
        return task in self.over

    def _new(self, want: Wanted, ref: str, expect: str, sent: float) -> Held:
        """A new claim, which takes the place of `expect`."""
        left, own = self._others.left(ref), self._notes.unsure.get(expect)
        dead = left.card if left and left.oid == expect else None
        same = instance_of(want.task) is None or want.task in (own.task if own else "", dead.task if dead else "")
        before = 0 if not same else dead.attempt + 1 if dead else own.attempt if own else 0
        nonce, attempt = secrets.token_hex(8), max(want.attempt, before)
        return self._sealed(Held(want.task, want.revision, nonce, attempt, "", ref, sent))

    def _hear(self, held: Held, told: Told) -> bool:
        """Take in the answer for an object that was pushed. False when the remote has to be asked whose the ref is."""
        if told.verdict is Verdict.DONE:
            self._win(held)
        elif told.verdict is Verdict.REFUSED:
            del self._notes.unsure[held.oid]
            self.refusal = told.why
        elif told.verdict is Verdict.STALE and self._notes.pushes(held.ref) == [held]:
            self._notes.drop(held.ref)
            self._others.see(held.ref)
            self.losses += 1
        else:
            return False
        return True

    def _ask_about(self, tries: Sequence[Held]) -> None:
        """Ask the remote whose the refs are for which there was no clear answer. If that fails, the next try asks."""
        with suppress(RemoteAway, CredentialsRefused):
            there = self._there([held.ref for held in tries])
            for held in tries:
                oid = there[held.ref]
                if oid == held.oid:
                    self._win(held)
                elif oid and oid not in self._notes.unsure:
                    self._notes.drop(held.ref)
                    self._others.see(held.ref, oid)

    # -- keep ------------------------------------------------------------------------------------------------------

    def renew(self) -> None:
        """Move the refs of claims that were not moved for a while, all in one push. When this has returned, it is known
        of every claim in `held` that the remote had it."""
        self._hear_of_renewals()
        now = self._clock()
        self._forget_old(now)
        if due := [held for held in self.held.values() if now - held.sent >= self.lease / RENEWALS]:
            moves = {self._sealed(replace(held, sent=now)): held.oid for held in due}
            told = self._send(moves)
            for held in moves:
                if told[held.ref].verdict is Verdict.DONE:
                    self._win(held)
            self._hear_of_renewals()
            self._notes.save()

    def _hear_of_renewals(self) -> None:
        """Ask about renewals whose answer was none: they arrived, or the claim stands as it was, or it is not ours."""
        notes = self._notes
        if any(held.task in self.held and held.oid not in self._asked for held in notes.unsure.values()):
            self.verify({held.task for held in notes.unsure.values()})
            self._asked = {held.oid for held in notes.unsure.values() if held.task in self.held}

    def verify(self, tasks: Collection[str]) -> None:
        """Ask the remote whether these are still ours."""
        asked = [held for task, held in self.held.items() if task in tasks]
        there = self._there([held.ref for held in asked])
        for held in asked:
            oid = there[held.ref]
            if moved := self._notes.unsure.get(oid):
                self._win(moved)
            elif oid != held.oid:
                del self._notes.held[held.task]
                self._notes.drop(held.ref)
                self.gone.add(held.task)
                if oid:
                    self._others.see(held.ref, oid)
        self._notes.save()

    def lose(self, tasks: Collection[str]) -> None:
        """The remote refused the fences of these: it is asked whose they are, for a renewal may have come late."""
        self.verify(tasks)

    def overdue(self) -> Collection[str]:
        """Tasks whose work must stop: their claim was lost, or could not be renewed until shortly before its end."""
        until = self._clock() - self.lease + self.lease / MARGIN
        return self.gone | {held.task for held in self.held.values() if held.sent < until}

    @property
    def renew_at(self) -> float | None:
        """When the next claim is due to be renewed, in seconds from now; None when none is held."""
        first = min((held.sent for held in self.held.values()), default=None)
        return None if first is None else max(0.0, first + self.lease / RENEWALS - self._clock())

    def _forget_old(self, now: float) -> None:
        """Give back what was pushed without an answer and is not wanted any more; drop cards that are of no use."""
        old = {held.task for held in self._notes.unsure.values() if now - held.sent > self.lease} - self.held.keys()
        self._notes.give(old)
        if now - self._pruned > self.lease:
            self.network.prune()
            self._pruned = now

    # -- give back, publish ----------------------------------------------------------------------------------------

    def fences(self, tasks: Iterable[str], going_on: Collection[str] = ()) -> list[Update]:
        """What the push that publishes these tasks must do besides: take our claims away, if they are still ours. That
        of a schedule stays, and says up to where it was served, but for runs that are `going_on`."""
        held = (self.held[task] for task in tasks if task in self.held)
        ended = (replace(h, done=instance_of(h.task) is not None and h.task not in going_on) for h in held)
        return [self._given(ours) for ours in ended]

    def published(self, tasks: Iterable[str]) -> None:
        """Their outcomes are on the remote, and their claims are gone from it."""
        for task in tasks:
            self._notes.drop(self.ref(task))
            self._notes.held.pop(task, None)
            self.gone.discard(task)
        self._notes.save()

    def release(self, tasks: Iterable[str]) -> None:
        """Give claims back: with the next push, or at the latest with `flush`. Those of others are left alone."""
        self._give(set(tasks), done=False)

    def finish(self, tasks: Iterable[str]) -> None:
        """These have ended: like `release`, but the claim on a schedule says so to everybody."""
        tasks = set(tasks)
        self._give({task for task in tasks if not instance_of(task)}, done=False)
        self._give({task for task in tasks if instance_of(task)}, done=True)

    def _give(self, tasks: set[str], *, done: bool) -> None:
        self.gone -= tasks
        self._notes.give(tasks, done=done)
        self._notes.save()

    # -- the others', and what was before ------------------------------------------------------------------------

    def taken(self, task: str) -> bool:
        """Whether somebody else holds this task, as far as we saw."""
        ref = self.ref(task)  # what the ref of a schedule says has to be read: its last run may have ended
        return self._others.holds(ref) and (instance_of(task) is None or self._others.is_known(ref))

    def watch(self, tasks: Collection[str], *, strange: bool = False) -> None:
        """Look at the claims of others on these tasks, if any was seen: which are gone, and which did not move for
        their lease. `strange`: also if none was seen."""
        refs = {self.ref(task) for task in tasks}
        if strange or self._others.has_any(refs):
            runs = [self.ref(task) for task in tasks if instance_of(task)]
            kept = {self.ref(task) for task in self.kept()}
            self._others.look(self.namespace, refs, self._notes.own(), runs, kept)

    def recover(self, keep: Collection[str]) -> None:
        """At the first contact after a start: of what an earlier process noted and the remote still has, the claims on
        tasks in `keep` become ours, and the others go back."""
        noted = [held for held in self._notes.unsure.values() if held.task not in self.held]
        there = self._there(list({held.ref for held in noted}))
        for held in noted:
            if there[held.ref] != held.oid:
                del self._notes.unsure[held.oid]
        found = [held for held in noted if held.oid in self._notes.unsure]
        self._notes.give({held.task for held in found} - set(keep))
        kept = [held for held in found if held.task in keep]
        if kept:
            now = self._clock()
            moves = {self._sealed(replace(held, sent=now)): held.oid for held in kept}
            told = self._send(moves)
            self._ask_about([held for held in moves if not self._hear(held, told[held.ref])])
        self.flush()
