"""The claims of others: which stand, and which are over.

Expiry is judged by the watcher's own clock, from when it first saw the ref as it is now: a claim that did not move for
its whole lease has no living worker. Clocks are never compared, and a wrong judgement costs nothing but work: what was
judged over is taken by moving the ref from the very object that was seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from agent.claims.cards import Card, hear
from agent.git.network import Network

TRACKED = 10_000  # refs: anyone who can push can make more
JUDGED = 16  # cards read at one look
_NAME = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Seen:
    """Somebody else's claim: its object, "" while that is not known, and since when it was seen like that; what its
    `card` says, once that was read."""

    oid: str
    since: float
    card: Card | None = None
    over: bool = False

    @property
    def ended(self) -> str:
        """The run of a schedule that has ended, and all before it; "" for a claim on what has not."""
        return self.card.task if self.card and self.card.done else ""


class Others:
    """What one worker saw of the claims of others, by ref."""

    def __init__(self, network: Network, clock: Callable[[], float], lease: float) -> None:
        self._network, self._clock, self._lease = network, clock, lease
        self._seen: dict[str, Seen] = {}
        self.retired: dict[str, str] = {}  # ref → object: over, and nobody here wants their tasks

    def see(self, ref: str, oid: str = "") -> None:
        """Somebody has this one."""
        seen = self._seen.get(ref)
        if seen is None or not oid or seen.oid != oid:
            self._seen[ref] = Seen(oid, self._clock())

    def forget(self, ref: str) -> None:
        """Nobody else has this one."""
        self._seen.pop(ref, None)
        self.retired.pop(ref, None)

    def holds(self, ref: str) -> bool:
        """Whether somebody alive has this one, as far as we saw."""
        seen = self._seen.get(ref)
        return seen is not None and not (seen.over or seen.ended)

    def is_known(self, ref: str) -> bool:
        """Whether it was read what this one says."""
        return ref in self._seen and self._seen[ref].card is not None

    def ended(self, ref: str) -> str:
        """The last run of a schedule that has ended, as its ref says; "" for none."""
        return self._seen[ref].ended if ref in self._seen else ""

    def read(self, refs: Mapping[str, str]) -> None:
        """These refs of schedules hold these objects of others: see what they say."""
        for ref, oid in refs.items():
            self.see(ref, oid)
        self._read([ref for ref in refs if self._seen[ref].card is None])

    def left(self, ref: str) -> Seen | None:
        """The claim of a dead worker on this ref."""
        seen = self._seen.get(ref)
        return seen if seen and seen.over else None

    def has_any(self, refs: Iterable[str]) -> bool:
        """Whether somebody has, or had, one of these."""
        return any(ref in self._seen for ref in refs)

    def look(
        self, namespace: str, wanted: Collection[str], own: Collection[str], runs: Collection[str] = (),
        kept: Collection[str] = (),
    ) -> None:  # fmt: skip
        """Look at the remote again; objects in `own` are not others'. `runs`: those of the wanted that are of
        schedules, whose cards are read at once; `kept`: what is not retired, although nobody waits for it now."""
        there = self._network.refs(f"{namespace}*")
        now = self._clock()
        alien = {ref: oid for ref, oid in there.items() if oid not in own and _NAME.fullmatch(ref[len(namespace) :])}
        order = sorted(alien, key=lambda ref: ref not in wanted)[:TRACKED]
        self._seen = {ref: self._as_now(ref, alien[ref], now) for ref in order}
        self._read([ref for ref in runs if ref in self._seen and self._seen[ref].card is None])
        self.retired = {ref: oid for ref, oid in self.retired.items() if alien.get(ref) == oid and ref not in wanted}
        due = (ref for ref in order if self._is_due(ref, ref in wanted, now) and (ref in wanted or ref not in kept))
        self._judge([*islice(due, JUDGED)], wanted, now)

    def _as_now(self, ref: str, oid: str, now: float) -> Seen:
        seen = self._seen.get(ref)
        return seen if seen and seen.oid == oid else Seen(oid, now)

    def _is_due(self, ref: str, wanted: bool, now: float) -> bool:
        """Whether a claim stood for its lease, or for ours while its own is not known; twice that if nobody waits."""
        seen = self._seen[ref]
        lease = seen.card.lease if seen.card else 0.0
        return not seen.over and now - seen.since > max(self._lease, lease) * (1 if wanted else 2)

    def _judge(self, due: Sequence[str], wanted: Collection[str], now: float) -> None:
        self._read([ref for ref in due if self._seen[ref].card is None])
        for ref in due:
            if self._is_due(ref, ref in wanted, now):
                self._seen[ref] = replace(self._seen[ref], over=True)
                if ref not in wanted:
                    self.retired[ref] = self._seen[ref].oid

    def _read(self, refs: Sequence[str]) -> None:
        unread = {ref: self._seen[ref].oid for ref in refs}
        for ref, text in (self._network.cards(unread) if unread else {}).items():
            self._seen[ref] = replace(self._seen[ref], card=hear(text))
