"""Which run a file stands for: a new task, a new instance of a finished one, or a left-over of a finished one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from agent.vault.finished import Archive, Finished
from agent.vault.values import Problem, Task


@dataclass(frozen=True, slots=True)
class Identity:
    """The task under its own id; `left_over` when the file merely lingers after its outcome and is to be removed."""

    task: Task
    left_over: bool = False


def identify(
    task: Task, root: Path, archive: Archive, taken: Mapping[str, str], is_another: Callable[[], bool] = lambda: False
) -> Identity:
    """Settle the id. `taken` maps the ids that wait or run now to the paths they came from; `is_another()` says what
    git knows of a file that seems to linger: that it was dropped by itself.

    The same text dropped again after it was finished is a new run (`-2`, `-3` …): it is a new drop when the file
    changed after the finished one was written here, or after it ended (times in whole seconds). A file that only
    lingers, with an id and a revision that are finished, is none.
    """
    if task.problem is not None:
        return Identity(task)
    last, name = archive.latest(task.id)
    lingers = last is not None and last.revision == task.revision and not _is_newer(root / task.path, last)
    if lingers and not is_another():
        return Identity(task, left_over=True)
    number = 2
    while taken.get(name, task.path) != task.path:
        if task.explicit_id:
            problem = Problem(
                f"the id '{task.id}' is in use by {taken[name]}",
                why="two tasks with one id cannot be told apart",
                fix="give this one another id, or remove `id`",
            )
            return Identity(replace(task, problem=problem))
        name = f"{task.id}-{number}"
        number += 1
    return Identity(replace(task, id=name))


def _is_newer(path: Path, last: Finished) -> bool:
    """Whether the file changed after the outcome: after it came here, or after it ended, perhaps on another machine."""
    ended = last.written_ns
    if last.finished:
        ended = min(ended, int(last.finished.timestamp() + 1) * 1_000_000_000)
    try:
        return os.stat(path, follow_symlinks=False).st_ctime_ns > ended
    except OSError:
        return False
