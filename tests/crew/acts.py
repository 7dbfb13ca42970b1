"""Task types for tests of the crew, registered in the desk's process and in its workers' alike.

    ---
    type: test          the same for the local model's lane: type: logs
    act: spin
    place: …            a folder of the test's own, for what it wants to see
    ---

Each act leaves a file `<task>.<pid>` in its place when it begins, with the processes of its group.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from agent import handlers
from agent.handlers.base import Context, Handler, Params
from agent.vault.values import Result, Role, Tier


class Act(Params):
    act: str
    place: str
    wanted: int = 0


def note(context: Context, act: Act, child: int = 0) -> None:
    name = context.task.path.rpartition("/")[2].removesuffix(".md")
    part = Path(act.place, f".{name}")
    part.write_text(f"{os.getpid()} {child}")
    part.rename(Path(act.place, f"{name}.{os.getpid()}"))


def spin(context: Context, act: Act) -> None:
    """Hang in Python, deaf to `check`, with a grandchild in the same group."""
    note(context, act, subprocess.Popen(["sleep", "1000"]).pid)
    while True:
        pass


def stick(context: Context, act: Act) -> None:
    """Hang in C, in a call that never lets another thread run."""
    note(context, act)
    re.match(r"(a+)+$", "a" * 60 + "b")


def sleep(context: Context, act: Act) -> None:
    """Run until a file `go` appears, or the time is up."""
    note(context, act)
    pause = threading.Event()
    while not Path(act.place, "go").exists():
        context.check()
        pause.wait(0.01)


def meet(context: Context, act: Act) -> None:
    """Wait until so many tasks have begun: they must run side by side."""
    note(context, act)
    pause = threading.Event()
    while len({path.suffix for path in Path(act.place).glob("meet*")}) < act.wanted:
        context.check()
        pause.wait(0.01)


def shot(context: Context, act: Act) -> None:
    note(context, act)
    os.kill(os.getpid(), signal.SIGKILL)


def segfault(context: Context, act: Act) -> None:
    note(context, act)
    ctypes.string_at(0)


def leave(context: Context, act: Act) -> None:
    note(context, act)
    os._exit(3)


def hoard(context: Context, act: Act) -> None:
    """Take memory without end."""
    note(context, act)
    kept = []
    for _ in range(64):
        kept.append(mmap.mmap(-1, 1 << 28, flags=mmap.MAP_PRIVATE))  # address space alone: nothing is filled
    raise AssertionError("16 GiB were given")


def flood(context: Context, act: Act) -> None:
    """Write a file without end."""
    note(context, act)
    with Path(act.place, "flood").open("wb") as file:
        file.seek(4 << 30)
        file.write(b"x")


def shout(context: Context, act: Act) -> None:
    """Print to the stream that carries the messages."""
    note(context, act)
    print("not a message", flush=True)
    os.write(1, b"not a message either\n")
    sys.stdout.flush()


def tell(context: Context, act: Act) -> None:
    note(context, act)


ACTS: dict[str, Callable[[Context, Act], None]] = {
    act.__name__: act for act in (spin, stick, sleep, meet, shot, segfault, leave, hoard, flood, shout, tell)
}


def run(context: Context, act: Act) -> Result:
    ACTS[act.act](context, act)
    return Result(findings=(f"process {os.getpid()}",))


TYPES = {
    name: Handler(name, tier, Role.TASK, Act, run) for name, tier in (("test", Tier.TRIVIAL), ("logs", Tier.STANDARD))
}


def register() -> None:
    handlers.HANDLERS.update(TYPES)  # type: ignore[attr-defined]
