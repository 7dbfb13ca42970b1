"""What a round must find in the end. Ids are derived here anew from docs/reference.md, not by the code under test."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field

DONE = frozenset({"done"})
FINAL = frozenset({"done", "needs-review", "failed", "cancelled", "unknown"})
HANDED_OFF = frozenset({"handed-off"})
INVALID = frozenset({"invalid"})
NEVER: frozenset[str] = frozenset()  # a draft, or a task that waits for what no worker offers


@dataclass(frozen=True, slots=True)
class Expected:
    """One file that was put into the inbox.

    `ends`: the words its only outcome may have; empty: it must have none and lie where it is. `local`: it was dropped
    into the work tree of a worker, so its claim need not be on the server, nor the file if it stays. `token`, `file`:
    the line that it appends to a file, which must be there exactly once for each task with that token. `text`: the
    file. `secret`: what in it, or in what it makes, must never be written by Gofer. `kept`: the content that it gives
    to `file`, which holds the secret, so that it must stay where the task ran.
    """

    path: str
    id: str
    ends: frozenset[str] = DONE
    local: bool = False
    token: str = ""
    file: str = ""
    text: str = field(default="", repr=False)
    secret: str = ""
    kept: str = ""

    @property
    def stays(self) -> bool:
        """Whether its file must still lie in the inbox."""
        return not self.ends or self.ends == INVALID


@dataclass(frozen=True, slots=True)
class Expectations:
    """All that was asked, and what was done to the history from outside."""

    tasks: tuple[Expected, ...] = ()
    commits: frozenset[str] = frozenset()  # of the person; each must still be reachable
    rewinds: tuple[tuple[str, str], ...] = ()  # (old, new) of main, moved by force, by us
    thieves: frozenset[str] = frozenset({"thief"})  # workers that exist only in a hook
    machines: tuple[str, ...] = ()  # names of the clones; a worker's name begins with its clone's
    vanished: frozenset[str] = frozenset()  # paths that the person deleted
    redone: frozenset[str] = frozenset()  # tasks with two outcomes that nobody could prevent (rewinding.py)
    overruled: frozenset[str] = frozenset()  # tasks whose line an administrator may have taken back (rewinding.py)

    @property
    def by_id(self) -> dict[str, Expected]:
        return {task.id: task for task in self.tasks}

    def tokens(self) -> dict[tuple[str, str], range]:
        """How often each token must be in each file."""
        least, most = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for task in self.tasks:
            if task.token:
                least[task.file, task.token] += task.id not in self.overruled
                most[task.file, task.token] += 1 + (task.id in self.redone)
        return {place: range(least[place], most[place] + 1) for place in most}

    def machine(self, worker: str) -> str:
        """The clone that a worker runs in; the worker's own name when it is nobody's."""
        return next((name for name in self.machines if re.fullmatch(re.escape(name) + r"([-.]?\d+)?", worker)), worker)


@dataclass(frozen=True, slots=True)
class Mine:
    """What a person left in a clone and nobody else may touch. Paths are relative to the clone."""

    files: dict[str, bytes | None] = field(default_factory=dict)  # None: must not exist
    index: dict[str, str] = field(
        default_factory=dict
    )  # path → `mode object stage` of `git ls-files --stage`, "": none
    stash: tuple[str, ...] = ()
    config: bytes | None = None


def task_id(path: str, text: str) -> str:
    """The id of a task file without an explicit one, by docs/reference.md, "Names and identity"."""
    name = path.rpartition("/")[2].removesuffix(".md")
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:48].strip("-")
    normal = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).rstrip() + "\n"
    return f"{slug or 'task'}-{hashlib.sha256(normal.encode()).hexdigest()[:8]}"


def claim_ref(task: str, namespace: str = "refs/gofer/claims/") -> str:
    """The claim ref of a task, by docs/reference.md, "Claims and presence"."""
    return namespace + hashlib.sha256(task.encode()).hexdigest()[:40]
