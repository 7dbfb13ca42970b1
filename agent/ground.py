"""The ground: what the next commit for the remote is built on, and why it may have to be the remote's tip alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent import clock
from agent.git.history import IDENTITY_MAIL, Merged, Relation
from agent.git.repository import Head
from agent.sync import Sync, short
from agent.text import utc

YOUNG = 60.0  # seconds for which a commit of the person's is left time to be amended
REFUSED = 600.0  # seconds until commits of the person's that the remote refused are tried again


@dataclass(frozen=True, slots=True)
class Base:
    """What the next commit is built on: a commit, perhaps merged with a second one into `tree`. `alone`: commits of
    this clone are left out. `wait`: why nothing is built now, in words for people, for `seconds`."""

    parent: str | None = None
    merged: str | None = None
    tree: str | None = None
    alone: bool = False
    wait: str = ""
    seconds: float = 0.0

    @property
    def treeish(self) -> str | None:
        return self.tree or self.parent


class Ground:
    """How one clone's branch and its remote's come together. `young`: how long a commit is left alone, in seconds."""

    def __init__(self, sync: Sync, young: float = YOUNG, wall: Callable[[], float] = clock.wall) -> None:
        self.sync, self.young, self._wall = sync, young, wall
        self._refused: tuple[frozenset[str], float, str] = (frozenset(), 0.0, "")
        self._young_since: float | None = None
        self._merges: tuple[tuple[str, str], Merged] | None = None
        self._unpushed: tuple[tuple[str, str], list[tuple[int, str, str]]] | None = None

    def base(self, head: Head, *, still: bool) -> Base:
        """What the next commit is built on. `still`: the local branch cannot move now."""
        local, tip = head.commit, self.sync.tip
        if tip is None or local is None:
            return Base(local or tip)
        relation = self.sync.relation(head)
        if relation.ahead == 0:
            return Base(tip)
        if self.refused(head):
            return Base(tip, alone=True)
        if times := [when for when, _, mail in self._commits(local, tip) if mail != IDENTITY_MAIL]:
            if still or self.sync.person == "off":
                return Base(tip, alone=True)
            age = max(0.0, self._wall() - max(times))
            if (left := self._left_to_amend(age)) > 0:
                words = f"your last commit is {age:.0f} s old; in {left:.0f} s results are built on it"
                return Base(wait=words, seconds=left)
        if not relation.apart:
            return Base(local)
        merged = self.merge(tip, local)
        return Base(tip, local, merged.tree) if merged.tree else Base(tip, alone=True)

    def merge(self, tip: str, local: str) -> Merged:
        """Both in one tree; its objects are in the vault then. Asked again for the same two, it remembers."""
        if self._merges is None or self._merges[0] != (tip, local):
            merged = self.sync.history.merge(tip, local)
            self.sync.store.adopt(self.sync.history.quarantine / "objects", loose=True)
            self._merges = (tip, local), merged
        return self._merges[1]

    def obstacle(self, head: Head) -> str:
        """Why the person's commits and the remote's do not come together, in words for people; "" when they do."""
        if head.commit is None or self.sync.tip is None or not self.sync.relation(head).apart:
            return ""
        if not (conflicts := self.merge(self.sync.tip, head.commit).conflicts):
            return ""
        names = ", ".join(conflicts[:3])
        return f"your commits and the remote's contradict each other in {names}: git pull, and resolve it"

    def refused(self, head: Head) -> str:
        """Why the remote does not take this clone's commits, "" when it does as far as we know."""
        commits, at, why = self._refused
        if not commits or head.commit is None or self.sync.tip is None or time.monotonic() - at > REFUSED:
            return ""
        return why * any(commit in commits for _, commit, _ in self._commits(head.commit, self.sync.tip))

    def refuse(self, head: Head, why: str) -> None:
        """A push with this clone's commits was refused: until they are others, it is done without them."""
        if head.commit and self.sync.tip:
            commits = frozenset(commit for _, commit, _ in self._commits(head.commit, self.sync.tip))
            self._refused = commits, time.monotonic(), why

    def _commits(self, local: str, tip: str) -> list[tuple[int, str, str]]:
        """The commits of this clone that the remote lacks: time, id, committer's address."""
        if self._unpushed is None or self._unpushed[0] != (local, tip):
            self._unpushed = (local, tip), self.sync.history.commits(local, tip)
        return self._unpushed[1]

    def _left_to_amend(self, age: float) -> float:
        """Seconds that the person's youngest commit is still left alone; not for ever, if they commit every minute."""
        if age >= self.young:
            self._young_since = None
            return 0.0
        now = time.monotonic()
        self._young_since = self._young_since or now
        left = min(self.young - age, self.young - (now - self._young_since))
        if left <= 0:
            self._young_since = None
        return left

    # -- for people ------------------------------------------------------------------------------------------------

    def shown(self, head: Head, waiting: int) -> dict[str, Any]:
        """What `status` tells of it."""
        relation = self.sync.relation(head) if self.sync.lookout.known else Relation(0, 0)
        obstacle = "" if self.sync.paused or self.sync.away else self.obstacle(head) or self._refusal(head)
        apart = "diverged" if relation.apart else "ahead" if relation.ahead else "behind" if relation.behind else "ok"
        state = "paused" if self.sync.paused or obstacle else apart
        return {
            "state": "offline" if self.sync.away_since else state, "remote": self.sync.remote,
            "branch": short(self.sync.branch_name()), "ahead": relation.ahead, "behind": relation.behind,
            "reason": self.sync.words(waiting) or obstacle or None,
            "since": utc(self.sync.away_since) if self.sync.away_since else None,
        }  # fmt: skip

    def _refusal(self, head: Head) -> str:
        why = self.refused(head)
        return f"the remote does not take your commits: {why}; results are pushed without them" if why else ""
