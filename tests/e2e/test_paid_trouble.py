"""Paid models that go wrong in the middle: what may have been billed counts, and is never told as $0."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support import House
from tests.e2e.test_model_side import ANSWER, COST, LIMA, QUESTION, house, paid
from tests.e2e.test_model_side import shop as shop
from tests.engine.fixtures import MODEL
from tests.engine.openai_faults import Breaks, Says, Scripted, Status

CAPS = "per_task_usd = 1\nper_day_usd = 1\nper_month_usd = 1"
WRONG = Says("not json", usage={"prompt_tokens": 1000, "completion_tokens": 100})
NAMED = f"{QUESTION}[model:shop/{MODEL}]\n"


def spent(place: House) -> str:
    checks: list[dict[str, Any]] = place.data("doctor", code=None)["checks"]
    return str(next(check["detail"] for check in checks if check["name"] == "money"))


@pytest.mark.parametrize("second", [Status(429), Status(401), Status(500)], ids=["429", "401", "500"])
def test_a_first_answer_is_paid_for_though_the_second_question_is_refused(
    tmp_path: Path, shop: Scripted, second: Status
) -> None:
    place = house(tmp_path, paid(shop, CAPS))
    shop.script.extend([WRONG, second])
    place.drop("peru.md", NAMED)
    place.once(code=None)
    assert len(shop.chats) == 2
    assert spent(place).startswith(f"${COST:.4f} of $1 today")
    assert [line["cost_usd"] for line in place.ledger()] in ([], [pytest.approx(COST)])


def test_a_first_answer_without_a_count_makes_the_cost_unknown(tmp_path: Path, shop: Scripted) -> None:
    place = house(tmp_path, paid(shop, CAPS))
    shop.script.extend([Says("not json", usage=None), ANSWER])
    place.drop("peru.md", NAMED)
    assert [record.status for record in place.drain()] == ["done"]
    (line,) = place.ledger()
    assert line["cost_usd"] is None and line["estimated"]
    assert "cost_usd" not in place.header("peru")
    assert "worst case" in spent(place)


@pytest.mark.parametrize(
    ("settings", "header"), [("answer_seconds = 1", ""), ("", "timeout: 1\n")], ids=["its own", "the task's"]
)
@pytest.mark.parametrize("script", [[Breaks.TRICKLE], [WRONG, Breaks.TRICKLE]], ids=["first", "second"])
def test_a_paid_answer_that_breaks_off_has_an_unknown_cost(
    tmp_path: Path, shop: Scripted, settings: str, header: str, script: Sequence[Says | Breaks]
) -> None:
    place = house(tmp_path, paid(shop, CAPS).replace("local = false", f"local = false\n{settings}"))
    shop.script.extend(script)
    place.drop("peru.md", NAMED.replace("---\nstatus", f"---\n{header}status", 1))
    (record,) = place.drain()
    assert record.status in ("handed-off", "failed")
    (line,) = place.ledger()
    assert (line["cost_usd"], line["provider"], line["model"]) == (None, "shop", MODEL)
    assert "cost_usd" not in place.header("peru")
    assert "worst case" in spent(place)
    total = place.data("stats")["total"]
    assert total["cost_usd"] is None and total["cost_unknown_runs"] == 1


def test_a_question_that_was_too_long_to_be_sent_costs_nothing(tmp_path: Path, shop: Scripted) -> None:
    place = house(tmp_path, paid(shop, CAPS.replace("1", "100")))
    place.drop("peru.md", NAMED + "word and more 1234567 " * 28_000)
    assert [record.status for record in place.drain()] == ["handed-off"]
    assert not shop.chats
    assert spent(place).startswith("$0.0000 of $100 today")


@pytest.mark.parametrize("many", [10**400, 10**30], ids=["beyond floats", "beyond sense"])
def test_a_count_that_cannot_be_is_no_count(tmp_path: Path, shop: Scripted, many: int) -> None:
    place = house(tmp_path, paid(shop, CAPS))
    shop.script.append(Says(LIMA, usage={"prompt_tokens": many, "completion_tokens": many}))
    place.drop("peru.md", NAMED)
    assert [record.status for record in place.drain()] == ["done"]
    (line,) = place.ledger()
    assert (line["cost_usd"], line["input_tokens"]) == (None, 0)
    assert not place.data("stats")["problems"]
    assert "worst case" in spent(place)


def command(tmp_path: Path, script: str, more: str = "") -> str:
    file = tmp_path / "lead"
    file.write_text(f"#!/bin/sh\ncat >/dev/null\n{script}\n", "utf-8")
    file.chmod(0o755)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    executor = f'[executors.c]\nargv = ["{file}"]\nsha256 = "{digest}"\nmax_usd = 0.5\noutput = "json"\n'
    return f'[money]\n{CAPS}\n[lead]\nvia = "command:c"\n{executor}{more}'


def test_what_a_command_cannot_have_cost_is_unknown(tmp_path: Path) -> None:
    many = "1" + "0" * 400
    usage = f'{{"input_tokens": {many}, "output_tokens": 1e300}}'
    said = f'{{"result": "Lima", "total_cost_usd": {many}, "usage": {usage}}}'
    place = house(tmp_path, command(tmp_path, f"echo '{said}'"))
    place.drop("peru.md", NAMED.replace("status", "model: lead\nstatus", 1))
    assert [record.status for record in place.drain()] == ["done"]
    (line,) = place.ledger()
    assert line["cost_usd"] is None and line["estimated"] and line["input_tokens"] < 10_000
    assert not place.data("stats")["problems"]


def test_a_command_that_is_stopped_has_an_unknown_cost(tmp_path: Path) -> None:
    place = house(tmp_path, command(tmp_path, "sleep 30", "timeout_seconds = 1\n"))
    place.drop("peru.md", NAMED.replace("status", "model: lead\nstatus", 1))
    assert [record.status for record in place.drain()] == ["handed-off"]
    (line,) = place.ledger()
    assert (line["cost_usd"], line["provider"]) == (None, "command:c")
    assert "cost_usd" not in place.header("peru")
    assert "worst case" in spent(place)
