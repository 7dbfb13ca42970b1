"""Which file names may be tasks at all, decided without opening anything."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import PurePosixPath

_TEMPORARY = re.compile(
    r".*~|#.*#|~\$.*|.*\.(?:tmp|temp|part|partial|crdownload|download|swp|swo|swx|bak|orig|rej|lock)|4913", re.I
)
# How sync tools name the loser of a conflict: Syncthing, Dropbox, Nextcloud, OneDrive, git mergetool.
_CONFLICT_COPY = re.compile(
    r"\.sync-conflict-|\(conflicted copy\b|'s conflicted copy\b|\(case conflict\b|\(conflict(?:ed)?[ )]"
    r"|_conflict-\d{8}-|\.(?:base|local|remote|backup)[._]\d+\.md$",
    re.I,
)
_NUMBERED_COPY = re.compile(r"(.+?)(?: (?:[2-9]|[1-9]\d)| ?\([1-9]\d?\)| copy(?: [2-9])?)\.md", re.I)


def looks_like_task_name(path: str, *, siblings: Container[str] = frozenset(), empty: bool = False) -> str | None:
    """None when the file at `path` (vault-relative, POSIX) may be a task; else the reason why it is none.

    `siblings` are the base names in the same folder: "Notes 2.md" is a copy only when "Notes.md" is there too.
    `empty` says that the file holds nothing. Schedules are a question of their own: `is_schedule`.
    """
    *folders, name = PurePosixPath(path).parts
    if any(folder.lower() == "templates" for folder in folders):
        return "it is a template"
    if name.startswith(".syncthing.") or _TEMPORARY.fullmatch(name):
        return "it is a temporary file"
    if name.startswith(".") and name.lower().endswith(".icloud"):
        return "it is a placeholder of iCloud; the file itself is not on this machine yet"
    if any(part.startswith(".") for part in (*folders, name)):
        return "it is hidden"
    if not name.lower().endswith(".md"):
        return "it is not a .md file"
    if _CONFLICT_COPY.search(name):
        return "it is a conflict copy made by a sync tool"
    copy = _NUMBERED_COPY.fullmatch(name)
    if copy and f"{copy[1]}.md" in siblings:
        return f"it is a copy of {copy[1]}.md"
    if empty:
        return "it is empty"
    return None


def is_schedule(path: str) -> bool:
    """Whether the file is a recurring task: it stays, and each due run is an instance of it."""
    return [part.lower() for part in PurePosixPath(path).parts[:2]] == ["inbox", "schedules"]
