"""Git commands: fixed arguments, a clean environment, a deadline, and the whole process group killed at it."""

from __future__ import annotations

import functools
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from agent.errors import GoferError, PersonMustAct, TryLater
from agent.git.keeper import kept

MINIMUM = (2, 38)  # `git merge-tree --write-tree`
DEADLINE = 60.0  # seconds; a local git command that takes longer hangs
GRACE = 2.0  # seconds for a command that may hold locks to remove them when it is told to end
_LOOK = 0.1  # seconds between looks at `stop` while a command runs

# What never runs for Gofer, whatever the repository or a pusher says (faults G16, G23–G26).
SAFE = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.pager=cat",
    "core.attributesFile=/dev/null",
    "core.fsync=all",
    "core.quotePath=false",
    "diff.external=",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.ext.allow=never",
    "safe.bareRepository=explicit",
    "submodule.recurse=false",
    "fastimport.unpackLimit=0",
    "pack.compression=1",
    "pack.writeReverseIndex=false",
)
_SILENT = {
    "GIT_ASKPASS": "/bin/false",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "SSH_ASKPASS": "/bin/false",
}
_URL_SECRET = re.compile(r"(://)[^/\s]+@")
_DISK = ("No space left on device", "Disk quota exceeded", "Read-only file system", "Input/output error")


class GitError(GoferError):
    """A git command failed; `code` is its exit code, `stderr` and `out` what it said, secrets in URLs removed."""

    def __init__(self, args: Sequence[str], code: int, stderr: str, where: str, out: str = "") -> None:
        self.code, self.stderr, self.out = code, without_secrets(stderr.strip()), without_secrets(out)
        command = without_secrets(" ".join(args))
        said = self.stderr.splitlines()[-1] if self.stderr else "it said nothing"
        super().__init__(f"`git {command}` ended with exit code {code}", where=where, why=said)


def without_secrets(text: str) -> str:
    """The text with the user part of every URL replaced: it may hold a password or a token (G40)."""
    return _URL_SECRET.sub(r"\1[redacted]@", text)


@dataclass(frozen=True, slots=True)
class Done:
    """A finished command: exit code and both streams."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode("utf-8", "replace").rstrip("\n")


@functools.cache
def _git_class() -> Any:
    """GitPython's command layer. Imported late (0.1 s), and after GIT_* variables of the caller are gone:
    a GIT_DIR or GIT_INDEX_FILE left over from a hook would make Gofer write somewhere else."""
    for name in [n for n in os.environ if n.startswith("GIT_") and n != "GIT_SSH_COMMAND"]:
        del os.environ[name]
    os.environ["GIT_PYTHON_REFRESH"] = "quiet"
    from git.cmd import Git as Command  # noqa: PLC0415

    return Command


class Git:
    """Runs git in one folder. `git_dir` names a repository explicitly, as a bare one needs."""

    def __init__(self, folder: Path, git_dir: Path | None = None) -> None:
        self.folder, self.git_dir = folder, git_dir
        self._command = _git_class()(str(folder))
        # GitPython runs in the current folder when its own is gone: then it would be another repository (a vault, say).
        where = ["-C", str(folder.absolute()), *([f"--git-dir={git_dir.absolute()}"] if git_dir else [])]
        self._prefix = ["git", *where, *[a for setting in SAFE for a in ("-c", setting)]]

    def run(
        self,
        *args: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        deadline: float = DEADLINE,
        ok: Sequence[int] = (0,),
        stop: Callable[[], None] | None = None,
        outside: bool = False,
    ) -> Done:
        """Run one command to its end. Raises GitError for an exit code not in `ok`, TryLater at the deadline
        (its whole process group is killed then) or when the disk is full, PersonMustAct for a foreign owner.

        `stop` is called ten times a second. What it raises ends the command too, and is raised; a command that can
        be stopped is asked to end before it is killed, so that it leaves no lock behind. Such a command, and one that
        waits for other machines (`outside`), ends when we do, even if we are killed.
        """
        process = self.start(*args, env=env)
        grace = GRACE if stop else 0.0
        try:
            with kept(process) if outside or stop else nullcontext():
                out, err = _communicate(process, stdin, deadline, stop)
        except subprocess.TimeoutExpired:
            kill_group(process, grace)
            raise TryLater(
                f"`git {args[0]}` did not finish within {deadline:g} s and was stopped", where=str(self.folder)
            ) from None
        except BaseException:
            kill_group(process, grace)
            raise
        done = Done(process.returncode, out, err.decode("utf-8", "replace"))
        if done.code not in ok:
            raise self._failure(args, done)
        return done

    def start(self, *args: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a command with pipes on all three streams, in a process group of its own."""
        wrapped = self._command.execute(
            [*self._prefix, *args],
            istream=subprocess.PIPE,
            as_process=True,
            env={**_SILENT, **(env or {})},
            start_new_session=True,
        )
        process: subprocess.Popen[bytes] = wrapped.proc
        wrapped.proc = None  # ours to end: GitPython's wrapper would terminate it when collected
        return process

    def _failure(self, args: Sequence[str], done: Done) -> GoferError:
        where = str(self.git_dir or self.folder)
        if "dubious ownership" in done.err:
            return PersonMustAct(
                "git refuses to work here: the folder belongs to another user",
                where=where,
                fix=f"git config --global --add safe.directory '{self.folder}' (only if you trust it)",
            )
        if any(words in done.err for words in _DISK):
            said = without_secrets(done.err.strip().splitlines()[-1])
            return TryLater("the disk refused a write of git's", where=where, why=said)
        return GitError(args, done.code, done.err, where, done.text)


def _communicate(
    process: subprocess.Popen[bytes], stdin: bytes, deadline: float, stop: Callable[[], None] | None
) -> tuple[bytes, bytes]:
    if stop is None:
        return process.communicate(stdin, timeout=deadline)
    ends = time.monotonic() + deadline
    given: bytes | None = stdin
    while True:
        stop()
        left = ends - time.monotonic()
        try:
            return process.communicate(given, timeout=max(0.0, min(left, _LOOK)))
        except subprocess.TimeoutExpired:
            if left <= _LOOK:
                raise
            given = None  # what was given is on its way: a later call goes on with it


def end(process: subprocess.Popen[bytes], patience: float = 2) -> None:
    """End a long-lived command by closing its pipes; killed with its group when it is there after `patience` s."""
    close_pipes(process)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        kill_group(process)


def kill_group(process: subprocess.Popen[bytes], grace: float = 0.0) -> None:
    """Kill a process and all that it started, and reap it; with `grace`, after so many seconds to end in order."""
    if grace:
        with suppress(ProcessLookupError, PermissionError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(grace)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()
    close_pipes(process)


def close_pipes(process: subprocess.Popen[bytes]) -> None:
    streams: list[IO[bytes] | None] = [process.stdin, process.stdout, process.stderr]
    for stream in streams:
        if stream is not None:
            try:
                stream.close()
            except OSError:  # a broken pipe with bytes still buffered
                continue


def version() -> tuple[int, int, int]:
    """The installed git's version. PersonMustAct when there is none or it is older than 2.38."""
    try:
        said = subprocess.run(["git", "version"], capture_output=True, text=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise PersonMustAct("git cannot be run", why=str(error), fix="install git 2.38 or newer") from None
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", said)
    numbers = tuple(int(n or 0) for n in found.groups()) if found else (0, 0, 0)
    if numbers[:2] < MINIMUM:
        raise PersonMustAct(f"git {said.strip()} is too old", fix="install git 2.38 or newer")
    return numbers[0], numbers[1], numbers[2]
