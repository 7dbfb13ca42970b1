"""A history as values, read with git alone."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from tests.remotes.bare import environment

GOFER = "gofer@localhost"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The trailers of one task."""

    task: str
    status: str = ""
    worker: str = ""
    claim: str = ""
    attempt: str = ""


@dataclass(frozen=True, slots=True)
class Commit:
    oid: str
    parents: tuple[str, ...]
    author: str
    subject: str
    outcomes: tuple[Outcome, ...]

    @property
    def by_gofer(self) -> bool:
        return self.author == GOFER

    @property
    def short(self) -> str:
        return self.oid[:12]


class Tree:
    """The files of a commit; a missing branch has none."""

    def __init__(self, repository: Path, revision: str) -> None:
        self._repository, self._revision = repository, revision

    @cached_property
    def objects(self) -> dict[str, str]:
        """The blob of every path."""
        if not git(self._repository, "rev-parse", "-q", "--verify", self._revision, ok=(0, 1, 128)):
            return {}
        said = git(self._repository, "ls-tree", "-r", "-z", self._revision)
        rows = (row.split("\t", 1) for row in said.split("\0") if row)
        return {path: row.split(" ")[2] for row, path in rows}

    def __contains__(self, path: str) -> bool:
        return path in self.objects

    def below(self, folder: str) -> list[str]:
        """The Markdown and JSON-lines files below a folder."""
        return [path for path in self.objects if path.startswith(folder) and path.endswith((".md", ".jsonl"))]

    def text(self, path: str) -> str:
        return self._texts[self.objects[path]]

    @cached_property
    def _texts(self) -> dict[str, str]:
        oids = sorted(set(self.objects.values()))
        done = subprocess.run(
            ["git", "-C", str(self._repository), "cat-file", "--batch", "--buffer"],
            input="".join(f"{oid}\n" for oid in oids).encode(), capture_output=True, env=environment(), check=True,
        )  # fmt: skip
        texts, rest = {}, done.stdout
        for oid in oids:
            head, _, rest = rest.partition(b"\n")
            size = int(head.split()[2])
            texts[oid], rest = rest[:size].decode("utf-8", "replace"), rest[size + 1 :]
        return texts


def git(repository: Path, *args: str, ok: tuple[int, ...] = (0,)) -> str:
    """A command in a repository, bare or not; AssertionError when the exit code is not in `ok`."""
    done = subprocess.run(
        ["git", "-C", str(repository), *args], capture_output=True, env=environment(), timeout=120, check=False
    )
    assert done.returncode in ok, f"git {' '.join(args)} → {done.returncode}\n{done.stderr.decode()}"
    return done.stdout.decode("utf-8", "replace")


def log(repository: Path, revision: str) -> list[Commit]:
    """Every commit that a revision contains, parents before children. [] when there is no such revision."""
    if not git(repository, "rev-parse", "-q", "--verify", revision, ok=(0, 1, 128)):
        return []
    said = git(repository, "log", "--reverse", "--topo-order", "-z", "--format=%H%n%P%n%ae%n%B", revision)
    return [_commit(entry) for entry in said.split("\0") if entry.strip()]


def _commit(entry: str) -> Commit:
    oid, parents, author, message = entry.lstrip("\n").split("\n", 3)
    outcomes: list[dict[str, str]] = []
    for line in message.splitlines() if author == GOFER else ():
        key, _, value = line.partition(": ")
        if key == "Gofer-Task":
            outcomes.append({"task": value})
        elif key.startswith("Gofer-") and outcomes:
            outcomes[-1].setdefault(key.removeprefix("Gofer-").lower(), value)
    known = Outcome.__dataclass_fields__
    made = tuple(Outcome(**{k: v for k, v in outcome.items() if k in known}) for outcome in outcomes)
    return Commit(oid, tuple(parents.split()), author, message.partition("\n")[0], made)


def deletions(repository: Path, commit: Commit) -> list[str]:
    """The paths that a commit itself takes away. A merge takes away what one side has and the result has not, unless
    it was there when the sides parted and the other side had deleted it."""
    found: set[str] = set()
    for parent in commit.parents:
        gone = _deleted(repository, parent, commit.oid)
        for other in commit.parents:
            if gone and other != parent:
                base = git(repository, "merge-base", parent, other, ok=(0, 1)).strip()
                gone -= _deleted(repository, base, other) if base else set()
        found |= gone
    return sorted(found)


@lru_cache(maxsize=4096)
def ancestors(repository: Path, oid: str) -> frozenset[str]:
    """All that a commit contains, itself as well. Commits never change, so this may be remembered."""
    return frozenset(git(repository, "rev-list", oid).split())


def _deleted(repository: Path, old: str, new: str) -> set[str]:
    said = git(repository, "diff-tree", "-r", "-z", "--no-renames", "--name-only", "--diff-filter=D", old, new)
    return {path for path in said.split("\0") if path}
