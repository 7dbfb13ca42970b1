"""Reading a repository: where it is, what HEAD says, what a tree holds, what is going on in it."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TypeVar

from agent.errors import PersonMustAct
from agent.git.command import Git, GitError, end

ZERO = "0" * 40
_T = TypeVar("_T")
AT_ONCE = 64  # questions to git before its answers are heard: neither pipe may fill up
_OBJECT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_OPERATIONS = {
    "MERGE_HEAD": "a merge",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase or an am",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "BISECT_LOG": "a bisect",
    "sequencer": "a sequence of picks",
}


@dataclass(frozen=True, slots=True)
class Head:
    """What HEAD says: the full branch name (None when detached) and its commit (None when unborn)."""

    branch: str | None
    commit: str | None


class Repository:
    """One work tree. Objects are read through one long-lived `cat-file`, started when first needed."""

    def __init__(self, folder: Path) -> None:
        """PersonMustAct when `folder` is not inside a git work tree."""
        self.git = Git(folder)
        try:
            said = self.git.run(
                "rev-parse",
                "--path-format=absolute",
                "--show-toplevel",
                "--git-dir",
                "--git-common-dir",
                "--git-path",
                "objects",
                "--show-object-format",
            ).text.splitlines()
        except GitError as error:
            raise PersonMustAct(
                "this is not a vault: no git work tree here",
                where=str(folder),
                why=error.why,
                fix="gofer init, or --vault with the folder of a vault",
            ) from None
        self.work_tree, self.git_dir, self.common_dir, self.objects = (Path(line) for line in said[:4])
        self.object_format = said[4]
        self.index = self.git_dir / "index"
        self._reader: subprocess.Popen[bytes] | None = None

    @property
    def zero(self) -> str:
        """The object id that means "does not exist"."""
        return "0" * (64 if self.object_format == "sha256" else 40)

    def config(self, key: str) -> str:
        """One value of git's configuration, "" when it is not set."""
        return self.git.run("config", "--get", key, ok=(0, 1)).text

    def blob_id(self, data: bytes) -> str:
        """The object id git gives these bytes (gitformat: `blob <size>\\0<bytes>`)."""
        return hashlib.new(self.object_format, b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()

    def head(self) -> Head:
        """Where HEAD points now."""
        with open(f"{self.git_dir}/HEAD", encoding="utf-8", errors="replace") as file:  # asked often: no Path
            said = file.read().strip()
        if not said.startswith("ref: "):
            return Head(None, said)
        branch = said.removeprefix("ref: ").strip()
        return Head(branch, self._loose(branch) or (self.info(branch) or (None,))[0])

    def _loose(self, ref: str) -> str | None:
        """What a ref's own file says, which wins over packed-refs (gitrepository-layout(5)); no process for that."""
        try:
            with open(f"{self.common_dir}/{ref}", encoding="ascii") as file:
                said = file.read().strip()
        except (OSError, UnicodeDecodeError):
            return None
        return said if _OBJECT.fullmatch(said) else None

    def info(self, revision: str) -> tuple[str, str] | None:
        """Object id and type of a revision such as `HEAD:inbox/a.md`, None when there is none."""
        answer = None if "\n" in revision else self._converse([f"info {revision}"], _header)[0]
        return (answer[0], answer[1]) if answer else None

    def contents(self, revision: str) -> bytes | None:
        """The bytes of an object, None when there is none."""
        return None if "\n" in revision else self.many_contents([revision])[0]

    def many_contents(self, revisions: Sequence[str]) -> list[bytes | None]:
        """The bytes of objects, None for those that are not there. Asked for together: that spares changes from one
        process to the other."""
        found: list[bytes | None] = []
        for start in range(0, len(revisions), AT_ONCE):
            found += self._converse([f"contents {name}" for name in revisions[start : start + AT_ONCE]], _body)
        return found

    def blobs(self, commit: str | None, paths: Iterable[str]) -> dict[str, str]:
        """The object ids of those of these paths that a commit holds; nothing when there is no commit."""
        todo, found = (path for path in paths if commit and "\n" not in path), dict[str, str]()
        while some := list(islice(todo, AT_ONCE)):
            answers = self._converse([f"info {commit}:{path}" for path in some], _header)
            found |= {path: answer[0] for path, answer in zip(some, answers, strict=True) if answer}
        return found

    def _converse(self, questions: Sequence[str], hear: Callable[[IO[bytes]], _T | None]) -> list[_T | None]:
        """Ask the reader all of it, then hear the answers; None for what is not there."""
        for fresh in (False, True):
            if self._reader is None or fresh:
                self.rest()
                self._reader = self.git.start("cat-file", "--batch-command")
            assert self._reader.stdin and self._reader.stdout
            with suppress(BrokenPipeError, EOFError):
                self._reader.stdin.write("".join(f"{question}\n" for question in questions).encode())
                self._reader.stdin.flush()
                return [hear(self._reader.stdout) for _ in questions]
        return [None for _ in questions]

    def trailers(self, commit: str, key: str, last: int) -> list[str]:
        """The values of one trailer in the newest commits that lead to `commit`, at most `last` of them."""
        form = f"--format=%(trailers:key={key},valueonly)"
        said = self.git.run("log", "--no-show-signature", f"--max-count={last}", form, "--end-of-options", commit)
        return said.text.split()

    def operation(self) -> str | None:
        """What the person is in the middle of ("a merge"), or None."""
        for name, words in _OPERATIONS.items():
            if (self.git_dir / name).exists():
                return words
        return None

    def newest_ref_time(self, branch: str) -> int:
        """When HEAD or the branch last moved, in ns: the newest of reflog, ref file and packed-refs; 0 unknown."""
        places = (self.git_dir / "logs" / "HEAD", self.common_dir / branch, self.common_dir / "packed-refs")
        return max((mtime(place) for place in places), default=0)

    def rest(self) -> None:
        """Let the long-lived reader go; the next question starts a new one. It would hold deleted packs open."""
        if self._reader is not None:
            end(self._reader)
            self._reader = None


def mtime(path: Path) -> int:
    """When a file last changed, in ns; 0 when it is not there."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _header(said: IO[bytes]) -> list[str] | None:
    """Object id, type and size as `cat-file --batch-command` says them; EOFError when it has ended."""
    if not (line := said.readline()):
        raise EOFError
    words = line.decode("utf-8", "replace").rstrip("\n").rsplit(" ", 2)
    return words if len(words) == 3 and words[2].isdigit() else None


def _body(said: IO[bytes]) -> bytes | None:
    """The same with the bytes that follow, which alone are given."""
    if (header := _header(said)) is None:
        return None
    data = said.read(int(header[2]) + 1)
    if len(data) <= int(header[2]):
        raise EOFError  # it was killed in the middle
    return data[:-1]
