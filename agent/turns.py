"""Who begins with which task, when many machines see the same ones: an agreement without a word between them.

Every machine scores every task, and the one with the highest score begins with it (rendezvous hashing, Thaler and
Ravishankar, 1998). It only saves work: whose task it is, the claim decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256


def turn(task: str, me: str, others: Iterable[str] = ()) -> tuple[int, int]:
    """Where a task stands in the order of `me`, smallest first: before how many of the others it is theirs to begin
    with (0: it is mine), and within that an order that looks random and is my own."""
    mine = _score(me, task)
    return sum(_score(other, task) > mine for other in others), mine


def _score(name: str, task: str) -> int:
    return int.from_bytes(sha256(f"{name}\n{task}".encode()).digest()[:8], "big")
