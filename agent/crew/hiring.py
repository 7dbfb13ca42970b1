"""Who works at a desk: the names of its workers, and the lanes they run tasks in."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from agent.config import Settings
from agent.crew.child import Start
from agent.crew.lane import ProcessLane
from agent.crew.messages import Hello, pack
from agent.runner import AnyLane, Lane


def names(worker: str, count: int) -> tuple[str, ...]:
    """One worker has the desk's own name; several add their number to it."""
    return (worker,) if count == 1 else tuple(f"{worker}-{number}" for number in range(1, count + 1))


def lanes(
    workers: int | None, root: Path, common_dir: Path, state: Path, settings: Settings, env: Mapping[str, str],
    ring: Callable[[], None],
) -> tuple[AnyLane, AnyLane, AnyLane]:  # fmt: skip
    """The lanes for code, for the local model's tasks, and for what waits for other machines: so many processes each,
    or a thread each when it is None, and when there is nothing to run."""
    if not workers:
        return Lane("code", 1, ring), Lane("model", 1, ring), Lane("outside", 1, ring)
    hello = pack(Hello(root, common_dir, state, settings))
    start = Start(
        ProcessLane.command,
        _environment(env),
        state,
        state / "workers.log",
        hello,
    )
    hired, idle = names(settings.worker.name, workers), settings.worker.idle_seconds
    code, local, outside = (ProcessLane(hired, start, idle, ring) for _ in range(3))
    return code, local, outside


def _environment(env: Mapping[str, str]) -> dict[str, str]:
    """The desk's own, and where this very package lies: a process may be started from anywhere."""
    paths: Sequence[str] = [str(Path(__file__).parents[2]), *filter(None, [env.get("PYTHONPATH")])]
    return {**env, "PYTHONPATH": os.pathsep.join(paths)}
