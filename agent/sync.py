"""Policy over one remote: what its branch is for us, whether it still is what it was, and what a push's answer means.

The mechanism is in `agent.git`; nothing here moves the person's branch. Pauses end by themselves once the person has
put right what they name: every look asks anew what is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agent import clock
from agent.budget import Budget
from agent.errors import CredentialsRefused, GoferError, RemoteAway
from agent.git.branch import Branch
from agent.git.history import History, Relation
from agent.git.network import Network, Told, Update, Verdict
from agent.git.repository import Head, Repository, mtime
from agent.git.store import Store
from agent.lookout import Lookout, Seen
from agent.remembered import Remembered

CROWDED = 60.0  # seconds since somebody else moved the branch: then look before you push


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of a push: `ok`; or claims that were `stale` (refs); or `refused` with the remote's words; else the
    branch is not what was expected, or is locked: `why`."""

    ok: bool = False
    stale: tuple[str, ...] = ()
    refused: str = ""
    why: str = ""


class Sync:
    """One clone's view of its remote's branch. Not thread-safe: the road owns it."""

    def __init__(
        self, repository: Repository, store: Store, branch: Branch, history: History, state: Path, remote: str,
        *, person: str, poll: float, rate: float | None, ring: Callable[[], None],
        wall: Callable[[], float] = clock.wall,
    ) -> None:  # fmt: skip
        self.repository, self.store, self.branch, self.history = repository, store, branch, history
        self.network, inbound = (Network(repository, state / name, remote) for name in ("net.git", "fetch.git"))
        self.lookout, self._inbound = Lookout(inbound, poll, ring, wall), inbound
        self.remote, self.person, self.budget = remote, person, Budget(rate)
        self.remembered = Remembered(state / "sync.json")
        self.tip: str | None = None  # the remote's branch as last seen and accepted; None: it has none
        self.looks = 0  # so many times the remote's branch was looked at
        self.paused = ""  # why nothing is exchanged, though the remote answers
        self.rewound = False  # the person accepted a history in which what we pushed may be missing
        self.atomic = True
        self.others: frozenset[str] = frozenset()  # the other machines, as far as they were seen
        self._doubted: tuple[Seen, Head] | None = None  # what made the pause
        self._crowd = 0.0
        for network in (self.network, inbound):
            network.repair()

    # -- looking ---------------------------------------------------------------------------------------------------

    @property
    def away_since(self) -> datetime | None:
        return self.lookout.away_since

    @property
    def away(self) -> bool:
        """Whether the remote does not answer, or was not asked yet."""
        return self.lookout.away

    @property
    def last_known(self) -> str | None:
        """The remote's tip when it was last accepted, perhaps by an earlier worker."""
        return self.tip or self.remembered.tip(self.branch_name())

    def branch_name(self) -> str:
        """The branch on the remote, full name: what the local one's upstream says, else of the same name."""
        return self.remembered.branch(self.repository)

    @property
    def tracking_ref(self) -> str:
        """The ref of the person's that shows where the remote's branch is."""
        return f"refs/remotes/{self.remote}/{short(self.branch_name())}"

    def poll(self) -> None:
        """Hear what the last look saw; start another one when it is time. Never waits for the remote."""
        if seen := self.lookout.poll(self.branch_name()):
            self._take_in(seen)
        elif self._doubted and self._doubted[1] != (head := self.repository.head()):  # the person did something
            self._doubted = self._doubted[0], head
            self._accept(self._doubted[0])

    def fetch(self) -> None:
        """Look now, and wait for it. Raises RemoteAway or CredentialsRefused."""
        self._take_in(self.lookout.look(self.branch_name()))

    def has_moved(self) -> bool:
        """Whether the remote's branch is not where it was last seen. Raises RemoteAway or CredentialsRefused."""
        branch = self.branch_name()
        return self.network.refs(branch, heads=True).get(branch) != self.tip

    def missed(self, error: GoferError | OSError) -> None:
        """Something that was asked of the remote failed."""
        self.lookout.missed(error)

    def _take_in(self, seen: Seen) -> None:
        self.store.adopt(self._inbound.folder / "objects")
        self.looks += 1
        self._accept(seen)

    def _accept(self, seen: Seen, *, ours: bool = False) -> None:
        """Take the tip that was seen, unless the remote is not what it was. `ours`: we just moved it there."""
        before, head = self.remembered.tip(seen.branch), self.repository.head()
        self.paused = "" if ours else self._trouble(seen, before, head)
        self._doubted = (seen, head) if self.paused else None
        self.remembered.stand(head, self._fetched, anew=not self.paused)
        if self.paused:
            return
        if seen.tip and before and seen.tip != before and not ours:
            self.rewound = self.rewound or not self.history.contains(seen.tip, before)
            self._crowd = time.monotonic()
        self.tip = seen.tip
        self.remembered.keep(seen.branch, seen.tip)

    def _trouble(self, seen: Seen, before: str | None, head: Head) -> str:
        """Why the tip that was seen is not taken; "" when it is."""
        if seen.tip and seen.tip == before:
            return ""
        name, local = short(seen.branch), head.commit
        if seen.tip is None:
            if before:
                return f"{name} is gone from the remote: it was renamed or deleted there"
            if seen.others:
                names = ", ".join(sorted(short(other) for other in seen.others)[:3])
                there = min(short(other) for other in seen.others)
                advice = "choose it as upstream, or push yours" if local else f"git switch {there}"
                return f"the remote has no branch {name}, but {names}: {advice}"
            return ""
        if before is None or self.repository.info(before) is None:
            apart = local is not None and not self.history.related(seen.tip, local)
            return f"{name} here and on the remote have no commit in common: is it another repository?" * apart
        if self.history.contains(seen.tip, before) or self._taken_in(seen.tip, before, head):
            return ""
        if not self.history.related(seen.tip, before):
            return f"{name} on the remote has no commit in common with what it was: is it another repository?"
        how = " (git pull does it here)" if local and self.history.contains(seen.tip, local) else ""
        return (
            f"the history of {name} on the remote was rewritten: it does not contain {before[:10]} any more. Compare "
            f"{before[:10]} with {seen.tip[:10]} and bring this clone in line{how}; until then nothing is exchanged"
        )

    def _taken_in(self, tip: str, before: str, head: Head) -> bool:
        """Whether the person has taken a rewritten branch: theirs contains what is new in it, or was moved to a part
        of it, or they fetched what it stood at anyway. A branch that had not followed yet is a part of what was only
        wound back, without anybody's doing; and what is new there is nothing."""
        local = head.commit
        if local is None:
            return True
        if head.branch and self.history.contains(tip, local):
            moved, fetched = self.remembered.has_moved(local), self.remembered.has_fetched(self._fetched)
            return moved or (local == tip and fetched)
        return self.history.contains(local, tip) and not self.history.contains(before, tip)

    @property
    def _fetched(self) -> int:
        """When the person last fetched, in ns; 0 when they never did. Gofer fetches elsewhere."""
        return mtime(self.repository.git_dir / "FETCH_HEAD")

    @property
    def crowded(self) -> bool:
        """Whether others have moved the branch lately."""
        return self._crowd > 0 and time.monotonic() - self._crowd < CROWDED

    def relation(self, head: Head) -> Relation:
        """How the local branch stands to the remote's."""
        if head.commit is None or self.tip is None:
            return Relation(int(self.tip is None and head.commit is not None), int(self.tip is not None))
        return self.history.relation(head.commit, self.tip)

    # -- pushing ---------------------------------------------------------------------------------------------------

    def push(self, commit: str, fences: Sequence[Update]) -> Pushed:
        """Move the remote's branch to a commit that contains it, and the fences with it, all or nothing. After it
        `tip` is what the remote has as far as we know. Raises RemoteAway when it did not answer."""
        branch = self.branch_name()
        updates = [Update(branch, commit, self.tip or ""), *(fences if self.atomic else ())]
        self.budget.spend()
        self.lookout.outdated()
        try:
            told = self.network.push(updates, atomic=len(updates) > 1)
        except RemoteAway as error:
            if "atomic" in error.why:
                self.atomic = False
                return Pushed(why=error.why)
            self.missed(error)
            raise
        except CredentialsRefused as error:
            self.missed(error)
            raise
        return self._judge(commit, branch, told)

    def _judge(self, commit: str, branch: str, told: Mapping[str, Told]) -> Pushed:
        if told[branch].verdict is Verdict.DONE:
            self._accept(Seen(branch, commit), ours=True)
            return Pushed(ok=True)
        if stale := tuple(r for r, t in told.items() if t.verdict is Verdict.STALE and r != branch):
            return Pushed(stale=stale)
        refused = next((answer.why for answer in told.values() if answer.verdict is Verdict.REFUSED), "")
        return Pushed(refused=refused, why=told[branch].why)

    # -- for people ------------------------------------------------------------------------------------------------

    def words(self, waiting: int) -> str:
        """The state in a sentence, "" when there is nothing to say."""
        results = f"{waiting} result{'s' * (waiting != 1)} waiting to be pushed"
        if self.away_since:
            said = f"{'refused' if self.lookout.refused_login else 'offline'} since {self.away_since:%H:%M} UTC"
            return f"{said}, {results} ({self.lookout.trouble})" if waiting else f"{said} ({self.lookout.trouble})"
        if self.paused:
            return f"paused: {self.paused}" + (f"; {results}" if waiting else "")
        return ""


def short(branch: str) -> str:
    return branch.removeprefix("refs/heads/")
