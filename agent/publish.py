"""From recorded outcomes to one commit on the person's branch.

Delivering puts Gofer's files into the work tree, whole, so that the person sees them at once. Publishing builds
one commit for all that is owed, lets index and branch follow in a quiet moment, and only then takes the finished
task files out of the inbox. Every step can be repeated: after a crash the same records go the same way.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from agent import crash
from agent.errors import Busy, GoferError
from agent.files import Beneath
from agent.files.group import change_all, put_all, remove_all
from agent.git.branch import Branch, Entry
from agent.git.repository import Head, Repository
from agent.git.store import Store
from agent.journal import Journal, Record
from agent.text import normal_form, revision
from agent.vault import ledger
from agent.vault.layout import ledger_path
from agent.vault.values import Status

GROUP = 512  # outcomes in one commit
HISTORY = 1000  # commits that are searched for an outcome after a crash


@dataclass(frozen=True, slots=True)
class Published:
    """What one try came to: the outcomes now in the branch, and why the others still wait ("" when none do)."""

    records: tuple[Record, ...] = ()
    waiting: str = ""
    soon: bool = False  # worth another try within a second
    unfit: tuple[Record, ...] = ()  # the vault changed under these: their tasks run again
    at: float | None = None  # monotonic seconds: when another try is worth it


class Publisher:
    """Owns the way into the work tree and the branch. Not thread-safe: the road owns it."""

    def __init__(
        self,
        repository: Repository,
        store: Store,
        branch: Branch,
        files: Beneath,
        journal: Journal,
        scan: Callable[[bytes], Sequence[str]],
        worker: str,
    ) -> None:
        self.repository, self.store, self.branch = repository, store, branch
        self.files, self.journal, self.worker = files, journal, worker
        self._scan = scan
        self.placed_only = False  # there is a remote, which takes what was not placed here
        self.leaving: frozenset[str] = frozenset()  # what leaves the outbox with the next commit
        self._inherited = set(journal.owed)  # a worker that was killed may have published these already
        self._said: frozenset[str] | None = None  # the claims that recent commits name, once they were needed

    # -- into the work tree ----------------------------------------------------------------------------------------

    def deliver(self, records: Iterable[Record]) -> list[Record]:
        """Apply each record's changes and put its files into the work tree. Returns those that no longer fit,
        because a person changed a file in between: nothing of theirs is touched, and the task runs again."""
        records = list(records)
        unfit = change_all(self.files, (record.changes for record in records))
        misfits = [record for number, record in enumerate(records) if number in unfit]
        fits = [record for number, record in enumerate(records) if number not in unfit]
        put_all(self.files, {path: text.encode() for record in fits for path, text in record.files.items()})
        crash.step("files delivered")
        self.journal.place(record.key for record in fits)
        self.journal.drop(record.key for record in misfits)
        return misfits

    # -- into the branch -------------------------------------------------------------------------------------------

    def publish(self, now: datetime) -> Published:
        """One commit for what is owed, when the person's repository can take it."""
        owed = (r for r in self.journal.owed.values() if not self.placed_only or r.key in self.journal.placed)
        records = tuple(itertools.islice(owed, GROUP))
        if not records:
            return Published()
        head = self.repository.head()
        if landed := tuple(record for record in records if self._has_landed(head, record)):
            return self._settle(landed)
        if blocked := self.branch.blocked(head, now.timestamp()):
            return Published(waiting=blocked)
        if self.branch.restless(head, now.timestamp()):
            return Published(waiting="git is being used here", soon=True)
        try:
            self._commit(head, records, now)
        except (GoferError, OSError) as error:  # it stays owed: nothing of it is lost by trying again
            return Published(waiting=str(error), soon=isinstance(error, Busy))
        return self._settle(records)

    def _has_landed(self, head: Head, record: Record) -> bool:
        """Whether an outcome that was inherited is in the branch already, so that no second commit says it again.

        Its files alone do not tell: after a crash between index and branch the person's next commit carries them.
        """
        if record.key not in self._inherited or head.commit is None:
            return False
        if self._said is None:
            self._said = frozenset(self.repository.trailers(head.commit, "Gofer-Claim", HISTORY))
        return record.claim in self._said

    def _commit(self, head: Head, records: Sequence[Record], now: datetime) -> None:
        files, entries = self._plan(head, records, now)
        building = self.store.begin(head.commit, message(records), int(now.timestamp()), files)
        try:
            index = self.branch.prepare(entries)  # beside git, which builds the commit
        finally:
            commit = self.store.finish(building)
        crash.step("commit built")
        self.journal.move(commit)
        self.branch.advance(head, commit, index)
        self.store.relink()
        crash.step("branch moved")

    def _plan(
        self, head: Head, records: Sequence[Record], now: datetime
    ) -> tuple[dict[str, bytes | None], dict[str, Entry]]:
        """What the commit changes, and what the person's index shall hold for it."""
        files: dict[str, bytes | None] = {}
        entries: dict[str, Entry] = {}
        for path, data in self._ledger(records, now).items():
            files[path] = data
        for record in records:
            files.update({path: text.encode() for path, text in record.files.items()})
        entries.update((path, Entry(self.repository.blob_id(data))) for path, data in files.items() if data is not None)
        self.leaving -= files.keys()
        changed = [change.path for record in records for change in record.changes]
        sources = [record.source for record in records if record.source]
        there = self.repository.blobs(head.commit, (*self.leaving, *changed, *sources))
        for path in self.leaving & there.keys():
            files[path], entries[path] = None, Entry(None, frozenset({there[path]}))
        made = {c.path: c.after for record in records for c in record.changes if c.after is not None}
        for path in changed:
            self._plan_change(path, there.get(path), made.get(path), files, entries)
        for record in records:
            if record.source:
                self._plan_source(record, there.get(record.source), files, entries)
        return files, entries

    def _plan_change(
        self, path: str, old: str | None, made: bytes | None, files: dict[str, bytes | None], entries: dict[str, Entry]
    ) -> None:
        """A file that a task changed is committed as it lies there now, with what the person wrote into it since;
        one with a secret, in it or in its name, is left in the work tree for the person to commit, or not (D13)."""
        content = self.read(path)
        if content is None and old is None:
            if made is not None:  # and taken away again: a crash in between may have left it in the index
                entries[path] = Entry(None, frozenset({self.repository.blob_id(made)}))
            return
        if content is not None and (self._scan(content) or self._scan(path.encode())):
            return
        files[path] = content
        new = None if content is None else self.repository.blob_id(content)
        entries[path] = Entry(new, frozenset({old}))

    def _plan_source(
        self, record: Record, old: str | None, files: dict[str, bytes | None], entries: dict[str, Entry]
    ) -> None:
        """The finished task leaves the inbox, in the tree and in the index, in the revision that was run only."""
        raw = self.read(record.source)
        same = raw is not None and revision_of(raw) == record.revision
        if old and (same or raw is None or revision_of(self.repository.contents(old) or b"") == record.revision):
            files[record.source] = None
        run = {old} if record.source in files else set()
        if same and raw is not None:
            run.add(self.repository.blob_id(raw))
        if run:
            entries[record.source] = Entry(None, frozenset(run))

    def read(self, path: str) -> bytes | None:
        """The bytes of a file in the work tree; None when there is none, or none that may be read."""
        try:
            return self.files.read(path, limit=64 << 20)
        except (FileNotFoundError, GoferError):
            return None

    def _ledger(self, records: Sequence[Record], now: datetime) -> dict[str, bytes]:
        """The ledger segments with the lines of these records, each line once however often this is repeated. No
        segment has the lines of two workers."""
        lines = [(record.worker, record.ledger) for record in records if record.ledger]
        if not lines:
            return {}
        sizes = {path: size for worker in {worker for worker, _ in lines} for path, size in self._segments(worker, now)}
        grown: dict[str, bytes] = {}
        for worker, line in lines:
            data = line.encode() + b"\n"
            path = ledger.next_segment(sizes, worker, now.date(), len(data))
            content = grown[path] if path in grown else self.read(path) or b""
            if data not in content:
                content += data
            grown[path], sizes[path] = content, len(content)
        put_all(self.files, grown)
        return grown

    def _segments(self, worker: str, now: datetime) -> Iterator[tuple[str, int]]:
        """A worker's segments of today with their sizes, by counting up: the folder may hold thousands of others."""
        with suppress(FileNotFoundError):
            for number in itertools.count(1):
                path = ledger_path(worker, now.date(), number)
                yield path, self.files.stat(path).st_size

    def remove_left_over(self, path: str, run: str) -> None:
        """Remove a task file that lingers after its outcome, in this revision only."""
        remove_all(self.files, [path], lambda _, raw: revision_of(raw) == run)

    # -- afterwards ------------------------------------------------------------------------------------------------

    def _settle(self, records: tuple[Record, ...]) -> Published:
        runs = {record.source: record.revision for record in records if record.source}
        self.branch.await_others()
        remove_all(self.files, runs, lambda path, raw: revision_of(raw) == runs[path])
        for path in self.leaving:
            with suppress(FileNotFoundError, GoferError):
                self.files.remove(path, expect=hashlib.sha256(self.files.read(path)).hexdigest())
        self.leaving = frozenset()
        crash.step("inbox cleared")
        self.journal.paid(record.key for record in records)
        self._inherited -= {record.key for record in records}
        return Published(records)


def revision_of(raw: bytes) -> str:
    """The revision of a file's bytes, whatever they are."""
    try:
        return revision(normal_form(raw))
    except UnicodeDecodeError:
        return hashlib.sha256(raw).hexdigest()[:12]


def message(records: Sequence[Record]) -> str:
    """Ids and hashes only: a title in a commit message could carry trailers, `[skip ci]` or mentions (G39)."""
    first, outcomes = records[0], sum(record.status != Status.WAITING for record in records)
    several = f"{outcomes} outcome{'s' * (outcomes != 1)}" if outcomes else f"{len(records)} plans"
    subject = f"gofer: {first.status} {first.subject}" if len(records) == 1 else f"gofer: {several}"
    trailers = [
        f"Gofer-{'Plan' if r.status == Status.WAITING else 'Task'}: {r.subject}\n"
        f"Gofer-Status: {r.status}\nGofer-Worker: {r.worker}\n"
        f"Gofer-Claim: {r.claim or 'none'}\nGofer-Attempt: {r.attempt}"
        for r in records
    ]
    return subject + "\n\n" + "\n".join(trailers) + "\n"
