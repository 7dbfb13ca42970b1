"""Objects of ours on their way to the remote, and what became of them: what taking, keeping and giving back share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from agent.claims.base import name_of
from agent.claims.cards import LONGEST, say
from agent.claims.record import Held, Notes
from agent.claims.watching import Others
from agent.git.network import Network, Told, Update, Verdict


class Pushing:
    """Pushes objects over what is expected in their place, and keeps account of them."""

    def __init__(
        self, network: Network, record: Path, worker: str, lease: float, namespace: str,
        clock: Callable[[], float], wall: Callable[[], float],
    ) -> None:  # fmt: skip
        self.network, self.worker, self.lease, self.namespace = network, worker, lease, namespace
        self._clock, self._wall = clock, wall
        self._notes, self._others = Notes(record), Others(network, clock, lease)
        self.riders: Callable[[], Sequence[Update]] = tuple  # what goes along with a push, as information for others
        self.gone: set[str] = set()  # tasks whose claim was lost while they ran or waited to be published
        self.kept: Callable[[], Collection[str]] = tuple  # runs of the schedules here: their refs are never retired

    @property
    def held(self) -> Mapping[str, Held]:
        """What the remote confirmed to be ours, by task."""
        return self._notes.held

    def ref(self, task: str) -> str:
        """Where the claim on a task is. No text of the task's reaches a command line."""
        held = self.held.get(task)
        return held.ref if held else self.namespace + hashlib.sha256(name_of(task).encode()).hexdigest()[:40]

    def flush(self) -> None:
        """Give back now what is to be given back."""
        left = 0
        while self.owes and len(self._notes.giving) != left:
            left = len(self._notes.giving)
            self._push([])
        self._notes.save()

    @property
    def owes(self) -> bool:
        """Whether something waits to be given back."""
        return bool(self._notes.giving)

    def _push(self, updates: Sequence[Update]) -> Mapping[str, Told]:
        """Push, and give back what is to be given back with it: one object for each ref."""
        refs = {update.ref for update in updates}
        back = {ref: Update(ref, None, oid) for ref, oid in self._others.retired.items()}
        back |= {held.ref: self._given(held) for held in self._notes.giving.values() if held.ref not in refs}
        giving = [update for ref, update in back.items() if ref not in refs]
        told = self.network.push([*updates, *giving, *self.riders()])
        for update in giving:
            if told[update.ref].verdict is not Verdict.UNSURE and update.expect:
                self._notes.giving.pop(update.expect, None)
                self._others.retired.pop(update.ref, None)
        return told

    def _given(self, held: Held) -> Update:
        """Take a claim of ours away, or let it say that its task has ended: the schedule's next run moves it on."""
        if not held.done:
            return Update(held.ref, None, held.oid)
        said = say(self.worker, held.nonce, held.task, held.revision, LONGEST, held.attempt, done=True)
        return Update(held.ref, self.network.card(said, int(self._wall())), held.oid)

    def _sealed(self, held: Held) -> Held:
        """The same claim with a new object."""
        said = say(self.worker, held.nonce, held.task, held.revision, self.lease, held.attempt)
        return replace(held, oid=self.network.card(said, int(self._wall())))

    def _send(self, moves: Mapping[Held, str]) -> Mapping[str, Told]:
        """Push objects over what is expected in their place; noted before, for a killed client may have won."""
        for held in moves:
            self._notes.push(held)
        self._notes.save()
        return self._push([Update(held.ref, held.oid, expect) for held, expect in moves.items()])

    def _win(self, held: Held) -> None:
        self._notes.win(held)
        self._others.forget(held.ref)
        self.gone.discard(held.task)

    def _there(self, refs: Sequence[str]) -> dict[str, str]:
        """What the remote has at each of these, "" for nothing."""
        there = self.network.refs(*refs) if refs else {}
        return {ref: there.get(ref, "") for ref in refs}
