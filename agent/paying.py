"""Paying: the caps before a paid model is asked, the price of its answer after it."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.clock import utc_now
from agent.config import Settings
from agent.errors import CredentialsRefused, Doubt, GoferError, Unasked
from agent.models.base import Answer, Model, Request, Stop
from agent.models.gate import estimate, output_limit
from agent.money.prices import Price, Prices
from agent.money.spending import Reservation, Spending, Spent, worst_case
from agent.vault.values import HandoffReason, Task, Usage

ACCOUNT, PRICES = "spending.sqlite3", "prices.json"
_TEMPLATE_SHARE = 256  # tokens: what a chat template and the schema's wrapping add, generously


class Purse:
    """The caps of this machine for the tasks of one vault. The account lies beside the state folders of all vaults,
    which share it; without a state folder nothing may be spent."""

    def __init__(self, settings: Settings, state: Path | None) -> None:
        self._spending = Spending((state or Path(os.devnull)).parent / ACCOUNT, settings.money)
        self._vault = hashlib.sha256(str(state).encode()).hexdigest()[:8]

    def reserve(self, task_id: str, worst_usd: float | None, *, budget: float | None, now: datetime) -> Reservation:
        """Set the worst case aside for a task of this vault. Raises Doubt `budget` when a cap forbids it."""
        return self._spending.reserve(f"{self._vault}/{task_id}", worst_usd, budget=budget, now=now)

    def spent(self, now: datetime) -> Spent:
        """What counts against the caps of this machine."""
        return self._spending.spent(now)

    def settle(self, reservation: Any, actual_usd: float | None) -> None:
        """Put the real cost in its place; None: the worst case stays."""
        self._spending.settle(reservation, actual_usd)

    def release(self, reservation: Any) -> None:
        """Give it back: surely nothing was sent."""
        self._spending.release(reservation)


class Till:
    """Asks paid models. What cannot be priced is not asked, and what was asked is paid for."""

    def __init__(self, purse: Purse, prices: Prices) -> None:
        self.purse, self._prices = purse, prices

    def ask(self, backend: Model, request: Request, provider: str, task: Task, stop: Stop) -> Answer:
        """The backend's answer, with its cost in the usage. Raises what the backend raises, and Doubt `budget` before
        anything is sent when a cap would be passed or the price is unknown."""
        price = self._prices.of(provider, request.model)
        worst = worst_case(_sent(request), output_limit(request), price)
        reservation = self.purse.reserve(task.id, worst, budget=task.budget_usd, now=utc_now())
        try:
            answer = backend.ask(request, stop=stop)
        except GoferError as error:
            error.usage = tuple(_priced(usage, price) for usage in error.usage)
            if _broke_off(error):  # the answer may have been on its way, and nobody says what it costs
                error.usage = (*error.usage, Usage(request.model, provider, thinking=request.thinking))
            if error.usage:
                self.purse.settle(reservation, _sum(error.usage))
            else:
                self.purse.release(reservation)
            raise
        except BaseException:
            self.purse.settle(reservation, None)
            raise
        answer = replace(answer, usage=_priced(answer.usage, price))
        with suppress(GoferError):  # it is paid for already: if the account cannot be written, the worst case stays
            self.purse.settle(reservation, answer.usage.cost_usd)
        return answer


def till(settings: Settings, state: Path | None) -> Till:
    """The till of this machine for one vault."""
    return Till(Purse(settings, state), price_list(settings, state))


def price_list(settings: Settings, state: Path | None) -> Prices:
    """The prices in force; what the shipped table said is remembered beside the state folders."""
    return Prices(settings.prices, state.parent / PRICES if state else None)


def _sent(request: Request) -> int:
    schema = estimate(str(request.schema)) * 2 if request.schema else 0  # it is sent in the prompt and as a form
    # A quarter of the bytes too: the estimate counts words and signs, and a text may be mostly blanks.
    texts = ((text, len(text.encode("utf-8", "replace"))) for text in (request.system, request.prompt))
    return sum(max(estimate(text), size // 4) for text, size in texts) + schema + _TEMPLATE_SHARE


def _broke_off(error: GoferError) -> bool:
    """Whether the last question may have been answered by somebody. Surely not when it was refused or never sent, and
    of answers that the gate refused the error tells itself."""
    if isinstance(error, Doubt):
        return error.reason not in (HandoffReason.TOO_LONG, HandoffReason.BAD_ANSWER)
    return not isinstance(error, Unasked | CredentialsRefused)


def _priced(usage: Usage, price: Price | None) -> Usage:
    """With its cost, None where the server did not count."""
    counted = usage.input_tokens and usage.output_tokens and not usage.estimated
    return replace(usage, cost_usd=price.cost(usage.input_tokens, usage.output_tokens) if price and counted else None)


def _sum(usage: tuple[Usage, ...]) -> float | None:
    costs = [one.cost_usd for one in usage if one.cost_usd is not None]
    return sum(costs) if len(costs) == len(usage) else None
