"""Who works where: a ref for each worker on the remote, out of history, so that every clone can tell without a commit.

Each points at a commit of its own with one line of JSON (docs/reference.md, "Claims and presence"). It is information,
nothing is decided by it but the share of the push budget: anybody who can push can write it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from agent import __version__
from agent.git.network import Network, Update
from agent.text import parse_utc, shorten, utc

WORKERS = "refs/gofer/workers/"
SEEN = "refs/gofer/seen-workers/"
QUICK, SLOW = 10.0, 300.0  # seconds between two pushes when something changed, and when nothing did
MEET = (2.0, 5.0, 60.0)  # seconds between two looks at who else works here: with reason to, after a start, and else
GREET = 900.0  # seconds between two looks when nobody else is at work: so it is seen who fell silent
RATIONED = 900.0  # seconds between two pushes on a host that rations them
ALIVE = timedelta(minutes=35)  # since a worker was last seen: two missed pushes of the slowest kind
FORGOTTEN = timedelta(days=14)
STATES = ("READY", "CLAIMED", "RESTARTING", "IDLE", "STOPPED")
_LONGEST = 100  # characters of a name


@dataclass(slots=True)
class Presence:
    """What one clone tells of its workers. Not thread-safe: the road owns it."""

    network: Network
    clone: str
    offers: Sequence[str]
    started: datetime
    rationed: bool
    clock: Callable[[], float] = time.monotonic
    others: frozenset[str] | None = None  # the other clones that are alive, None while nobody looked
    elsewhere: tuple[Mapping[str, Any], ...] | None = None  # their workers as last seen, also those that are not alive
    _met: float = field(default=float("-inf"))
    _losses: int = 0
    _told: object = None
    _at: float = field(default=float("-inf"))

    def due(self, workers: Sequence[Mapping[str, Any]]) -> bool:
        """Whether it is time to tell: something changed, or nobody was told for a while."""
        passed = self.clock() - self._at
        if self.rationed:
            return passed >= RATIONED
        return passed >= (QUICK if self._told != _gist(workers) else SLOW)

    def tell(self, workers: Sequence[Mapping[str, Any]], now: datetime) -> None:
        """Push what these workers do: `name`, `state`, `task`, `since` each. Raises what `Network` raises."""
        self.network.push(self._updates(workers, now))

    def riders(self, workers: Sequence[Mapping[str, Any]], now: datetime) -> Sequence[Update]:
        """The same for a push that goes anyway; nothing while the others know it."""
        known = self._told == _gist(workers) and self.clock() - self._at < SLOW
        return () if known else self._updates(workers, now)

    def _updates(self, workers: Sequence[Mapping[str, Any]], now: datetime) -> Sequence[Update]:
        self._at, self._told = self.clock(), _gist(workers)
        return [Update(WORKERS + str(w["name"]), self._card(w, now), "*") for w in workers]

    def tidy(self, now: datetime, mine: Iterable[str]) -> None:
        """Forget workers that nobody saw for a fortnight, and those of this clone that it does not have any more.
        Then look who else works here."""
        everybody, keep = read(self.network), set(mine)
        old = [
            w for w in everybody
            if now - parse_utc(w["seen"]) > FORGOTTEN or (w["clone"] == self.clone and w["name"] not in keep)
        ]  # fmt: skip
        if old:
            self.network.push([Update(WORKERS + w["name"], None, w["oid"]) for w in old])
        self._meet([w for w in everybody if w not in old], now)

    def look_around(self, now: datetime, losses: int, *, crowded: bool = True) -> None:
        """See who else works here, if that was not seen lately, or was but `losses`, the number of claims that somebody
        else was faster with, says that it was wrong. `crowded`: others were at work a moment ago. Raises what `Network`
        raises."""
        pause = GREET
        if crowded:
            news, self._losses = losses != self._losses, losses
            together = now - self.started < timedelta(minutes=1)  # they often start together, and see one another late
            pause = MEET[0] if news else MEET[1] if together else MEET[2]
        if self.clock() - self._met >= pause:
            self._meet(read(self.network), now)

    def _meet(self, everybody: Iterable[Mapping[str, Any]], now: datetime) -> None:
        self._met = self.clock()
        self.elsewhere = tuple(w for w in everybody if w["clone"] != self.clone)
        self.others = frozenset(str(w["clone"]) for w in self.elsewhere if is_alive(w, now))

    def _card(self, worker: Mapping[str, Any], now: datetime) -> str:
        said = {
            "v": 1, "worker": worker["name"], "clone": self.clone, "state": worker["state"], "task": worker.get("task"),
            "since": worker.get("since") or utc(now), "offers": list(self.offers), "version": __version__,
            "started": utc(self.started), "seen": utc(now), "nonce": str(time.monotonic_ns()),
        }  # fmt: skip
        return self.network.card(json.dumps(said, separators=(",", ":")), int(now.timestamp()))


def read(network: Network, deadline: float = 20.0) -> list[dict[str, Any]]:
    """Every worker that the remote knows now, by name. Raises what `Network` raises."""
    watch(network, deadline)
    return recall(network)


def watch(network: Network, deadline: float) -> None:
    """Fetch what the remote's workers say."""
    network.fetch_into({f"{WORKERS}*": f"{SEEN}*"}, deadline)


def recall(network: Network) -> list[dict[str, Any]]:
    """The workers as they were last fetched, by name; what has not the form of one is left out."""
    found = (_judged(oid, text) for oid, text in network.card_texts(network.private_refs(SEEN).values()).items())
    return sorted((worker for worker in found if worker), key=lambda worker: str(worker["name"]))


def is_alive(worker: Mapping[str, Any], now: datetime) -> bool:
    """Whether a worker was seen lately and has not said that it ended."""
    return worker["state"] != "STOPPED" and now - parse_utc(str(worker["seen"])) < ALIVE


def _judged(oid: str, text: str) -> dict[str, Any] | None:
    """A line from the remote, which anybody may have written: only what has the right form is kept, and short."""
    try:
        said = json.loads(text)
        if said["v"] != 1 or said["state"] not in STATES:
            return None
        times = {key: utc(parse_utc(str(said[key]))) for key in ("since", "started", "seen") if said.get(key)}
        task = shorten(str(said["task"]), _LONGEST) if said.get("task") else None
        offers = [shorten(str(word), _LONGEST) for word in list(said.get("offers", ()))[:20]]
        name = shorten(str(said["worker"]), _LONGEST)
        clone = shorten(str(said.get("clone") or name), _LONGEST)
        return {"seen": times["seen"], **times, "name": name, "clone": clone, "state": said["state"], "task": task,
                "offers": offers, "version": shorten(str(said.get("version", "")), 20), "oid": oid}  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _gist(workers: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """What is worth a push: a change of state, not of task, or a busy worker would push twice per task."""
    return tuple((str(w["name"]), str(w["state"])) for w in workers)
