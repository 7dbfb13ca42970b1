"""Asking a model for one run: its system prompt, its model, its limits, its stop, and the money that it may cost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from agent.commanding import COMMAND, CommandModel
from agent.commanding import health as command_health
from agent.config import Settings
from agent.errors import GoferError, Refused
from agent.executors import Executors
from agent.models.backends import OLLAMA, Backends, Target, undefined
from agent.models.base import Answer, Health, Model, Request, Stop, never
from agent.paying import Till, till
from agent.runner import Run
from agent.vault.prompts import system_prompt
from agent.vault.values import Decision, Who

UNASKED = Health(True, OLLAMA, "not asked yet")
REMOTE_CONTEXT = 128_000  # tokens; a paid server's window is its own affair, and what is sent there is bounded anyway
LEAD_TOKENS = 4096  # of a paid lead's answer


class Asking:
    """The one place where runs meet models. Raises what the backends raise, and Doubt `budget` where a cap forbids it.

    `state` is the vault's state folder; the spending of all vaults of this machine is kept beside it.
    """

    def __init__(
        self,
        root: Path,
        settings: Settings,
        backend: Model | None = None,
        *,
        state: Path | None = None,
        env: Mapping[str, str] = os.environ,
    ) -> None:
        self.root, self.settings = root, settings
        self.backends = Backends(settings, env, state, backend)
        self.executors = Executors(settings.executors, env)
        self._state = state
        self._till: Till | None = None

    def target(self, wanted: str) -> Target:
        """What a task's `model` means: `local` is the first backend that can answer, an alias is looked up, else
        `provider/name`, else a name of Ollama's."""
        alias = self.settings.aliases.get(wanted)
        name = alias.model if alias else wanted
        if name in ("local", "auto", "none", ""):
            return self.backends.local()
        provider, slash, model = name.partition("/")
        thinking = alias.thinking or "" if alias else ""
        if slash and (provider == COMMAND or self.backends.knows(provider)):
            return Target(provider, model, thinking)
        return Target(OLLAMA, name, thinking)

    def away(self, wanted: str) -> str:
        """Why this model cannot answer now, with the remedy; "" when it can. Another one never takes its place."""
        if why := undefined(wanted, self.settings):
            return why
        target = self.target(wanted)
        health = self.health_of(target)
        if health.ok:
            return ""
        fix = f"{health.detail}. To fix it: {health.fix}" if health.fix else health.detail
        provider, slash, _ = target.model.partition("/")
        if target.provider == OLLAMA and slash and wanted != "local" and "." not in provider:
            fix += f"; or, if '{provider}' is a server and no part of the name, add [providers.{provider}]"
        return fix

    def health_of(self, target: Target) -> Health:
        """Whether a model, or a command in its place, can answer; at most ten seconds old."""
        if target.provider == COMMAND:
            return command_health(self.executors, target.model)
        return self.backends.health(target)

    def health(self) -> Health:
        """Whether who answers for `local` can, at most ten seconds old."""
        return self.backends.health(self.backends.local())

    def known(self) -> Mapping[str, Health]:
        """What was found out about models lately, without asking again."""
        return self.backends.known()

    def of(self, run: Run) -> Callable[..., Answer]:
        """The `ask` of a run's context: bound to its type's prompt, its model and thinking, its deadline."""
        return partial(self._ask, run)

    def ask_named(self, run: Run, wanted: str, prompt: str) -> Answer:
        """One free answer of a paid lead: `wanted` is `provider/model`. The run's own deadline does not bind it."""
        target = self.target(wanted)
        request = Request(
            system=system_prompt(self._prompt_file, "lead"),
            prompt=prompt,
            model=target.model,
            thinking=run.task.thinking,
            max_tokens=LEAD_TOKENS,
            context=self._context(target),
            timeout=self.backends.answer_seconds(target.provider),
        )
        return self._put(run, target, request)

    def ask_once(
        self, wanted: str, prompt: str, *, schema: Mapping[str, Any] | None = None, max_tokens: int = 1024,
        system: str = "", timeout: float | None = None, stop: Stop = never,
    ) -> Answer:  # fmt: skip
        """One answer outside of any task, from a local model; Refused for a paid one."""
        target = self.target(wanted)
        if not self.backends.is_local(target.provider):
            raise Refused(f"'{wanted}' is a paid model", why="nothing outside a task has a budget")
        return self.backends.get(target.provider).ask(
            Request(
                system,
                prompt,
                target.model,
                target.thinking or "off",
                schema,
                max_tokens,
                self._context(target),
                timeout or self.backends.answer_seconds(target.provider),
            ),
            stop=stop,
        )

    def _ask(
        self, run: Run, prompt: str, *, schema: Mapping[str, Any] | None = None, max_tokens: int = 1024, seed: int = 0,
        seconds: float | None = None,
    ) -> Answer:  # fmt: skip
        """`seconds`: what the answer may take at most, where that is less than the run and the backend allow."""
        run.check()
        target = self.target(run.decision.model)
        left = max(1.0, run.deadline - time.monotonic())
        request = Request(
            system=system_prompt(self._prompt_file, run.decision.type),
            prompt=prompt,
            model=target.model,
            thinking=run.task.thinking if run.task.thinking_said else target.thinking or "off",
            schema=schema,
            max_tokens=max_tokens,
            context=self._context(target),
            timeout=min(left, seconds or left, self._answer_seconds(target)),
            seed=seed,
        )
        return self._put(run, target, request)

    def _put(self, run: Run, target: Target, request: Request) -> Answer:
        """Ask, pay where it costs something, and write down what was spent, whatever became of the answer."""

        def stop() -> bool:
            return run.cancelled.is_set() or time.monotonic() > run.deadline

        try:
            if target.provider == COMMAND:
                self._may_leave(run, target)
                answer = CommandModel(self.executors, self._paying().purse, run).ask(request, stop=stop)
            elif self.backends.is_local(target.provider):
                answer = _free(self.backends.get(target.provider), request, stop)
            else:
                self._may_leave(run, target)
                backend = self.backends.get(target.provider)
                answer = self._paying().ask(backend, request, target.provider, run.task, stop)
        except GoferError as error:
            run.spent.extend(error.usage)
            raise
        run.spent.append(answer.usage)
        return answer

    def leaves(self, decision: Decision) -> bool:
        """Whether what this run asks goes to a model that is not this machine's."""
        return decision.who is Who.LOCAL and not self.backends.is_local(self.target(decision.model).provider)

    def window(self, decision: Decision) -> int:
        """How many tokens the model of a run holds, question and answer together."""
        return self._context(self.target(decision.model)) if decision.who is Who.LOCAL else REMOTE_CONTEXT

    def _may_leave(self, run: Run, target: Target) -> None:
        if run.task.private:
            raise Refused(
                f"the task is private, and '{target.provider}' is not this machine",
                why="its text would leave it",
                fix="model: local, or private: false",
            )

    def _paying(self) -> Till:
        if self._till is None:
            self._till = till(self.settings, self._state)
        return self._till

    def _answer_seconds(self, target: Target) -> float:
        if target.provider == COMMAND:
            return self.executors.of(target.model).timeout_seconds
        return self.backends.answer_seconds(target.provider)

    def _context(self, target: Target) -> int:
        return self.settings.model.context if self.backends.is_local(target.provider) else REMOTE_CONTEXT

    def _prompt_file(self, name: str) -> str | None:
        try:
            return (self.root / "prompts" / name).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return None


def _free(backend: Model, request: Request, stop: Stop) -> Answer:
    """The answer of a server of one's own: it costs nothing, and the usage says so, whatever became of it."""
    try:
        answer = backend.ask(request, stop=stop)
    except GoferError as error:
        error.usage = tuple(replace(usage, cost_usd=0.0) for usage in error.usage)
        raise
    return replace(answer, usage=replace(answer.usage, cost_usd=0.0))
