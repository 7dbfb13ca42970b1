"""What the paid way would have cost, in ledger lines and reports, without claiming what was not saved."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from agent import frontmatter
from agent.config import Settings, values
from agent.gate import OutputGate
from agent.money.baseline import DEFAULTS, Baselines
from agent.money.prices import Prices
from agent.records import Scribe
from agent.route.types import CONTROL_TYPES, TYPES
from agent.vault.ledger import Baseline
from agent.vault.values import Closing, Decision, Outcome, Status, Tier, Usage, Who
from tests.vault.samples import CODE, FINISHED, LEAD, LOCAL, TASK, USAGE, code_run, lead_run, local_run

OPUS = "claude-opus-4-6"
TODAY = date(2026, 11, 26)
PRICES = Prices({"work/big": values.Price(input=1, output=2, dated=date(2026, 11, 1))}, None, lambda: TODAY)
BASELINES = Baselines(PRICES, OPUS)
BEAT = Decision(Tier.TRIVIAL, "heartbeat", Who.CODE, "none", "trivial: type heartbeat")


def answered(usage: Usage) -> Outcome:
    """A lead's answer to what was handed off, as the answer's handler gives it."""
    closing = Closing(TASK, LEAD, "", "answered", "claude", "Here it is.")
    return replace(local_run(usage=(usage,), closes=closing), decision=LEAD)


def test_a_local_run_is_compared_with_the_same_tokens_on_the_baseline_model() -> None:
    found = BASELINES.of_run(local_run(usage=(USAGE, USAGE)))
    assert found == Baseline(OPUS, pytest.approx((1624 * 5 + 328 * 25) / 1e6), found.dated, 1624, 328, False)  # type: ignore[union-attr]
    assert found.dated and found.dated <= TODAY


def test_a_run_of_code_is_an_estimate_by_type() -> None:
    found = BASELINES.of_run(replace(code_run(), decision=BEAT))
    assert found and (found.input_tokens, found.output_tokens, found.estimated) == (7900, 100, True)
    assert found.input_tokens + found.output_tokens == 8000, "the low end of what was measured elsewhere"
    assert found.usd == pytest.approx((7900 * 5 + 100 * 25) / 1e6)


def test_what_the_lead_took_for_a_type_counts_before_the_stated_default() -> None:
    measured = {"file": (1000, 200)}.get
    found = Baselines(PRICES, OPUS, measured).of("file", 0, 0, False)
    assert found and (found.input_tokens, found.output_tokens, found.estimated) == (1000, 200, True)


def test_a_model_that_did_not_state_its_tokens_is_an_estimate_too() -> None:
    found = BASELINES.of("file", 0, 0, True)
    assert found and found.estimated and found.input_tokens == DEFAULTS["file"][0]


def test_a_type_that_nobody_knows_and_a_model_without_price_stay_unknown() -> None:
    unknown = BASELINES.of("summarize", 0, 0, False)
    assert unknown and (unknown.usd, unknown.dated, unknown.estimated) == (None, None, False)
    nowhere = Baselines(PRICES, "no-such-model").of("file", 100, 10, True)
    assert nowhere and (nowhere.model, nowhere.usd) == ("no-such-model", None)


def test_without_a_baseline_model_nothing_is_compared() -> None:
    assert Baselines(PRICES, "").of_run(local_run()) is None
    assert Baselines(PRICES, "").of("file", 1, 1, True) is None
    assert Baselines(PRICES, "").of_quiet(3) is None


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED, Status.UNKNOWN, Status.HANDED_OFF])
def test_a_run_that_spared_nobody_anything_claims_no_saving(status: Status) -> None:
    for run in (local_run(status=status), lead_run(status=status), replace(code_run(status=status), decision=BEAT)):
        found = BASELINES.of_run(run)
        assert found and (found.usd, found.estimated) == (0.0, False)


def test_what_the_lead_did_is_compared_with_its_own_cost() -> None:
    found = BASELINES.of_run(answered(Usage("anthropic/opus", "lead", input_tokens=9, cost_usd=0.02)))
    assert found == Baseline("anthropic/opus", 0.02, None, 9, 0)
    tokens = BASELINES.of_run(answered(Usage("unknown", "lead", input_tokens=1000, output_tokens=100)))
    assert tokens and tokens.usd == pytest.approx(0.0075)
    silent = BASELINES.of_run(answered(Usage("unknown", "lead", estimated=True)))
    assert silent and silent.usd is None


def test_every_type_that_runs_without_a_model_has_its_default() -> None:
    trivial = {name for name, tier in TYPES.items() if tier is Tier.TRIVIAL}
    assert trivial | set(CONTROL_TYPES) == set(DEFAULTS)


def written(tmp_path: Path, run: Outcome, baselines: Baselines | None, quiet: int = 0) -> tuple[list[dict], dict]:
    scribe = Scribe(tmp_path, OutputGate(), Settings(), "laptop-1", baselines)
    record = scribe.record(run, None, quiet)
    report = next(text for path, text in record.files.items() if path.startswith("outbox/"))
    return [json.loads(line) for line in record.ledger.splitlines()], dict(frontmatter.read(report).values)


def test_a_scribe_writes_the_baseline_into_ledger_and_report(tmp_path: Path) -> None:
    (line,), report = written(tmp_path, local_run(), BASELINES)
    assert (line["cost_usd"], line["baseline_model"], line["estimated"]) == (0.0, OPUS, False)
    assert line["baseline_usd"] == pytest.approx(0.00816)
    assert line["price_date"] == BASELINES.of_run(local_run()).dated.isoformat()  # type: ignore[union-attr]
    assert (report["baseline_model"], report["baseline_usd"]) == (OPUS, "0.00816")


def test_a_scribe_without_baselines_writes_none(tmp_path: Path) -> None:
    (line,), report = written(tmp_path, local_run(), None)
    assert (line["baseline_model"], line["baseline_usd"], line["price_date"]) == (None, None, None)
    assert "baseline_usd" not in report


def test_an_unknown_baseline_is_null_in_the_ledger_and_absent_in_the_report(tmp_path: Path) -> None:
    (line,), report = written(tmp_path, local_run(), Baselines(PRICES, "no-such-model"))
    assert (line["baseline_model"], line["baseline_usd"], line["price_date"]) == ("no-such-model", None, None)
    assert "baseline_usd" not in report and "baseline_model" not in report


def test_the_price_date_of_a_paid_run_is_that_of_its_own_price(tmp_path: Path) -> None:
    paid = local_run(usage=(Usage("big", "work", input_tokens=9, output_tokens=9, cost_usd=0.01),))
    (line,), _ = written(tmp_path, paid, BASELINES)
    assert (line["cost_usd"], line["price_date"], line["baseline_model"]) == (0.01, "2026-11-01", OPUS)


def test_quiet_heartbeats_are_the_saving_that_counts_most(tmp_path: Path) -> None:
    (quiet, line), _ = written(tmp_path, replace(code_run(), decision=CODE), BASELINES, quiet=38)
    assert (quiet["quiet"], quiet["estimated"], quiet["cost_usd"]) == (38, True, 0.0)
    assert quiet["baseline_usd"] == pytest.approx(38 * (7900 * 5 + 100 * 25) / 1e6)
    assert line["estimated"] is True
    (bare, _), _ = written(tmp_path, code_run(), None, quiet=2)
    assert bare["quiet"] == 2 and "baseline_usd" not in bare


def test_local_models_are_not_priced_by_other_peoples_servers() -> None:
    assert BASELINES.paid_on(local_run(usage=(replace(USAGE, cost_usd=0.0),))) is None
    assert LOCAL.who is Who.LOCAL and FINISHED.date() <= TODAY
