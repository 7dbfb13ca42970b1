"""The sums are those of a naive recomputation, and what is unknown is never a number."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from agent.schema import schema
from agent.stats import collect, details, measured
from agent.stats.buckets import buckets
from tests.stats.lines import AWAY, BEAT, CODE, LEAD, LINE, line, quiet, segment

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

money = st.none() | st.integers(0, 400).map(lambda cents: cents / 100)
rows = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["ask", "summarize", "heartbeat"]),
        "role": st.sampled_from(["task", "heartbeat"]),
        "tier": st.sampled_from(["trivial", "standard", "complex"]),
        "status": st.sampled_from(["done", "failed", "handed-off", "unknown"]),
        "reason": st.sampled_from([None, "budget", "complex"]),
        "provider": st.sampled_from(["none", "ollama", "lead", "openai"]),
        "model": st.sampled_from(["none", "qwen3:8b", "opus"]),
        "input_tokens": st.integers(0, 5000),
        "output_tokens": st.integers(0, 500),
        "estimated": st.booleans(),
        "cost_usd": money,
        "baseline_usd": money,
        "finished": st.sampled_from([f"2026-11-{day:02}T09:30:00Z" for day in range(15, 23)]),
        "duration_s": st.integers(0, 90),
    }
)


def summed(root: Path, days: int = 7) -> dict[str, Any]:
    data = collect(root, root / "state", days, NOW)
    Draft202012Validator(schema("stats")).validate({"schema_version": 1, "data": json.loads(json.dumps(data))})
    return data


def naive(lines: list[dict[str, Any]]) -> dict[str, Any]:
    costs = [row["cost_usd"] for row in lines]
    bases = [0.0 if row["status"] == "handed-off" else row["baseline_usd"] for row in lines]
    both = [base - cost for base, cost in zip(bases, costs, strict=True) if base is not None and cost is not None]
    return {
        "runs": len(lines),
        "done": sum(row["status"] == "done" for row in lines),
        "handed_off": sum(row["status"] == "handed-off" for row in lines),
        "failed": sum(row["status"] == "failed" for row in lines),
        "input_tokens": sum(row["input_tokens"] for row in lines),
        "output_tokens": sum(row["output_tokens"] for row in lines),
        "estimated_runs": sum(row["estimated"] and row["provider"] != "none" for row in lines),
        "cost_usd": None if None in costs else pytest.approx(sum(costs)),
        "cost_unknown_runs": costs.count(None),
        "baseline_usd": None if None in bases else pytest.approx(sum(bases)),
        "baseline_unknown_runs": bases.count(None),
        "saved_usd": pytest.approx(sum(both)) if both else None,
        "saved_runs": len(both),
        "seconds": pytest.approx(sum(row["duration_s"] for row in lines)),
    }


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(rows, min_size=1, max_size=12), min_size=1, max_size=4))
def test_the_sums_are_those_of_a_naive_recomputation(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[dict[str, Any]]]
) -> None:
    root = tmp_path_factory.mktemp("vault")
    for number, lines in enumerate(files, 1):
        segment(root, "".join(line(**row) for row in lines), f"w1-2026-11-20-{number:02}.jsonl")
    data = summed(root)
    inside = [row for lines in files for row in lines if row["finished"] >= "2026-11-16"]
    groups: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in inside:
        for name in ("tier", "type", "model"):
            groups[name][row[name]].append(row)
        groups["day"][row["finished"][:10]].append(row)
    for name in ("day", "tier", "type", "model"):
        assert data[f"by_{name}"].keys() == groups[name].keys()
        for word, lines in groups[name].items():
            assert data[f"by_{name}"][word].items() >= naive(lines).items()
    if inside:
        assert data["total"].items() >= naive(inside).items()
    assert sum(row["runs"] for row in details(root, root / "state", 7, NOW)) == len(inside)
    assert sum(row["runs"] for row in data["handoffs"]) == data["total"]["handed_off"]


def test_an_unknown_price_makes_the_cost_unknown_and_never_zero(tmp_path: Path) -> None:
    segment(tmp_path, line(**{**LEAD, "cost_usd": None}) + line())
    data = summed(tmp_path)
    assert data["total"]["cost_usd"] is None and data["total"]["cost_unknown_runs"] == 1
    assert data["by_model"]["opus"]["cost_known_usd"] is None
    assert data["by_model"]["qwen3:8b"]["cost_usd"] == 0
    assert data["total"]["saved_usd"] == 0.5 and data["total"]["saved_runs"] == 1


def test_a_handed_off_run_saved_nothing(tmp_path: Path) -> None:
    segment(tmp_path, line(**AWAY) + line(**LEAD))
    assert summed(tmp_path)["total"]["saved_usd"] == 0


def test_only_the_days_of_the_span_count_today_included(tmp_path: Path) -> None:
    days = ("2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23")
    segment(tmp_path, "".join(line(finished=f"{day}T00:00:00Z") for day in days))
    assert list(summed(tmp_path, 2)["by_day"]) == ["2026-11-21", "2026-11-22"]
    assert list(summed(tmp_path, 1)["by_day"]) == ["2026-11-22"]


def test_a_quiet_line_counts_for_as_many_checks_as_it_says(tmp_path: Path) -> None:
    segment(tmp_path, quiet(40) + line(**BEAT))
    data = summed(tmp_path)
    assert (data["total"]["runs"], data["by_tier"]["trivial"]["done"]) == (41, 41)
    assert data["by_type"]["heartbeat"]["cost_usd"] == 0 and data["by_type"]["heartbeat"]["saved_usd"] is None


def test_an_empty_vault_has_sums_of_nothing(tmp_path: Path) -> None:
    data = summed(tmp_path)
    assert (data["total"]["runs"], data["total"]["success"], data["total"]["saved_usd"]) == (0, None, None)
    assert {metric["met"] for metric in data["metrics"].values()} == {None}
    assert data["projection"]["days_with_data"] == 0 and data["baseline_model"] is None


def test_an_estimate_of_code_is_one_of_the_baseline_and_not_of_its_own_tokens(tmp_path: Path) -> None:
    spared = {"baseline_model": "opus", "baseline_usd": 0.25, "price_date": "2026-11-01", "estimated": True}
    segment(tmp_path, quiet(3, **spared, cost_usd=0.0) + line(**{**CODE, **spared}))
    total = summed(tmp_path)["total"]
    assert (total["estimated_runs"], total["baseline_estimated_runs"], total["saved_usd"]) == (0, 4, 0.5)


def test_the_date_of_what_a_paid_run_cost_is_not_that_of_the_baseline(tmp_path: Path) -> None:
    segment(tmp_path, line(**LEAD, price_date="2026-11-19") * 2 + line())
    data = summed(tmp_path)
    assert (data["price_date"], len(data["baselines"])) == ("2026-11-01", 1)


# -- success metrics --------------------------------------------------------------------------------------------------


def metric(root: Path, name: str) -> tuple[Any, Any]:
    found = summed(root)["metrics"][name]
    return found["value"], found["met"]


def test_heartbeats_that_were_handed_off_are_not_local_and_their_answers_count_once(tmp_path: Path) -> None:
    beat = {**BEAT, "tier": "standard"}
    segment(tmp_path, quiet(8) + line(**beat) + line(**{**beat, **AWAY}) + line(**{**beat, **LEAD}))
    assert metric(tmp_path, "heartbeats_local") == (0.9, True)
    segment(tmp_path, line(**{**beat, **AWAY}), "w2-2026-11-20-01.jsonl")
    assert metric(tmp_path, "heartbeats_local") == (pytest.approx(9 / 11), False)


def test_paid_tokens_are_compared_with_what_the_same_work_would_have_used(tmp_path: Path) -> None:
    segment(tmp_path, line(input_tokens=300, output_tokens=100) + line(**LEAD, input_tokens=80, output_tokens=20))
    assert metric(tmp_path, "paid_tokens_fewer") == (0.8, True)
    segment(tmp_path, line(**LEAD, input_tokens=500, output_tokens=100), "w2-2026-11-20-01.jsonl")
    assert metric(tmp_path, "paid_tokens_fewer") == (pytest.approx(1 - 700 / 1100), False)


def test_work_of_code_counts_when_a_paid_model_was_measured_at_it(tmp_path: Path) -> None:
    lead = line(**{**LEAD, "type": "status"}, input_tokens=90, output_tokens=10)
    segment(tmp_path, lead + 4 * line(**{**CODE, "type": "status"}) + line(**{**CODE, "type": "file"}))
    data = summed(tmp_path)["metrics"]["paid_tokens_fewer"]
    assert (data["paid_tokens"], data["baseline_tokens"], data["unmeasured_runs"]) == (100, 500, 1)
    assert data["value"] == 0.8


def test_a_lead_that_states_no_tokens_leaves_the_share_unmeasured(tmp_path: Path) -> None:
    segment(tmp_path, line() + line(**LEAD, input_tokens=0, output_tokens=0, estimated=True))
    assert metric(tmp_path, "paid_tokens_fewer") == (None, None)


def test_a_handed_off_attempt_is_not_work_that_the_baseline_would_do_twice(tmp_path: Path) -> None:
    segment(tmp_path, line(**AWAY) + line(**LEAD, input_tokens=100, output_tokens=20))
    assert metric(tmp_path, "paid_tokens_fewer") == (0.0, False)


@pytest.mark.parametrize("status", ["failed", "unknown"])
def test_a_heartbeat_without_a_sound_end_may_have_missed_an_alert(tmp_path: Path, status: str) -> None:
    segment(tmp_path, quiet(3) + line(status="failed"))
    assert metric(tmp_path, "missed_critical_alerts") == (0, True)
    segment(tmp_path, line(**{**BEAT, "status": status}), "w2-2026-11-20-01.jsonl")
    assert metric(tmp_path, "missed_critical_alerts") == (1, False)


def test_savings_need_a_known_baseline(tmp_path: Path) -> None:
    segment(tmp_path, line(baseline_usd=None))
    assert metric(tmp_path, "saved_usd") == (None, None)
    segment(tmp_path, line(baseline_usd=0.1), "w2-2026-11-20-01.jsonl")
    assert metric(tmp_path, "saved_usd") == (0.1, True)


# -- projection and baselines -----------------------------------------------------------------------------------------


def test_the_projection_is_the_average_of_the_days_that_have_runs(tmp_path: Path) -> None:
    one, two = "2026-11-18T09:00:00Z", "2026-11-20T09:00:00Z"
    segment(tmp_path, line(finished=one) * 3 + line(finished=two) + line(**LEAD, finished=two) + line(**BEAT))
    found = summed(tmp_path)["projection"]
    assert found["days_with_data"] == 2
    assert found["by_tier"]["standard"] == {
        "turns_a_day": 2.0, "paid_usd_a_day": 0.0, "local_usd_a_day": 0.0, "baseline_usd_a_day": 1.0,
        "saved_usd_a_day": 1.0, "saved_usd_a_month": 30.0, "paid_unknown_runs": 0, "saved_unknown_runs": 0,
    }  # fmt: skip
    assert found["by_tier"]["complex"]["paid_usd_a_day"] == 0.125
    assert found["by_tier"]["trivial"]["saved_usd_a_day"] is None
    assert (found["total"]["turns_a_day"], found["total"]["saved_unknown_runs"]) == (3.0, 1)


def test_an_unknown_paid_price_leaves_the_paid_cost_a_day_unknown(tmp_path: Path) -> None:
    segment(tmp_path, line(**{**LEAD, "cost_usd": None}) + line(**LEAD))
    found = summed(tmp_path)["projection"]["total"]
    assert (found["paid_usd_a_day"], found["paid_unknown_runs"], found["local_usd_a_day"]) == (None, 1, 0.0)


def test_the_baseline_is_named_with_the_date_of_its_prices(tmp_path: Path) -> None:
    segment(tmp_path, line() * 2 + line(baseline_model="gpt", price_date="2026-10-01"))
    data = summed(tmp_path)
    assert (data["baseline_model"], data["price_date"]) == ("opus", "2026-11-01")
    assert data["baselines"][1] == {"model": "gpt", "price_date": "2026-10-01", "runs": 1}


def test_what_a_type_takes_is_measured_on_stated_counts_of_paid_models_alone(tmp_path: Path) -> None:
    segment(
        tmp_path,
        line(**LEAD, input_tokens=100, output_tokens=10)
        + line(**LEAD, input_tokens=300, output_tokens=30)
        + line(**LEAD, input_tokens=9000, output_tokens=900, estimated=True)
        + line(**{**LEAD, "type": "logs"}, input_tokens=0, output_tokens=0)
        + line(input_tokens=7),
    )
    assert measured(tmp_path, tmp_path / "state", look=False) == {}
    assert measured(tmp_path, tmp_path / "state") == {"ask": (200.0, 20.0)}
    segment(tmp_path, line(**LEAD, input_tokens=500, output_tokens=80), "w2-2026-11-20-01.jsonl")
    assert measured(tmp_path, tmp_path / "state", look=False) == {"ask": (200.0, 20.0)}
    assert measured(tmp_path, tmp_path / "state") == {"ask": (300.0, 40.0)}


# -- strange lines ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"input_tokens": -1},
        {"input_tokens": "12"},
        {"output_tokens": 10**30},
        {"output_tokens": True},
        {"finished": None},
        {"finished": "2026-13-01T00:00:00Z"},
        {"type": ["ask"]},
    ],
)
def test_a_line_that_cannot_be_true_is_broken(changed: dict[str, Any]) -> None:
    found, broken = buckets(f"{line()}{line(**changed)}".encode())
    assert ([sums.runs for sums in found.values()], [b.line for b in broken]) == ([1], [2])


@pytest.mark.parametrize("cost", [float("nan"), float("inf"), -1, "0.1", True, 10**400])
def test_money_that_is_no_number_is_unknown(cost: object) -> None:
    found, broken = buckets(json.dumps({**LINE, "cost_usd": cost}).encode())
    assert [sums.cost_known for sums in found.values()] == [0] and not broken


def test_half_a_character_in_a_name_does_no_harm(tmp_path: Path) -> None:
    segment(tmp_path, line(model="a").replace('"a"', '"\\ud800"'))
    assert list(summed(tmp_path)["by_model"]) == ["?"]
