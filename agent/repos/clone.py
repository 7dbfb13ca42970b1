"""One listed repository: how git is run in it, so that nothing of the person's runs but what reaches their remote.

Their hooks, aliases, fsmonitor and pager are off for every git command of Gofer's. Filters (such as LFS) are programs
too: each is emptied here by name, and what would have to pass one is refused, for a file that missed its filter would
be a wrong file. Left on are what reaching the remote needs (credential helper, ssh command, proxy) and their signing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from agent.errors import Busy, Refused
from agent.git.branch import Branch
from agent.git.command import DEADLINE, Done, Git, GitError, without_secrets
from agent.git.repository import Head, Repository
from agent.repos.troubles import explained

RAW = 64 * 1024  # characters of git's own words that are kept
NETWORK = 86_400.0  # seconds: the run's own limit comes first, and a silent remote is given up before that
_ALWAYS = {
    "core.alternateRefsCommand": "",
    "http.lowSpeedLimit": "1",  # bytes a second, for so many seconds: then the remote is away
    "http.lowSpeedTime": "60",
    "i18n.commitEncoding": "UTF-8",
    "user.useConfigOnly": "true",  # a guessed identity is nobody's
}
_SSH_OPTIONS = "-oBatchMode=yes -oConnectTimeout=20 -oServerAliveInterval=15 -oServerAliveCountMax=4"


class Clone:
    """An opened repository. `check` is called while git runs, and ends it by raising."""

    def __init__(self, name: str, folder: Path, remote: str, check: Callable[[], None]) -> None:
        self.name, self.folder, self.remote, self.check = name, folder, remote, check
        self.git, self.repository = Git(folder), Repository(folder)
        self._config: Mapping[str, str] = _ALWAYS
        self.filters = frozenset(self._filters())
        self._config = {**_ALWAYS, **_emptied(self.filters)}

    def run(
        self, *args: str, stdin: bytes = b"", ok: Sequence[int] = (0,), deadline: float = DEADLINE, ssh: str = ""
    ) -> Done:
        """One git command in this repository. Paths are paths, never patterns; errors come explained."""
        env = {f"GIT_CONFIG_KEY_{n}": key for n, key in enumerate(self._config)}
        env |= {f"GIT_CONFIG_VALUE_{n}": value for n, value in enumerate(self._config.values())}
        env |= {"GIT_CONFIG_COUNT": str(len(self._config)), "GIT_LITERAL_PATHSPECS": "1"}
        if ssh:
            env["GIT_SSH_COMMAND"] = ssh
        try:
            return self.git.run(*args, stdin=stdin, env=env, deadline=deadline, ok=ok, stop=self.check)
        except GitError as error:
            raise explained(error, self.name) from None

    def call(self, *args: str, ok: Sequence[int] = (0,)) -> Done:
        """A command that speaks to the remote: with the person's own way in, and without questions."""
        own = os.environ.get("GIT_SSH_COMMAND") or self.run("config", "--get", "core.sshCommand", ok=(0, 1)).text
        return self.run(*args, ok=ok, deadline=NETWORK, ssh=f"{own or 'ssh'} {_SSH_OPTIONS}")

    def head(self) -> Head:
        """What HEAD says now."""
        branch = self.run("symbolic-ref", "--quiet", "HEAD", ok=(0, 1)).text
        return Head(branch or None, self.commit_of("HEAD"))

    def commit_of(self, ref: str) -> str | None:
        """The commit that a full ref, HEAD or an object id stands for; None when there is none."""
        done = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}", ok=(0, 1, 128))
        return done.text if done.code == 0 and done.text else None

    def holds(self, path: str) -> bool:
        """Whether the current commit holds this path."""
        return self.run("rev-parse", "--verify", "--quiet", f"HEAD:{path}", ok=(0, 1, 128)).code == 0

    def knew(self, path: str) -> bool:
        """Whether any commit that leads to the current one touched this path."""
        return bool(self.run("rev-list", "--max-count=1", "HEAD", "--", path, ok=(0, 128)).text)

    def count(self, old: str, new: str) -> int:
        """How many commits `new` has that `old` lacks."""
        return int(self.run("rev-list", "--count", "--end-of-options", f"{old}..{new}").text)

    def lines(self, old: str | None, new: str, limit: int = 100) -> str:
        """One line for each commit that came, newest first."""
        form = ("--no-show-signature", "--no-color", "--date=short", "--format=%h %ad %an: %s")
        span = f"{old}..{new}" if old else new
        return self.run("log", *form, f"--max-count={limit}", "--end-of-options", span, "--").text

    def undisturbed(self) -> Head:
        """HEAD, when index and branch may be changed now. Refused in the middle of an operation of the person's or
        with a detached HEAD; Busy while their own git holds the index or a commit message is being written."""
        head = self.head()
        if doing := self.repository.operation():
            raise Refused(f"{doing} is in progress in '{self.name}'", fix="finish it or abort it, then try again")
        if head.branch is None:
            raise Refused(f"HEAD is detached in '{self.name}'", fix="switch to a branch, then try again")
        if reason := Branch(self.repository).blocked(head, time.time()):
            raise Busy(f"'{self.name}' is in use: {reason}")
        return head

    def check_filters(self, paths: Iterable[str]) -> None:
        """Refused when one of these files would have to pass a filter program."""
        given = b"".join(os.fsencode(path) + b"\0" for path in paths)
        if not (self.filters and given):
            return
        said = self.run("check-attr", "--stdin", "-z", "filter", stdin=given).out.split(b"\0")
        for path, value in zip(said[::3], said[2::3], strict=False):
            if (name := os.fsdecode(value)) in self.filters:
                raise Refused(
                    f"a file of '{self.name}' goes through the filter '{name}'",
                    where=os.fsdecode(path),
                    why="a filter is a program, and Gofer runs none of a repository's",
                    fix="do this one yourself",
                )

    def _filters(self) -> Iterable[str]:
        wanted = r"^filter\..*\.(clean|smudge|process)$"
        for entry in self.run("config", "-z", "--get-regexp", wanted, ok=(0, 1)).out.split(b"\0"):
            key = os.fsdecode(entry.partition(b"\n")[0])
            if key:
                yield key.partition(".")[2].rpartition(".")[0]


def short(commit: str | None) -> str:
    """An object id as people read it."""
    return commit[:8] if commit else "nothing"


def many(count: int, what: str) -> str:
    """`1 commit`, `3 commits`."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def bounded(text: str) -> str:
    """Git's own words as a report may hold them."""
    text = without_secrets(text)
    return text if len(text) <= RAW else f"{text[:RAW]}\n… cut here"


def _emptied(filters: Iterable[str]) -> Mapping[str, str]:
    """Settings with which these filters do nothing."""
    keys = {f"filter.{name}.{key}": "" for name in filters for key in ("clean", "smudge", "process")}
    return keys | {f"filter.{name}.required": "false" for name in filters}
