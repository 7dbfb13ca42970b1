"""Letting the person's branch, index and work tree follow to a commit that contains theirs: what `git pull --ff-only`
does, without running anything of theirs and without touching a file that they are working on.

Files come first, each only if it holds what the old commit says (or already what the new one says); then the index and
the branch, as everywhere. A crash in between leaves files that are ahead of the branch, which the next try accepts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import PurePosixPath

from agent import crash
from agent.errors import Refused
from agent.files import Beneath
from agent.files.group import change_all
from agent.git.branch import Branch, Entry
from agent.git.history import Difference, History
from agent.git.repository import Head, Repository
from agent.vault.values import Change

LARGEST = 256 << 20  # bytes of one file
TOGETHER = 256  # files that are held in memory at once
SHOWN = 3  # files named in a sentence
_FILES = ("", "100644", "100755")
_LINK = "160000"  # a submodule: its commit is noted in the index, its folder is the person's


@dataclass(frozen=True, slots=True)
class Way:
    """What a follow needs to know besides the two commits. `own`: index entries that follow whatever the commits say.
    `seen`: for files that tasks changed, the sha256 of what they saw, which may lie there instead of the old commit's.
    `tray`: folders in which a file that the person deleted is no edit. `inbox`: folders from which a finished file
    goes; one that was edited meanwhile stays as it is, and is the person's."""

    own: Mapping[str, Entry] = field(default_factory=dict)
    seen: Mapping[str, str] = field(default_factory=dict)
    tray: tuple[str, ...] = ()
    inbox: tuple[str, ...] = ()

    def yields(self, step: Difference) -> bool:
        """Whether the person's version of this file simply stays."""
        return step.path in self.own or (not step.new and step.path.startswith(self.inbox))


class Follower:
    """Fast-forwards one vault. Not thread-safe: the publisher owns it."""

    def __init__(self, repository: Repository, branch: Branch, history: History, files: Beneath) -> None:
        self.repository, self.branch, self.history, self.files = repository, branch, history, files

    def follow(self, head: Head, target: str, way: Way) -> str:
        """Go from `head` to `target`, which must contain it. Returns "" when all is there, else why it waits, in
        words for people, with nothing moved. Raises Busy when somebody else was faster."""
        steps = list(self.history.differences(head.commit, target))
        if problem := self._problem(steps, way):
            return problem
        changes, in_the_way = self._changes(steps, way)
        if in_the_way:
            return in_the_way
        if misfits := self._write(changes):
            return _edited(misfits)
        crash.step("files followed")
        entries = {**{step.path: _entry(step, way) for step in steps}, **way.own}
        index = self.branch.prepare(entries)
        self.branch.advance(head, target, index)
        crash.step("branch followed")
        return ""

    def _problem(self, steps: Sequence[Difference], way: Way) -> str:
        """What Gofer never puts into a work tree, and what the person has staged differently."""
        for step in steps:
            if step.old_mode not in (*_FILES, _LINK) or step.new_mode not in (*_FILES, _LINK):
                return f"the remote changed the link {step.path}, which Gofer does not touch: git pull brings it"
        added = {step.path for step in steps if step.new_mode}
        for path in added:
            folder = PurePosixPath(path).parent
            if path.endswith("/HEAD") and any(p.startswith((f"{folder}/objects/", f"{folder}/refs/")) for p in added):
                return f"the remote added a repository inside the vault ({folder}), which could run code here"
        strict = [step for step in steps if not way.yields(step)]
        staged = self.branch.staged([step.path for step in strict])
        others = [step.path for step in strict if staged.get(step.path) not in (step.old or None, step.new or None)]
        if others:
            return f"you have staged {_names(others)}, and the remote changed it too: commit it, or unstage it"
        return ""

    def _changes(self, steps: Sequence[Difference], way: Way) -> tuple[list[tuple[Change, Difference]], str]:
        """What has to be written, deletions first; or what is in the way."""
        todo: list[tuple[Change, Difference]] = []
        edited: list[str] = []
        for step in sorted(steps, key=lambda step: bool(step.new)):
            if _LINK in (step.old_mode, step.new_mode):
                continue
            try:
                there = self._there(step.path)
            except Refused as error:
                return [], f"{step.path} is in the way: {error.why}"
            now = None if there is None else self.repository.blob_id(there)
            if now == (step.new or None):
                continue
            digest = None if there is None else sha256(there).hexdigest()
            same = now == (step.old or None) or (digest is not None and digest == way.seen.get(step.path))
            same = same or (there is not None and self._same_text(there, step.old))
            if not same and way.yields(step):
                continue
            if not same and not (there is None and step.path.startswith(way.tray)):
                edited.append(step.path)
            todo.append((Change(step.path, digest, b"" if step.new else None), step))
        return todo, _edited(edited) if edited else ""

    def _there(self, path: str) -> bytes | None:
        try:
            return self.files.read(path, LARGEST)
        except FileNotFoundError:
            return None
        except Refused:
            if (self.files.root / path).is_dir() and not any(os.scandir(self.files.root / path)):
                os.rmdir(self.files.root / path)  # what was a folder becomes a file
                return None
            raise

    def _same_text(self, there: bytes, old: str) -> bool:
        """Whether it is the old file with the line ends of another system (core.autocrlf)."""
        return bool(old) and b"\r\n" in there and self.repository.blob_id(there.replace(b"\r\n", b"\n")) == old

    def _write(self, changes: Iterable[tuple[Change, Difference]]) -> list[str]:
        """Write them, some at a time; the paths that somebody changed in the last moment."""
        todo, misfits = iter(changes), list[str]()
        while some := list(islice(todo, TOGETHER)):
            filled = [
                Change(change.path, change.before, self.repository.contents(step.new) if step.new else None)
                for change, step in some
            ]
            unfit = change_all(self.files, ([change] for change in filled))
            misfits += [filled[number].path for number in sorted(unfit)]
            for change, step in some:
                if step.new_mode and (step.new_mode == "100755") != (step.old_mode == "100755"):
                    os.chmod(self.files.root / change.path, 0o755 if step.new_mode == "100755" else 0o644)
        return misfits


def _entry(step: Difference, way: Way) -> Entry:
    if way.yields(step):
        return Entry(None, frozenset({step.old}))
    return Entry(step.new or None, mode=step.new_mode or "100644")


def _edited(paths: Sequence[str]) -> str:
    return f"you have changed {_names(paths)}, and the remote changed it too: commit it, or put it back"


def _names(paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:SHOWN])
    return f"{shown} and {len(paths) - SHOWN} more" if len(paths) > SHOWN else shown
