"""A vault in which things are fetched from servers on loopback, through the real door, run by run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.config.tables import Network
from agent.files import Beneath, VaultFiles
from agent.files.group import change_all
from agent.handlers.base import Context
from agent.handlers.fetch import HANDLER
from agent.vault.task import read_task
from agent.vault.values import Result, Task
from agent.web import Door

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


@dataclass
class Place:
    """`fetch` runs a task and puts its changes into the vault, as the road does."""

    folder: Path
    hosts: tuple[str, ...]
    now: datetime = NOW
    worker: str = "w1"
    network: dict[str, Any] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    check: Callable[[], None] = lambda: None
    number: int = 0
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "vault").mkdir(exist_ok=True)
        (self.folder / f"memory-{self.worker}").mkdir(exist_ok=True)

    @property
    def root(self) -> Path:
        return self.folder / "vault"

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)

    def source(self, name: str, text: str) -> None:
        place = self.root / "prompts/sources" / f"{name}.md"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"---\n{text.strip()}\n---\nA source.\n", "utf-8")

    def task(self, text: str, *, scheduled: bool = False) -> Task:
        """`text` is a whole file, or only its header lines."""
        whole = text if text.startswith("---") else f"---\n{text.strip()}\n---\nFetch it.\n"
        read = replace(read_task(whole.encode(), "inbox/x.md"), scheduled=scheduled)
        assert read.problem is None, read.problem
        self.number += 1
        return replace(read, type="fetch", id=f"run-{self.number}")

    def fetch(self, text: str, *, scheduled: bool = False, kept: bool = True) -> Result:
        task = self.task(text, scheduled=scheduled)
        return self.run(task, kept=kept)

    def run(self, task: Task, *, kept: bool = True) -> Result:
        context = self.context(task)
        assert HANDLER.understand
        result = HANDLER.run(context, HANDLER.understand(task))
        if kept and not result.quiet:
            (self.root / "outbox").mkdir(exist_ok=True)
            (self.root / f"outbox/{task.id}.md").write_text("report\n")
        if kept:
            assert change_all(Beneath(self.root), [result.changes]) == set()
        return result

    def context(self, task: Task) -> Context:
        door = Door(
            Network.model_validate({"allowed_hosts": self.hosts, **self.network}), self.env, self.folder / "rates"
        )
        return Context(
            task=task,
            now=self.now,
            files=VaultFiles(self.root),
            ask=lambda *args, **kwargs: pytest.fail("no model is asked"),
            facts=dict,
            note=self.notes.append,
            check=self.check,
            memory=self.folder / f"memory-{self.worker}",
            run_dir=self.folder,
            web=door.opened(self.check),
            worker=self.worker,
        )

    def history(self, source: str) -> str:
        files = sorted((self.root / "memory/qwen-worker/data-reports" / source).glob("*.csv"))
        return "".join(path.read_text("utf-8") for path in files)


def said(result: Result) -> str:
    return "\n".join(result.findings)
