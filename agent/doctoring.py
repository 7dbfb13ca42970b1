"""What the doctor says of models, of the lead, and of money."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agent.asking import Asking
from agent.commanding import COMMAND
from agent.config import Settings
from agent.errors import GoferError
from agent.models.backends import OLLAMA, Backends, Target
from agent.paying import Purse, price_list

WAKE = "start Ollama: ollama serve"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `fix` is empty when it is ok."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


def model_side(root: Path, settings: Settings, state: Path, env: Mapping[str, str], now: datetime) -> Iterator[Check]:
    """Who answers for `local` and why, what the aliases stand for, who the lead is, and what may be spent."""
    asking = Asking(root, settings, state=state, env=env)
    wanted = {alias.model.partition("/")[::2] for alias in settings.aliases.values()}
    with ThreadPoolExecutor() as pool:  # side by side: one server that hangs must not hold up the others
        list(pool.map(lambda pair: asking.health_of(Target(*pair)), sorted(wanted)))
    yield from _local(asking.backends)
    for name, alias in sorted(settings.aliases.items()):
        yield _alias(name, alias.model, asking)
    yield _lead(settings, asking)
    yield from _money(settings, state, now)


def _local(backends: Backends) -> Iterator[Check]:
    """One line for each backend in the order of choice."""
    told = backends.why()
    chosen = next((name for name, health in told if health.ok), "")
    for name, health in told:
        if health.ok:
            words = "answers for `local`" if name == chosen else f"can answer too; {chosen} comes first"
            yield Check("model", True, f"{name}: {health.detail}; {words}")
        else:
            fix = health.fix or (WAKE if name == OLLAMA else f"see whether [providers.{name}] is right")
            yield Check("model", bool(chosen), f"{name}: {health.detail}", "" if chosen else fix)
    if not chosen:
        order = ", then ".join(name for name, _ in told)
        yield Check("model", False, f"nobody answers for `local` ({order}): its tasks wait", "see the lines above")


def _alias(name: str, wanted: str, asking: Asking) -> Check:
    provider, _, model = wanted.partition("/")
    if provider != COMMAND and not asking.backends.knows(provider):
        fix = f"add [providers.{provider}] to this machine's config.toml, or write ollama/ before the name"
        return Check("alias", False, f"{name}: no provider is called '{provider}'", fix)
    health = asking.health_of(Target(provider, model))
    fix = health.fix or (WAKE if provider == OLLAMA else f"see whether [providers.{provider}] is right")
    return Check("alias", health.ok, f"{name}: {wanted}, {health.detail}", "" if health.ok else fix)


def _lead(settings: Settings, asking: Asking) -> Check:
    via = settings.lead.via
    if via == "handoff":
        return Check("lead", True, f"{settings.lead.name}, by hand-off files in outbox/handoffs/")
    command = via.partition(":")[0] == COMMAND
    provider, _, model = via.partition(":" if command else "/")
    health = asking.health_of(Target(provider, model))
    box = "; it runs without a sandbox" if command and health.ok else ""
    return Check("lead", health.ok, f"{via}: {health.detail}{box}", "" if health.ok else health.fix or WAKE)


def _money(settings: Settings, state: Path, now: datetime) -> Iterator[Check]:
    caps = settings.money
    if not min(caps.per_task_usd, caps.per_day_usd, caps.per_month_usd):
        yield Check("money", True, "nothing can be spent: a cap in [money] is 0")
        return
    try:
        spent = Purse(settings, state).spent(now)
    except GoferError as error:
        yield Check("money", False, f"{error.what} ({error.where}): {error.why}", error.fix)
        return
    told = f"${spent.day:.4f} of ${caps.per_day_usd:g} today, ${spent.month:.4f} of ${caps.per_month_usd:g} this month"
    held = f", of which ${spent.open:.4f} is a worst case" if spent.open else ""
    yield Check("money", True, f"{told}{held}; at most ${caps.per_task_usd:g} a task")
    prices = price_list(settings, state)
    for name in sorted({alias.model for alias in settings.aliases.values()} | {settings.lead.via}):
        provider, slash, model = name.partition("/")
        if slash and provider in settings.providers and settings.providers[provider].local is not True:
            price = prices.of(provider, model)
            fix = f'add [prices."{name}"] to this machine\'s config.toml, or: gofer prices import FILE'
            known = f"${price.input:g} in, ${price.output:g} out a million tokens, {price.dated}" if price else ""
            told = f"{name}: {known or 'unknown, so it is never asked'}"
            yield Check("price", bool(price), told, "" if price else fix)
