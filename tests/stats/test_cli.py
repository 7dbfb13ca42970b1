"""`gofer stats` as a person and a program see it."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.cli.stats import dollars, percent
from tests.e2e.support import House
from tests.stats.lines import BEAT, LEAD, line, quiet, segment

TODAY = f"{datetime.now(UTC):%Y-%m-%d}T00:00:00Z"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_an_empty_ledger_says_what_to_do(house: House) -> None:
    done = house.gofer("stats")
    assert (done.returncode, done.stderr) == (0, "") and "gofer add" in done.stdout


def test_the_data_have_the_published_shape(house: House) -> None:
    segment(house.root, quiet(3, finished=TODAY) + line(finished=TODAY) + line(**LEAD, finished=TODAY))
    data = house.data("stats", "--days", "2")
    assert (data["days"], data["total"]["runs"]) == (2, 5)
    assert house.data("stats", "--days", "2") == data


def test_the_runs_of_a_real_worker_are_counted(house: House) -> None:
    house.drop("a.md", "---\nstatus: open\n---\nWrite 42 to memory/a.txt\n")
    house.once()
    assert house.data("stats")["by_type"]["file"]["done"] == 1


@pytest.mark.parametrize("by", ["day", "tier", "type", "model"])
def test_the_table_shows_money_and_never_a_price_that_nobody_knows(house: House, by: str) -> None:
    segment(
        house.root, line(**{**LEAD, "cost_usd": None}, finished=TODAY) + line(baseline_usd=0.123456, finished=TODAY)
    )
    shown = house.gofer("stats", "--by", by).stdout
    assert "$0.1235" in shown and "unknown" in shown and "opus, prices of 2026-11-01" in shown
    assert "the cost in 1" in shown and "Missed critical alerts" in shown and "not measured" in shown


def test_a_broken_line_is_told_on_standard_error_and_the_rest_is_shown(house: House) -> None:
    segment(house.root, "{\n" + line(**BEAT, finished=TODAY))
    done = house.gofer("stats")
    assert done.returncode == 0 and "memory/ledger/w1-2026-11-20-01.jsonl:1" in done.stderr
    assert "heartbeat" in house.gofer("stats", "--by", "type").stdout


def test_the_csv_has_a_row_for_each_day_tier_type_and_model(house: House) -> None:
    segment(house.root, line(finished=TODAY) * 2 + line(**{**LEAD, "cost_usd": None}, finished=TODAY))
    rows = list(csv.DictReader(io.StringIO(house.gofer("stats", "--csv").stdout)))
    assert [(row["tier"], row["model"], row["runs"]) for row in rows] == [
        ("complex", "opus", "1"),
        ("standard", "qwen3:8b", "2"),
    ]
    assert (rows[0]["cost_usd"], rows[1]["cost_usd"]) == ("", "0.0")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", '=HYPERLINK("http://x","y,z")'])
def test_a_name_in_the_csv_is_never_a_formula(house: House, name: str) -> None:
    segment(house.root, line(model=name, finished=TODAY))
    (row,) = csv.DictReader(io.StringIO(house.gofer("stats", "--csv").stdout))
    assert row["model"].startswith("'") and row["model"].endswith(name[-2:])


def test_the_csv_of_nothing_is_a_heading(house: House) -> None:
    assert house.gofer("stats", "--csv").stdout == "day,tier,type,model\n"


def test_a_name_cannot_drive_the_terminal(house: House) -> None:
    segment(house.root, line(model="a\x1b[2Jb", finished=TODAY))
    for args in (("--by", "model"), ("--csv",), ("--json",)):
        assert "\x1b" not in house.gofer("stats", *args).stdout


def test_two_forms_at_once_are_refused(house: House) -> None:
    assert house.gofer("stats", "--csv", "--json").returncode == 2


def test_dollars_have_four_digits_and_no_powers_of_ten() -> None:
    amounts = (0.0, 0.008164321, 1234.56, 9876543.2, -0.5, 0.0000012345, None)
    assert [dollars(amount) for amount in amounts] == [
        "$0", "$0.008164", "$1,235", "$9,877,000", "-$0.5", "$0.000001234", "unknown",
    ]  # fmt: skip


def test_a_share_is_never_rounded_up_to_its_target() -> None:
    assert [percent(share) for share in (0.8999999, 0.9, 1.0, 0.57, None)] == ["89.9 %", "90 %", "100 %", "57 %", "-"]
