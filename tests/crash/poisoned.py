"""Gofer with one weak spot: a task that says POISON kills its worker, while it is parsed or while it runs.

    python poisoned.py parse|run VERB…      the one process that does all
    python poisoned.py child VERB…          the worker process of a desk that is sound

Nothing else is changed: the death is a real one (SIGKILL), such as an overrun stack or the kernel short of memory
brings.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from typing import Any, NoReturn

from agent import handlers
from agent.cli.main import main
from agent.crew import program
from agent.crew.lane import ProcessLane
from agent.vault import task


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL was survived")


def weak_reader(raw: bytes, *args: Any, **keywords: Any) -> Any:
    if b"POISON" in raw:
        die()
    return read(raw, *args, **keywords)


def weak_handler(context: Any, params: Any) -> Any:
    if "POISON" in context.task.text:
        die()
    return handler.run(context, params)


read, handler = task.read_task, handlers.HANDLERS["status"]
if sys.argv[1] == "parse":
    task.read_task = weak_reader
elif sys.argv[1] == "child":
    ProcessLane.command = (sys.executable, __file__, "be-the-child")
else:
    handlers.HANDLERS["status"] = replace(handler, run=weak_handler)  # type: ignore[index]
if sys.argv[1] == "be-the-child":
    program.main()
sys.exit(main(sys.argv[2:]))
