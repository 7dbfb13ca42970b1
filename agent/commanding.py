"""Running a registered command for a task: as what it costs allows, and as a model among others.

`model: command/NAME` asks the command of that name where another task asks a model: its prompt on standard input, a
fresh process for each question, the same gate for the answer.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from agent.clock import utc_now
from agent.errors import BadConfig, GoferError, Refused
from agent.executors import Executed, Executors
from agent.models.base import Answer, Health, Request, Stop, never
from agent.models.gate import Reply, gated
from agent.runner import Run
from agent.vault.values import Usage

COMMAND = "command"
_FENCED = re.compile(r"```(?:json)?\s*\n(.*)\n\s*```", re.DOTALL)


class Purse(Protocol):
    """What may be spent. `worst_usd` and `budget` None: nobody knows, and the task does not say."""

    def reserve(self, task_id: str, worst_usd: float | None, *, budget: float | None, now: datetime) -> object:
        """Set money aside before anything is asked. Raises Doubt (`budget`) when it is not allowed."""

    def settle(self, reservation: object, actual_usd: float | None) -> None:
        """What it came to; None: nobody knows."""

    def release(self, reservation: object) -> None:
        """Nothing was spent."""


def paid_run(executors: Executors, purse: Purse, name: str, text: str, run: Run, left: float, stop: Stop) -> Executed:
    """Run a command for a task, with what it may cost set aside before and accounted for after. `left`: seconds.

    Raises what `Executors.run` raises, and Doubt `budget` when nothing may be started.
    """
    worst = executors.of(name).max_usd
    reservation = purse.reserve(run.task.id, worst, budget=run.task.budget_usd, now=utc_now())
    try:
        done = executors.run(name, text, run.folder.path, stop, left)
    except (Refused, BadConfig):  # nothing was started
        purse.release(reservation)
        raise
    except GoferError as error:
        if not error.usage:  # it was stopped before it could say what it took
            free = 0.0 if worst == 0 else None
            error.usage = (Usage(name, f"{COMMAND}:{name}", cost_usd=free, estimated=True),)
        _settle(run, purse, reservation, _cost(error.usage))
        raise
    except BaseException:
        _settle(run, purse, reservation, None)
        raise
    _settle(run, purse, reservation, done.usage.cost_usd)
    return done


class CommandModel:
    """A registered command as the model of one run. It thinks as hard as its own arguments say."""

    provider = COMMAND

    def __init__(self, executors: Executors, purse: Purse, run: Run) -> None:
        self._executors, self._purse, self._run = executors, purse, run

    def ask(self, request: Request, *, stop: Stop = never) -> Answer:
        """The gated answer; its usage is that of all attempts, under the model that the command names."""
        spent: list[Usage] = []

        def attempt(asked: Request) -> Reply:
            text = f"{asked.system}\n\n{asked.prompt}" if asked.system else asked.prompt
            left = min(asked.timeout, self._run.deadline - time.monotonic())
            try:
                done = paid_run(self._executors, self._purse, asked.model, text, self._run, left, stop)
            except GoferError as error:
                spent.extend(error.usage)
                raise
            spent.append(done.usage)
            fenced = _FENCED.fullmatch(done.text.strip()) if asked.schema is not None else None
            # Without counts: what a command states is its whole session's, and says nothing of this prompt.
            return Reply(fenced[1] if fenced else done.text, asked.model, COMMAND, context=asked.context)

        try:
            answer = gated(attempt, request)
        except GoferError as error:
            error.usage = tuple(spent)
            raise
        return replace(answer, usage=_total(spent))

    def health(self, model: str) -> Health:
        """Whether the command is there, and the one that was registered. Never starts it."""
        return health(self._executors, model)


def health(executors: Executors, name: str) -> Health:
    """Whether a command could be started: registered, there, unchanged."""
    try:
        executors.ready(name)
    except GoferError as error:
        return Health(False, COMMAND, f"{error.what}: {error.why}".rstrip(": "), error.fix)
    return Health(True, COMMAND, f"{name} is the program that was registered")


def _settle(run: Run, purse: Purse, reservation: object, actual_usd: float | None) -> None:
    """Account for what was spent. The account may refuse: then the worst case goes on counting, and what was paid for
    must not be lost for that."""
    try:
        purse.settle(reservation, actual_usd)
    except GoferError as error:
        run.folder.note(f"what the command cost could not be written down: {error}")


def _total(spent: list[Usage]) -> Usage:
    return replace(
        spent[-1],
        input_tokens=sum(one.input_tokens for one in spent),
        output_tokens=sum(one.output_tokens for one in spent),
        cost_usd=_cost(tuple(spent)),
        estimated=any(one.estimated for one in spent),
    )


def _cost(usage: tuple[Usage, ...]) -> float | None:
    costs = [one.cost_usd for one in usage if one.cost_usd is not None]
    return sum(costs) if usage and len(costs) == len(usage) else None
