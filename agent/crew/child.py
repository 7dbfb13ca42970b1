"""The desk's end of one worker process: its pipes, its process group, its end."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.crew.messages import pack, receive

# What kills a whole process group when the desk is gone. The group cannot do that itself: Linux kills the worker
# process with its parent, but not what that one has started; and Python that is stuck in C does nothing at all. It
# sleeps on a pipe of which only the desk has the other end; a line in it says that there is nothing to kill any more.
GUARD = ("/bin/sh", "-c", 'read -r line || kill -KILL "-$1"', "gofer-guard")

LARGEST_LOG = 1 << 20  # bytes; what dying processes said before that is let go


@dataclass(frozen=True, slots=True)
class Start:
    """How worker processes are started."""

    command: Sequence[str]  # the desk's process number is added as its last word
    env: Mapping[str, str]
    folder: Path  # where they work: not the vault, whose files must never be taken for modules
    log: Path
    hello: bytes


class Child:
    """One process in a session of its own. What it says comes to `heard`, from a thread of its own; None is the end
    of all its words. It is made by the main thread, because it dies with the thread that made it (`program.py`)."""

    def __init__(self, start: Start, heard: Callable[[Child, Any], None]) -> None:
        with _log(start.log) as log:
            process = subprocess.Popen(
                [*start.command, str(os.getpid())],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd=start.folder, env=start.env,
                start_new_session=True, bufsize=0,
            )  # fmt: skip
        assert process.stdin
        assert process.stdout
        try:
            self._guard = subprocess.Popen(
                [*GUARD, str(process.pid)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                cwd=start.folder, env={}, start_new_session=True, bufsize=0,
            )  # fmt: skip
        except OSError:
            process.kill()
            process.communicate()
            raise
        self._process, self._in, self._out = process, process.stdin, io.BufferedReader(process.stdout, 1 << 16)  # type: ignore[type-var]
        # A child that is stuck reads nothing. The desk must not be stuck with it.
        os.set_blocking(self._in.fileno(), False)
        self._unsaid = bytearray(start.hello)
        self._ears = threading.Thread(target=self._listen, args=(heard,), name=f"gofer-ears-{self.pid}", daemon=True)
        self._ears.start()
        self.flush()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def gone(self) -> bool:
        """Whether it has ended. It is not reaped yet: until then nobody else can have its number."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def say(self, message: object) -> None:
        self._unsaid += pack(message)
        self.flush()

    def flush(self) -> bool:
        """Pass on what the pipe takes now; whether that was all."""
        while self._unsaid:
            try:
                del self._unsaid[: os.write(self._in.fileno(), self._unsaid)]
            except BlockingIOError:
                return False
            except OSError:  # it has ended, which is heard elsewhere
                self._unsaid.clear()
        return True

    def kill(self) -> None:
        """Kill it with everything it started. That it has ended is heard then."""
        with suppress(ProcessLookupError, PermissionError):  # macOS refuses when only the dead are left
            os.killpg(self.pid, signal.SIGKILL)

    def end(self) -> str:
        """Kill it, and reap it; says how it had ended before, if it had."""
        self.kill()
        code = self._process.wait()
        self._guard.communicate(b"\n")
        self._ears.join(1)
        self._in.close()
        if not self._ears.is_alive():  # else somebody who left the group still holds the pipe
            self._out.close()
        return f"it was killed by {signal.Signals(-code).name}" if code < 0 else f"it ended with exit code {code}"

    def _listen(self, heard: Callable[[Child, Any], None]) -> None:
        try:
            while True:
                heard(self, receive(self._out))
        except (EOFError, OSError, ValueError):  # the end of its words, or of the pipe
            pass
        finally:
            heard(self, None)


def _log(path: Path) -> io.FileIO:
    """Where it may complain: by rule it says nothing, but a process that dies may have last words."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    file = io.FileIO(os.open(path, flags, 0o600), "a")
    if file.seek(0, os.SEEK_END) > LARGEST_LOG:
        file.truncate(0)
    return file
