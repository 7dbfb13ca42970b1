"""Claims among all machines: a ref per task on the remote. First push wins, and what the remote says afterwards counts.

Each ref points at a commit of its own, with a random nonce in it: two pushes of one object would both "succeed". Its id
is noted durably before it is pushed, so that after a lost answer, or a crash, the remote can be asked whose it is.
Expiry is judged by the watcher's own clock, from when it first saw the ref as it is; clocks are never compared.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from agent.claims.base import Claim, Wanted
from agent.errors import RemoteAway
from agent.git.network import Network, Told, Update, Verdict

LEASE = 900.0  # seconds that a claim stands without being renewed
RENEWALS = 5  # in a lease: a worker under load may miss a few
MARGIN = 15  # the part of a lease (one in …) that is left at the end, for a push under way
NAMESPACES = ("refs/gofer/claims/", "refs/heads/gofer/claims/")  # the second where a host allows no other


def boot_clock() -> float:
    """Seconds since the start of the machine, those that it slept included where the system counts them."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True, slots=True)
class Held:
    """A claim of ours. `sure` once the remote confirmed it; `next` while a renewal is under way; `until` on our own
    clock: from the moment the last confirmed push was sent, a lease less the margin."""

    task: str
    revision: str
    nonce: str
    attempt: int
    oid: str
    next: str = ""
    sure: bool = False
    until: float = 0.0
    renewed: float = 0.0

    @property
    def claim(self) -> Claim:
        return Claim(self.task, self.nonce, self.attempt, shared=True)


@dataclass(frozen=True, slots=True)
class Seen:
    """Somebody else's claim: its object, "" while it is not known, and since when it was seen like that."""

    oid: str
    since: float
    attempt: int = 0  # of the dead worker, once its claim was read
    expired: bool = False


class RemoteClaims:
    """One worker's claims on one remote. Not thread-safe: the road owns it. What is asked of the remote raises what
    `Network` raises; nothing is forgotten then."""

    def __init__(
        self, network: Network, record: Path, worker: str, *, lease: float = LEASE, namespace: str = NAMESPACES[0],
        clock: Callable[[], float] = boot_clock, wall: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.network, self.worker, self.lease, self.namespace = network, worker, lease, namespace
        self._record, self._clock, self._wall = record, clock, wall
        self.held: dict[str, Held] = {}
        self.gone: set[str] = set()  # tasks whose claim was lost while they ran or waited to be published
        self.refusal = ""  # what the remote said when it allowed no claim
        self._giving: dict[str, str] = {}  # ref → object: to be given back with the next push
        self._others: dict[str, Seen] = {}
        self._read()

    # -- take ------------------------------------------------------------------------------------------------------

    def take(self, wanted: Sequence[Wanted]) -> dict[str, Claim]:
        """Claim many tasks in one push; each is won or lost by itself. The result holds what is ours now, by id."""
        won = {w.task: self.held[w.task].claim for w in wanted if w.task in self.held and self.held[w.task].sure}
        fresh = [w for w in wanted if w.task not in self.held and self._free(w.task)]
        if not fresh:
            return won
        began = self._clock()
        for want in fresh:
            nonce, dead = secrets.token_hex(8), self._others.get(want.task)
            attempt = max(want.attempt, dead.attempt + 1) if dead else want.attempt
            card = self._card(want.task, want.revision, nonce, attempt)
            self.held[want.task] = Held(want.task, want.revision, nonce, attempt, card, until=began + self._span)
        updates = [self._update(w.task, self.held[w.task].oid, self._expected(w.task)) for w in fresh]
        self._write()  # before the push: a killed client may have won
        told = self._push(updates)
        for want in fresh:
            self._hear(want.task, told[self.ref(want.task)])
        self._read_back()
        self._write()
        return won | {w.task: self.held[w.task].claim for w in fresh if w.task in self.held}

    def _hear(self, task: str, told: Told) -> None:
        if told.verdict is Verdict.DONE:
            self.held[task] = replace(self.held[task], sure=True, renewed=self._clock())
            self._others.pop(task, None)
            self.refusal = ""
        elif told.verdict is Verdict.STALE:
            del self.held[task]
            self._others[task] = Seen("", self._clock())
        elif told.verdict is Verdict.REFUSED:
            del self.held[task]
            self.refusal = told.why

    def _read_back(self) -> None:
        """Ask the remote about every claim of which we do not know whether it arrived."""
        unsure = [held for held in self.held.values() if not held.sure or held.next]
        if not unsure:
            return
        there = self.network.refs(*(self.ref(held.task) for held in unsure))
        for held in unsure:
            oid = there.get(self.ref(held.task), "")
            if held.next and oid == held.next:
                self._renewed(held)
            elif oid == held.oid:
                self.held[held.task] = replace(held, sure=True, next="")
            else:
                del self.held[held.task]
                if held.sure:
                    self.gone.add(held.task)
                if oid:
                    self._others[held.task] = Seen(oid, self._clock())

    # -- keep ------------------------------------------------------------------------------------------------------

    def renew(self) -> None:
        """Move the refs of claims that were not moved for a while, all in one push."""
        now = self._clock()
        due = [h for h in self.held.values() if h.sure and now - h.renewed >= self.lease / RENEWALS]
        if not due:
            return
        for held in due:
            card = self._card(held.task, held.revision, held.nonce, held.attempt)
            self.held[held.task] = replace(held, next=card, until=held.until)
        self._write()
        told = self._push([self._update(h.task, self.held[h.task].next, h.oid) for h in due])
        for old in due:
            held, verdict = self.held[old.task], told[self.ref(old.task)].verdict
            if verdict is Verdict.DONE:
                self._renewed(held, now)
            elif verdict is Verdict.STALE:
                del self.held[old.task]
                self.gone.add(old.task)
        self._read_back()
        self._write()

    def _renewed(self, held: Held, sent: float | None = None) -> None:
        until = held.until if sent is None else sent + self._span
        self.held[held.task] = replace(held, oid=held.next, next="", sure=True, until=until, renewed=self._clock())

    def overdue(self) -> Collection[str]:
        """Tasks whose work must stop: their claim was lost, or could not be renewed until shortly before its end."""
        now = self._clock()
        return self.gone | {held.task for held in self.held.values() if held.sure and now > held.until}

    @property
    def renew_at(self) -> float | None:
        """When the next claim is due to be renewed, in seconds from now; None when none is held."""
        times = [held.renewed + self.lease / RENEWALS for held in self.held.values() if held.sure]
        return max(0.0, min(times) - self._clock()) if times else None

    # -- give back, publish ----------------------------------------------------------------------------------------

    def fences(self, tasks: Iterable[str]) -> list[Update]:
        """What the push that publishes these tasks must do besides: take our claims away, if they are still ours."""
        return [self._update(task, None, self.held[task].oid) for task in tasks if task in self.held]

    def published(self, tasks: Iterable[str]) -> None:
        """Their outcomes are on the remote, and their claims are gone from it."""
        for task in tasks:
            self.held.pop(task, None)
            self.gone.discard(task)
        self._write()

    def lose(self, tasks: Iterable[str]) -> None:
        """The remote says that these are not ours any more."""
        for task in tasks:
            if self.held.pop(task, None):
                self.gone.add(task)
        self._write()

    def release(self, tasks: Iterable[str]) -> None:
        """Give claims back: with the next push, or at the latest with `flush`."""
        for task in tasks:
            self.gone.discard(task)
            if held := self.held.pop(task, None):
                self._giving[self.ref(task)] = held.oid
        self._write()

    def flush(self) -> None:
        """Give back now what is to be given back."""
        if self._giving:
            self._push([])
            self._write()

    @property
    def owes(self) -> bool:
        """Whether something waits to be given back."""
        return bool(self._giving)

    def verify(self, tasks: Collection[str]) -> None:
        """Ask the remote whether these are still ours."""
        asked = {task: held for task, held in self.held.items() if task in tasks}
        there = self.network.refs(*(self.ref(task) for task in asked)) if asked else {}
        mine = {task: {held.oid, held.next or held.oid} for task, held in asked.items()}
        self.lose([task for task, ours in mine.items() if there.get(self.ref(task)) not in ours])

    # -- the others' -----------------------------------------------------------------------------------------------

    def taken(self, task: str) -> bool:
        """Whether somebody else holds this task, as far as we saw."""
        return not self._free(task)

    def _free(self, task: str) -> bool:
        seen = self._others.get(task)
        return seen is None or seen.expired

    def watch(self, tasks: Collection[str]) -> None:
        """Look at the claims of others on these tasks: which are gone, and which did not move for their lease."""
        self._others = {task: seen for task, seen in self._others.items() if task in tasks}
        if not self._others:
            return
        there, now = self.network.refs(f"{self.namespace}*"), self._clock()
        for task, seen in list(self._others.items()):
            oid = there.get(self.ref(task))
            if oid is None:
                del self._others[task]
            elif oid != seen.oid:
                self._others[task] = Seen(oid, now)
            elif now - seen.since > self.lease and not seen.expired:
                self._others[task] = self._judge(task, seen, now)

    def _judge(self, task: str, seen: Seen, now: float) -> Seen:
        """A claim that did not move for our lease: over, unless it says that its own is longer."""
        local = f"refs/gofer/seen/{self.ref(task).rpartition('/')[2]}"
        self.network.fetch_into({self.ref(task): local})
        said = _payload(self.network.card_text(seen.oid))
        over = now - seen.since > float(said.get("lease_s", 0))
        return replace(seen, attempt=int(said.get("attempt", 0)), expired=over)

    # -- after a start ---------------------------------------------------------------------------------------------

    def recover(self, keep: Collection[str]) -> None:
        """At the first contact after a start: which noted claims are still ours; those that nobody needs go back."""
        now = self._clock()
        self.held = {task: replace(h, sure=False, until=now, renewed=0.0) for task, h in self.held.items()}
        self._read_back()
        self.release([task for task in self.held if task not in keep])
        self.flush()

    # ------------------------------------------------------------------------------------------------------------

    def ref(self, task: str) -> str:
        return self.namespace + hashlib.sha256(task.encode()).hexdigest()[:40]

    @property
    def _span(self) -> float:
        return self.lease - self.lease / MARGIN

    def _expected(self, task: str) -> str:
        """What the ref must hold when we take it: nothing, or the claim of a dead worker."""
        return self._others[task].oid if task in self._others else ""

    def _update(self, task: str, new: str | None, expect: str) -> Update:
        return Update(self.ref(task), new, expect)

    def _card(self, task: str, revision: str, nonce: str, attempt: int) -> str:
        said = {
            "v": 1, "worker": self.worker, "nonce": nonce, "task": task, "revision": revision,
            "lease_s": self.lease, "attempt": attempt, "n": secrets.token_hex(4),
        }  # fmt: skip
        return self.network.card(json.dumps(said, separators=(",", ":")), int(self._wall()))

    def _push(self, updates: Sequence[Update]) -> Mapping[str, Told]:
        giving = [Update(ref, None, oid) for ref, oid in self._giving.items() if ref not in {u.ref for u in updates}]
        told = self.network.push([*updates, *giving])
        for update in giving:
            if told[update.ref].verdict in (Verdict.DONE, Verdict.STALE):
                self._giving.pop(update.ref, None)
        return told

    def _read(self) -> None:
        try:
            said = json.loads(self._record.read_text("utf-8"))
            self.held = {entry["task"]: Held(**entry) for entry in said["held"]}
            self._giving = dict(said["giving"])
        except (OSError, ValueError, KeyError, TypeError):
            return  # a cache: what it held expires on the remote

    def _write(self) -> None:
        said = {"v": 1, "held": [asdict(held) for held in self.held.values()], "giving": self._giving}
        part = self._record.with_suffix(".new")
        with part.open("w", encoding="utf-8") as file:
            json.dump(said, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, self._record)


def _payload(text: str) -> dict[str, float]:
    """What a claim says; nothing of one that somebody else's program wrote in another way."""
    try:
        said = json.loads(text)
        return {key: float(said[key]) for key in ("lease_s", "attempt") if key in said}
    except (ValueError, TypeError):
        return {}


__all__ = ["LEASE", "NAMESPACES", "RemoteAway", "RemoteClaims", "boot_clock"]
