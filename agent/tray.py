"""The outbox is a tray: what leaves it, because it is old or because the person took it out."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from agent.git.command import GitError
from agent.git.repository import Repository
from agent.vault import approval
from agent.vault.layout import APPROVALS, HANDOFFS, OUTBOX


def outdated(root: Path, days: int, now: datetime) -> list[str]:
    """Reports that were written here more than `days` ago; they are in memory for good. Hand-offs stay."""
    oldest = (now - timedelta(days=days)).timestamp()
    try:
        with os.scandir(root / OUTBOX) as entries:
            return sorted(
                f"{OUTBOX}/{entry.name}"
                for entry in entries
                if entry.name.endswith(".md")
                and entry.is_file(follow_symlinks=False)
                and entry.stat(follow_symlinks=False).st_mtime < oldest
            )
    except FileNotFoundError:
        return []


def unwanted(root: Path, now: datetime, waiting: Callable[[str], bool]) -> list[str]:
    """Approvals that have expired and whose task does not wait any more: somebody took it away, or changed it."""
    found = []
    with suppress(FileNotFoundError), os.scandir(root / APPROVALS) as entries:
        for entry in entries:
            if entry.name.endswith(".md") and entry.is_file(follow_symlinks=False):
                asked = approval.parse(Path(entry.path).read_bytes())
                if asked and asked.expires <= now and not waiting(asked.id):
                    found.append(f"{APPROVALS}/{entry.name}")
    return sorted(found)


def taken_out(repository: Repository) -> list[str]:
    """Reports and hand-offs that are in the branch and no longer in the work tree: the person has read them.

    Nothing while the whole folder is away, which is more likely an accident or a checkout under way.
    """
    if not (repository.work_tree / OUTBOX).is_dir():
        return []
    try:
        listed = repository.git.run("ls-tree", "-r", "-z", "--name-only", "HEAD", "--", OUTBOX).out
    except GitError:  # no commit yet
        return []
    paths = [path for path in listed.decode("utf-8", "surrogateescape").split("\0") if path.endswith(".md")]
    return [
        path
        for path in paths
        if path.startswith((f"{OUTBOX}/", f"{HANDOFFS}/")) and not os.path.lexists(repository.work_tree / path)
    ]
