"""Asking the local model on behalf of one run: its system prompt, its model, its limits, its stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from agent.config import Settings
from agent.errors import Doubt
from agent.models.base import Answer, Health, Model, Request
from agent.runner import Run
from agent.vault.prompts import system_prompt

FRESH = 10.0  # seconds for which an answer about a model's health is believed
UNASKED = Health(True, "ollama", "not asked yet")


@dataclass(frozen=True, slots=True)
class Target:
    """A model as it is wanted: who provides it, and its exact name there."""

    provider: str
    model: str


class Asking:
    """The one place where runs meet models. Health is looked up at most every ten seconds, from one thread."""

    def __init__(self, root: Path, settings: Settings, backend: Model | None = None) -> None:
        self.root, self.settings = root, settings
        self._backend = backend
        self._health: dict[str, tuple[float, Health]] = {}
        self._lock = threading.Lock()

    @property
    def backend(self) -> Model:
        """The model server of this machine's settings. Built late: its package takes 0.3 s to import."""
        with self._lock:
            if self._backend is None:
                from agent.models.ollama import Ollama  # noqa: PLC0415

                server = self.settings.ollama
                self._backend = Ollama(
                    server.host,
                    connect_timeout=server.connect_seconds,
                    load_timeout=server.load_seconds,
                    keep_alive=server.keep_alive,
                    allow_cloud=server.allow_cloud,
                    allow_remote=True,  # the settings have judged the address already
                )
            return self._backend

    def target(self, wanted: str) -> Target:
        """What a task's `model` means: `local` is the configured one, an alias is looked up, else `provider/name`."""
        name = self.settings.names.get(wanted, wanted)
        if name in ("local", "auto", "none", ""):
            return Target("ollama", self.settings.model.name)
        provider, slash, model = name.partition("/")
        if slash and provider in ("ollama", *self.settings.providers):
            return Target(provider, model)
        return Target("ollama", name)

    def away(self, wanted: str) -> str:
        """Why this model cannot answer now, with the remedy; "" when it can."""
        target = self.target(wanted)
        if target.provider != "ollama":
            return f"the provider '{target.provider}' is not built yet: use a model of Ollama's"
        health = self.health(target.model)
        if health.ok:
            return ""
        return f"{health.detail}. To fix it: {health.fix}" if health.fix else health.detail

    def health(self, model: str = "") -> Health:
        """Whether the model can answer, at most ten seconds old."""
        name = model or self.settings.model.name
        at, health = self._health.get(name, (-FRESH, UNASKED))
        if time.monotonic() - at > FRESH:
            health = self.backend.health(name)
            self._health[name] = (time.monotonic(), health)
        return health

    def known(self) -> Mapping[str, Health]:
        """What was found out about models lately, without asking again."""
        return {name: health for name, (_, health) in self._health.items()}

    def of(self, run: Run) -> Callable[..., Answer]:
        """The `ask` of a run's context: bound to its type's prompt, its model and thinking, its deadline."""
        return partial(self._ask, run)

    def _ask(
        self, run: Run, prompt: str, *, schema: Mapping[str, Any] | None = None, max_tokens: int = 1024, seed: int = 0
    ) -> Answer:
        run.check()
        target = self.target(run.decision.model)
        left = max(1.0, run.deadline - time.monotonic())
        request = Request(
            system=system_prompt(self._prompt_file, run.decision.type),
            prompt=prompt,
            model=target.model,
            thinking=run.task.thinking,
            schema=schema,
            max_tokens=max_tokens,
            context=self.settings.model.context,
            timeout=min(left, self.settings.ollama.answer_seconds),
            seed=seed,
        )
        try:
            answer = self.backend.ask(request, stop=lambda: run.cancelled.is_set() or time.monotonic() > run.deadline)
        except Doubt as doubt:
            run.spent.extend(doubt.usage)
            raise
        run.spent.append(answer.usage)
        return answer

    def _prompt_file(self, name: str) -> str | None:
        try:
            return (self.root / "prompts" / name).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return None
