"""What a clone remembers of its remote from one start to the next, in one small file: a cache, all of it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.git.repository import Head, Repository, mtime

MOST = 50  # commits that were begun to be followed and not reached
_STARTED_FROM = ("rebase-merge/head-name", "rebase-apply/head-name", "BISECT_START")


class Remembered:
    """One clone's memory of its remote."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._said = self._read()
        self._branch: tuple[tuple[str, int], str] = (("", -1), "")

    def tip(self, branch: str) -> str | None:
        """Where this branch of the remote was when it was last accepted."""
        return str(self._said["tip"]) if self._said.get("of") == branch and self._said.get("tip") else None

    def keep(self, branch: str, tip: str | None) -> None:
        self._put(of=branch, tip=tip)

    def stand(self, head: Head, fetched: int, *, anew: bool) -> None:
        """Where the branch here stands, and when the person last fetched: what they do after that is told by it. Not
        `anew`: only if that is not known. A HEAD that is on no branch says nothing."""
        if head.branch and (anew or "stood" not in self._said):
            self._put(stood=head.commit, fetched=fetched)

    def has_moved(self, commit: str) -> bool:
        """Whether somebody else is known to have moved the branch here to this commit since then."""
        return "stood" in self._said and commit not in (self._said["stood"], *self.begun)

    def has_fetched(self, fetched: int) -> bool:
        """Whether the person is known to have fetched since."""
        return bool(self._said.get("fetched", fetched) != fetched)

    @property
    def published(self) -> Mapping[str, str]:
        """Files of the person's that were published from the work tree, in no commit of theirs: path → revision."""
        found = self._said.get("published")
        return found if isinstance(found, dict) else {}

    def publish(self, files: Mapping[str, str]) -> None:
        """These, and no others."""
        self._put(published=dict(files))

    @property
    def begun(self) -> tuple[str, ...]:
        """Commits that the work tree began to follow since the branch last moved: their files may lie there."""
        found = self._said.get("begun")
        return tuple(map(str, found)) if isinstance(found, list) else ()

    def begin(self, target: str) -> None:
        """The work tree is about to follow to this commit."""
        if target not in self.begun:
            self._put(begun=[*self.begun, target][-MOST:])

    def arrived(self, commit: str) -> None:
        """The branch is where the work tree is: we moved it there."""
        self._put(begun=[], stood=commit)

    def branch(self, repository: Repository) -> str:
        """The remote's branch, full name: what the local one's upstream says, else of the same name. While HEAD is
        detached, of the branch it came from. Looked up anew when HEAD or the settings changed: that starts git."""
        head = (repository.git_dir / "HEAD").read_text("utf-8", "replace").strip()
        key = head, mtime(repository.common_dir / "config")
        if self._branch[0] != key:
            self._branch = key, self._look_up(repository, head.removeprefix("ref: ") if head[:5] == "ref: " else "")
        return self._branch[1]

    def _look_up(self, repository: Repository, local: str) -> str:
        if local:
            self._put(local=local)
        else:
            local = _before(repository) or str(self._said.get("local") or "refs/heads/main")
        short = local.removeprefix("refs/heads/")
        return repository.config(f"branch.{short}.merge") or local

    def _put(self, **said: Any) -> None:
        if any(self._said.get(key) != value for key, value in said.items()):
            self._said |= said
            part = self.path.with_suffix(".new")
            part.write_text(json.dumps(self._said), "utf-8")
            os.replace(part, self.path)

    def _read(self) -> dict[str, Any]:
        try:
            said = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return said if isinstance(said, dict) else {}


def _before(repository: Repository) -> str:
    """The branch that an operation in progress started from, full name; "" when none says so."""
    for name in _STARTED_FROM:
        try:
            said = (repository.git_dir / name).read_text("utf-8", "replace").strip()
        except OSError:
            continue
        full = said if said.startswith("refs/heads/") else f"refs/heads/{said}"
        if repository.info(full):
            return full
    return ""
