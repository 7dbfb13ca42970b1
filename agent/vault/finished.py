"""What has ended: looked up in `memory/tasks/`, where every finished task file lies under its id."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agent import frontmatter
from agent.errors import GoferError
from agent.text import parse_utc, revision, slug
from agent.vault.values import Status

FOLDER = "memory/tasks"
ADDED = ("status", "report", "finished", "worker", "revision")  # keys that an outcome adds to a task's front matter
_DERIVED_TAIL = 9  # "-" and eight hex digits
_HEAD = 16_384  # bytes read for a header


@dataclass(frozen=True, slots=True)
class Finished:
    """One finished task: where its file lies, how it ended and when (None: the header does not say)."""

    id: str
    path: str
    status: Status | None
    revision: str
    finished: datetime | None
    written_ns: int  # when the file here was written


class Archive:
    """`memory/tasks/` of one vault. Months are few, so a lookup is a handful of stats."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._months: list[str] = []
        self._seen = -1

    def find(self, task: str) -> Finished | None:
        """The finished task of this id, None when there is none."""
        for month in self._folders():
            path = f"{FOLDER}/{month}/{task}.md"
            try:
                info = os.stat(self.root / path, follow_symlinks=False)
            except (FileNotFoundError, NotADirectoryError):
                continue
            return self._read(task, path, info.st_mtime_ns)
        return None

    def latest(self, task: str) -> tuple[Finished | None, str]:
        """The last finished instance of an id (`id`, `id-2`, `id-3` …) and the name of the next one."""
        last, name, number = None, task, 1
        while found := self.find(name):
            last, number = found, number + 1
            name = f"{task}-{number}"
        return last, name

    def resolve(self, name: str) -> Finished | None:
        """What a person calls a task: its id, its file name, or a title that makes the same slug."""
        if found := self.find(name):
            return self.latest(name)[0] or found
        wanted = slug(name.removesuffix(".md").rsplit("/", 1)[-1])
        newest: Finished | None = None
        for month in self._folders():
            for entry in os.scandir(self.root / FOLDER / month):
                stem = entry.name.removesuffix(".md")
                if stem == wanted or (stem.startswith(wanted) and len(stem) == len(wanted) + _DERIVED_TAIL):
                    found = self._read(stem, f"{FOLDER}/{month}/{entry.name}", entry.stat().st_mtime_ns)
                    if newest is None or found.written_ns > newest.written_ns:
                        newest = found
        return newest

    def text(self, finished: Finished) -> str:
        return (self.root / finished.path).read_text("utf-8", "replace")

    def _folders(self) -> list[str]:
        try:
            changed = os.stat(self.root / FOLDER).st_mtime_ns
        except FileNotFoundError:
            return []
        if changed != self._seen:
            self._months = sorted((e.name for e in os.scandir(self.root / FOLDER) if e.is_dir()), reverse=True)
            self._seen = changed
        return self._months

    def _read(self, task: str, path: str, written_ns: int) -> Finished:
        with (self.root / path).open("rb") as file:
            head = file.read(_HEAD).decode("utf-8", "replace")
        status, finished, revision = None, None, ""
        try:
            header = frontmatter.split(head).header
            said = frontmatter.load(header) if header else {}
            status = Status(str(said.get("status")))
            finished = parse_utc(str(said.get("finished")))
            revision = str(said.get("revision", ""))
        except (GoferError, ValueError):
            pass  # a person's edit of an old file: it still counts as finished
        return Finished(task, path, status, revision, finished, written_ns)


def as_dropped(text: str, run: str = "") -> str:
    """The task file as the person dropped it: without what its outcome added, and open again.

    `run` is the revision that was run: where one of the likely originals has it, that one is given back letter by
    letter, and so runs as the next instance of the same task.
    """
    header = frontmatter.split(text).header
    if header is None:
        return text
    said = [line for line in header.splitlines() if line.partition(":")[0] not in ADDED or _is_status(line)]
    kept = [line for line in said if not _is_status(line)]
    body = text[text.index(header) + len(header) :].partition("---\n")[2]
    marked = ["status: open" if _is_status(line) else line for line in said]
    likely = [body, *("\n".join(("---", *lines, "---", body)) for lines in (kept, marked))]
    opened = likely[2] if kept else body
    return next((guess for guess in likely if revision(guess) == run), opened)


def _is_status(line: str) -> bool:
    return line.partition(":")[0] == "status"
