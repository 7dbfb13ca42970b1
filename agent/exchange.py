"""The way to the remote and back: outcomes and the person's drops become one commit there, together with the claims
that go, and the branch here follows. Every step can be repeated; what is on the remote is never built a second time.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from agent import crash
from agent.claims import RemoteClaims, Wanted
from agent.drafting import Draft, Drafter
from agent.errors import Busy, CredentialsRefused, GoferError, RemoteAway
from agent.files.group import change_all, remove_all
from agent.git.branch import Branch, Entry
from agent.git.follow import Follower, Way
from agent.git.repository import Head, Repository
from agent.git.store import Store
from agent.journal import Journal, Record
from agent.publish import HISTORY, Published, Publisher, message, revision_of
from agent.quarantine import Quarantine
from agent.sync import Base, Pushed, Sync
from agent.vault.layout import INBOX, OUTBOX, STOP_NAMES, TASKS

TRIES = 6  # pushes in one travel of the road, when others are faster
FRESH = 0.05  # seconds for which a look at the remote is new enough to push without another one
STOP_LIMIT = 65_536  # bytes of a stop file
PAUSE = (0.2, 0.6)  # seconds between two pushes while others push too


@dataclass(frozen=True, slots=True)
class Sight:
    """Whether other machines can see a task, and why it does not start now ("" when it may)."""

    shared: bool = False
    wait: str = ""


class Exchange:
    """One clone's exchange with its remote. Not thread-safe: the road owns it."""

    def __init__(
        self,
        sync: Sync,
        claims: RemoteClaims,
        follower: Follower,
        drafter: Drafter,
        publisher: Publisher,
        quarantine: Quarantine,
        person: Callable[[], Mapping[str, bytes | None]],
        *,
        offline: str,
    ) -> None:
        """`person()` gives what the person leaves to be published: paths and bytes. `offline`: "wait" or "work"."""
        self.sync, self.claims, self.follower, self.drafter = sync, claims, follower, drafter
        self.publisher, self.quarantine, self._person, self.offline = publisher, quarantine, person, offline
        self.repository: Repository = publisher.repository
        self.store: Store = publisher.store
        self.branch: Branch = publisher.branch
        self.journal: Journal = publisher.journal
        self._inherited = set(self.journal.owed)
        self._recovered = False
        self._settled: object = None  # how everything looked when nothing was left to do
        self._not_before = 0.0
        self._looked = 0.0
        self._tracked: str | None = None
        self._pending: tuple[str, tuple[str, ...]] | None = None  # a push without an answer: commit and keys
        self.stop_there: frozenset[str] = frozenset()  # the stop files of the remote's tip
        self._stands_there = False  # whether the branch here is where the remote's is
        self.news = False  # files came with the branch: there may be tasks among them
        self.stuck_here = ""  # why the branch here does not follow

    # -- before a task starts --------------------------------------------------------------------------------------

    def sight(self, path: str, raw: bytes) -> Sight:
        """What the remote means for a task that lies here."""
        sync = self.sync
        if not sync.known and sync.away_since is None:
            return Sight(wait="the remote is being looked at")
        if sync.paused and sync.tip is None:
            return Sight()
        there, here = self._revision(sync.tip, path), self._revision("HEAD", path)
        run = revision_of(raw)
        if there == run:
            away = sync.away_since and self.offline == "wait"
            since = f"{sync.away_since:%H:%M} UTC" if sync.away_since else ""
            return Sight(True, f"offline since {since}, and other machines may see this task" if away else "")
        if there is not None and sync.person != "off":
            if there == here:
                return Sight(True, "your change of it is published first")
            return Sight(True, "it was changed on the remote, and the branch here has not followed yet")
        if here == run and there is None and self._ended(path, run):
            return Sight(True, "it ended on another machine, and the branch here has not followed yet")
        return Sight()

    def take(self, wanted: Sequence[Wanted], paths: Mapping[str, str]) -> dict[str, bool]:
        """Claim shared tasks, and look again that they are still there. Task id → won."""
        won = self.claims.take(wanted)
        if not won:
            return {}
        self._fetch()
        revisions = {want.task: want.revision for want in wanted}
        there = {task for task in won if self._revision(self.sync.tip, paths[task]) == revisions[task]}
        there -= self._finished(there)
        self.claims.release(won.keys() - there)
        return dict.fromkeys(there, True)

    def _finished(self, tasks: Collection[str]) -> set[str]:
        """Those of these ids that have ended on the remote since the commit that the work tree stands on."""
        head = self.repository.head().commit
        if not tasks or self.sync.tip is None or head == self.sync.tip:
            return set()
        steps = self.sync.history.differences(head, self.sync.tip, TASKS)
        return {step.path.rpartition("/")[2].removesuffix(".md") for step in steps if step.new} & set(tasks)

    def _ended(self, path: str, run: str) -> bool:
        """Whether the remote had this file and has it no more."""
        head = self.repository.head()
        if head.commit is None or self.sync.tip is None:
            return False
        if self.sync.relation(head).ahead == 0:
            return True
        base = self.repository.git.run("merge-base", head.commit, self.sync.tip, ok=(0, 1)).text
        return bool(base) and self._revision(base, path) == run

    def _revision(self, treeish: str | None, path: str) -> str | None:
        found = self.repository.contents(f"{treeish}:{path}") if treeish else None
        return None if found is None else revision_of(found)

    # -- publishing ------------------------------------------------------------------------------------------------

    def goes_here(self, record: Record) -> bool:
        """Whether an outcome is committed here at once: the remote is away, and nobody else can see its task."""
        return self.sync.away_since is not None and not record.shared and self.sync.person != "off"

    def publish(self, now: datetime) -> Published:
        """Exchange what there is to exchange. What cannot be now stays owed, with the reason."""
        self.sync.poll()
        here = self.publisher.publish(now)
        try:
            if not self.sync.known and self.sync.away_since is None:
                looking = "the remote is being looked at" if self._owed() else ""
                return Published(here.records, looking, soon=bool(looking))
            if self.sync.away:
                return self._waiting(here, self.sync.words(len(self._owed())))
            there = self._exchange(now)
        except (RemoteAway, CredentialsRefused):
            return self._waiting(here, self.sync.words(len(self._owed())))
        except (GoferError, OSError) as error:  # it stays owed: nothing of it is lost by trying again
            return Published(here.records, str(error), soon=isinstance(error, Busy))
        return Published(
            here.records + there.records, there.waiting or here.waiting, there.soon or here.soon, there.unfit, there.at
        )

    def _waiting(self, here: Published, words: str) -> Published:
        return Published(here.records, words if self._owed() or not here.waiting else here.waiting)

    def _owed(self) -> list[Record]:
        """What is to be pushed as an outcome; what was placed here is committed here."""
        done = self.journal.pushed | self.journal.placed
        return [record for key, record in self.journal.owed.items() if key not in done]

    def _exchange(self, now: datetime) -> Published:
        self._recover()
        self.claims.renew()
        self._answered()
        self._seen()
        ended: list[Record] = []
        unfit: list[Record] = []
        if self.sync.paused:
            return Published(waiting=self.sync.words(len(self._owed())) if self._owed() else "")
        looks = self._looks()
        if looks == self._settled:
            return Published()
        waiting, at, person = "", None, self._persons_files()
        if (left := self._not_before - time.monotonic()) > 0:
            return Published(soon=True, at=time.monotonic() + left)
        for attempt in range(TRIES):
            if self.sync.crowded and self._owed() and time.monotonic() - self._looked > FRESH:
                self._fetch()
            done, waiting, at = self._push_once(now, ended, unfit)
            if done or waiting:
                break
            threading.Event().wait(random.uniform(0.002, 0.02) * 2**attempt)  # noqa: S311  (no secret)
            self._fetch()
        followed = self._follow(now)
        if not waiting and not followed and not self._owed() and person == self._persons_files():
            self._settled = self._looks()
        if ended and self.sync.crowded:
            self._not_before = time.monotonic() + random.uniform(*PAUSE)  # noqa: S311  (no secret)
        soon = followed == "git is being used here"
        return Published(tuple(ended), waiting or followed * (not soon), soon, tuple(unfit), at)

    def _looks(self) -> object:
        """Everything whose change gives the exchange something to do, looked up without starting git."""
        head = (self.repository.git_dir / "HEAD").read_text("utf-8", "replace").strip()
        moved = self.repository.newest_ref_time(head.removeprefix("ref: "))
        person = tuple((path, data and hash(data)) for path, data in self._persons_files().items())
        return head, moved, self.sync.tip, tuple(self.journal.owed), person, self.publisher.leaving

    def _push_once(self, now: datetime, ended: list[Record], unfit: list[Record]) -> tuple[bool, str, float | None]:
        """One try: whether it is done, else why it waits ("" to try again), and until when."""
        head = self.repository.head()
        still = bool(self.branch.blocked(head, now.timestamp()))
        base = self.sync.base(head, still=still)
        if base.wait:
            return False, base.wait, time.monotonic() + 1
        records = self._ours()
        draft = self.drafter.draft(
            base.treeish, head.commit, records, self._persons_files(), self.publisher.leaving, now.date()
        )
        unfit += draft.unfit
        self._drop(draft.unfit)
        if not draft.files and not base.merged and base.parent == self.sync.tip:
            self._pushed(draft, ended)
            return True, "", None
        if (left := self.sync.budget.wait()) > 0:
            words = f"the host wants at most {self.sync.budget.rate:g} pushes a minute: the next in {left:.0f} s"
            return False, words, time.monotonic() + left
        commit = self._build(base, draft, now)
        crash.step("commit built")
        self._pending = commit, tuple(record.key for record in draft.records)
        result = self.sync.push(commit, self.claims.fences(record.task for record in draft.records))
        self._pending = None
        crash.step("pushed")
        if result.ok:
            self._looked = time.monotonic()
            self.quarantine.passed()
            self._pushed(draft, ended)
            return True, "", None
        return False, self._not_taken(result, base, draft, head, now), time.monotonic() + 30

    def _build(self, base: Base, draft: Draft, now: datetime) -> str:
        if not draft.files and not base.merged and base.parent:
            return base.parent
        if draft.records:
            said = message(draft.records)
        else:
            count = len(draft.files)
            said = f"gofer: {count} file{'s' * (count != 1)} for the person\n" if count else "gofer: merge\n"
        building = self.store.begin(
            base.parent, said, int(now.timestamp()), draft.files, merged=base.merged, tree=base.tree
        )
        return self.store.finish(building)

    def _pushed(self, draft: Draft, ended: list[Record]) -> None:
        """These outcomes are on the remote."""
        self.journal.push(record.key for record in draft.records)
        self.claims.published(record.task for record in draft.records)
        ended += draft.records
        if draft.private:
            change_all(self.publisher.files, ([change] for change in draft.private))

    def _not_taken(self, result: Pushed, base: Base, draft: Draft, head: Head, now: datetime) -> str:
        """A push that the remote did not take: what has to be different the next time; a reason when that is all."""
        if result.stale:
            lost = [r.task for r in draft.records if self.claims.ref(r.task) in result.stale]
            self.claims.lose(lost)
            return ""
        if not result.refused:
            self._fetch()
            if self.sync.tip and not self.sync.history.contains(self.sync.tip, base.parent or self.sync.tip):
                return ""
            self.claims.verify([record.task for record in draft.records])
            return ""
        if not base.alone and head.commit and self.sync.relation(head).ahead:
            self.sync.refused_tip = head.commit  # first see whether it is the person's commit that is refused
            return ""
        return self.quarantine.isolate(draft.records, result.refused)

    def _ours(self) -> list[Record]:
        """The outcomes that may be published: those of unseen tasks, and of tasks whose claim is ours."""
        records = list(islice(self._owed(), self.quarantine.group))
        seen = [r for r in records if r.shared or (r.source and self._revision(self.sync.tip, r.source) == r.revision)]
        lost = [record for record in seen if record.task in self.claims.gone]
        unclaimed = [record for record in seen if record not in lost and record.task not in self.claims.held]
        if unclaimed:  # it ran while the remote was away, or the person pushed it meanwhile
            wanted = [Wanted(record.task, record.revision, record.attempt) for record in unclaimed]
            paths = {record.task: record.source for record in unclaimed}
            won = self.take(wanted, paths)
            lost += [r for r in unclaimed if r.task not in won and not self.claims.taken(r.task)]
            unclaimed = [record for record in unclaimed if record.task not in won]
        self.discard(lost)
        left_out = {record.key for record in (*lost, *unclaimed)}
        return [record for record in records if record.key not in left_out and record.key in self.journal.owed]

    def discard(self, records: Sequence[Record]) -> None:
        """Outcomes of tasks that another machine has by now: theirs counts."""
        self.claims.published(record.task for record in records)
        self._drop(records)

    def _drop(self, records: Sequence[Record]) -> None:
        self.journal.drop(record.key for record in records)
        self.journal.back(record.key for record in records)

    # -- the branch here -------------------------------------------------------------------------------------------

    def _follow(self, now: datetime) -> str:
        """Let the branch here follow the remote's; "" when it stands there, else why not."""
        tip = self.sync.tip
        self.stuck_here, self._stands_there = "", False
        if tip is None:
            return ""
        self._seen()
        if self._tracked != tip:
            self.branch.track(self.sync.tracking_ref, tip)
            self._tracked = tip
        head = self.repository.head()
        target = self._target(head, tip, now)
        if target and head.commit != target:
            if blocked := self.branch.blocked(head, now.timestamp()):
                self.stuck_here = blocked
                return blocked if self.journal.pushed else ""
            if self.branch.restless(head, now.timestamp()):
                return "git is being used here"
            self.stuck_here = self.follower.follow(head, target, self._way())
            if self.stuck_here:
                return self.stuck_here if self.journal.pushed else ""
            self.store.relink()
            self.news = True
        if target:
            self._stands_there = target == tip
            self._land()
        return ""

    def _target(self, head: Head, tip: str, now: datetime) -> str | None:
        """Where the branch here goes: the remote's tip when that contains it; a merge that stays here when commits of
        the person's are not to be pushed; None when the next push has to bring both together."""
        if head.commit is None or self.sync.relation(head).ahead == 0:
            return tip
        relation = self.sync.relation(head)
        if relation.behind == 0:
            return head.commit
        if self.sync.person != "off" and head.commit != self.sync.refused_tip:
            return None
        merged = self.sync.merge(tip, head.commit)
        if not merged.tree:
            return None
        when = int(now.timestamp())
        return self.store.finish(
            self.store.begin(head.commit, "gofer: merge\n", when, {}, merged=tip, tree=merged.tree)
        )

    def _way(self) -> Way:
        own: dict[str, Entry] = {}
        seen: dict[str, str] = {}
        for key in self.journal.pushed:
            record = self.journal.owed[key]
            seen |= {change.path: change.before for change in record.changes if change.before}
            if (
                record.source
                and (raw := self.publisher.read(record.source)) is not None
                and revision_of(raw) == record.revision
            ):
                own[record.source] = Entry(None, frozenset({self.repository.blob_id(raw)}))
        return Way(own, seen, (f"{OUTBOX}/",), (f"{INBOX}/",))

    def _land(self) -> None:
        """What was pushed is here now too: its task files go, and nothing is owed any more."""
        records = [self.journal.owed[key] for key in self.journal.pushed if key in self.journal.owed]
        if not records:
            return
        runs = {record.source: record.revision for record in records if record.source}
        self.branch.await_others()
        remove_all(self.publisher.files, runs, lambda path, raw: revision_of(raw) == runs[path])
        self.publisher.leaving = frozenset()
        crash.step("inbox cleared")
        self.journal.tell(record.key for record in records if record.status == "invalid")
        self.journal.paid(record.key for record in records)

    def shown(self) -> dict[str, Any]:
        """What `status` tells of the remote."""
        said = self.sync.shown(self.repository.head(), len(self._owed()))
        return said if said["reason"] or not self.stuck_here else {**said, "reason": self.stuck_here}

    def close(self) -> None:
        """Give back what is to be given back, if the remote answers."""
        if self.claims.owes and not self.sync.away:
            with suppress(GoferError):
                self.claims.flush()

    # -- contact ---------------------------------------------------------------------------------------------------

    def _fetch(self) -> None:
        self.sync.fetch()
        self._looked = time.monotonic()

    def _persons_files(self) -> dict[str, bytes | None]:
        """What is published for the person: tasks that wait here, and the stop file, there or taken away."""
        files = {} if self.sync.person == "off" else dict(self._person())
        for name in STOP_NAMES:
            path = self.repository.work_tree / name
            if path.is_file() and not path.is_symlink():
                files[name] = path.read_bytes()[:STOP_LIMIT]
            elif name in self.stop_there and self._stands_there:
                files[name] = None
        return files

    @property
    def tips(self) -> str | None:
        """The remote's branch as it was last seen."""
        if self.sync.tip or self.sync.last_known:
            return self.sync.tip or self.sync.last_known
        return (self.repository.info(self.sync.tracking_ref) or (None,))[0]

    def counted(self, old: str | None, new: str | None) -> int:
        """How many commits lead from one tip to another."""
        if new is None or old == new:
            return 0
        since = (f"^{old}",) if old else ()
        return int(self.repository.git.run("rev-list", "--count", new, *since, "--").text)

    @property
    def at_rest(self) -> bool:
        """Whether nothing is left to exchange."""
        return self._settled is not None and self._settled == self._looks()

    def catch_up(self) -> None:
        """Look at the remote now, and wait for its answer; that it is away is told by its state."""
        with suppress(RemoteAway, CredentialsRefused):
            self._fetch()
            self._seen()

    def _seen(self) -> None:
        """A tip that was not seen before: whether it says stop."""
        if self._tracked != self.sync.tip:
            there = self.repository.blobs(self.sync.tip, STOP_NAMES)
            self.stop_there = frozenset(there)
            self._stands_there = self.repository.head().commit == self.sync.tip

    def _recover(self) -> None:
        """At the first contact after a start: what an earlier worker of ours pushed, and which claims it left."""
        if self._recovered:
            return
        if self.sync.tip and (inherited := [r for r in self._owed() if r.key in self._inherited]):
            said = frozenset(self.repository.trailers(self.sync.tip, "Gofer-Claim", HISTORY))
            self.journal.push(record.key for record in inherited if record.claim in said)
        self.claims.recover({record.task for record in self._owed()})
        self._recovered = True

    def _answered(self) -> None:
        """A push whose answer was lost: the remote says by now whether it arrived."""
        if self._pending and self.sync.tip:
            commit, keys = self._pending
            if self.sync.history.contains(self.sync.tip, commit):
                self.journal.push(key for key in keys if key in self.journal.owed)
                self.claims.published(self.journal.owed[key].task for key in keys if key in self.journal.owed)
        self._pending = None
