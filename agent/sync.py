"""Policy over one remote: when to look, what to build on, what a push's answer means, and what to tell the person.

The mechanism is in `agent.git`; nothing here moves the person's branch. Pauses end by themselves once the person has
put right what they name: every look asks anew what is.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent import clock
from agent.budget import Budget
from agent.errors import CredentialsRefused, GoferError, RemoteAway
from agent.git.branch import Branch
from agent.git.history import IDENTITY_MAIL, History, Merged, Relation
from agent.git.network import Network, Told, Update, Verdict
from agent.git.repository import Head, Repository
from agent.git.store import Store
from agent.text import utc

YOUNG = 60.0  # seconds for which a commit of the person's is left time to be amended
SLOWEST = 300.0  # seconds between looks while the remote is away
CROWDED = 60.0  # seconds since somebody else moved the branch: then look before you push


@dataclass(frozen=True, slots=True)
class Base:
    """What the next commit is built on: a commit, perhaps merged with a second one into `tree`. `alone`: commits of
    the person's are left out. `wait`: why nothing is built now, in words for people."""

    parent: str | None = None
    merged: str | None = None
    tree: str | None = None
    alone: bool = False
    wait: str = ""

    @property
    def treeish(self) -> str | None:
        return self.tree or self.parent


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of a push: `ok`, or `stale` claims, or `behind`, or `refused` with the remote's words."""

    ok: bool = False
    behind: bool = False
    stale: tuple[str, ...] = ()  # refs
    refused: str = ""


class Sync:
    """One clone's view of its remote. Not thread-safe; only the look at the remote runs in a thread of its own."""

    def __init__(
        self, repository: Repository, store: Store, branch: Branch, history: History, state: Path, remote: str,
        *, person: str, poll: float, rate: float | None, ring: Callable[[], None],
        wall: Callable[[], float] = clock.wall,
    ) -> None:  # fmt: skip
        self.repository, self.store, self.branch, self.history = repository, store, branch, history
        self.network, self._inbound = (Network(repository, state / n, remote) for n in ("net.git", "fetch.git"))
        self.remote, self.person, self.budget = remote, person, Budget(rate)
        self.every, self._ring, self._wall = poll, ring, wall
        self._record = state / "sync.json"
        self.tip: str | None = None  # the remote's branch as last seen; None: it has none
        self.known = False  # whether the remote was reached since the start
        self.away_since: datetime | None = None
        self.trouble = ""  # why the remote was not reached
        self.refused_login = False
        self.paused = ""  # why nothing is exchanged, though the remote answers
        self.atomic = True
        self.refused_tip = ""  # a tip of the person's that the remote does not take
        self._next, self._failures = 0.0, 0
        self._looking: threading.Thread | None = None
        self._found: tuple[str, str | None] | GoferError | None = None
        self._crowd = 0.0
        self._young_since: float | None = None
        self._merges: tuple[tuple[str, str], Merged] | None = None
        self._said = self._read()
        for network in (self.network, self._inbound):
            network.repair()

    # -- looking ---------------------------------------------------------------------------------------------------

    @property
    def away(self) -> bool:
        return not self.known or self.away_since is not None

    @property
    def last_known(self) -> str | None:
        """The remote's tip when it was last reached, perhaps by an earlier worker."""
        return str(self._said["tip"]) if self._said.get("tip") else None

    @property
    def target(self) -> str:
        """The branch on the remote, full name: what the local one's upstream says, else of the same name."""
        local = self.repository.head().branch or str(self._said.get("local", ""))
        short = local.removeprefix("refs/heads/")
        upstream = self.repository.config(f"branch.{short}.merge") if short else ""
        return upstream or local or "refs/heads/main"

    @property
    def tracking_ref(self) -> str:
        """The ref of the person's that shows where the remote's branch is."""
        return f"refs/remotes/{self.remote}/{_short(self.branch_name())}"

    def poll(self) -> None:
        """Hear what the last look found; start another one when it is time. Never waits for the remote."""
        if self._looking is not None:
            if self._looking.is_alive():
                return
            self._hear()
        if time.monotonic() >= self._next:
            self._look(self.branch_name())

    def branch_name(self) -> str:
        """`target`, looked up anew only when the local branch changed: looking it up starts a git command."""
        head = (self.repository.git_dir / "HEAD").read_text("utf-8", "replace").strip()
        if self._said.get("head") != head or not self._said.get("branch"):
            self._said |= {"head": head, "branch": self.target}
            if head.startswith("ref: "):
                self._said["local"] = head.removeprefix("ref: ")
        return str(self._said["branch"])

    def fetch(self) -> None:
        """Look now, and wait for it. Raises RemoteAway or CredentialsRefused."""
        if self._looking is None:
            self._look(self.branch_name())
        assert self._looking
        self._looking.join()
        found = self._found
        self._hear()
        if isinstance(found, GoferError):
            raise found

    def soon(self) -> None:
        """Look at the remote with the next travel of the road."""
        self._next = 0.0

    def wake_at(self) -> float:
        """When to look again, on the monotonic clock."""
        return self._next

    def _look(self, branch: str) -> None:
        def look() -> None:
            try:
                self._found = branch, self._inbound.fetch(branch)
            except GoferError as error:
                self._found = error
            self._ring()

        self._found = None
        self._looking = threading.Thread(target=look, name="gofer-fetch", daemon=True)
        self._looking.start()

    def _hear(self) -> None:
        found, self._looking, self._found = self._found, None, None
        if isinstance(found, GoferError):
            self._missed(found)
        elif found is not None:
            branch, tip = found
            self.store.adopt(self._inbound.folder / "objects")
            self._reached()
            self._accept(branch, tip)

    def _missed(self, error: GoferError) -> None:
        self._failures += 1
        self.trouble, self.refused_login = str(error), isinstance(error, CredentialsRefused)
        self.away_since = self.away_since or datetime.fromtimestamp(self._wall(), UTC)
        self._next = time.monotonic() + _about(min(SLOWEST, self.every * 2 ** min(self._failures - 1, 8)))

    def _reached(self) -> None:
        self._failures, self.trouble, self.refused_login, self.away_since = 0, "", False, None
        self.known = True
        self._next = time.monotonic() + _about(self.every)

    def _accept(self, branch: str, tip: str | None, *, ours: bool = False) -> None:
        """Take the tip that was found, unless the remote is not what it was. `ours`: we just moved it there."""
        before = str(self._said.get("tip") or "") if self._said.get("of") == branch else ""
        self.paused = ""
        if tip is None and before:
            self.paused = f"{_short(branch)} is gone from the remote: it was renamed or deleted there"
        elif tip is None and (others := self.network.refs(heads=True)):
            if not any(name == branch for name in others) and not all("gofer/claims/" in name for name in others):
                names = ", ".join(sorted(_short(name) for name in others if "gofer/claims/" not in name)[:3])
                self.paused = f"the remote has no branch {_short(branch)}, but {names}: choose it as upstream, or push"
        elif tip is not None and before and tip != before and not self._continues(before, tip):
            self.paused = (
                f"the history of {_short(branch)} on the remote was rewritten: it does not contain {before[:10]} any "
                f"more. Compare {before[:10]} with {tip[:10]} and bring this clone in line; until then nothing is "
                "exchanged"
            )
        if self.paused:
            return
        if tip and self.tip and tip != self.tip and not ours:
            self._crowd = time.monotonic()
        self.tip = tip
        self._keep(branch, tip)

    def _continues(self, before: str, tip: str) -> bool:
        """Whether the remote only went on, or the person has accepted what it is now."""
        if self.history.contains(tip, before) or self.repository.info(before) is None:
            return True
        local = self.repository.head().commit
        return local is None or self.history.contains(local, tip) or self.history.contains(tip, local)

    @property
    def crowded(self) -> bool:
        """Whether others have moved the branch lately."""
        return time.monotonic() - self._crowd < CROWDED and self._crowd > 0

    # -- what to build on ------------------------------------------------------------------------------------------

    def relation(self, head: Head) -> Relation:
        """How the local branch stands to the remote's."""
        if head.commit is None or self.tip is None:
            return Relation(int(self.tip is None and head.commit is not None), int(self.tip is not None))
        return self.history.relation(head.commit, self.tip)

    def base(self, head: Head, *, still: bool) -> Base:
        """What the next commit is built on. `still`: the local branch cannot move now."""
        local, tip = head.commit, self.tip
        if tip is None or local is None:
            return Base(local or tip)
        relation = self.relation(head)
        if relation.ahead == 0:
            return Base(tip)
        own, age = self._persons(local, tip)
        if own and (still or self.person == "off" or local == self.refused_tip):
            return Base(tip, alone=True)
        if own and (left := self._left_to_amend(age)) > 0:
            return Base(wait=f"your last commit is {age:.0f} s old; in {left:.0f} s results are built on it")
        if not relation.apart:
            return Base(local)
        merged = self.merge(tip, local)
        if merged.unrelated:
            self.paused = "this branch and the remote's have no commit in common: is it another repository?"
            return Base(wait=self.paused)
        if merged.conflicts:
            return Base(tip, alone=True)
        return Base(tip, local, merged.tree)

    def merge(self, tip: str, local: str) -> Merged:
        """Both in one tree; its objects are in the vault then. Asked again for the same two, it remembers."""
        if self._merges is None or self._merges[0] != (tip, local):
            merged = self.history.merge(tip, local)
            self.store.adopt(self.history.quarantine / "objects", loose=True)
            self._merges = (tip, local), merged
        return self._merges[1]

    def conflict(self, head: Head) -> tuple[str, ...]:
        """The files in which the person's commits and the remote's contradict each other."""
        if not (self._merges and head.commit and self.tip and self._merges[0] == (self.tip, head.commit)):
            return ()
        return self._merges[1].conflicts

    def _persons(self, local: str, tip: str) -> tuple[bool, float]:
        """Whether the person has commits that the remote lacks, and how old the youngest is, in seconds."""
        times = [when for when, _, mail in self.history.commits(local, tip) if mail != IDENTITY_MAIL]
        return bool(times), max(0.0, self._wall() - max(times)) if times else 0.0

    def _left_to_amend(self, age: float) -> float:
        """Seconds that the person's youngest commit is still left alone; not for ever, if they commit every minute."""
        if age >= YOUNG:
            self._young_since = None
            return 0.0
        now = time.monotonic()
        self._young_since = self._young_since or now
        left = min(YOUNG - age, YOUNG - (now - self._young_since))
        if left <= 0:
            self._young_since = None
        return left

    # -- pushing ---------------------------------------------------------------------------------------------------

    def push(self, commit: str, fences: Sequence[Update]) -> Pushed:
        """Move the remote's branch to a commit that contains it, and the fences with it, all or nothing. After it
        `tip` is what the remote has as far as we know. Raises RemoteAway when it did not answer."""
        branch = self.branch_name()
        updates = [Update(branch, commit, None if self.tip else ""), *(fences if self.atomic else ())]
        self.budget.spend()
        try:
            told = self.network.push(updates, atomic=len(updates) > 1)
        except RemoteAway as error:
            if "atomic" in error.why:
                self.atomic = False
                return Pushed(behind=True)
            self._missed(error)
            raise
        except CredentialsRefused as error:
            self._missed(error)
            raise
        return self._judge(commit, branch, told)

    def _judge(self, commit: str, branch: str, told: Mapping[str, Told]) -> Pushed:
        if told[branch].verdict is Verdict.DONE:
            self._accept(branch, commit, ours=True)
            return Pushed(ok=True)
        if stale := tuple(r for r, t in told.items() if t.verdict is Verdict.STALE and r != branch):
            return Pushed(stale=stale)
        refused = next((answer.why for answer in told.values() if answer.verdict is Verdict.REFUSED), "")
        return Pushed(refused=refused) if refused else Pushed(behind=True)

    # -- for people ------------------------------------------------------------------------------------------------

    def words(self, waiting: int) -> str:
        """The state in a sentence, "" when there is nothing to say."""
        results = f"{waiting} result{'s' * (waiting != 1)} waiting to be pushed"
        if self.away_since:
            since = f"{self.away_since:%H:%M} UTC"
            said = f"{'refused' if self.refused_login else 'offline'} since {since}"
            return f"{said}, {results} ({self.trouble})" if waiting else f"{said} ({self.trouble})"
        if self.paused:
            return f"paused: {self.paused}" + (f"; {results}" if waiting else "")
        return ""

    def shown(self, head: Head, waiting: int) -> dict[str, Any]:
        """What `status` tells of it."""
        relation = self.relation(head) if self.known else Relation(0, 0)
        conflicts = self.conflict(head)
        reason = self.words(waiting)
        if conflicts:
            names = ", ".join(conflicts[:3])
            reason = f"your commits and the remote's contradict each other in {names}: git pull, and resolve it"
        apart = "diverged" if relation.apart else "ahead" if relation.ahead else "behind" if relation.behind else "ok"
        state = "paused" if self.paused or conflicts else apart
        since = utc(self.away_since) if self.away_since else None
        return {
            "state": "offline" if self.away_since else state, "remote": self.remote,
            "branch": _short(self.branch_name()), "ahead": relation.ahead, "behind": relation.behind,
            "reason": reason or None, "since": since,
        }  # fmt: skip

    # ------------------------------------------------------------------------------------------------------------

    def _keep(self, branch: str, tip: str | None) -> None:
        if (self._said.get("of"), self._said.get("tip")) != (branch, tip):
            self._said |= {"of": branch, "tip": tip}
            part = self._record.with_suffix(".new")
            part.write_text(json.dumps(self._said), "utf-8")
            os.replace(part, self._record)

    def _read(self) -> dict[str, Any]:
        try:
            said = json.loads(self._record.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        said = said if isinstance(said, dict) else {}
        return {key: said[key] for key in ("of", "tip", "local") if key in said}


def _about(seconds: float) -> float:
    """A quarter more or less, so that machines do not look in step."""
    return seconds * random.uniform(0.75, 1.25)  # noqa: S311  (no secret)


def _short(branch: str) -> str:
    return branch.removeprefix("refs/heads/")
