"""The backends of one machine: which there are, which of them answers for `local`, and why."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.config import Settings
from agent.config.environment import is_loopback
from agent.errors import BadConfig, GoferError
from agent.models.base import Health, Model

FRESH = 10.0  # seconds for which an answer about a model's health is believed
OLLAMA, EMBEDDED = "ollama", "embedded"
STANDARD_ALIASES = ("cheap", "primary", "coder", "research")  # names that people and other tools use; defined by them


@dataclass(frozen=True, slots=True)
class Target:
    """A model as it is wanted: who provides it, and its exact name there."""

    provider: str
    model: str
    thinking: str = ""  # the level that its alias sets, for tasks that say none


class Backends:
    """Builds each backend at its first use: the packages behind them take up to a second to import, and most runs
    need none. `ollama` takes the place of the server in the settings."""

    def __init__(
        self, settings: Settings, env: Mapping[str, str], state: Path | None = None, ollama: Model | None = None
    ) -> None:
        self.settings, self._env, self._state = settings, env, state
        self._built: dict[str, Model] = {} if ollama is None else {OLLAMA: ollama}
        self._health: dict[Target, tuple[float, Health]] = {}
        self._passed: frozenset[Target] = frozenset()  # away, but one further down the order answers
        self._lock = threading.Lock()

    def get(self, provider: str) -> Model:
        """The backend of that name. Raises BadConfig when the machine's settings have none, or no usable one."""
        with self._lock:
            if provider not in self._built:
                self._built[provider] = self._build(provider)
            return self._built[provider]

    def knows(self, provider: str) -> bool:
        return provider in (OLLAMA, EMBEDDED) or provider in self.settings.providers

    def is_local(self, provider: str) -> bool:
        """Whether what is asked there costs nothing and stays in the person's hands."""
        listed = self.settings.providers.get(provider)
        if listed is None:
            return provider in (OLLAMA, EMBEDDED)
        return is_loopback(listed.url) if listed.local is None else listed.local

    def answer_seconds(self, provider: str) -> float:
        """The time limit of one answer, once the model is loaded."""
        if provider == EMBEDDED:
            return self.settings.embedded.answer_seconds
        listed = self.settings.providers.get(provider)
        return listed.answer_seconds if listed else self.settings.ollama.answer_seconds

    def local(self) -> Target:
        """Who answers for `local` now: the first in the settings' order that can, else the first of all."""
        passed: list[Target] = []
        for name in self.settings.backends.order:
            target = self._own(name)
            if target and self.health(target).ok:
                self._passed = frozenset(passed)
                return target
            passed += [target] if target else []
        self._passed = frozenset()
        return passed[0] if passed else Target(OLLAMA, self.settings.model.name)

    def why(self) -> list[tuple[str, Health]]:
        """Every backend in the order of choice, with its health: what the choice was made from."""
        told = []
        for name in self.settings.backends.order:
            target = self._own(name)
            told.append((name, self.health(target) if target else self._no_model(name)))
        return told

    def health(self, target: Target) -> Health:
        """Whether the model can answer, at most ten seconds old. Never raises."""
        at, health = self._health.get(target, (-FRESH, None))
        if health is None or time.monotonic() - at > FRESH:
            try:
                health = self.get(target.provider).health(target.model)
            except GoferError as error:
                health = Health(False, target.provider, f"{error.what}: {error.why}".rstrip(": "), error.fix)
            self._health[target] = (time.monotonic(), health)
        return health

    def known(self) -> Mapping[str, Health]:
        """What was found out about models lately, without asking again; one that another stands in for is no news."""
        return {target.model: health for target, (_, health) in self._health.items() if target not in self._passed}

    def _own(self, provider: str) -> Target | None:
        """The model that answers for `local` at a backend, None when there is none or it is not local."""
        if provider == OLLAMA:
            return Target(OLLAMA, self.settings.model.name)
        if provider == EMBEDDED:
            path = self._gguf()
            return Target(EMBEDDED, path.stem) if path else None
        listed = self.settings.providers.get(provider)
        return Target(provider, listed.model) if listed and listed.model and self.is_local(provider) else None

    def _no_model(self, name: str) -> Health:
        if name == EMBEDDED:
            fix = "gofer model download NAME, or embedded.path in this machine's config.toml"
            return Health(False, name, "there is no model file", fix)
        if name not in self.settings.providers:
            return Health(False, name, f"no provider is called '{name}'", f"add [providers.{name}], or mend the order")
        if not self.is_local(name):
            why = "it is not local, so it never answers for `local`"
            return Health(False, name, why, f"providers.{name}.local = true, if it is your own server")
        return Health(False, name, "it names no model", f"set providers.{name}.model")

    def _gguf(self) -> Path | None:
        from agent.models.shelf import find_model  # noqa: PLC0415

        return find_model(self.settings.embedded.path, self._env)

    def _build(self, provider: str) -> Model:
        if provider == OLLAMA:
            from agent.models.ollama import Ollama  # noqa: PLC0415

            server = self.settings.ollama
            return Ollama(
                server.host,
                connect_timeout=server.connect_seconds,
                load_timeout=server.load_seconds,
                keep_alive=server.keep_alive,
                allow_cloud=server.allow_cloud,
                allow_remote=True,  # the settings have judged the address already
            )
        if provider == EMBEDDED:
            from agent.models.embedded import Embedded  # noqa: PLC0415

            path, own = self._gguf(), self.settings.embedded
            if path is None:
                raise BadConfig("there is no model file", fix=self._no_model(EMBEDDED).fix)
            return Embedded(
                path,
                context=self.settings.model.context,
                threads=own.threads,
                load_timeout=own.load_seconds,
                state=self._state,
            )
        listed = self.settings.providers.get(provider)
        if listed is None:
            raise BadConfig(
                f"no provider is called '{provider}'",
                why="this machine's settings list none of that name",
                fix=f"add [providers.{provider}] with its url to this machine's config.toml",
            )
        from agent.models.openai import OpenAICompatible  # noqa: PLC0415

        key = listed.key.get_secret_value() if listed.key else self._env.get(listed.key_env, "")
        return OpenAICompatible(
            provider,
            listed.url,
            key=key,
            local=self.is_local(provider),
            thinking=listed.thinking,
            connect_timeout=listed.connect_seconds,
        )


def undefined(wanted: str, settings: Settings) -> str:
    """Why a usual alias stands for nothing yet, with the remedy; "" for everything else."""
    if wanted not in STANDARD_ALIASES or wanted in settings.aliases:
        return ""
    where = "[aliases] in gofer.toml or in this machine's config.toml"
    return f"the alias '{wanted}' is not defined. To fix it: add {wanted} = \"ollama/…\" to {where}"
