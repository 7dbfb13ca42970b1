"""`gofer` with a stopwatch around each commit: blobs, trees, commit, the person's index and the branch.

    GOFER_BENCH_TIMES=FILE python -m tests.bench.stopwatch run --vault VAULT

One line of seconds per commit is appended to FILE. Nothing else of the worker is changed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from agent.cli.main import main
from agent.publish import Publisher

P = ParamSpec("P")
R = TypeVar("R")


def timed(work: Callable[P, R], log: Path) -> Callable[P, R]:
    """The same, and the seconds it took on a line of `log`."""

    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        began = time.perf_counter()
        result = work(*args, **kwargs)
        with log.open("a", encoding="ascii") as times:
            times.write(f"{time.perf_counter() - began:.6f}\n")
        return result

    return run


if __name__ == "__main__":
    Publisher._commit = timed(Publisher._commit, Path(os.environ["GOFER_BENCH_TIMES"]))  # type: ignore[method-assign]
    sys.exit(main(sys.argv[1:]))
