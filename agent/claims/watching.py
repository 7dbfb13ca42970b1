"""The claims of others: which stand, and which are over.

Expiry is judged by the watcher's own clock, from when it first saw the ref as it is now: a claim that did not move for
its whole lease has no living worker. Clocks are never compared, and a wrong judgement costs nothing but work: what was
judged over is taken by moving the ref from the very object that was seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from agent.claims.cards import hear
from agent.git.network import Network

TRACKED = 10_000  # refs: anyone who can push can make more
JUDGED = 16  # cards read at one look
_NAME = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Seen:
    """Somebody else's claim: its object, "" while that is not known, and since when it was seen like that. `lease` and
    `attempt` once its card was read."""

    oid: str
    since: float
    lease: float | None = None
    attempt: int = 0
    over: bool = False


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
        return seen is not None and not seen.over

    def left(self, ref: str) -> Seen | None:
        """The claim of a dead worker on this ref."""
        seen = self._seen.get(ref)
        return seen if seen and seen.over else None

    def has_any(self, refs: Iterable[str]) -> bool:
        """Whether somebody has, or had, one of these."""
        return any(ref in self._seen for ref in refs)

    def look(self, namespace: str, wanted: Collection[str], own: Collection[str]) -> None:
        """Look at the remote again; objects in `own` are not others'."""
        there = self._network.refs(f"{namespace}*")
        now = self._clock()
        alien = {ref: oid for ref, oid in there.items() if oid not in own and _NAME.fullmatch(ref[len(namespace) :])}
        order = sorted(alien, key=lambda ref: ref not in wanted)[:TRACKED]
        self._seen = {ref: self._as_now(ref, alien[ref], now) for ref in order}
        self.retired = {ref: oid for ref, oid in self.retired.items() if alien.get(ref) == oid and ref not in wanted}
        self._judge([ref for ref in order if self._is_due(ref, ref in wanted, now)][:JUDGED], wanted, now)

    def _as_now(self, ref: str, oid: str, now: float) -> Seen:
        seen = self._seen.get(ref)
        return seen if seen and seen.oid == oid else Seen(oid, now)

    def _is_due(self, ref: str, wanted: bool, now: float) -> bool:
        """Whether a claim stood for its lease, or for ours while its own is not known; twice that if nobody waits."""
        seen = self._seen[ref]
        return not seen.over and now - seen.since > max(self._lease, seen.lease or 0.0) * (1 if wanted else 2)

    def _judge(self, due: Iterable[str], wanted: Collection[str], now: float) -> None:
        due = list(due)
        unread = {ref: self._seen[ref].oid for ref in due if self._seen[ref].lease is None}
        for ref, text in (self._network.cards(unread) if unread else {}).items():
            lease, attempt = hear(text)
            self._seen[ref] = replace(self._seen[ref], lease=lease, attempt=attempt)
        for ref in due:
            if self._is_due(ref, ref in wanted, now):
                self._seen[ref] = replace(self._seen[ref], over=True)
                if ref not in wanted:
                    self.retired[ref] = self._seen[ref].oid
