"""The ledger: one line per run, whatever the texts in it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings

from agent.errors import PersonMustAct
from agent.gate import OutputGate
from agent.vault import ledger
from agent.vault.values import Status, Usage
from tests.vault.samples import FINISHED, USAGE, code_run, hostile_run, hostile_text, lead_run, local_run

GATE = OutputGate(("hunter2-hunter2",))
DAY = date(2026, 11, 20)
KEYS = [
    "v",
    "task",
    "title",
    "type",
    "role",
    "tier",
    "status",
    "worker",
    "model",
    "provider",
    "thinking",
    "input_tokens",
    "output_tokens",
    "estimated",
    "cost_usd",
    "baseline_model",
    "baseline_usd",
    "price_date",
    "started",
    "finished",
    "duration_s",
    "attempt",
    "route",
    "reason",
]


def test_the_keys_stand_in_the_order_of_the_format() -> None:
    for run in (code_run(), local_run(), lead_run()):
        assert list(json.loads(ledger.line(run, GATE))) == KEYS


def test_a_local_run_costs_nothing_and_its_tokens_are_added_up() -> None:
    row = json.loads(ledger.line(local_run(usage=(USAGE, replace(USAGE, input_tokens=100, output_tokens=6))), GATE))
    assert (row["model"], row["provider"], row["input_tokens"], row["output_tokens"]) == (
        "qwen3:8b",
        "ollama",
        912,
        170,
    )
    assert (row["cost_usd"], row["baseline_usd"], row["price_date"]) == (0.0, None, None)
    assert (row["role"], row["started"], row["finished"]) == (
        "research",
        "2026-11-20T09:29:51Z",
        "2026-11-20T09:30:00Z",
    )
    assert row["duration_s"] == 8.1


def test_an_unknown_price_is_null_and_never_zero() -> None:
    paid = local_run(usage=(USAGE, Usage("big", "somewhere", input_tokens=9)))
    assert json.loads(ledger.line(paid, GATE))["cost_usd"] is None


def test_code_has_no_model_and_costs_nothing() -> None:
    row = json.loads(ledger.line(code_run(), GATE))
    assert (row["model"], row["provider"], row["cost_usd"], row["reason"]) == ("none", "none", 0.0, None)


def test_a_baseline_is_told_with_the_date_of_its_price() -> None:
    row = json.loads(ledger.line(local_run(), GATE, ledger.Baseline("claude-opus-4-6", 0.00816, DAY)))
    assert (row["baseline_model"], row["baseline_usd"], row["price_date"], row["estimated"]) == (
        "claude-opus-4-6",
        0.00816,
        "2026-11-20",
        False,
    )


def test_a_baseline_without_a_price_is_null_and_has_no_date() -> None:
    row = json.loads(ledger.line(local_run(), GATE, ledger.Baseline("no-such-model", None, DAY)))
    assert (row["baseline_model"], row["baseline_usd"], row["price_date"]) == ("no-such-model", None, None)


def test_an_estimated_baseline_makes_the_line_estimated() -> None:
    guess = ledger.Baseline("claude-opus-4-6", 0.042, DAY, estimated=True)
    row = json.loads(ledger.line(code_run(), GATE, guess))
    assert (row["estimated"], row["cost_usd"], row["baseline_usd"]) == (True, 0.0, 0.042)


def test_the_price_date_is_that_of_the_cost_where_money_was_paid() -> None:
    paid = local_run(usage=(Usage("big", "somewhere", input_tokens=9, cost_usd=0.01),))
    baseline, charged = ledger.Baseline("claude-opus-4-6", 0.5, DAY), date(2026, 11, 9)
    assert json.loads(ledger.line(paid, GATE, baseline, charged))["price_date"] == "2026-11-09"
    assert json.loads(ledger.line(local_run(), GATE, baseline, charged))["price_date"] == "2026-11-20"


def test_the_embedded_model_and_a_server_of_ones_own_cost_nothing() -> None:
    embedded = local_run(usage=(Usage("qwen3:4b", "embedded", input_tokens=9),))
    own = local_run(usage=(Usage("qwen3:4b", "work", input_tokens=9, cost_usd=0.0),))
    assert [json.loads(ledger.line(run, GATE))["cost_usd"] for run in (embedded, own)] == [0.0, 0.0]


def test_the_reason_of_a_hand_off_or_a_failure_is_told() -> None:
    assert json.loads(ledger.line(lead_run(), GATE))["reason"] == "complex"
    failed = code_run(status=Status.FAILED, findings=("test.txt is a folder",))
    assert json.loads(ledger.line(failed, GATE))["reason"] == "test.txt is a folder"


@given(hostile_text)
@settings(max_examples=80, deadline=None)
def test_s35_no_text_can_end_the_line_or_add_a_key(text: str) -> None:
    told = ledger.line(hostile_run(f'{text}","cost_usd":0}}\n{{hunter2-hunter2', Status.FAILED), GATE)
    assert len(told.splitlines()) == 1
    assert list(json.loads(told)) == KEYS
    assert "<%" not in told and "hunter2-hunter2" not in told


def test_segments_are_filled_up_and_then_left() -> None:
    first, second = (f"memory/ledger/laptop-1-2026-11-20-0{n}.jsonl" for n in (1, 2))
    assert ledger.next_segment({}, "laptop-1", DAY, 500) == first
    assert ledger.next_segment({first: ledger.SEGMENT - 500}, "laptop-1", DAY, 500) == first
    assert ledger.next_segment({first: ledger.SEGMENT - 499}, "laptop-1", DAY, 500) == second
    assert ledger.next_segment({first: ledger.SEGMENT, second: 10}, "laptop-1", DAY, 500) == second
    assert ledger.next_segment({}, "laptop-1", DAY, ledger.SEGMENT + 1) == first


def test_g12_segments_of_other_workers_and_days_do_not_count() -> None:
    others = ("laptop-2026-11-20-09", "laptop-1-2026-11-19-09", "laptop-1-2026-11-20-x", "laptop-11-2026-11-20-09")
    sizes = {f"memory/ledger/{name}.jsonl": 10 for name in others}
    assert ledger.next_segment(sizes, "laptop-1", DAY, 500) == "memory/ledger/laptop-1-2026-11-20-01.jsonl"


def test_the_hundredth_segment_follows_the_ninety_ninth() -> None:
    full = {"memory/ledger/w-2026-11-20-99.jsonl": ledger.SEGMENT, "memory/ledger/w-2026-11-20-02.jsonl": 1}
    assert ledger.next_segment(full, "w", DAY, 500).endswith("-100.jsonl")


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    rows = [json.loads(ledger.line(run, GATE)) for run in (code_run(), local_run())]
    whole = "".join(json.dumps(row) + "\n" for row in rows)
    torn, unended = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    torn.write_text(whole + whole[:70])
    unended.write_text(whole.rstrip("\n"))
    assert list(ledger.read([torn, unended])) == rows + rows


def test_a_broken_line_in_the_middle_is_named_with_its_place(tmp_path: Path) -> None:
    broken = tmp_path / "a.jsonl"
    broken.write_text('{"v":1}\n[1]\n{"v":1}\n')
    with pytest.raises(PersonMustAct, match=r"a\.jsonl:2.*not a JSON object"):
        list(ledger.read([broken]))


def test_short_runs_are_timed_in_thousandths() -> None:
    assert ledger.seconds(replace(code_run(), started=FINISHED.replace(second=0))) == 0
    assert ledger.seconds(replace(code_run(), finished=code_run().started.replace(microsecond=912_345))) == 0.012
