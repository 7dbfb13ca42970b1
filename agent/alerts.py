"""The alert hook: a command of this machine that critical alarms are given to. It is named in the machine's own
settings, pinned by its sha256 like every registered command, and gets the text on its standard input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from agent import process
from agent.config.tables import Alerts, Executor
from agent.errors import GoferError
from agent.executors import Executors, pinned, surroundings
from agent.runner import Run
from agent.text import shorten

SECONDS = 10.0  # that a beat waits for the hook at most
TAIL = 200  # characters of what a hook says that failed
SENT = "alert.txt"  # in the run's folder: what was given to it


@dataclass(frozen=True, slots=True)
class AlertHook:
    """This machine's hook. `env` is the worker's own environment."""

    settings: Alerts
    executors: Mapping[str, Executor]
    env: Mapping[str, str]

    def of(self, run: Run) -> Callable[[str], str] | None:
        """What a handler calls with a text: it says why the hook failed, "" when it did not. None without a hook."""
        return partial(self._command, run) if self.settings.command else None

    def _command(self, run: Run, text: str) -> str:
        name = self.settings.command
        try:
            executor = Executors(self.executors, self.env).of(name)
            folder = run.folder.path / "alert"
            folder.mkdir(mode=0o700, exist_ok=True)
            text = run.folder.redact(text)
            run.folder.keep(SENT, text)
            done = process.run(
                pinned(executor, self.env, f"[executors.{name}]"), cwd=folder, stdin=text.encode("utf-8", "replace"),
                env=surroundings(self.env, executor.env, folder),
                timeout=min(SECONDS, executor.timeout_seconds), stop=run.cancelled.is_set,
            )  # fmt: skip
        except (GoferError, OSError) as error:
            return f"{name}: {error}"
        if not done.code and not done.cut:
            return ""
        said = (done.stderr or done.stdout)[-4096:].decode("utf-8", "replace")
        how = "it printed too much" if done.cut else f"exit code {done.code}"
        return shorten(f"{name}: {how}: {' '.join(said.split())[-TAIL:]}", 2 * TAIL).rstrip(": ")
