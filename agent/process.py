"""The one door for child processes other than git: a command with its input, its limits and its certain end.

The child gets a session of its own, no descriptor but its three streams, and only the environment that it is given.
Its limits are set before it runs. Whatever it started ends with it: its process group, and on Linux also what left
the group but kept the mark that stands in its environment.
"""

from __future__ import annotations

import os
import secrets
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from agent.errors import Refused, TimeUp
from agent.git.command import close_pipes, kill_group
from agent.git.keeper import kept
from agent.limits import Limits, Runaway, Watch
from agent.marked import MARK, sweep

GRACE = 1.0  # seconds to end in order, after SIGTERM
ERRORS = 1 << 16  # bytes of standard error that are kept: the last ones
_LOOK = 0.05  # seconds between looks at `stop`
_DRAIN = 0.5  # seconds for what the dead left in the pipes
_CHUNK = 1 << 16
LIMITS = Limits()

# Runs between fork and exec, in a fresh interpreter: `preexec_fn` is not safe in a process that has threads. It waits
# for a word that the keeper knows of it, so that no command runs that would outlive us; and it tells through a
# descriptor that exec closes why it could not start. (setrlimit(2))
_STUB = """
import os, resource, sys
told, go, memory, file_size, locale = (int(word) for word in sys.argv[1:6])
os.set_inheritable(told, False)
if not os.read(go, 1):
    os._exit(127)
os.close(go)
for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_DATA, memory), (resource.RLIMIT_FSIZE, file_size)):
    hard = resource.getrlimit(kind)[1]
    bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
    try:
        resource.setrlimit(kind, (bound, bound))
    except (OSError, ValueError):
        pass
if not locale:
    os.environ.pop("LC_CTYPE", None)  # the interpreter's own doing
try:
    os.execv(sys.argv[6], sys.argv[6:])
except OSError as error:
    os.write(told, os.strerror(error.errno).encode())
    os._exit(127)
"""


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that has ended. `code` is negative when a signal ended it; `cut`: it printed more than the limit and
    was killed; of `stderr` only the end is kept; `seconds` is how long it ran."""

    code: int
    stdout: bytes
    stderr: bytes
    cut: bool
    seconds: float


def program(name: str, env: Mapping[str, str]) -> Path:
    """The absolute path of a program: a path as it is, a bare name by the PATH of `env`. Raises Refused when there is
    no such file, or it cannot be executed."""
    path = Path(name if os.sep in name else shutil.which(name, path=env.get("PATH", os.defpath)) or name)
    if not path.is_absolute() or not path.is_file():
        raise Refused(f"the program '{name}' is not there", fix="install it, or write its absolute path into argv")
    if not os.access(path, os.X_OK):
        raise Refused(f"the program '{path}' cannot be executed", fix=f"chmod +x '{path}'")
    return path


def run(
    argv: Sequence[str], *, cwd: Path, stdin: bytes, env: Mapping[str, str], timeout: float, stop: Callable[[], bool],
    limits: Limits = LIMITS, called: str = "",
) -> Finished:  # fmt: skip
    """Run a command to its end. `timeout` is seconds; `called` is its name for people, its program's by default.

    Raises Refused when it cannot be started, TimeUp at the time limit, when it starts too much, when the disk runs
    full, or when `stop` says so; nothing of it runs on in any case. A command that prints more than its limit is
    killed, and the result says so.
    """
    path, mark, began = program(argv[0], env), secrets.token_hex(16), time.monotonic()
    (told, tell), (go, say_go) = os.pipe(), os.pipe()
    try:
        words = map(str, (tell, go, limits.memory, limits.file_size, int("LC_CTYPE" in env)))
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _STUB, *words, str(path), *argv[1:]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd, env={**env, MARK: mark},
            start_new_session=True, pass_fds=(tell, go), bufsize=0,
        )  # fmt: skip
    except OSError as error:
        os.close(told)
        os.close(say_go)
        raise Refused(f"'{path}' could not be started", why=str(error)) from None
    finally:
        os.close(tell)
        os.close(go)
    talk, name = _Talk(process, stdin, limits.output), called or path.name
    try:
        with kept(process):
            try:
                with suppress(BrokenPipeError):  # somebody killed it already
                    os.write(say_go, b"!")
                watch = Watch(name, mark, cwd, limits)
                talk.go_on(began + timeout, stop, f"'{name}' did not end within {timeout:g} s and was stopped", watch)
            except TimeUp as error:
                error.stdout, error.stderr = bytes(talk.out), bytes(talk.err)
                kill_group(process, 0.0 if isinstance(error, Runaway) else GRACE)
                raise
            finally:
                _end(process, mark, talk)
        _check_started(told, path)
    finally:
        os.close(told)
        os.close(say_go)
    return Finished(process.returncode, bytes(talk.out), bytes(talk.err), talk.cut, time.monotonic() - began)


@dataclass(slots=True)
class _Talk:
    """What goes to a command and what comes from it, without either waiting for the other."""

    process: subprocess.Popen[bytes]
    given: bytes
    limit: int
    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)
    cut: bool = False
    _lines: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _sent: int = 0

    def __post_init__(self) -> None:
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            event = selectors.EVENT_WRITE if stream is self.process.stdin else selectors.EVENT_READ
            os.set_blocking(stream.fileno(), False)
            self._lines.register(stream, event)

    def go_on(self, ends: float, stop: Callable[[], bool], late: str, watch: Watch) -> None:
        """Talk until the command has ended or printed too much. Raises TimeUp at `ends`, when `stop` says so, or when
        `watch` finds that it takes too much."""
        while not self.cut and not _gone(self.process):
            if stop():
                raise TimeUp("the command was stopped", why="the run was cancelled or its time is up")
            if time.monotonic() > ends:
                raise TimeUp(late)
            watch.look()
            self._turn(_LOOK)

    def drain(self) -> None:
        """Take what is still in the pipes of a command that has ended."""
        ends = time.monotonic() + _DRAIN
        if stdin := self.process.stdin:
            self._close(stdin)
        while self._lines.get_map() and not self.cut and time.monotonic() < ends and self._turn(0):
            pass
        self._lines.close()

    def _turn(self, patience: float) -> bool:
        if not self._lines.get_map():  # it closed its streams and goes on: nothing to hear, only its end
            time.sleep(patience)
            return False
        ready = self._lines.select(patience)
        for key, _ in ready:
            stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
            if stream is self.process.stdin:
                self._give(stream)
            else:
                self._take(stream)
        return bool(ready)

    def _give(self, stream: IO[bytes]) -> None:
        try:
            self._sent += os.write(stream.fileno(), self.given[self._sent : self._sent + _CHUNK])
        except BlockingIOError:
            return
        except OSError:  # it does not want to read
            self._sent = len(self.given)
        if self._sent >= len(self.given):
            self._close(stream)

    def _take(self, stream: IO[bytes]) -> None:
        try:
            data = os.read(stream.fileno(), _CHUNK)
        except BlockingIOError:
            return
        if not data:
            self._close(stream)
        elif stream is self.process.stderr:
            self.err += data
            del self.err[:-ERRORS]
        else:
            self.out += data
            self.cut = len(self.out) > self.limit
            del self.out[self.limit :]

    def _close(self, stream: IO[bytes]) -> None:
        if not stream.closed:
            self._lines.unregister(stream)
            with suppress(OSError):
                stream.close()


def _gone(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended. It is not reaped: until then nobody else can have its number."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(process: subprocess.Popen[bytes], mark: str, talk: _Talk) -> None:
    """Kill and reap the command with all that it started, and hear its last words."""
    with suppress(ProcessLookupError, PermissionError):  # macOS refuses when only the dead are left
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    sweep(mark)
    talk.drain()
    close_pipes(process)


def _check_started(told: int, path: Path) -> None:
    os.set_blocking(told, False)
    why = ""
    with suppress(BlockingIOError):
        why = os.read(told, 200).decode("utf-8", "replace")
    if why:
        raise Refused(f"'{path}' could not be started", why=why, fix="see what its first line names")
