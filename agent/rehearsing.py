"""What code would do to files, found out by letting it propose: nothing is written, sent or remembered."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from agent.errors import Doubt, GoferError, TimeUp
from agent.files import VaultFiles
from agent.files.overlay import OverlayFiles
from agent.handlers import HANDLERS
from agent.handlers.base import Context
from agent.past import Past
from agent.vault import plan
from agent.vault.params import read_params
from agent.vault.values import Decision, Task, Who

SECONDS = 30.0  # for the whole of it: what is not planned by then is not told


@dataclass(slots=True)
class Rehearsal:
    """Plans tasks one after the other, each on the files as the ones before it would leave them."""

    root: Path
    past: Past
    now: datetime
    _files: OverlayFiles = field(init=False)
    _deadline: float = field(default_factory=lambda: time.monotonic() + SECONDS)
    _count: int = 0

    def __post_init__(self) -> None:
        self._files = OverlayFiles(VaultFiles(self.root))

    def plan(self, task: Task, decision: Decision) -> list[str] | None:
        """A sentence for each change of a file, or why there would be none; None where only the run can tell."""
        handler = HANDLERS.get(decision.type)
        if decision.who is not Who.CODE or handler is None or handler.outside or handler.acts:
            return None
        if handler.uses_facts and not handler.unmarked_waits:
            return None  # it looks after the worker itself, and changes no file
        if time.monotonic() > self._deadline:
            return None
        with TemporaryDirectory(prefix="gofer-rehearsal-") as folder:
            context = self._context(task, Path(folder))
            try:
                params = handler.understand(task) if handler.understand else read_params(task, handler.params)
                changes = handler.run(context, params).changes
            except Doubt as doubt:
                return [f"goes to the lead: {doubt.what}"]
            except GoferError as error:
                return [f"ends without a change: {error}"]
        said = plan.sentences(changes, self._read)
        self._count += 1
        self._files.propose(changes, self._count)
        return said

    def _context(self, task: Task, folder: Path) -> Context:
        return Context(
            task=task, now=self.now, files=self._files, ask=_no_model, facts=_no_facts, note=lambda line: None,
            check=self._check, memory=folder, run_dir=folder, past=self.past,
        )  # fmt: skip

    def _check(self) -> None:
        if time.monotonic() > self._deadline:
            raise TimeUp("it takes too long to be planned here")

    def _read(self, path: str) -> bytes | None:
        try:
            return self._files.read(path, 64 << 20)
        except (FileNotFoundError, GoferError):
            return None


def _no_model(*_: object, **__: object) -> NoReturn:
    raise Doubt("a model would be asked", why="this only says what code would do")


def _no_facts() -> Mapping[str, Any]:
    return {}
