"""The door to the person's other repositories: those that this machine's settings list, and what they allow there.

A repository is named by its name in the settings, or by the very path that they give it. The vault's own repository is
never opened through here: its commits are Gofer's own, made beside the person's index.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.config.tables import ListedRepo
from agent.errors import Refused
from agent.git.command import Git, GitError
from agent.handlers.doors import Repo, Told, no_repo
from agent.repos import local, looking, remote
from agent.repos.clone import Clone
from agent.text import shorten

__all__ = ["ListedRepos"]


@dataclass(frozen=True, slots=True)
class ListedRepos:
    """The listed repositories. `vault` is the vault's work tree and `common_dir` its git folder: neither is opened.
    `check` is called all the time while git runs, and ends it by raising."""

    listed: Mapping[str, ListedRepo]
    vault: Path
    common_dir: Path
    check: Callable[[], None] = lambda: None

    def of(self, check: Callable[[], None]) -> Callable[[str, str], Repo]:
        """The `repo` of a run's context, which ends with the run."""
        return replace(self, check=check).open

    def open(self, name: str, verb: str) -> Repo:
        """The repository of that name or path, when it is listed and allows the verb. Raises Refused, and names the
        listed ones; PersonMustAct when the folder belongs to somebody else."""
        name = self._named(name, verb)
        listed = self.listed[name]
        if verb not in listed.allow:
            raise Refused(
                f"{verb} is not allowed in the repository '{name}'",
                why=f"this machine's settings allow {', '.join(listed.allow) or 'nothing'} there",
                fix=f'add "{verb}" to the allow of [repos.{name}] in this machine\'s config.toml',
            )
        return _Opened(Clone(name, self._folder(name, listed), listed.remote, self.check))

    def _named(self, name: str, verb: str) -> str:
        if not self.listed:
            no_repo(shorten(name, 60), verb)
        wanted = name.casefold().removeprefix("repos/").removesuffix("/")
        if wanted in self.listed:
            return wanted
        if name.startswith(("/", "~/")):
            place = _place(name)
            same = [key for key, listed in self.listed.items() if _place(listed.path) == place]
            if len(same) == 1:
                return same[0]
        known = ", ".join(sorted(self.listed))
        raise Refused(
            f"no repository is called '{shorten(name, 60)}' here",
            why=f"this machine's settings list {known}",
            fix="use one of these names, or list it in this machine's config.toml",
        )

    def _folder(self, name: str, listed: ListedRepo) -> Path:
        """The top of the work tree. The settings must name exactly that: a folder below it, or one that is no
        repository any more, would silently mean the repository around it."""
        folder, fix = _place(listed.path), f"correct the path of [repos.{name}] in this machine's config.toml"
        vault = self.vault.resolve()
        if folder == vault or vault in folder.parents:
            raise Refused(
                f"the repository '{name}' is the vault itself or lies in it",
                where=listed.path,
                why="tasks never work in the vault's own git",
                fix=fix,
            )
        if not folder.is_dir():
            raise Refused(f"the repository '{name}' is not there", where=listed.path, why="no such folder", fix=fix)
        try:
            said = Git(folder).run("rev-parse", "--path-format=absolute", "--show-toplevel", "--git-common-dir").text
        except GitError as error:
            raise Refused(f"'{name}' is no git work tree", where=listed.path, why=error.why, fix=fix) from None
        top, common = (Path(line).resolve() for line in said.splitlines()[:2])
        if common == self.common_dir.resolve():
            raise Refused(
                f"the repository '{name}' is another work tree of the vault",
                where=listed.path,
                why="tasks never work in the vault's own git",
                fix=fix,
            )
        if top != folder:
            raise Refused(f"'{name}' is not the top of its work tree", where=listed.path, why=f"that is {top}", fix=fix)
        return folder


@dataclass(frozen=True, slots=True)
class _Opened:
    """A listed repository that was opened for one verb; see `agent.handlers.doors.Repo`."""

    clone: Clone

    def status(self) -> Told:
        return looking.status(self.clone)

    def log(self, branch: str, count: int) -> Told:
        return looking.log(self.clone, branch, count)

    def fetch(self, remote_name: str) -> Told:
        return remote.fetch(self.clone, remote_name)

    def fast_forward(self, branch: str) -> Told:
        return local.fast_forward(self.clone, branch)

    def branch(self, name: str, start: str) -> Told:
        return local.branch(self.clone, name, start)

    def add(self, paths: Sequence[str]) -> Told:
        return local.add(self.clone, paths)

    def commit(self, paths: Sequence[str], message: str) -> Told:
        return local.commit(self.clone, paths, message)

    def push(self, branch: str, remote_name: str) -> Told:
        return remote.push(self.clone, branch, remote_name)


def _place(path: str) -> Path:
    """Where a path really leads. Only `~/` is expanded: no other name in it means anything."""
    return (Path.home() / path[2:] if path.startswith("~/") else Path(path)).resolve()
