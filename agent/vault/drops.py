"""Putting a task file into the inbox, whole and under a name of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from agent import frontmatter
from agent.errors import Busy, Usage
from agent.files import Beneath
from agent.text import shorten, slug
from agent.vault.layout import INBOX
from agent.vault.task import read_task


def drop(root: Path, request: str, header: Mapping[str, Any], types: Collection[str] | None = None) -> tuple[str, str]:
    """Write a task and return its id and path. A request that has a header of its own keeps it, amended.

    Usage for what would not be a task; `types` are the known ones.
    """
    text = frontmatter.amend(request if request.endswith("\n") else request + "\n", header)
    task = read_task(text.encode(), f"{INBOX}/task.md", types=types)
    if problem := task.problem:
        where = f"line {problem.line} of the task" if problem.line else "the task"
        raise Usage(problem.what, where=where, why=problem.why, fix=problem.fix)
    path = put(root, text, shorten(task.title, 48))
    return read_task(text.encode(), path).id, path


def put(root: Path, text: str, name: str) -> str:
    """Write a task file under a free name made from `name`; returns its path."""
    stem = slug(name)
    for number in count(1):
        path = f"{INBOX}/{stem if number == 1 else f'{stem}-{number}'}.md"
        try:
            Beneath(root).write(path, text.encode(), expect=None)
        except Busy:
            continue
        return path
    raise AssertionError("count() does not end")
