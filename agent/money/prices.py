"""Prices of models: the person's own first, then the table that is shipped. Unknown is None, never 0."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from agent.clock import utc_now
from agent.config import tables
from agent.money import table

CONFIG = "config.toml"
_LOCAL = frozenset({"ollama", "embedded", "llama.cpp", "fake"})  # the table's prices are other people's servers
_FIELDS = ("input", "output", "most_input", "most_output")


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs: US dollars per million tokens, as of the day `dated`, as `source` says.

    `input` and `output` are for accounting; `most_input` and `most_output` are those of the dearest tier (very long
    prompts) and are for worst cases.
    """

    input: float
    output: float
    dated: date
    source: str  # "config.toml" or "genai-prices 0.2.3"
    most_input: float
    most_output: float

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """US dollars for that many tokens."""
        return (input_tokens * self.input + output_tokens * self.output) / 1e6


def _today() -> date:
    return utc_now().date()


class Prices:
    """Prices by provider and model. `cache`: a JSON file that remembers what the shipped table says; None: none."""

    def __init__(
        self,
        overrides: Mapping[str, tables.Price],
        cache: Path | None,
        today: Callable[[], date] = _today,
    ) -> None:
        self._overrides, self._cache, self._today = overrides, cache, today
        self._remembered: dict[str, Any] | None = None
        self._version = ""

    def of(self, provider: str, model: str) -> Price | None:
        """The price of a model at a provider, None when it is unknown or not sure."""
        key = f"{provider}/{model}" if provider else model
        if own := self._overrides.get(key):
            return Price(own.input, own.output, own.dated, CONFIG, own.input, own.output)
        return None if provider.lower() in _LOCAL or not model else self._shipped(provider, model, key)

    def named(self, name: str) -> Price | None:
        """The price of `provider/model`, or of a model's name alone: the person's own price for a model of that name
        when there is just one, else what the shipped table says."""
        if "/" in name:
            provider, _, model = name.partition("/")
            return self.of(provider, model)
        own = {key: price for key, price in self._overrides.items() if key.partition("/")[2] == name}
        if own:
            return self.of(*next(iter(own)).split("/", 1)) if len(set(own.values())) == 1 else None
        return self.of("", name)

    def _shipped(self, provider: str, model: str, key: str) -> Price | None:
        known = self._recall()
        today = self._today()
        if key in known and (price := self._price(known[key], today)) is not _STALE:
            return price if isinstance(price, Price) else None
        row = table.look_up(provider, model, today) if self._version else None
        known[key] = row and {
            **{name: getattr(row, name) for name in _FIELDS},
            "dated": row.dated.isoformat(),
            "until": row.until.isoformat() if row.until else None,
        }
        self._remember(key, known[key])
        price = self._price(known[key], today)
        return price if isinstance(price, Price) else None

    def _price(self, entry: Any, today: date) -> object:
        """The price of an entry of the cache, None when the table does not know it, _STALE when it must be asked."""
        if entry is None:
            return None
        try:
            if entry["until"] and date.fromisoformat(entry["until"]) <= today:
                return _STALE
            numbers = [float(entry[name]) for name in _FIELDS]
            if not all(0 <= number <= 1e6 for number in numbers):
                return _STALE
            dated, source = date.fromisoformat(entry["dated"]), f"{table.PACKAGE} {self._version}"
        except (TypeError, KeyError, ValueError, AttributeError):
            return _STALE
        return Price(numbers[0], numbers[1], dated, source, numbers[2], numbers[3])

    def _recall(self) -> dict[str, Any]:
        if self._remembered is None:
            self._version = table.version()
            self._remembered = self._read()
        return self._remembered

    def _read(self) -> dict[str, Any]:
        """What the file holds for this version of the table; nothing when it is not there or not to be read."""
        try:
            data = json.loads(self._cache.read_bytes()) if self._cache else {}
        except (OSError, ValueError, RecursionError):
            return {}
        fits = isinstance(data, dict) and data.get("version") == self._version and isinstance(data.get("prices"), dict)
        return dict(data["prices"]) if fits else {}

    def _remember(self, key: str, entry: Any) -> None:
        """Others write it too: what they added since is kept, and what is lost is only asked again."""
        if self._cache is None or not self._version:
            return
        whole = {"version": self._version, "prices": {**self._read(), key: entry}}
        hidden = self._cache.with_name(f".{self._cache.name}-{secrets.token_hex(6)}.tmp")
        with suppress(OSError):
            try:
                self._cache.parent.mkdir(parents=True, exist_ok=True)
                hidden.write_text(json.dumps(whole, indent=1, sort_keys=True), "utf-8")
                os.replace(hidden, self._cache)
            finally:
                hidden.unlink(missing_ok=True)


_STALE = object()
