"""The worker process: `python -m agent.crew.program PARENT`. It runs one task after the other and talks to its desk
through standard input and output. It has no lock, no journal, no claim and no git: it can be killed at any time.

It never outlives its desk. When its input ends it kills its own process group; when it is stuck in a way that stops
all its threads, Linux kills it with its parent; and what it started is killed by the desk's guard (`child.py`).
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import queue
import resource
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import BinaryIO, NoReturn

from agent.asking import Asking
from agent.bench import Bench
from agent.border import execute
from agent.crew.messages import Cancel, Done, Hello, Job, Ready, Settled, pack, receive
from agent.files import VaultFiles
from agent.files.overlay import OverlayFiles
from agent.gate import OutputGate
from agent.inbox import Drop
from agent.repos import ListedRepos
from agent.runner import Run
from agent.runs import RunFolder

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
MEMORY = 4 << 30  # bytes of its own that a process may have; files that are mapped into it, such as models, are beside
FILE = 1 << 30  # bytes of one file: what an output that does not end may fill

Jobs = queue.SimpleQueue[Job | Settled]
Flags = dict[int, threading.Event]  # by the number of a run: set when it is cancelled


def main() -> None:
    """Work until the desk closes the pipe."""
    _die_with(int(sys.argv[-1]))
    _bound()
    faulthandler.enable()  # a segmentation fault leaves its place in the log
    heard, told = _pipes()
    try:
        hello: Hello = receive(heard)
    except EOFError:
        return
    settings = hello.settings
    bench = Bench.of(
        hello.state, OverlayFiles(VaultFiles(hello.root)), Asking(hello.root, settings, state=hello.state),
        ListedRepos(settings.repos, hello.root, hello.common_dir), dict(os.environ),
    )  # fmt: skip
    gate = OutputGate(secrets=settings.secret_values)
    jobs, flags = Jobs(), Flags()
    threading.Thread(target=_listen, args=(heard, jobs, flags), name="gofer-ears", daemon=True).start()
    _tell(told, Ready())
    while True:
        job = jobs.get()
        if isinstance(job, Settled):
            bench.overlay.settle(job.numbers)
        else:
            _tell(told, _do(bench, job, gate, flags[job.number]))
            del flags[job.number]


def _do(bench: Bench, job: Job, gate: OutputGate, cancelled: threading.Event) -> Done:
    """One run, in a context of its own. Its clock starts now: it may have waited behind others."""
    began = time.monotonic()
    drop = Drop(job.task.path, None, (0, 0, 0, 0))  # the desk has the file; who runs the task needs only the task
    folder = RunFolder(job.folder, gate)
    run = Run(
        drop, job.task, job.decision, job.claim, job.started, job.limit, folder, job.facts, job.worker,
        number=job.number, deadline=began + job.limit, cancelled=cancelled,
    )  # fmt: skip
    end = execute(bench, run)
    folder.close()
    return Done(job.number, end, time.monotonic() - began)


def _listen(heard: BinaryIO, jobs: Jobs, flags: Flags) -> None:
    """Take what the desk says. A word about a run that is under way must not wait for its end."""
    try:
        while True:
            message = receive(heard)
            if isinstance(message, Cancel):
                if flag := flags.get(message.number):
                    flag.set()
                continue
            if isinstance(message, Job):
                flags[message.number] = flag = threading.Event()
                if message.cancelled:
                    flag.set()
            jobs.put(message)
    except EOFError:
        _end()
    except Exception:  # the process border: who cannot understand its desk is of no use
        traceback.print_exc()
        _end()


def _end() -> NoReturn:
    """The desk is gone, or wants no more: nothing that was started here lives on."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _die_with(parent: int) -> None:
    """Linux: be killed with the parent, whatever the threads here are stuck in."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        _end()  # it died before that was said


def _bound() -> None:
    """What a task that runs away may take of the machine; what it starts has the same bounds (setrlimit(2))."""
    for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, FILE), (resource.RLIMIT_DATA, MEMORY)):
        _, hard = resource.getrlimit(kind)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with suppress(OSError, ValueError):  # macOS knows no bound of memory
            resource.setrlimit(kind, (bound, bound))


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """The two pipes, out of the way: what a handler or a library prints goes to the log, and what they start inherits
    neither end."""
    heard, told = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    return open(heard, "rb"), open(told, "wb")


def _tell(told: BinaryIO, message: object) -> None:
    try:
        told.write(pack(message))
        told.flush()
    except OSError:
        _end()


if __name__ == "__main__":
    main()
