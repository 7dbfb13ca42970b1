"""Putting a task file into the inbox, whole and under a name of its own."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from agent import frontmatter
from agent.errors import Busy
from agent.files import Beneath
from agent.text import shorten, slug
from agent.vault.layout import INBOX
from agent.vault.task import read_task


def drop(root: Path, request: str, header: Mapping[str, Any]) -> tuple[str, str]:
    """Write a task and return its id and path. A request that has a header of its own keeps it, amended."""
    text = frontmatter.amend(request if request.endswith("\n") else request + "\n", header)
    path = put(root, text, shorten(read_task(text.encode(), f"{INBOX}/task.md").title, 48))
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
