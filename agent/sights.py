"""What the remote means for the tasks that lie here: who else can see them, what ended elsewhere, whose they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent.claims import RemoteClaims, Wanted
from agent.errors import GoferError, TryLater
from agent.git.trees import Trees
from agent.journal import Record
from agent.publish import revision_of
from agent.sync import Sync
from agent.vault.layout import TASKS

NOT_FOLLOWED = "and the branch here has not followed yet"
AT_ONCE = 64  # claims in one push
REMEMBERED = 4096  # blobs
WATCH = 1.0  # seconds between two looks at the claims of others, while there are many at the branch


@dataclass(frozen=True, slots=True)
class Sight:
    """Whether other machines can see a task, and why it does not start now ("" when it may)."""

    shared: bool = False
    wait: str = ""


class Sights:
    """One clone's view of its own tasks. `offline`: "wait" or "work", for shared ones while the remote is away.
    `owed()` gives the ids of those whose outcome is still to be pushed."""

    def __init__(self, sync: Sync, claims: RemoteClaims, offline: str, owed: Callable[[], Collection[str]]) -> None:
        self.sync, self.claims, self.offline, self._owed = sync, claims, offline, owed
        self.repository = sync.repository
        self._trees = Trees(sync.repository)
        self._runs: dict[str, str] = {}  # blob → the revision of the task in it
        self._unfit: dict[str, str] = {}  # path of a task whose outcome did not fit → the tip that it did not fit
        self._own: dict[str, str] = {}  # path → revision of tasks that nobody else could see when they were looked at
        self._watched, self._next_watch, self._news = 0, 0.0, 0
        self._recovered = False

    @property
    def state(self) -> object:
        """Everything that can change the sight of a task, looked up without starting git."""
        sync, head = self.sync, (self.repository.git_dir / "HEAD").read_text("utf-8", "replace").strip()
        moved = self.repository.newest_ref_time(head.removeprefix("ref: "))
        return head, moved, sync.tip, sync.lookout.known, sync.away_since, sync.paused, self._news

    def of(self, path: str, raw: bytes) -> Sight:
        """What the remote means for the task in this file."""
        sync, run = self.sync, self._run(self.repository.blob_id(raw), raw) or ""
        if not sync.lookout.known and sync.away_since is None:
            return Sight(wait="the remote is being looked at")
        tip = sync.last_known
        there, here = self.revision(tip, path), self.revision("HEAD", path)
        if there == run:
            self._remember(path, run, here)
            return Sight(True, self._unreachable() or self._wait_to_fit(path, tip))
        if there is not None and here is not None and sync.person != "off":
            if there == here:
                return Sight(True, "your change of it is published first")
            return Sight(True, f"it was changed on the remote, {NOT_FOLLOWED}")
        if there is None and tip and self._ended(path, run, here, tip):
            self._remember(path, run, here)  # or it would be published anew as the person's
            return Sight(True, f"it ended on another machine, {NOT_FOLLOWED}")
        self._own[path] = run
        return Sight(False, self._wait_to_fit(path, tip))

    def is_another(self, path: str, run: str) -> bool:
        """Whether a file with the text of a finished task is a task of its own: nobody else could see it before that
        one came here, or it is in the branch together with that one, which would have taken it away."""
        return self._own.get(path) == run or self.revision("HEAD", path) == run

    def _unreachable(self) -> str:
        """Why a task that others can see does not start: nobody can claim it now."""
        if self.sync.paused:
            return f"sync is paused, and other machines may see this task: {self.sync.paused}"
        if self.sync.away_since and self.offline == "wait":
            return f"offline since {self.sync.away_since:%H:%M} UTC, and other machines may see this task"
        return ""

    def _ended(self, path: str, run: str, here: str | None, tip: str) -> bool:
        """Whether the remote had this file and has it no more."""
        remembered = self.sync.remembered
        if remembered.published.get(path) == run or any(self.revision(c, path) == run for c in remembered.begun):
            return True
        head = self.repository.head().commit
        if here != run or head is None:
            return False
        base = self.sync.history.common(head, tip)
        return base is not None and self.revision(base, path) == run

    def _remember(self, path: str, run: str, here: str | None) -> None:
        """A task that only the work tree and the remote hold: once it has ended there, nothing else would tell."""
        published = self.sync.remembered.published
        if here != run and published.get(path) != run:
            self.sync.remembered.publish({**published, path: run})
        elif here == run and path in published:
            self.sync.remembered.publish({known: said for known, said in published.items() if known != path})

    def revision(self, treeish: str | None, path: str) -> str | None:
        """The revision of the task at a path of a commit, or of HEAD; None when there is none."""
        commit = self.repository.head().commit if treeish == "HEAD" else treeish
        blob = self._trees.blob(commit, path) if commit else None
        return self._run(blob) if blob else None

    def _run(self, blob: str, raw: bytes | None = None) -> str | None:
        """The revision of the task in a blob, whose bytes may be known."""
        if blob not in self._runs:
            if raw is None and (raw := self.repository.contents(blob)) is None:
                return None
            if len(self._runs) >= REMEMBERED:
                del self._runs[next(iter(self._runs))]
            self._runs[blob] = revision_of(raw)
        return self._runs[blob]

    def holds(self, path: str) -> bool:
        """Whether the remote has this file, as far as it was seen."""
        tip = self.sync.last_known
        return tip is not None and self.repository.info(f"{tip}:{path}") is not None

    # -- outcomes that do not fit ----------------------------------------------------------------------------------

    def unfit(self, records: Iterable[Record]) -> None:
        """The vault changed on the remote under these: they run again once the branch here has followed."""
        self._unfit |= {record.place: self.sync.tip for record in records if record.place and self.sync.tip}

    def _wait_to_fit(self, path: str, tip: str | None) -> str:
        if (wanted := self._unfit.get(path)) is None:
            return ""
        head = self.repository.head().commit
        if head and (head == tip or self.sync.history.contains(head, wanted)):
            del self._unfit[path]
            return ""
        return f"what it changes was changed on the remote, {NOT_FOLLOWED}"

    # -- whose they are --------------------------------------------------------------------------------------------

    def take(self, wanted: Sequence[Wanted], paths: Mapping[str, str]) -> dict[str, bool]:
        """Claim shared tasks, and look again that they are still there. Task id → won."""
        self.recover()
        won = self.claims.take(wanted)
        if not won:
            return {}
        try:
            self.sync.fetch()
            if self.sync.paused:
                self._news += 1  # else they would be looked at again only when something else happens
                raise TryLater("sync is paused", why=self.sync.paused)
        except GoferError:
            self.claims.release(won)  # nobody knows whether they are still there
            raise
        revisions = {want.task: want.revision for want in wanted}
        there = {task for task in won if self.revision(self.sync.tip, paths[task]) == revisions[task]}
        there -= self._finished(there)
        self.claims.release(won.keys() - there)
        return dict.fromkeys(there, True)

    def recover(self) -> None:
        """At the first contact after a start: which claims an earlier worker of ours left."""
        if not self._recovered:
            self.claims.recover(self._owed())
            self._recovered = True

    def _finished(self, tasks: Collection[str]) -> set[str]:
        """Those of these ids that have ended on the remote since the commit that the work tree stands on."""
        head = self.repository.head().commit
        if not tasks or self.sync.tip is None or head == self.sync.tip:
            return set()
        steps = self.sync.history.differences(head, self.sync.tip, TASKS)
        return {step.path.rpartition("/")[2].removesuffix(".md") for step in steps if step.new} & set(tasks)

    def sort(self, records: Sequence[Record], most: int) -> tuple[list[Record], list[Record]]:
        """Which outcomes may be published, at most so many: those of unseen tasks, and of tasks whose claim is ours.
        And which are lost: another machine has their tasks by now."""
        ready: list[Record] = []
        lost: list[Record] = []
        unclaimed: list[Record] = []
        for record in records:
            if not self._is_seen(record):
                ready.append(record)
            elif record.task in self.claims.gone:
                lost.append(record)
            elif record.task in self.claims.held:
                ready.append(record)
            elif len(unclaimed) < AT_ONCE:
                unclaimed.append(record)
        if unclaimed:  # they ran while the remote was away, or the person pushed them meanwhile
            won = self.take(
                [Wanted(record.task, record.revision, record.attempt) for record in unclaimed],
                {record.task: record.place for record in unclaimed},
            )
            ready += [record for record in unclaimed if record.task in won]
            lost += [r for r in unclaimed if r.task not in won and not self.claims.taken(r.task)]
        return ready[:most], lost

    def _is_seen(self, record: Record) -> bool:
        if record.shared:
            return True
        return bool(record.place) and self.revision(self.sync.tip, record.place) == record.revision

    def watch(self, resting: Callable[[], Collection[str]]) -> None:
        """After a look at the remote: how the claims of others on the tasks that rest here stand."""
        now = time.monotonic()
        if self._watched != self.sync.looks and (now >= self._next_watch or not self.sync.crowded):
            self._watched, self._next_watch = self.sync.looks, now + WATCH
            here = self.repository.work_tree
            self._own = {path: run for path, run in self._own.items() if (here / path).exists()}
            ids = resting()
            before = {task for task in ids if self.claims.taken(task)}
            self.claims.watch(ids)
            self._news += before != {task for task in ids if self.claims.taken(task)}
