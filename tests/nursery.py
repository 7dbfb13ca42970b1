"""Processes of `gofer` without the price of starting Python: everything is imported once, each verb is a fork.

The nursery listens on a socket. For each request it forks a keeper, which forks the verb into the wanted folder,
environment and output files, waits for it, and answers with its exit code (negative: the signal that killed it).
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

PRELOADED = (
    "agent.cli.run", "agent.cli.status", "agent.cli.add", "agent.cli.listing", "git.cmd", "yaml", "markdown_it",
    "filelock", "pydantic", "schedule",
)  # fmt: skip


class Nursery:
    """The client's side: start it, run verbs, close it. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._address = str(folder / "nursery.sock")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.nursery", self._address], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
        )  # fmt: skip
        assert self._process.stdout
        assert self._process.stdout.readline() == b"ready\n"

    def run(self, args: list[str], cwd: Path, env: dict[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
        """Like subprocess.run with captured text. TimeoutExpired after the verb was killed."""
        with socket.socket(socket.AF_UNIX) as line, TemporaryFile("w+") as said, TemporaryFile("w+") as complained:
            line.connect(self._address)
            request = json.dumps({"args": args, "cwd": str(cwd), "env": env}).encode() + b"\n"
            socket.send_fds(line, [request], [said.fileno(), complained.fileno()])
            with line.makefile("r") as answers:
                pid = int(answers.readline())
                line.settimeout(timeout)
                try:
                    code = int(answers.readline())
                except TimeoutError:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(args, timeout) from None
            said.seek(0)
            complained.seek(0)
            return subprocess.CompletedProcess(args, code, said.read(), complained.read())

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


def serve(address: str) -> None:
    """Fork until standard input is closed."""
    for name in PRELOADED:
        importlib.import_module(name)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address)
        door.listen(16)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are nobody's to wait for
        os.write(1, b"ready\n")
        while True:
            ready, _, _ = select.select([door, 0], [], [])
            if 0 in ready:
                return
            line, _ = door.accept()
            if os.fork() == 0:
                door.close()
                _keep(line)
            line.close()


def _keep(line: socket.socket) -> None:
    """The keeper: read one request, fork the verb, tell its number and then its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, fds, _, _ = socket.recv_fds(line, 1 << 20, 2)
    while not request.endswith(b"\n"):
        request += line.recv(1 << 20)
    pid = os.fork()
    if pid == 0:
        line.close()
        _be(json.loads(request), *fds)
    for fd in fds:
        os.close(fd)
    line.sendall(b"%d\n" % pid)
    _, status = os.waitpid(pid, 0)
    with suppress(BrokenPipeError):
        line.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _be(request: dict[str, Any], out: int, err: int) -> None:
    """Become the verb."""
    from agent import crash
    from agent.cli.main import main

    null = os.open(os.devnull, os.O_RDONLY)
    for old, new in ((null, 0), (out, 1), (err, 2)):
        os.dup2(old, new)
        os.close(old)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    importlib.reload(crash)  # it reads GOFER_CRASH_AT once
    code: int | str | None = 70
    try:
        code = main(request["args"])
    except SystemExit as end:
        code = end.code
    except BaseException:
        import traceback

        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        with suppress(BrokenPipeError):
            stream.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    serve(sys.argv[1])
