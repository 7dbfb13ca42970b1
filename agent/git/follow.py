"""Letting the person's branch, index and work tree follow to a commit that contains theirs: what `git pull --ff-only`
does, without running anything of theirs and without touching a file that they are working on.

Files come first, each only if it holds what the old commit says (or already what the new one says); then the index and
the branch, as everywhere. A crash in between leaves files that are ahead of the branch, which the next try accepts.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from agent import crash
from agent.git.branch import Branch, Entry
from agent.git.history import Difference, History
from agent.git.repository import Head, Repository
from agent.git.sparse import left_out
from agent.git.worktree import FILES, LINK, Lies, There, WorkTree

SHOWN = 3  # files named in a sentence
_MODULE = "160000"  # a submodule: its commit is noted in the index, its folder is the person's


@dataclass(frozen=True, slots=True)
class Way:
    """What a follow needs to know besides the two commits. `own`: index entries of finished tasks, for paths in which
    the commits do not differ. `seen`: what may lie at a path instead of the old commit's content, because a task saw
    it. `tray`: folders in which a file that the person deleted is no edit. `inbox`: folders from which a finished file
    goes; one that was edited meanwhile stays as it is, and is the person's. `begun`: commits to which an earlier try
    began to go and did not arrive, since the index or the branch was in use just then. `begin` is told before the
    first file is touched."""

    own: Mapping[str, Entry] = field(default_factory=dict)
    seen: Mapping[str, Collection[bytes]] = field(default_factory=dict)
    tray: tuple[str, ...] = ()
    inbox: tuple[str, ...] = ()
    begun: tuple[str, ...] = ()
    begin: Callable[[], None] = lambda: None

    def yields(self, step: Difference) -> bool:
        """Whether the person's version of this file simply stays, if there is one."""
        return not step.new and step.path.startswith(self.inbox)


class Follower:
    """Fast-forwards one vault. Not thread-safe: the publisher owns it."""

    def __init__(self, repository: Repository, branch: Branch, history: History, tree: WorkTree) -> None:
        self.repository, self.branch, self.history, self.tree = repository, branch, history, tree

    def follow(self, head: Head, target: str, way: Way) -> str:
        """Go from `head` to `target`, which must contain it. Returns "" when all is there, else why it waits, in
        words for people, with nothing moved. Raises Busy when somebody else was faster."""
        steps = list(self.history.differences(head.commit, target))
        left = self._left(head, target, {step.path for step in steps}, way)
        if problem := self._forbidden(steps, target) or self._staged(steps, way):
            return problem
        hidden = left_out(self.repository, [step.path for step in (*steps, *left)])
        back = {step.path: _backwards(step) for step in left if step.path not in hidden and self._lies(step)}
        todo, trouble = self._todo([*(step for step in steps if step.path not in hidden), *back.values()], way)
        if trouble:
            return trouble
        way.begin()
        if trouble := _edited(self.tree.make(todo)):
            return trouble
        crash.step("files followed")
        entries = {step.path: _entry(step, way, hidden) for step in steps}
        index = self.branch.prepare({**_taken_back(left, hidden), **way.own, **entries})
        self.branch.advance(head, target, index)
        crash.step("branch followed")
        return ""

    def _left(self, head: Head, target: str, known: set[str], way: Way) -> list[Difference]:
        """The steps of earlier tries, where the two commits do not differ: they may have been made."""
        tries = (self.history.differences(head.commit, commit) for commit in way.begun if commit != target)
        steps = (step for steps in tries for step in steps if step.path not in known)
        return [step for step in steps if _MODULE not in (step.old_mode, step.new_mode)]

    def _lies(self, step: Difference) -> bool:
        """Whether a step was made in the work tree, and nobody touched its file since."""
        there = self.tree.there(step.path, (), set())
        return not there.trouble and self._is_made(step, there)

    # -- what is not followed --------------------------------------------------------------------------------------

    def _forbidden(self, steps: Sequence[Difference], target: str) -> str:
        """What Gofer never puts into a work tree."""
        for step in steps:
            if step.new_mode not in (*FILES, LINK, _MODULE, ""):
                return f"the remote has {step.path} in a form that Gofer does not know ({step.new_mode})"
            if step.new_mode == LINK and not self._leads_inside(step):
                return f"the remote added the link {step.path}, which leads out of the vault: git pull brings it"
        for folder in {folder for step in steps if step.new for folder in _homes(step.path)}:
            parts = [self.repository.info(f"{target}:{folder}/{name}") for name in ("HEAD", "objects", "refs")]
            if all(parts):
                return f"the remote added a repository inside the vault ({folder}), which could run code here"
        return ""

    def _leads_inside(self, step: Difference) -> bool:
        """Whether a link stays within the vault, and away from git's own folder."""
        text = (self.repository.contents(step.new) or b"/").decode("utf-8", "surrogateescape")
        place = posixpath.normpath(posixpath.join(posixpath.dirname(step.path), text))
        outside = text.startswith("/") or place.startswith("../") or place == ".." or "\0" in text
        return not outside and ".git" not in place.casefold().split("/")

    def _staged(self, steps: Sequence[Difference], way: Way) -> str:
        """What the person has staged differently."""
        strict = [step for step in steps if not way.yields(step)]
        staged = self.branch.staged([step.path for step in strict])
        others = [step.path for step in strict if not self._agrees(step, staged.get(step.path), way)]
        if not others:
            return ""
        return f"you have staged {_names(others)}, and the remote changed it too: commit it, or unstage it"

    def _agrees(self, step: Difference, staged: str | None, way: Way) -> bool:
        seen = {self.repository.blob_id(raw) for raw in way.seen.get(step.path, ())}
        if staged in (step.old or None, step.new or None) or staged in seen:
            return True
        return self._was_begun(step.path, staged, way)  # a crash between the index and the branch

    # -- what has to be done in the work tree ----------------------------------------------------------------------

    def _todo(self, steps: Sequence[Difference], way: Way) -> tuple[list[tuple[Difference, Lies]], str]:
        """The steps that are not made yet, deletions first, with what lies there now; or what is in the way."""
        todo: list[tuple[Difference, Lies]] = []
        edited: list[str] = []
        gone: set[str] = set()
        sound: set[str] = set()
        for step in sorted(steps, key=lambda step: bool(step.new)):
            if _MODULE in (step.old_mode, step.new_mode):
                continue
            there = self.tree.there(step.path, gone, sound)
            if there.trouble:
                return [], f"{step.path} is in the way: {there.trouble}"
            if self._is_made(step, there):
                continue
            if not self._is_old(step, there, way):
                if way.yields(step):
                    continue
                edited.append(step.path)
            if not step.new:
                gone.add(step.path)
            todo.append((step, there.gist))
        return todo, _edited(edited)

    def _is_made(self, step: Difference, there: There) -> bool:
        if not step.new:
            return there.content is None
        same = there.content is not None and step.new in self._ids(there.content)
        if not same or there.link != (step.new_mode == LINK):
            return False
        return step.old_mode == step.new_mode or there.link or there.executable == (step.new_mode == "100755")

    def _is_old(self, step: Difference, there: There, way: Way) -> bool:
        """Whether what lies there is not the person's work in progress."""
        content = there.content
        if content is None:
            return not step.old or step.path.startswith(way.tray) or self._was_begun(step.path, None, way)
        if content in way.seen.get(step.path, ()) or not self._ids(content).isdisjoint((step.old, step.new)):
            return True
        return self._was_begun(step.path, self.repository.blob_id(content), way)

    def _was_begun(self, path: str, blob: str | None, way: Way) -> bool:
        """Whether an earlier try put this there, or took the file away."""
        there = (self.repository.info(f"{commit}:{path}") for commit in way.begun)
        return any((found[0] if found else None) == blob for found in there)

    def _ids(self, content: bytes) -> set[str]:
        """What git may call this content: also the same with the line ends of another system (core.autocrlf)."""
        plain = content.replace(b"\r\n", b"\n")
        return {self.repository.blob_id(content)} | ({self.repository.blob_id(plain)} if plain != content else set())


def _entry(step: Difference, way: Way, hidden: Collection[str]) -> Entry:
    if not step.new:
        return Entry(None, frozenset({step.old}) if way.yields(step) else None)
    entry = Entry(step.new, mode=step.new_mode)
    return replace(entry, hidden=True) if step.path in hidden else entry


def _backwards(step: Difference) -> Difference:
    return Difference(step.path, step.new_mode, step.new, step.old_mode, step.old)


def _taken_back(left: Sequence[Difference], hidden: Collection[str]) -> dict[str, Entry]:
    """What the index holds again where it holds what an earlier try put there."""
    made: dict[str, set[str | None]] = {}
    for step in left:
        made.setdefault(step.path, set()).add(step.new or None)
    return {
        step.path: Entry(step.old or None, frozenset(made[step.path]), mode=step.old_mode or "100644",
                         hidden=bool(step.old) and step.path in hidden)
        for step in left
    }  # fmt: skip


def _homes(path: str) -> list[str]:
    """The folders that could be a repository with this file in it: it is their HEAD, or among their objects or refs."""
    parts = PurePosixPath(path).parts
    return ["/".join(parts[:n]) for n in range(1, len(parts)) if parts[n] in ("HEAD", "objects", "refs")]


def _edited(paths: Sequence[str]) -> str:
    if not paths:
        return ""
    return f"you have changed {_names(paths)}, and the remote changed it too: commit it, or put it back"


def _names(paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:SHOWN])
    return f"{shown} and {len(paths) - SHOWN} more" if len(paths) > SHOWN else shown
