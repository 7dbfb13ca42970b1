"""A vault in a folder in which the organizer runs, and its proposals take effect as the road lets them."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent.files import Beneath, VaultFiles
from agent.files.group import change_all
from agent.handlers.base import Context
from agent.handlers.organize import HANDLER, OrganizeParams, understand
from agent.models.base import Answer
from agent.vault.values import Result, Task, Usage

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
HEAD = "| When | Move to | Why |\n|---|---|---|\n"


class Place:
    """The vault, the clock, and what the worker knows."""

    def __init__(self, folder: Path) -> None:
        self.root, self.memory = folder / "vault", folder / "memory"
        self.root.mkdir(parents=True, exist_ok=True)
        self.now, self.number = NOW, 0
        self.facts: dict[str, Any] = {"recent": []}
        self.says: dict[str, Any] | None = None  # what a model answers; None: none stands ready
        self.leaves = False
        self.prompts: list[str] = []

    def put(self, path: str, text: str | bytes = "text\n", days: float = 1) -> Path:
        """A file that was saved so many days ago."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text if isinstance(text, bytes) else text.encode())
        when = (self.now - timedelta(days=days)).timestamp()
        os.utime(place, (when, when))
        return place

    def rules(self, *rows: str) -> None:
        """The page with these rows: `when | move to`."""
        self.put("prompts/organize.md", HEAD + "".join(f"| {row} | why |\n" for row in rows), days=400)

    def ask(self, text: str = "", *, scheduled: bool = False, again: bool = False, **params: Any) -> Result:
        """Run a task, and apply nothing. `again`: the last one once more, as after a crash."""
        self.number += not again
        name = f"organize-{self.number}"
        task = Task(
            name, f"inbox/{name}.md", name, text, text, "0" * 12, type="organize", params=params, scheduled=scheduled
        )
        context = Context(
            task=task,
            now=self.now,
            files=VaultFiles(self.root),
            ask=self._answer,
            model=self.says is not None,
            leaves=self.leaves,
            facts=lambda: self.facts,
            note=lambda line: None,
            check=lambda: None,
            memory=self.memory,
            run_dir=self.memory,
        )
        asked: OrganizeParams = understand(task)
        before = self.files()
        result = HANDLER.run(context, asked)
        assert self.files() == before, "a handler never writes"
        return result

    def _answer(self, prompt: str, **_: Any) -> Answer:
        self.prompts.append(prompt)
        return Answer(json.dumps(self.says), Usage("tiny", "fake"), self.says)

    def do(self, text: str = "", *, scheduled: bool = False, **params: Any) -> Result:
        """Run a task and deliver it."""
        result = self.ask(text, scheduled=scheduled, **params)
        assert change_all(Beneath(self.root), [result.changes]) == set()
        if not result.quiet:
            self.facts["recent"] = [{"task": f"organize-{self.number}"}, *self.facts["recent"]]
        return result

    def files(self) -> dict[str, bytes]:
        """Every regular file with its bytes."""
        found = (path for path in self.root.rglob("*") if path.is_file() and not path.is_symlink())
        return dict(sorted((path.relative_to(self.root).as_posix(), path.read_bytes()) for path in found))

    def paths(self, folder: str = "memory") -> list[str]:
        return [path for path in self.files() if path.startswith(f"{folder}/")]

    def text(self, path: str) -> str:
        return (self.root / path).read_bytes().decode()
