"""The price table that is shipped: the `genai-prices` package as it is installed, never fetched anew.

Importing it takes about 0.3 s, so `agent.money.prices` remembers its answers.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

PACKAGE = "genai-prices"
# What people call these providers, and the name of their prices in the table.
_SAME = {
    "bedrock": "aws",
    "gemini": "google",
    "google-ai": "google",
    "grok": "x-ai",
    "xai": "x-ai",
    "mistralai": "mistral",
    "moonshot": "moonshotai",
    "z-ai": "zai",
    "z.ai": "zai",
    "zhipu": "zhipuai",
}
_TWINS = {"zhipuai": "zai"}  # one vendor with two price lists: its name alone does not say which
_FREE = re.compile(r":free$|\(free\)$", re.IGNORECASE)
# Prices of things that a plain question in text never uses. Cached tokens are priced like others.
_UNUSED = re.compile(r"cache_.*|web_searches_.*|storage_.*|.*(?:audio|image|video).*")
_DAY = timedelta(days=1)
_STEP = timedelta(minutes=30)  # the times of day between which prices change lie on half hours


@dataclass(frozen=True, slots=True)
class Row:
    """A model's prices in US dollars per million tokens; `most_*` is that of the dearest tier, today and
    tomorrow. `until`: the first day on which the table must be asked again, since it announces a change."""

    input: float
    output: float
    most_input: float
    most_output: float
    dated: date
    until: date | None = None


def version() -> str:
    """The version that is installed, without importing it; "" when there is none."""
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return ""


def look_up(provider: str, model: str, today: date) -> Row | None:
    """What the table says. A provider that it does not know counts as a name of the person's own, and the model's
    name decides alone. None: not in it, not priced by the token alone, or more than one price fits."""
    try:
        from genai_prices import data_snapshot  # noqa: PLC0415 - 0.3 s, and often the cache knows
    except ImportError:
        return None
    providers = data_snapshot.get_snapshot().providers
    name, wanted = provider.strip().lower(), model.strip().lower()
    named = [known for known in providers if known.id == _SAME.get(name, name)]
    owners = named or [known for known in providers if known.model_match and known.model_match.is_match(wanted)]
    if not named:
        twins = {_TWINS[owner.id] for owner in owners if owner.id in _TWINS}
        owners += [known for known in providers if known.id in twins]
    dated = _date_of(providers, today)
    found = {row for owner in owners for row in _rows(owner, wanted, providers, today, dated)}
    return found.pop() if len(found) == 1 and None not in found else None


def _rows(owner: Any, wanted: str, providers: list[Any], today: date, dated: date) -> Iterable[Row | None]:
    hits = [model for model in owner.models if model.is_match(wanted)]
    exact = [model for model in hits if model.id.lower() == wanted]
    if not hits and (sold := owner.find_model(wanted, all_providers=providers)):
        hits = [sold]  # a dated name, or another vendor's model that this one sells at the same price
    return {_row(model, today, dated) for model in exact or hits}


def _row(model: Any, today: date, dated: date) -> Row | None:
    """The prices in force today; where they change with the hour, the highest. None where they are not sure."""
    conditions = [] if not isinstance(model.prices, list) else [each.constraint for each in model.prices]
    starts = [limit.start_date for limit in conditions if hasattr(limit, "start_date")]
    change = min((start for start in starts if start > today), default=None)
    until = change and max(change - _DAY, min(change, today + _DAY))  # asked anew on the eve, see below
    midnight = datetime.combine(today, time(), UTC)
    soon = [model.get_prices(midnight + step * _STEP) for step in range(96)]
    day = soon[:48]  # what is sent at midnight may be billed at tomorrow's price
    if all(_is_free(model, prices) for prices in soon):
        return Row(0.0, 0.0, 0.0, 0.0, dated, until)
    if not all(_is_known(prices) for prices in soon):
        return None
    return Row(
        float(max(_base(prices.input_mtok) for prices in day)),
        float(max(_base(prices.output_mtok) for prices in day)),
        float(max(_most(prices.input_mtok) for prices in soon)),
        float(max(_most(prices.output_mtok) for prices in soon)),
        dated,
        until,
    )


def _stated(prices: Any) -> Mapping[str, Any]:
    return {key: value for key, value in vars(prices).items() if value is not None and not key.startswith("_")}


def _is_free(model: Any, prices: Any) -> bool:
    """Free is what says so in its name and has no price at all. No price alone means that nobody knows."""
    says_so = _FREE.search(model.id.strip()) or _FREE.search((model.name or "").strip())
    return bool(says_so) and not any(_most(value) for value in _stated(prices).values())


def _is_known(prices: Any) -> bool:
    """Whether tokens in and out, and nothing else that a question uses, make up the bill. A zero is no price."""
    stated = _stated(prices)
    if {key for key in stated if not _UNUSED.fullmatch(key)} != {"input_mtok", "output_mtok"}:
        return False
    return all(_base(stated[key]) > 0 for key in ("input_mtok", "output_mtok"))


def _base(price: Any) -> Decimal:
    return Decimal(getattr(price, "base", price))


def _most(price: Any) -> Decimal:
    return max(_base(price), *(Decimal(tier.price) for tier in getattr(price, "tiers", ())), Decimal(0))


def _date_of(providers: list[Any], today: date) -> date:
    """The day for which the table is known to be right: the newest change in it, since it states no day of its own.
    A change later than the installation was only announced then."""
    import genai_prices  # noqa: PLC0415 - imported already

    installed = datetime.fromtimestamp(Path(genai_prices.__file__).stat().st_mtime, UTC).date()
    latest = min(today, installed) if installed.year >= 2020 else today  # packers set times to 1970 or 1980
    starts = (
        each.constraint.start_date
        for provider in providers
        for model in provider.models
        if isinstance(model.prices, list)
        for each in model.prices
        if hasattr(each.constraint, "start_date")
    )
    return max((start for start in starts if start <= latest), default=latest)
