"""Random tasks of every kind that needs no model, with what must come of each.

One in four holds a secret in its title or its text, and one in four what an editor would run (`planted.py`).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.nemesis.expect import DONE, HANDED_OFF, INVALID, NEVER, Expected, task_id
from tests.nemesis.planted import ACTIVE, ACTIVE_LINES, ACTIVE_NOTE, KEYS_NOTE, Secret, secret

OFFERED, NOT_OFFERED = "lan", "gpu"  # what one machine offers, and what none does
SHARED = ("notes/shared-a.md", "notes/shared-b.md")


@dataclass(frozen=True, slots=True)
class Drop:
    """A file for the inbox and what must come of it."""

    text: str
    expected: Expected


@dataclass(frozen=True, slots=True)
class _Spice:
    """What makes a task dangerous to write about."""

    head: tuple[str, ...] = ()
    body: str = ""
    secret: str = ""


class Writer:
    """An endless supply. Every name and token is used once, but for twins: tasks with the same text in two files."""

    def __init__(self, rng: random.Random, *, shared: bool = True) -> None:
        self._rng, self._number, self._shared = rng, 0, shared
        self._kinds = {
            "own": 6, "shared": 5 if shared else 0, "twins": 2, "write": 4, "status": 3, "lead": 2, "invalid": 1,
            "draft": 1, "offered": 1, "not offered": 2, "read": 2, "keep": 2,
        }  # fmt: skip

    def drops(self, *, local: bool = False) -> Iterator[Drop]:
        """One task, or two twins. `local`: they will be dropped into a worker's tree."""
        kind = self._rng.choices(list(self._kinds), weights=list(self._kinds.values()))[0]
        token = self._next("token")
        # What nobody committed is published only if it holds no secret: so it would wait for ever where it lies.
        spice = self._spice(secrets=not (local and kind == "offered"))
        if kind == "twins":
            file = self._rng.choice(SHARED) if self._shared else f"notes/{token}.md"
            text = self._file("append", file, token)
            yield from (self._drop("twin", text, local, token=token, file=file) for _ in range(2))
        elif kind in ("own", "shared", "write"):
            token += self._rng.choice(("", f" {self._rng.choice(ACTIVE_LINES)}"))  # it is written as it was asked for
            file = self._rng.choice(SHARED) if kind == "shared" else f"notes/{token[:10]}.md"
            text = self._file("write" if kind == "write" else "append", file, token, spice)
            yield self._drop(kind, text, local, token=token, file=file, secret=spice.secret)
        elif kind == "keep":
            file, hidden = f"notes/{token}.md", self._secret()
            text, kept = self._file("write", file, hidden.text), f"{hidden.text}\n"
            yield self._drop(kind, text, local, file=file, secret=hidden.core, kept=kept)
        else:
            yield self._without_effect(kind, token, local, spice)

    def _without_effect(self, kind: str, token: str, local: bool, spice: _Spice) -> Drop:
        ends = {"lead": HANDED_OFF, "draft": NEVER, "not offered": NEVER, "invalid": INVALID}.get(kind, DONE)
        more = {
            "status": ["type: status"], "lead": ["model: lead"], "draft": ["type: status", "status: draft"],
            "offered": ["type: status", f"needs: [{OFFERED}]"], "not offered": [f"needs: [{NOT_OFFERED}]"],
            "invalid": ["type: file", "op: nonsense"],
            "read": ["type: file", "op: read", f"path: {self._rng.choice((KEYS_NOTE, ACTIVE_NOTE))[0]}"],
        }[kind]  # fmt: skip
        text = self._head(*more, *spice.head) + f"Think about {token}.\n{spice.body}"
        return self._drop(kind.replace(" ", "-"), text, local, ends, secret=spice.secret)

    def _drop(
        self, name: str, text: str, local: bool, ends: frozenset[str] = DONE, *, token: str = "", file: str = "",
        secret: str = "", kept: str = "",
    ) -> Drop:  # fmt: skip
        folder = self._rng.choice(("", "", "sub/"))
        path = f"inbox/{folder}{self._next(name)}.md"
        return Drop(text, Expected(path, task_id(path, text), ends, local, token, file, text, secret, kept))

    def _file(self, op: str, path: str, line: str, spice: _Spice = _Spice()) -> str:
        text = f"text: {json.dumps(line + chr(10))}"
        return self._head("type: file", f"op: {op}", f"path: {path}", text, *spice.head) + f"Do it.\n{spice.body}"

    def _spice(self, *, secrets: bool) -> _Spice:
        what, in_title = self._rng.choice(("secret", "active", "", "")), self._rng.random() < 0.5
        if what == "secret" and secrets:
            hidden = self._secret(one_line=in_title)
            if in_title:
                return _Spice((f"title: {json.dumps(f'Use {hidden.text} now')}",), "", hidden.core)
            return _Spice((), f"\nUse {hidden.text}\n", hidden.core)
        if what == "active":
            title = f"title: {json.dumps(self._rng.choice(ACTIVE_LINES))}"
            return _Spice((title,) if in_title else (), f"\n{ACTIVE}\n")
        return _Spice()

    def _secret(self, *, one_line: bool = False) -> Secret:
        self._number += 1
        return secret(self._rng, self._number, one_line=one_line)

    def _head(self, *lines: str) -> str:
        priority = [f"priority: {self._rng.choice(('low', 'high', 'critical'))}"] if self._rng.random() < 0.2 else []
        return "\n".join(("---", *lines, *priority, "---", ""))

    def _next(self, name: str) -> str:
        self._number += 1
        return f"{name}-{self._number:04d}"
