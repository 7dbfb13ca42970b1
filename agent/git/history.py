"""How two tips stand to each other: ahead, behind, apart; what differs; and both in one tree, without a work tree."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from agent.git.command import Git, GitError
from agent.git.repository import Repository

IDENTITY_MAIL = "gofer@localhost"
REMEMBERED = 64  # pairs of commits
LINE, PARENTS = 64, 4096  # commits in a row that are walked here, and all that are remembered
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Relation:
    """How many commits each of two tips has that the other lacks."""

    ahead: int
    behind: int

    @property
    def apart(self) -> bool:
        return self.ahead > 0 and self.behind > 0


@dataclass(frozen=True, slots=True)
class Merged:
    """Both sides in one tree; or the files in which they contradict each other; or `unrelated`: no common history."""

    tree: str = ""
    conflicts: tuple[str, ...] = ()
    unrelated: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """One path that differs between two trees: mode and object id on either side, "" where it is not there."""

    path: str
    old_mode: str
    old: str
    new_mode: str
    new: str


class History:
    """Reads a repository's commits. Relations are remembered: the same two tips always stand alike."""

    def __init__(self, repository: Repository, quarantine: Path) -> None:
        """`quarantine`: a folder outside the vault where the objects of a merge lie until somebody adopts them."""
        self.repository, self.quarantine = repository, quarantine
        self._relations: dict[tuple[str, str], Relation] = {}
        self._containing: dict[tuple[str, str], bool] = {}
        self._parents: dict[str, str] = {}  # commits with one parent
        self._commons: dict[tuple[str, str], str] = {}

    def relation(self, ours: str, theirs: str) -> Relation:
        """How `ours` stands to `theirs`."""
        if ours == theirs:
            return Relation(0, 0)
        known = self._relations.get((ours, theirs))
        if known is None and (behind := self._steps(theirs, ours)) is not None:
            known = Relation(0, behind)
        if known is None:
            said = self.repository.git.run("rev-list", "--left-right", "--count", f"{ours}...{theirs}", "--").text
            known = Relation(*map(int, said.split()))
            _remember(self._relations, (ours, theirs), known)
        return known

    def contains(self, tip: str, commit: str) -> bool:
        """Whether `commit` leads to `tip`. False too when it is not here."""
        if tip == commit:
            return True
        known = self._containing.get((tip, commit))
        if known is None and self._steps(tip, commit) is not None:
            return True
        if known is None:
            known = self.repository.git.run("merge-base", "--is-ancestor", commit, tip, ok=(0, 1, 128)).code == 0
            if known:  # else what lies between may still come
                _remember(self._containing, (tip, commit), known)
        return known

    def _steps(self, tip: str, commit: str) -> int | None:
        """How many commits lead in a straight line from `commit` to `tip`, None when there is no short one. It is what
        a look at the remote mostly finds, and starts no process."""
        here = tip
        for steps in range(LINE):
            if here == commit:
                return steps
            if here not in self._parents:
                if len(self._parents) > PARENTS:
                    self._parents.clear()
                head, _, _ = (self.repository.contents(here) or b"").partition(b"\n\n")
                lines = head.decode("utf-8", "replace").splitlines()
                parents = [line.removeprefix("parent ") for line in lines if line.startswith("parent ")]
                if len(parents) != 1:
                    return None
                self._parents[here] = parents[0]
            here = self._parents[here]
        return None

    def related(self, one: str, other: str) -> bool:
        """Whether two tips have a commit in common, as far as that can be told: a shallow clone cannot."""
        if (self.repository.common_dir / "shallow").exists():
            return True
        return self.repository.git.run("merge-base", one, other, ok=(0, 1)).code == 0

    def common(self, one: str, other: str) -> str | None:
        """The newest commit that leads to both."""
        if (known := self._commons.get((one, other))) is None:
            known = self.repository.git.run("merge-base", one, other, ok=(0, 1)).text or None
            if known:
                _remember(self._commons, (one, other), known)
        return known

    def commits(self, tip: str, without: str, most: int = 200) -> list[tuple[int, str, str]]:
        """Time (seconds since 1970), id and committer's address of the commits of `tip` that `without` lacks."""
        said = self.repository.git.run(
            "log", "--no-show-signature", f"--max-count={most}", "--format=%ct %H %ce", "--end-of-options",
            tip, f"^{without}",
        ).text  # fmt: skip
        rows = (line.split(" ", 2) for line in said.splitlines())
        return [(int(time), commit, mail) for time, commit, mail in rows]

    def merge(self, ours: str, theirs: str) -> Merged:
        """Both in one tree, its new objects in the quarantine. Runs in a repository of its own: in the vault a merge
        driver of the person's or a pusher's attributes would run (git-merge-tree(1), gitattributes(5))."""
        shutil.rmtree(self.quarantine, ignore_errors=True)
        self.quarantine.parent.mkdir(parents=True, exist_ok=True)
        form = f"--object-format={self.repository.object_format}"
        Git(self.quarantine.parent).run("init", "--quiet", "--bare", form, "--template=", str(self.quarantine))
        quoted = str(self.repository.objects).replace("\\", "\\\\").replace('"', '\\"')
        git, env = Git(self.quarantine, self.quarantine), {"GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"'}
        # First without renames: a finished task looks like one, from the inbox into the archive, and a person's edit
        # of it would follow it there instead of staying in the inbox.
        for renames in ("false", "true"):
            try:
                done = git.run(
                    "-c", f"merge.renames={renames}", "-c", "merge.directoryRenames=false", "merge-tree",
                    "--write-tree", "--name-only", "--no-messages", "-z", ours, theirs, env=env, ok=(0, 1),
                )  # fmt: skip
            except GitError as error:
                if "unrelated histories" in error.stderr:
                    return Merged(unrelated=True)
                raise
            tree, *files = done.out.decode("utf-8", "surrogateescape").rstrip("\0").split("\0")
            conflicts = tuple(dict.fromkeys(files))
            if done.code == 0 or all(self._only_gone(path, ours, theirs) for path in conflicts):
                return Merged(tree.strip())  # edited on one side, finished on the other: the edit stays, as a new task
            if any(path.startswith("inbox/") for path in conflicts):
                break
        return Merged(conflicts=conflicts)

    def _only_gone(self, path: str, ours: str, theirs: str) -> bool:
        """Whether a file of the inbox is there on one side and gone on the other."""
        sides = [self.repository.info(f"{tip}:{path}") is None for tip in (ours, theirs)]
        return path.startswith("inbox/") and sides.count(True) == 1

    def differences(self, old: str | None, new: str, *below: str) -> Iterator[Difference]:
        """Every path that differs between two commits; all of `new` when there is no `old`. With `below` only there."""
        base = old or self.empty_tree
        said = self.repository.git.run(
            "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", base, new, "--", *below
        ).out
        words = said.decode("utf-8", "surrogateescape").split("\0")
        for meta, path in zip(words[0::2], words[1::2], strict=False):
            old_mode, new_mode, before, after, _ = meta.removeprefix(":").split(" ")
            yield Difference(
                path,
                "" if old_mode == "000000" else old_mode, "" if old_mode == "000000" else before,
                "" if new_mode == "000000" else new_mode, "" if new_mode == "000000" else after,
            )  # fmt: skip

    @property
    def empty_tree(self) -> str:
        return self.repository.git.run("hash-object", "-t", "tree", "/dev/null").text


def _remember(known: dict[tuple[str, str], _T], tips: tuple[str, str], said: _T) -> None:
    """Note what two commits are to each other, which never changes; the oldest of too many goes."""
    known[tips] = said
    if len(known) > REMEMBERED:
        del known[next(iter(known))]
