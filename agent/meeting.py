"""The machines of a vault meet: each tells who works there, and sees how many others share its inbox and its budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from agent.claims import RemoteClaims
from agent.clock import utc_now
from agent.errors import GoferError
from agent.git.network import Update
from agent.presence import Presence
from agent.sync import Sync

Workers = Sequence[Mapping[str, Any]]


class Meeting:
    """One clone's part in it. Nothing depends on it but speed: what does not arrive now is told the next time."""

    def __init__(self, presence: Presence, sync: Sync, claims: RemoteClaims, workers: Callable[[], Workers]) -> None:
        """`workers()` says what this clone's do now."""
        self.presence, self.sync, self.claims, self._workers = presence, sync, claims, workers
        self._begun = False
        claims.riders = self._riders

    def _riders(self) -> Sequence[Update]:
        return self.presence.riders(self._workers(), utc_now()) if self._begun else ()

    def meet(self, names: Iterable[str], now: datetime) -> None:
        """Tell of the workers, whose names are all that this clone has now, and look around, when it is time to. What
        is told goes along with the claims; alone it waits for its turn in the budget."""
        if self.sync.away or self.sync.paused:
            return
        with suppress(GoferError):
            if not self._begun:
                self._begun = True
                self.presence.tidy(now, names)
            else:
                self.presence.look_around(now, self.claims.losses, crowded=self.sync.crowded)
            self.sync.others = self.presence.others or frozenset()
            self.sync.budget.machines = 1 + len(self.sync.others)
            workers = self._workers()
            if self.presence.due(workers) and not self.sync.budget.wait():
                self.sync.budget.spend()
                self.presence.tell(workers, now)

    def leave(self, workers: Workers, now: datetime) -> None:
        """Say good-bye, if the others were told of these workers at all."""
        if self._begun and not self.sync.away:
            with suppress(GoferError):
                self.presence.tell(workers, now)
