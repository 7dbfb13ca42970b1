"""The way back: the branch here follows the remote's, and what was pushed is settled in the work tree."""

from __future__ import annotations

import random
import time
from datetime import datetime
from hashlib import sha256

from agent import crash
from agent.files.group import remove_all
from agent.git.branch import Entry
from agent.git.follow import Follower, Way
from agent.git.repository import Head
from agent.ground import Ground
from agent.persons import answered
from agent.publish import Publisher, revision_of
from agent.vault import approval
from agent.vault.layout import INBOX, OUTBOX

IN_USE = "git is being used here"
BUSY = 5.0  # seconds between two follows, while others push and there is more of ours to push
SHORTEST, LONGEST = 0.05, 10.0  # seconds between two tries to follow, while git is being used, or a file is in the way


class Landing:
    """Brings one clone's branch to where the remote's is. Not thread-safe: the road owns it."""

    def __init__(self, ground: Ground, follower: Follower, publisher: Publisher) -> None:
        self.ground, self.sync, self.follower, self.publisher = ground, ground.sync, follower, publisher
        self.repository, self.branch, self.journal = publisher.repository, publisher.branch, publisher.journal
        self.stuck = ""  # why the branch here does not follow
        self.moved = False  # whether this travel of the road moved the branch
        self.at_tip = False  # whether it is where the remote's is, or further
        self.put_off = False  # whether it follows a little later, for there is more to do
        self._tracked: str | None = None
        self._next, self._pause, self._followed = 0.0, 0.0, 0.0
        self._tried: object = None

    def follow(self, now: datetime, *, busy: bool = False) -> str:
        """Let the branch here follow the remote's. Returns "" when it did, or when the next push has to come first;
        else why it waits. A try that was in vain is not repeated at once as long as nothing changes. `busy`: there is
        more to push, and others push too; what all of them did is then followed together, every five seconds."""
        tip, head = self.sync.tip, self.repository.head()
        self.put_off = busy and tip not in (None, head.commit) and time.monotonic() - self._followed < BUSY
        if self.put_off:
            self.at_tip, self.stuck = False, ""
            return ""
        if tip is None:
            self.stuck = ""
            return ""
        if self._tracked != tip:
            self.branch.track(self.sync.tracking_ref, tip)
            self._tracked = tip
        if self._tried == (head, tip, len(self.journal.pushed)) and time.monotonic() < self._next:
            return self.stuck
        self.at_tip = False
        self.stuck = self._go(head, tip, now)
        self._followed = time.monotonic()
        self._tried = (head, tip, len(self.journal.pushed)) if self.stuck else None
        if self.stuck == IN_USE:
            self._pause = SHORTEST
        else:
            self._pause = min(LONGEST, max(0.5, self._pause * 2)) if self.stuck else 0.0
        self._next = time.monotonic() + self._pause * random.uniform(0.9, 1.1)  # noqa: S311  (no secret)
        return self.stuck

    @property
    def retry_at(self) -> float | None:
        """When to try again, in monotonic seconds; None when there is nothing to try."""
        if self.put_off:
            return self._followed + BUSY
        return self._next if self.stuck else None

    def _go(self, head: Head, tip: str, now: datetime) -> str:
        if obstacle := self.ground.obstacle(head):
            return obstacle
        if (target := self._target(head, tip, now)) is None:
            return ""  # the next push brings both together
        if head.commit != target:
            if blocked := self.branch.blocked(head, now.timestamp()):
                return blocked
            if self.branch.restless(head, now.timestamp()):
                return IN_USE
            if trouble := self.follower.follow(head, target, self._way(target)):
                return trouble
            self.sync.remembered.arrived(target)
            self.sync.store.relink()
            self.moved = True
        self.at_tip = True
        self._settle()
        return ""

    def _target(self, head: Head, tip: str, now: datetime) -> str | None:
        """Where the branch here goes: the remote's tip when that contains it; a merge that stays here when commits of
        this clone are not to be pushed; None when the next push has to bring both together."""
        relation = self.sync.relation(head)
        if head.commit is None or relation.ahead == 0:
            return tip
        if relation.behind == 0:
            return head.commit
        if self.sync.person != "off" and not self.ground.refused(head):
            return None
        if self.branch.blocked(head, now.timestamp()):
            return tip  # any other commit: it is not followed now
        tree = self.ground.merge(tip, head.commit).tree
        building = self.sync.store.begin(head.commit, "gofer: merge\n", int(now.timestamp()), {}, merged=tip, tree=tree)
        return self.sync.store.finish(building)

    def _way(self, target: str) -> Way:
        """What the tasks whose outcomes are on the remote saw here: it may lie here still, whatever the commits say."""
        seen: dict[str, set[bytes]] = {}
        own: dict[str, Entry] = {}
        for key in self.journal.pushed & self.journal.owed.keys():
            record = self.journal.owed[key]
            for change in record.changes:
                if (raw := self.publisher.read(change.path)) is not None and change.before == _digest(raw):
                    seen.setdefault(change.path, set()).add(raw)
            if not record.source or (raw := self.publisher.read(record.source)) is None:
                continue
            if revision_of(raw) == record.revision:
                seen.setdefault(record.source, set()).add(raw)
                own[record.source] = Entry(None, frozenset({self.repository.blob_id(raw)}))
        for path, asked, raw in answered(self.repository.work_tree):
            there = approval.parse(self.repository.contents(f"{target}:{path}") or b"")
            if there is None or there.plan != asked.plan:  # a tick that came too late, or for what is void by now
                seen.setdefault(path, set()).add(raw)
        remembered = self.sync.remembered
        return Way(own, seen, (f"{OUTBOX}/",), (f"{INBOX}/",), remembered.begun, lambda: remembered.begin(target))

    def _settle(self) -> None:
        """What was pushed is here now too: its task files go, and nothing is owed any more."""
        records = [self.journal.owed[key] for key in self.journal.pushed if key in self.journal.owed]
        if not records:
            return
        runs = {record.source: record.revision for record in records if record.source}
        self.branch.await_others()
        remove_all(self.publisher.files, runs, lambda path, raw: revision_of(raw) == runs[path])
        # A file that was never committed is in neither tree: following the branch does not take it away.
        gone = {c.path: c.before for record in records for c in record.changes if c.after is None}
        gone = {path: sha for path, sha in gone.items() if self.repository.info(f"HEAD:{path}") is None}
        remove_all(self.publisher.files, gone, lambda path, raw: _digest(raw) == gone[path])
        self.publisher.leaving = frozenset()
        crash.step("inbox cleared")
        self.journal.tell(record.key for record in records if record.status == "invalid")
        self.journal.paid(record.key for record in records)


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()
