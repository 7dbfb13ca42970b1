"""Prices: the person's own first, then the real table that is shipped, and never a guess."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from agent.config import tables
from agent.money import table
from agent.money.prices import Prices
from agent.money.spending import HINT_TOKENS, worst_case

TODAY = date(2026, 11, 26)
OWN = tables.Price(input=1.5, output=6.0, dated=date(2026, 11, 2))


def shipped(cache: Path | None = None, today: date = TODAY) -> Prices:
    return Prices({}, cache, lambda: today)


@pytest.mark.parametrize(
    ("provider", "model", "sent", "made"),
    [
        ("anthropic", "claude-opus-4-6", 5.0, 25.0),
        ("anthropic", "claude-sonnet-4-5-20250929", 3.0, 15.0),
        ("openai", "gpt-5", 1.25, 10.0),
        ("openai", "gpt-4o-2024-08-06", 2.5, 10.0),
        ("openrouter", "z-ai/glm-4.7", 0.6, 2.2),
        ("z-ai", "glm-4.7", 0.6, 2.2),
        ("gemini", "gemini-2.5-pro", 1.25, 10.0),
        ("work", "claude-opus-4-6", 5.0, 25.0),
        ("", "claude-opus-4-6", 5.0, 25.0),
    ],
)
def test_known_models_have_the_prices_of_the_table(provider: str, model: str, sent: float, made: float) -> None:
    price = shipped().of(provider, model)
    assert price is not None
    assert (price.input, price.output) == (sent, made)
    assert price.source == f"genai-prices {table.version()}"
    assert date(2026, 1, 1) <= price.dated <= TODAY


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-no-such-model"),
        ("work", "a-model-of-my-own"),
        ("openrouter", "anthropic/no-such-model"),
        ("", ""),
        ("github-copilot", "gpt-4o"),  # a subscription: no price in the table, and not called free
        ("openrouter", "google/lyria-3-pro-preview"),  # no price at all
        ("perplexity", "sonar-pro"),  # every request costs something of its own
        ("perplexity", "sonar-deep-research"),  # reasoning and citations cost something of their own
        ("google", "gemini-embedding-001"),  # no price for an output
        ("ollama", "deepseek-r1"),  # on this machine: the table speaks of other people's servers
    ],
)
def test_what_is_not_known_for_sure_has_no_price(provider: str, model: str) -> None:
    assert shipped().of(provider, model) is None


def test_a_name_that_stands_for_two_prices_has_none() -> None:
    here, there = shipped().of("zai", "glm-4.7"), shipped().of("zhipuai", "glm-4.7")
    assert here and there and here.input != there.input
    assert shipped().of("", "glm-4.7") is None
    assert shipped().of("work", "glm-4.7") is None


@pytest.mark.parametrize("model", ["google/gemma-3-4b-it:free", "openai/gpt-oss-20b:free"])
def test_free_is_only_what_calls_itself_free(model: str) -> None:
    price = shipped().of("openrouter", model)
    assert price is not None
    assert (price.input, price.output, price.most_input, price.most_output) == (0.0, 0.0, 0.0, 0.0)


def test_a_worst_case_takes_the_dearest_tier_and_accounts_take_the_plain_one() -> None:
    price = shipped().of("google", "gemini-2.5-pro")
    assert price is not None
    assert (price.input, price.output, price.most_input, price.most_output) == (1.25, 10.0, 2.5, 15.0)
    assert price.cost(1_000_000, 100_000) == pytest.approx(2.25)
    assert worst_case(1000, 500, price, attempts=1) == pytest.approx((1000 * 2.5 + 500 * 15) / 1e6)
    twice = (1000 + 1000 + HINT_TOKENS) * 2.5 + (500 + 1000) * 15
    assert worst_case(1000, 500, price) == pytest.approx(twice / 1e6)
    assert worst_case(1000, 500, None) is None


def test_a_price_that_changes_with_the_hour_is_the_highest_of_the_day() -> None:
    price = shipped().of("deepseek", "deepseek-chat")
    assert price is not None
    assert (price.input, price.output) == (0.27, 1.1)


def test_an_announced_change_counts_from_its_day_and_for_worst_cases_from_the_eve(tmp_path: Path) -> None:
    cache, found = tmp_path / "prices.json", []
    for day in (26, 29, 30, 31):  # the table announces the change for 1 December
        today = date(2026, 11, day) if day <= 30 else date(2026, 12, 1)
        price = shipped(cache, today).of("google", "gemini-4-argon")
        assert price is not None
        found.append((price.input, price.most_input))
    assert found == [(2.0, 2.0), (2.0, 2.0), (2.0, 4.0), (4.0, 4.0)]


def test_ones_own_price_comes_first_and_is_exact() -> None:
    prices = Prices({"anthropic/claude-opus-4-6": OWN, "work/free": tables.Price(input=0, output=0, dated=TODAY)}, None)
    price = prices.of("anthropic", "claude-opus-4-6")
    assert price is not None
    assert (price.input, price.output, price.dated, price.source) == (1.5, 6.0, date(2026, 11, 2), "config.toml")
    other = prices.of("anthropic", "claude-opus-4-6-20260205")
    assert other is not None and other.input == 5.0
    free = prices.of("work", "free")
    assert free is not None and free.output == 0.0


def test_a_bare_name_takes_ones_own_price_where_there_is_just_one() -> None:
    assert Prices({"work/claude-opus-4-6": OWN}, None).named("claude-opus-4-6") == Prices(
        {"work/claude-opus-4-6": OWN}, None
    ).of("work", "claude-opus-4-6")
    two = {"work/claude-opus-4-6": OWN, "home/claude-opus-4-6": tables.Price(input=9, output=9, dated=TODAY)}
    assert Prices(two, None).named("claude-opus-4-6") is None
    assert shipped().named("openrouter/z-ai/glm-4.7") == shipped().of("openrouter", "z-ai/glm-4.7")


SCRIPT = """
import sys
from pathlib import Path
from agent.money.prices import Prices
prices = Prices({}, Path(sys.argv[1]))
print(prices.of("", "claude-opus-4-6"), prices.of("openai", "gpt-no-such-model"), "genai_prices" in sys.modules)
"""


def ask(cache: Path) -> str:
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(cache)], capture_output=True, text=True, check=True)
    return done.stdout


def test_what_was_looked_up_once_is_known_without_importing_the_table(tmp_path: Path) -> None:
    cache = tmp_path / "state" / "prices.json"
    first, second = ask(cache), ask(cache)
    assert first.endswith("None True\n") and second.endswith("None False\n")
    assert first.removesuffix("True\n") == second.removesuffix("False\n")
    assert "input=5.0" in first


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:30],
        lambda text: "[]",
        lambda text: text.replace(table.version(), "0.0.0"),
        lambda text: text.replace("5.0", '"cheap"'),
        lambda text: text.replace("5.0", "-5.0"),
        lambda text: text.replace("2026-", "soon-"),
    ],
)
def test_a_cache_that_is_broken_or_of_another_version_is_not_believed(tmp_path: Path, spoil: object) -> None:
    cache = tmp_path / "prices.json"
    right = shipped(cache).of("", "claude-opus-4-6")
    cache.write_text(spoil(cache.read_text()))  # type: ignore[operator]
    assert shipped(cache).of("", "claude-opus-4-6") == right
    assert json.loads(cache.read_text())["prices"]["claude-opus-4-6"]["input"] == 5.0


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    price = shipped(tmp_path / "file" / "prices.json").of("", "claude-opus-4-6")
    assert price is not None and price.input == 5.0
