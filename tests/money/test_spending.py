"""The caps: checked before a call, shared by every process of the machine, and never forgetting."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config.tables import Money
from agent.errors import Busy, Doubt, PersonMustAct
from agent.models.base import Answer, Request
from agent.models.gate import Reply, estimate, gated, output_limit
from agent.money import spending
from agent.money.prices import Price
from agent.money.spending import Spending, worst_case

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
CAPS = Money(per_task_usd=1.0, per_day_usd=2.0, per_month_usd=3.0)


def account(place: Path, **caps: float) -> Spending:
    return Spending(place / "state" / "spending.sqlite3", CAPS.model_copy(update=caps))


def refused(money: Spending, worst: float | None, *, task: str = "a", budget: float | None = None) -> str:
    with pytest.raises(Doubt) as doubt:
        money.reserve(task, worst, budget=budget, now=NOW)
    assert doubt.value.reason == "budget"
    return str(doubt.value)


def test_a_worst_case_counts_until_the_real_cost_is_known(tmp_path: Path) -> None:
    money = account(tmp_path)
    held = money.reserve("a", 0.5, budget=None, now=NOW)
    assert money.spent(NOW, "a") == spending.Spent(0.5, 0.5, 0.5, 0.5)
    money.settle(held, 0.125)
    assert money.spent(NOW, "a") == spending.Spent(0.125, 0.125, 0.125, 0.0)
    assert account(tmp_path).spent(NOW, "b") == spending.Spent(0.0, 0.125, 0.125, 0.0)


@pytest.mark.parametrize("cost", [None, float("nan"), float("inf"), -1.0])
def test_an_unknown_cost_leaves_the_worst_case(tmp_path: Path, cost: float | None) -> None:
    money = account(tmp_path)
    held = money.reserve("a", 0.5, budget=None, now=NOW)
    money.settle(held, cost)
    assert money.spent(NOW).day == 0.5
    money.settle(held, 0.25)  # it became known after all
    money.settle(held, 0.0)  # the first known cost stands
    money.release(held)  # and is not given back
    assert money.spent(NOW).day == 0.25


def test_only_a_release_gives_money_back(tmp_path: Path) -> None:
    money = account(tmp_path)
    money.release(money.reserve("a", 1.0, budget=None, now=NOW))
    assert money.spent(NOW).day == 0.0
    money.reserve("a", 1.0, budget=None, now=NOW)


def test_the_cap_of_a_task_counts_all_its_attempts(tmp_path: Path) -> None:
    money = account(tmp_path)
    money.settle(money.reserve("a", 0.6, budget=None, now=NOW - timedelta(days=40)), 0.6)
    said = refused(money, 0.5)
    for part in ("$1.00", "$0.60", "$0.50", "money.per_task_usd", "config.toml"):
        assert part in said
    money.reserve("b", 0.5, budget=None, now=NOW)


def test_the_caps_of_the_day_and_the_month_are_told_apart(tmp_path: Path) -> None:
    money = account(tmp_path)
    for task in "ab":
        money.reserve(task, 1.0, budget=None, now=NOW)
    assert "money.per_day_usd" in refused(money, 0.000001, task="c")
    money.reserve("d", 1.0, budget=None, now=NOW + timedelta(days=1))
    with pytest.raises(Doubt, match=r"cap for a month is \$3\.00.*money\.per_month_usd"):
        money.reserve("e", 0.000001, budget=None, now=NOW + timedelta(days=2))


def test_a_cap_may_be_reached_to_the_last_nano_dollar(tmp_path: Path) -> None:
    money = account(tmp_path, per_day_usd=0.3)
    for number in range(3):
        money.reserve(str(number), 0.1, budget=None, now=NOW)
    assert "per_day_usd" in refused(money, 1e-9, task="x")


@pytest.mark.parametrize("worst", [None, float("nan"), -1.0])
def test_an_unknown_price_is_never_paid(tmp_path: Path, worst: float | None) -> None:
    assert "price is unknown and a cap is in force" in refused(account(tmp_path), worst)


@pytest.mark.parametrize("worst", [float("inf"), 1e300, 5e6])
def test_what_is_beyond_all_measure_is_refused(tmp_path: Path, worst: float) -> None:
    assert "money.per_task_usd" in refused(account(tmp_path), worst)


@pytest.mark.parametrize("cap", ["per_task_usd", "per_day_usd", "per_month_usd"])
def test_a_cap_of_zero_allows_no_paid_model_but_a_free_one(tmp_path: Path, cap: str) -> None:
    money = account(tmp_path, **{cap: 0.0})
    assert f"money.{cap} in config.toml" in refused(money, 1e-9)
    money.reserve("a", 0.0, budget=None, now=NOW)


def test_no_caps_at_all_allow_no_paid_model(tmp_path: Path) -> None:
    money = Spending(tmp_path / "spending.sqlite3", Money())
    assert "allows no paid model" in refused(money, 0.01)


def test_a_budget_narrows_and_never_widens(tmp_path: Path) -> None:
    money = account(tmp_path)
    assert "this task's budget is 0" in refused(money, 0.01, budget=0.0)
    assert "budget_usd in the task's header" in refused(money, 0.3, budget=0.25)
    assert "money.per_task_usd in config.toml" in refused(money, 1.5, budget=100.0)
    money.reserve("a", 0.25, budget=0.25, now=NOW)


def test_days_and_months_turn_at_midnight_utc_whatever_the_zone(tmp_path: Path) -> None:
    money, tokyo = account(tmp_path), timezone(timedelta(hours=9))
    last = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    money.settle(money.reserve("a", 0.5, budget=None, now=last.astimezone(tokyo)), 0.5)  # 1 December in Tokyo
    assert (money.spent(last).day, money.spent(last).month) == (0.5, 0.5)
    after = last + timedelta(seconds=1)
    assert (money.spent(after, "a").task, money.spent(after).day, money.spent(after).month) == (0.5, 0.0, 0.0)
    noon = datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert (money.spent(noon - timedelta(days=1)).day, money.spent(noon - timedelta(days=1)).month) == (0.0, 0.5)


RACER = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from agent.config.tables import Money
from agent.errors import Doubt
from agent.money.spending import Spending

money = Spending(Path(sys.argv[1]), Money(per_task_usd=1, per_day_usd=1, per_month_usd=1))
now, won = datetime(2026, 11, 20, tzinfo=UTC), 0
sys.stdin.readline()
for number in range(50):
    try:
        held = money.reserve("shared", 0.011, budget=None, now=now)
    except Doubt:
        continue
    won += 1
    if number % 3 == 0:
        money.settle(held, 0.004)
    elif number % 3 == 1:
        money.release(held)
        won -= 1
print(won)
"""


def test_eight_processes_together_never_pass_the_cap(tmp_path: Path) -> None:
    place = tmp_path / "new" / "spending.sqlite3"  # they also race for making it
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(8)
    ]
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [racer.communicate(timeout=100)[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 8
    won = sum(int(text) for text in said)
    with sqlite3.connect(place) as rows:
        kept, total = rows.execute("SELECT COUNT(*), SUM(COALESCE(actual, worst)) FROM calls").fetchone()
    rows.close()
    assert kept == won
    assert total <= spending.NANO < total + 11_000_000, "the cap holds, and nearly all of it was used"
    assert [path.name for path in place.parent.iterdir()] == ["spending.sqlite3"]


KILLED = """
import os, signal, sys
from datetime import datetime, UTC
from pathlib import Path
from agent.config.tables import Money
from agent.money.spending import Spending

money = Spending(Path(sys.argv[1]), Money(per_task_usd=1, per_day_usd=1, per_month_usd=1))
money.reserve("a", 0.75, budget=None, now=datetime(2026, 11, 20, tzinfo=UTC))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_who_is_killed_between_reserving_and_settling_keeps_counting_at_the_worst_case(tmp_path: Path) -> None:
    place = tmp_path / "spending.sqlite3"
    done = subprocess.run([sys.executable, "-c", KILLED, str(place)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    money = Spending(place, CAPS)
    assert money.spent(NOW) == spending.Spent(0.0, 0.75, 0.75, 0.75)
    assert "$0.75" in refused(money, 0.5)


def damaged(place: Path, how: str) -> None:
    if how == "empty":
        place.write_bytes(b"")
    elif how == "text":
        place.write_bytes(b"not a database" * 100)
    elif how == "torn":
        place.write_bytes(place.read_bytes()[:5000])
    elif how == "pages":
        with place.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * 4096)
    else:
        place.unlink()
        foreign = sqlite3.connect(place)
        foreign.execute("CREATE TABLE calls (id, task, at, worst, actual)")
        foreign.commit()
        foreign.close()


@pytest.mark.parametrize("how", ["empty", "text", "torn", "pages", "foreign"])
def test_a_damaged_account_stops_all_spending_and_is_left_as_it_is(tmp_path: Path, how: str) -> None:
    place = tmp_path / "spending.sqlite3"
    Spending(place, CAPS).reserve("a", 0.5, budget=None, now=NOW)
    damaged(place, how)
    before = place.read_bytes()
    for attempt in (lambda m: m.reserve("a", 0.1, budget=None, now=NOW), lambda m: m.spent(NOW)):
        with pytest.raises(PersonMustAct, match=r"no paid model is asked.*move it away"):
            attempt(Spending(place, CAPS))
    assert place.read_bytes() == before


def test_an_account_that_cannot_be_made_stops_all_spending(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PersonMustAct, match="no paid model is asked"):
        Spending(tmp_path / "file" / "spending.sqlite3", CAPS).reserve("a", 0.1, budget=None, now=NOW)


def test_a_folder_in_its_place_stops_all_spending(tmp_path: Path) -> None:
    (tmp_path / "spending.sqlite3").mkdir()
    with pytest.raises(PersonMustAct, match="no paid model is asked"):
        Spending(tmp_path / "spending.sqlite3", CAPS).reserve("a", 0.1, budget=None, now=NOW)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_an_account_that_cannot_be_written_stops_all_spending(tmp_path: Path) -> None:
    money = account(tmp_path)
    money.reserve("a", 0.1, budget=None, now=NOW)
    place = tmp_path / "state" / "spending.sqlite3"
    place.chmod(0o400)
    with pytest.raises(PersonMustAct, match="no paid model is asked"):
        money.reserve("a", 0.1, budget=None, now=NOW)


def test_who_cannot_get_at_it_in_time_is_told_to_try_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spending, "PATIENCE", 0.05)
    money, place = account(tmp_path), tmp_path / "state" / "spending.sqlite3"
    money.reserve("a", 0.1, budget=None, now=NOW)
    other = sqlite3.connect(place, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy):
        money.reserve("a", 0.1, budget=None, now=NOW)
    other.execute("ROLLBACK")
    other.close()
    money.reserve("a", 0.1, budget=None, now=NOW)


def test_status_makes_no_file(tmp_path: Path) -> None:
    assert account(tmp_path).spent(NOW) == spending.Spent(0.0, 0.0, 0.0, 0.0)
    assert list(tmp_path.iterdir()) == []


amounts = st.decimals(0, 100, places=9, allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(amounts, st.one_of(st.none(), amounts)), max_size=25))
@settings(max_examples=25, deadline=None)
def test_settled_sums_are_exact(tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[Decimal, Decimal]]) -> None:
    place = tmp_path_factory.mktemp("sums") / "spending.sqlite3"
    money = Spending(place, Money(per_task_usd=1e6, per_day_usd=1e6, per_month_usd=1e6))
    total = Decimal(0)
    for worst, actual in calls:
        held = money.reserve("a", float(worst), budget=None, now=NOW)
        money.settle(held, None if actual is None else float(actual))
        total += worst if actual is None else actual
    assert Decimal(repr(money.spent(NOW, "a").task)) == Decimal(repr(float(total)))
    if calls:
        rows = sqlite3.connect(place)
        (exact,) = rows.execute("SELECT SUM(COALESCE(actual, worst)) FROM calls").fetchone()
        rows.close()
        assert exact == int(total * spending.NANO)


@given(st.floats(0, 0.9, allow_nan=False))
@settings(max_examples=40, deadline=None)
def test_worst_cases_are_rounded_up(tmp_path_factory: pytest.TempPathFactory, worst: float) -> None:
    held = Spending(tmp_path_factory.mktemp("up") / "s.sqlite3", CAPS).reserve("a", worst, budget=None, now=NOW)
    assert worst <= held.worst_usd <= worst + 1e-9


PRICE = Price(3.0, 15.0, NOW.date(), "config.toml", 3.0, 15.0)


@pytest.mark.parametrize("thinking", ["off", "low", "high"])
@pytest.mark.parametrize("flaw", ["length", "schema", "leak"])
def test_two_attempts_of_the_gate_cost_no_more_than_the_worst_case(flaw: str, thinking: str) -> None:
    schema = (
        {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]} if flaw == "schema" else None
    )
    request = Request("You are terse.", "Why? " * 200, "m", thinking=thinking, schema=schema, context=32_768)
    sent: list[Request] = []

    def attempt(asked: Request) -> Reply:
        sent.append(asked)
        text = {"length": "so", "schema": '{"a": "' + "漢" * 400 + '"}', "leak": "<think>"}[flaw]
        # As many tokens as the estimate and the limit allow: the worst that the server can bill.
        return Reply(
            text, "m", "work", reason="length" if flaw == "length" else "stop",
            input_tokens=estimate(asked.system) + estimate(asked.prompt), output_tokens=output_limit(asked),
        )  # fmt: skip

    with pytest.raises(Doubt) as doubt:
        answer: Answer = gated(attempt, request)
        raise AssertionError(answer)
    assert len(sent) == 2 == len(doubt.value.usage)
    billed = sum(PRICE.cost(call.input_tokens, call.output_tokens) for call in doubt.value.usage)
    prompt = estimate(sent[0].system) + estimate(sent[0].prompt)
    worst = worst_case(prompt, output_limit(request), PRICE)
    assert worst is not None and billed <= worst
