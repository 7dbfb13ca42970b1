"""Trying out what a remote allows: create, lose, move, all or nothing, delete, on throw-away refs like those of claims.

It makes half a dozen pushes, so only `gofer doctor` does it, and a worker once when its claims are refused. What was
found is remembered in the state folder.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent.claims.base import NAMESPACES
from agent.clock import wall
from agent.errors import GoferError, RemoteAway
from agent.git.network import Network, Update, Verdict

DEADLINE = 30.0  # seconds for one namespace
REMEMBERED = "remote.json"  # in the state folder


@dataclass(frozen=True, slots=True)
class Probed:
    """What works in one namespace: a ref is created; a second one that would be the same is not; it moves; two refs
    move together or not at all; it is deleted. `why`: the remote's words for the first thing that did not."""

    namespace: str
    create: bool = False
    lose: bool = False
    move: bool = False
    atomic: bool = False
    delete: bool = False
    why: str = ""

    @property
    def works(self) -> bool:
        """Whether claims can live here; without `atomic` an overtaken worker is not kept from publishing."""
        return self.create and self.lose and self.move and self.delete

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of what does not work."""
        return tuple(name for name in ("create", "lose", "move", "atomic", "delete") if not getattr(self, name))


class Attempt:
    """The refs of one try, and what the remote said of them."""

    def __init__(self, network: Network, namespace: str, deadline: float) -> None:
        self.network, self._end, self._patience = network, time.monotonic() + deadline, min(5.0, deadline)
        self.one, self.two = (f"{namespace.removesuffix('claims/')}probe/{secrets.token_hex(20)}" for _ in range(2))
        self.why = ""

    def card(self) -> str:
        said = json.dumps({"v": 1, "probe": secrets.token_hex(8), "lease_s": DEADLINE})
        return self.network.card(said, int(wall()))

    def push(self, *updates: Update, atomic: bool = False, wrong: bool = False) -> bool:
        """Whether all of it was done. `wrong`: it should not be."""
        told = self.network.push(updates, atomic=atomic, deadline=self._left())
        bad = next((answer for answer in told.values() if answer.verdict is not Verdict.DONE), None)
        if bad and not wrong and not self.why:
            self.why = bad.why
        return bad is None

    def there(self) -> dict[str, str]:
        return self.network.refs(self.one, self.two, deadline=self._left())

    def clean(self) -> None:
        """Leave nothing behind, if the remote lets us. What stays all the same expires like a dead worker's claim."""
        with suppress(GoferError):
            if left := self.network.refs(self.one, self.two, deadline=self._patience):
                self.network.push([Update(ref, None, oid) for ref, oid in left.items()], deadline=self._patience)

    def _left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise RemoteAway("the remote is too slow to be tried out", where=self.network.remote)
        return left


def probe(network: Network, namespace: str, deadline: float = DEADLINE) -> Probed:
    """Try one namespace. Raises what `Network` raises; leaves nothing on the remote."""
    attempt = Attempt(network, namespace, deadline)
    try:
        return _probe(attempt, namespace)
    finally:
        attempt.clean()


def _probe(attempt: Attempt, namespace: str) -> Probed:
    one, two = attempt.one, attempt.two
    first, second, third = attempt.card(), attempt.card(), attempt.card()
    if not attempt.push(Update(one, first, "")) and not attempt.push(Update(one, first, "")):  # once may be chance
        return Probed(namespace, why=attempt.why)
    lose = not attempt.push(Update(one, second, ""), wrong=True) and attempt.there() == {one: first}
    move = attempt.push(Update(one, second, first))
    atomic = _atomic(attempt, second if move else first, third)
    there = attempt.there()
    delete = attempt.push(*(Update(ref, None, oid) for ref, oid in there.items())) and not attempt.there()
    return Probed(namespace, bool(there) and there.keys() <= {one, two}, lose, move, atomic, delete, attempt.why)


def _atomic(attempt: Attempt, now: str, new: str) -> bool:
    """Whether two refs move together, and neither when one of them may not."""
    one, two = attempt.one, attempt.two
    try:
        wrong = attempt.push(Update(one, new, now), Update(two, new, now), atomic=True, wrong=True)
        apart = attempt.there() != {one: now}
        right = attempt.push(Update(one, new, now), Update(two, new, ""), atomic=True)
    except RemoteAway as error:
        if "atomic" not in error.why:
            raise
        attempt.why = attempt.why or error.why.removeprefix("fatal: ")
        return False
    return right and not wrong and not apart and attempt.there() == {one: new, two: new}


def remember(state: Path, found: Probed) -> None:
    """Note for this clone where claims live on its remote."""
    place = state / REMEMBERED
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_suffix(".new")
    part.write_text(json.dumps({"namespace": found.namespace, "atomic": found.atomic}), "utf-8")
    os.replace(part, place)


def namespace_of(state: Path) -> str:
    """Where claims live on the remote of this clone: as a probe found it, else as everywhere."""
    try:
        said = json.loads((state / REMEMBERED).read_text("utf-8"))["namespace"]
    except (OSError, ValueError, KeyError, TypeError):
        return NAMESPACES[0]
    return said if said in NAMESPACES else NAMESPACES[0]
