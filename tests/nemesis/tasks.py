"""Random tasks of every kind that needs no model, with what must come of each."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.nemesis.expect import DONE, HANDED_OFF, INVALID, NEVER, Expected, task_id

OFFERED, NOT_OFFERED = "lan", "gpu"  # what one machine offers, and what none does
SHARED = ("notes/shared-a.md", "notes/shared-b.md")


@dataclass(frozen=True, slots=True)
class Drop:
    """A file for the inbox and what must come of it."""

    text: str
    expected: Expected


class Writer:
    """An endless supply. Every name and token is used once, but for twins: tasks with the same text in two files."""

    def __init__(self, rng: random.Random, *, shared: bool = True) -> None:
        self._rng, self._number, self._shared = rng, 0, shared
        self._kinds = {
            "own": 6, "shared": 5 if shared else 0, "twins": 2, "write": 4, "status": 3, "lead": 2, "invalid": 1,
            "draft": 1, "offered": 1, "not offered": 1,
        }  # fmt: skip

    def drops(self, *, local: bool = False) -> Iterator[Drop]:
        """One task, or two twins. `local`: they will be dropped into a worker's tree."""
        kind = self._rng.choices(list(self._kinds), weights=list(self._kinds.values()))[0]
        token = self._next("token")
        if kind == "twins":
            file = self._rng.choice(SHARED) if self._shared else f"notes/{token}.md"
            text = self._file("append", file, token)
            yield from (self._drop("twin", text, local, token=token, file=file) for _ in range(2))
        elif kind in ("own", "shared"):
            file = f"notes/{token}.md" if kind == "own" else self._rng.choice(SHARED)
            yield self._drop(kind, self._file("append", file, token), local, token=token, file=file)
        elif kind == "write":
            file = f"notes/{token}.md"
            yield self._drop(kind, self._file("write", file, token), local, token=token, file=file)
        elif kind == "invalid":
            yield self._drop(kind, self._head("type: file", "op: nonsense") + f"{token}\n", local, INVALID)
        else:
            ends = {"lead": HANDED_OFF, "draft": NEVER, "not offered": NEVER}.get(kind, DONE)
            more = {
                "status": [], "lead": ["model: lead"], "draft": ["status: draft"], "offered": [f"needs: [{OFFERED}]"],
                "not offered": [f"needs: [{NOT_OFFERED}]"],
            }[kind]  # fmt: skip
            head = self._head(*([] if kind == "lead" else ["type: status"]), *more)
            yield self._drop(kind.replace(" ", "-"), head + f"Think about {token}.\n", local, ends)

    def _drop(
        self, name: str, text: str, local: bool, ends: frozenset[str] = DONE, *, token: str = "", file: str = ""
    ) -> Drop:
        folder = self._rng.choice(("", "", "sub/"))
        path = f"inbox/{folder}{self._next(name)}.md"
        return Drop(text, Expected(path, task_id(path, text), ends, local, token, file))

    def _file(self, op: str, path: str, token: str) -> str:
        return self._head("type: file", f"op: {op}", f"path: {path}", f'text: "{token}\\n"') + "By the nemesis.\n"

    def _head(self, *lines: str) -> str:
        priority = [f"priority: {self._rng.choice(('low', 'high', 'critical'))}"] if self._rng.random() < 0.2 else []
        return "\n".join(("---", *lines, *priority, "---", ""))

    def _next(self, name: str) -> str:
        self._number += 1
        return f"{name}-{self._number:04d}"
