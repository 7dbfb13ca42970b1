"""`git daemon` on loopback: one real `git daemon --inetd` for each connection, on a port that nobody can steal."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import pytest

from tests.remotes.bare import environment


class GitDaemon:
    """Serves every repository of a folder for reading and writing, as git://127.0.0.1:<port>/<name>."""

    def __init__(self, folder: Path) -> None:
        need("daemon", "git (Debian, Ubuntu), git-daemon (Fedora, Alpine)")
        self._command = (
            "git", "daemon", "--inetd", "--export-all", "--enable=receive-pack", "--informative-errors",
            "--log-destination=none", f"--base-path={folder}", str(folder),
        )  # fmt: skip
        self._lock, self._running, self._closed = threading.Lock(), list[subprocess.Popen[bytes]](), False
        self._door = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._door.settimeout(0.5)
        self.address: tuple[str, int] = self._door.getsockname()
        self._thread = threading.Thread(target=self._serve, name="git daemon", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._closed:
            try:
                line, _ = self._door.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            with line, self._lock:
                self._running = [process for process in self._running if process.poll() is None]
                if self._closed:
                    return
                line.setblocking(True)
                self._running.append(self._start(line))

    def _start(self, line: socket.socket) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command, stdin=line.fileno(), stdout=line.fileno(), stderr=subprocess.DEVNULL,
            env=environment(), start_new_session=True,
        )  # fmt: skip

    def close(self) -> None:
        """Stop listening, and end what is still served."""
        with self._lock:
            self._closed = True
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._door.close()
        for process in self._running:
            end_group(process)

    def __enter__(self) -> GitDaemon:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def need(command: str, package: str) -> None:
    """Skip the test, loudly, when git has no such command."""
    place = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()
    if not (Path(place) / f"git-{command}").exists():
        pytest.skip(f"git {command} is missing on this machine; install the package {package}")


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads its own session, with its children, and wait for it."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            with suppress(OSError):
                pipe.close()
