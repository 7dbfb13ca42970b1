"""What one commit for the remote changes: outcomes, what the person leaves to be published, what leaves the outbox.

All of it is planned on the tree that the commit will be built on, never on the work tree: that may lie behind. A change
that a task proposed fits when the tree holds what the task saw; otherwise the task runs again on what is there now.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256

from agent.git.repository import Repository
from agent.journal import Record
from agent.publish import revision_of
from agent.vault import ledger
from agent.vault.layout import INBOX, TASKS, ledger_path
from agent.vault.values import Change

_DERIVED = re.compile(r"-[0-9a-f]{8}(-[0-9]+)?$")


@dataclass(slots=True)
class Draft:
    """Paths with their new bytes (None: gone), the records that are in it, those that are in the tree already, those
    that do not fit any more, and those whose task has `ended` otherwise. `person`: what of it is the person's.
    `private`: changes with a secret, in the file or in its name: made in the work tree here, and published nowhere."""

    files: dict[str, bytes | None] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    landed: list[Record] = field(default_factory=list)
    unfit: list[Record] = field(default_factory=list)
    ended: list[Record] = field(default_factory=list)
    person: dict[str, bytes | None] = field(default_factory=dict)
    private: list[Change] = field(default_factory=list)


class Drafter:
    """Drafts commits for one vault. `read` gives the bytes of a file in the work tree, None when it has none."""

    def __init__(
        self,
        repository: Repository,
        read: Callable[[str], bytes | None],
        scan: Callable[[bytes], Sequence[str]],
    ) -> None:
        self.repository, self._read, self._scan = repository, read, scan
        self._segments: dict[tuple[str, date], int] = {}  # worker and day → the segment that is being filled

    def draft(
        self,
        treeish: str | None,
        local: str | None,
        records: Iterable[Record],
        person: Mapping[str, bytes | None],
        leaving: Iterable[str],
        ended: Mapping[str, str],
        day: date,
    ) -> Draft:
        """Plan a commit on `treeish`. `local` is the commit that the work tree stands on. `ended`: task files whose
        outcome is on the remote, with the revision that was run: a commit of the person's may bring them back."""
        draft = Draft()
        tree = _Tree(self.repository, treeish, draft.files)
        for path, run in ended.items():
            if (raw := tree.read(path)) is not None and revision_of(raw) == run:
                tree.put(path, None)
        for path in leaving:
            if treeish and tree.blob(path) == _blob(self.repository, local, path):
                tree.put(path, None)
        for path, data in person.items():
            if self._is_theirs(path, data, tree, local):
                tree.put(path, data)
                draft.person[path] = data
        for record in records:
            self._add(record, draft, tree, local)
        self._ledgers(draft, tree, day)
        return draft

    def _is_theirs(self, path: str, data: bytes | None, tree: _Tree, local: str | None) -> bool:
        """Whether it is the person who changed this file, and nobody else: what is as their commit has it may have
        ended on the remote by now, and what was changed there too is for them to bring together."""
        there, here = tree.blob(path), _blob(self.repository, local, path)
        if data is None:
            return there is not None and there == here
        before = self.repository.contents(f"{local}:{path}") if here else None
        if before is not None and revision_of(before) == revision_of(data):
            return False
        return there == here or (there is None and path.startswith(f"{INBOX}/"))  # an edit of an ended task stays

    def _add(self, record: Record, draft: Draft, tree: _Tree, local: str | None) -> None:
        finished = [path for path in record.files if path.startswith(f"{TASKS}/")]
        if finished and all(tree.blob(p) == self.repository.blob_id(record.files[p].encode()) for p in finished):
            draft.landed.append(record)  # a push whose answer was lost has brought it there
            return
        is_there = any(tree.blob(path) for path in finished) and not record.about
        if is_there and (record.shared or record.schedule) and not _waits(record, tree):
            draft.ended.append(record)  # another outcome of this very file, of which nobody here knew, was put back
            return
        changes = self._fit(record, tree, local)
        if changes is None:
            draft.unfit.append(record)
            return
        if is_there:
            record = twin(record, tree)  # the same text was dropped on another machine, and has ended there
        for path, text in record.files.items():
            tree.put(path, text.encode())
        for change in changes:
            if change.after is not None and (self._scan(change.after) or self._scan(change.path.encode())):
                draft.private.append(change)
            else:
                tree.put(change.path, change.after)
        if _waits(record, tree):
            tree.put(record.source, None)
        draft.records.append(record)

    def _fit(self, record: Record, tree: _Tree, local: str | None) -> Sequence[Change] | None:
        """The record's changes as they apply to the tree; None when one of them does not fit it."""
        fitting: list[Change] = []
        seen: dict[str, bytes | None] = {}
        for change in record.changes:
            there = seen[change.path] if change.path in seen else tree.read(change.path)
            if _digest(there) != change.before and not self._mine(change, there, local):
                return None
            seen[change.path] = change.after
            fitting.append(change)
        return fitting

    def _mine(self, change: Change, there: bytes | None, local: str | None) -> bool:
        """Whether the task saw edits of the person's that are not committed: they are published with its change."""
        before = self.repository.contents(f"{local}:{change.path}") if local else None
        return there == before and _digest(self._read(change.path)) == change.before

    def _ledgers(self, draft: Draft, tree: _Tree, day: date) -> None:
        """The ledger segments with the lines of these records, each line once however often this is repeated."""
        for record in draft.records:
            if not record.ledger:
                continue
            line, key = record.ledger.encode() + b"\n", (record.worker, day)
            number = self._segments.get(key, 1)
            while (content := tree.read(ledger_path(record.worker, day, number))) is not None:
                if line in content or len(content) + len(line) <= ledger.SEGMENT:
                    break
                number += 1
            self._segments = {known: n for known, n in self._segments.items() if known[1] == day} | {key: number}
            if line not in (content or b""):
                tree.put(ledger_path(record.worker, day, number), (content or b"") + line)


class _Tree:
    """A commit's tree with changes laid over it."""

    def __init__(self, repository: Repository, treeish: str | None, over: dict[str, bytes | None]) -> None:
        self.repository, self.treeish, self.over = repository, treeish, over
        self._blobs: dict[str, str | None] = {}

    def blob(self, path: str) -> str | None:
        if path in self.over:
            data = self.over[path]
            return None if data is None else self.repository.blob_id(data)
        if path not in self._blobs:
            self._blobs[path] = _blob(self.repository, self.treeish, path)
        return self._blobs[path]

    def read(self, path: str) -> bytes | None:
        if path in self.over:
            return self.over[path]
        return self.repository.contents(f"{self.treeish}:{path}") if self.treeish else None

    def put(self, path: str, data: bytes | None) -> None:
        """Lay a change over it; nothing where the tree holds just that."""
        self.over.pop(path, None)
        if self.blob(path) != (None if data is None else self.repository.blob_id(data)):
            self.over[path] = data


def _waits(record: Record, tree: _Tree) -> bool:
    """Whether the task file of an outcome is there, in the revision that was run."""
    raw = tree.read(record.source) if record.source else None
    return raw is not None and revision_of(raw) == record.revision


def twin(record: Record, tree: _Tree) -> Record:
    """The same outcome under the next free number of its id, in names and texts alike."""
    name = re.compile(rf"(?<![A-Za-z0-9._-]){re.escape(record.task)}(?![A-Za-z0-9_-])")
    # In a text a derived id stands for itself; one that a person chose may be any word, so only where it is the id.
    stated = re.compile(rf"""((?:^task: |"task":)["']?){re.escape(record.task)}(?=["']?[,}}]|["']?$)""", re.M)

    def path_of(path: str, new: str) -> str:
        folder, slash, base = path.rpartition("/")
        return folder + slash + name.sub(new, base)

    named = [path for path in record.files if path_of(path, "") != path]
    number = 2
    while any(tree.blob(path_of(path, f"{record.task}-{number}")) for path in named):
        number += 1
    new = f"{record.task}-{number}"
    stems = [path.removesuffix(".md") for path in record.files if path not in named and tree.blob(path)]

    def renamed(text: str) -> str:
        for stem in stems:  # its name in memory holds the second, and both ended in the same one
            text = text.replace(stem, f"{stem}-{number}")
        return name.sub(new, text) if _DERIVED.search(record.task) else stated.sub(rf"\g<1>{new}", text)

    files = {path_of(renamed(path) if path not in named else path, new): renamed(text)
             for path, text in record.files.items()}  # fmt: skip
    return replace(record, task=new, files=files, ledger=renamed(record.ledger))


def _blob(repository: Repository, treeish: str | None, path: str) -> str | None:
    found = repository.info(f"{treeish}:{path}") if treeish else None
    return found[0] if found and found[1] == "blob" else None


def _digest(data: bytes | None) -> str | None:
    return None if data is None else sha256(data).hexdigest()
