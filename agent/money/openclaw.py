"""Prices from an `openclaw.json`: `models.providers.<name>.models[]` with `id` and `cost: {input, output}`.

That file states no unit. Its own documentation means US dollars per million tokens, older files and this project's
contract per thousand; the caller says which. Cached tokens are left out: Gofer prices them like others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from agent.config.tables import AliasTarget, Price
from agent.errors import Usage

PER = {"thousand": 1000, "million": 1}  # what a stated price is multiplied by
LARGEST = 4 * 1024 * 1024  # bytes
# No model costs as much, in US dollars per million tokens: the dearest that were ever sold took 600.
IMPLAUSIBLE = 2000.0
_NONE_SO_DEAR = 10**12

_ENTRY: TypeAdapter[Mapping[str, Price]] = TypeAdapter(Mapping[AliasTarget, Price])


@dataclass(frozen=True, slots=True)
class Found:
    """Prices by `provider/model`, in US dollars per million tokens, and why other models of the file have none."""

    prices: Mapping[str, Price]
    skipped: Mapping[str, str]


def read(path: Path, per: str, dated: date) -> Found:
    """The prices that a file states per `thousand` or `million` tokens. Raises Usage when it cannot be read."""
    prices: dict[str, Price] = {}
    skipped: dict[str, str] = {}
    for key, cost in _models(_parsed(path), str(path)):
        try:
            stated = {side: _number(cost.get(side)) * PER[per] for side in ("input", "output")}
            if not all(map(float, stated.values())):  # a float, for what is too small to be one
                raise ValueError("a price of 0 there means that nobody has set it")
            price = _ENTRY.validate_python({key: {**stated, "dated": dated}})[key]
        except ValidationError as refused:
            skipped[key] = refused.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        except ValueError as refused:
            skipped[key] = str(refused)
        else:
            if prices.setdefault(key, price) != price:
                raise Usage("a model has two prices", where=f"{path}: {key}", fix="take one of them out")
    return Found(prices, {key: why for key, why in skipped.items() if key not in prices})


def _parsed(path: Path) -> Any:
    fix = "name a file like ~/.openclaw/openclaw.json, as plain JSON"
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise ValueError("it is larger than 4 MiB")
        return json.loads(raw.decode("utf-8-sig"), parse_float=_exact)
    except OSError as error:
        raise Usage("the file cannot be read", where=str(path), why=str(error.strerror), fix=fix) from None
    except (ValueError, RecursionError) as error:
        fix = "save it as plain JSON: no comments, quoted keys, no comma before a closing bracket"
        raise Usage("the file is not JSON", where=str(path), why=str(error), fix=fix) from None


def _models(data: Any, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    top = data if isinstance(data, dict) else {}
    models: Any = top.get("models")
    providers = (models if isinstance(models, dict) else top).get("providers")
    if not isinstance(providers, dict):
        raise Usage("the file names no models", where=where, why="it has no models.providers", fix="name another file")
    for provider, settings in providers.items():
        listed = settings.get("models") if isinstance(settings, dict) else None
        for model in listed if isinstance(listed, list) else ():
            if isinstance(model, dict) and isinstance(model.get("id"), str):
                cost = model.get("cost")
                # Some files repeat the provider in the id.
                name = model["id"].removeprefix(f"{provider}/")
                yield f"{provider.lower()}/{name}", cost if isinstance(cost, dict) else {}


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("it states no price" if value is None else "its price is not a number")
    if not (number := Decimal(value)).copy_abs() < _NONE_SO_DEAR:  # abs() itself may overflow
        raise ValueError("its price is not a number that a price can be")
    return number


def _exact(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond all that decimals hold
        return Decimal("Infinity")
