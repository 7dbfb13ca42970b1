"""`gofer stats`."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from agent import stats as ledger
from agent.cli.screen import find_vault, json_option, print_json, progress, table, vault_option
from agent.config import state_dir
from agent.errors import Usage

BY = ("day", "tier", "type", "model")
HEADINGS = ("Runs", "Done", "Lead", "Fail", "Tokens in/out", "Cost", "Baseline", "Saved")
UNKNOWN = "unknown"
NOTHING = 'No runs in this span. Drop a task with: gofer add "What is 2 + 2?", or look further back: --days 365'
TITLES = {
    "heartbeats_local": "Heartbeats handled locally",
    "paid_tokens_fewer": "Fewer paid tokens",
    "missed_critical_alerts": "Missed critical alerts",
    "saved_usd": "Saved",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what a spreadsheet takes for the beginning of a formula


@click.command()
@vault_option
@json_option
@click.option("--days", type=click.IntRange(1, 36_500), default=30, show_default=True, help="UTC days, with today.")
@click.option("--by", type=click.Choice(BY), default="tier", show_default=True, help="What a row stands for.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a row for each day, tier, type and model.")
def stats(vault: Path | None, as_json: bool, days: int, by: str, as_csv: bool) -> None:
    """What the runs took, and what they saved against the baseline."""
    if as_json and as_csv:
        raise Usage("--json and --csv are two forms of the same", fix="give one of them")
    root, now = find_vault(vault), datetime.now(UTC)
    state = state_dir(root, os.environ)
    if as_csv:
        print_csv(ledger.details(root, state, days, now, _reading))
        return
    data = ledger.collect(root, state, days, now, _reading)
    if as_json:
        print_json(data)
        return
    for problem in data["problems"]:
        click.echo(f"gofer: {plain(problem['what'])}\n  where: {problem['where']}\n  do: {problem['fix']}", err=True)
    if data["total"]["runs"]:
        _show(data, by)
    else:
        click.echo(NOTHING)


def _reading(done: int, of: int) -> None:
    progress("" if done == of else f"reading the ledger: {done:,} of {of:,} files")


def _show(data: Mapping[str, Any], by: str) -> None:
    click.echo(f"{data['first_day']} to {data['last_day']} (UTC), {_compared(data)}\n")
    rows = [(plain(name), *cells(row)) for name, row in data[f"by_{by}"].items()]
    table((by.capitalize(), *HEADINGS), [*rows, ("All", *cells(data["total"]))])
    _say_unknown(data["total"])
    if estimated := data["total"]["estimated_runs"]:
        click.echo(f"Token counts are estimates in {estimated:,} runs ({percent(data['total']['estimated_share'])}).")
    if guessed := data["total"]["baseline_estimated_runs"]:
        click.echo(f"The baseline is an estimate in {guessed:,} runs.")
    click.echo("\nAgainst the targets")
    table(("Metric", "Value", "Target", "Met", "What is measured"), _metrics(data["metrics"]), flexible=4)
    days = data["projection"]["days_with_data"]
    click.echo(f"\nGoing on like this (from {days:,} day{'s' * (days > 1)} with runs)")
    _project(data["projection"])


def _say_unknown(total: Mapping[str, Any]) -> None:
    unknown = {
        "the cost": total["cost_unknown_runs"],
        "the baseline": total["baseline_unknown_runs"],
        "what was saved": total["runs"] - total["saved_runs"],
    }
    if said := [f"{what} in {runs:,}" for what, runs in unknown.items() if runs]:
        click.echo(f"* Of {total['runs']:,} runs nobody knows: {', '.join(said)}.")


def _compared(data: Mapping[str, Any]) -> str:
    if not data["baselines"]:
        return "no baseline price in the ledger, so savings are unknown"
    known = [f"{plain(b['model'])}, prices of {b['price_date'] or 'an unknown day'}" for b in data["baselines"]]
    return f"compared with {'; '.join(known[:3])}"


def cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """One row of numbers for people, under HEADINGS: how many ended done, went to the lead, failed; what they took."""
    return (
        f"{row['runs']:,}",
        percent(row["success"]),
        percent(row["handoff_share"]),
        f"{row['failed']:,}",
        f"{row['input_tokens']:,}/{row['output_tokens']:,}",
        _partly(row["cost_known_usd"], row["cost_unknown_runs"]),
        _partly(row["baseline_known_usd"], row["baseline_unknown_runs"]),
        _partly(row["saved_usd"], row["runs"] - row["saved_runs"]),
    )


def dollars(amount: float | None) -> str:
    """Four significant digits, never in powers of ten: `$0.008164`, `$1,235`, `unknown`."""
    if amount is None:
        return UNKNOWN
    return f"{'-' if amount < 0 else ''}${Decimal(f'{abs(amount):.4g}'):,f}"


def _partly(known: float | None, unknown_runs: int) -> str:
    """What is known, with a star when it is not known of every run."""
    return dollars(known) if known is None or not unknown_runs else f"{dollars(known)} *"


def percent(share: float | None) -> str:
    """Rounded down, so that what missed its target by a hair does not look as if it had met it."""
    return "-" if share is None else f"{int(round(share * 1000, 6)) / 10:g} %"


def _metrics(metrics: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    shown: dict[str, tuple[Callable[[Any], str], str]] = {
        "heartbeats_local": (percent, "≥ {}"),
        "paid_tokens_fewer": (percent, "≥ {}"),
        "missed_critical_alerts": (str, "{}"),
        "saved_usd": (dollars, "> {}"),
    }
    rows: list[tuple[str, ...]] = []
    for name, metric in metrics.items():
        form, target = shown[name]
        value = "not measured" if metric["value"] is None else form(metric["value"])
        met = {True: "yes", False: "NO", None: "-"}[metric["met"]]
        rows.append((TITLES[name], value, target.format(form(metric["target"])), met, metric["measures"]))
    return rows


def _project(projection: Mapping[str, Any]) -> None:
    money = ("paid_usd_a_day", "local_usd_a_day", "baseline_usd_a_day", "saved_usd_a_day", "saved_usd_a_month")
    rows = [
        (plain(tier), f"{row['turns_a_day']:.1f}", *(dollars(row[name]) for name in money))
        for tier, row in [*projection["by_tier"].items(), ("All", projection["total"])]
    ]
    headings = ("Tier", "Turns a day", "Paid a day", "Local a day", "Baseline a day", "Saved a day", "In 30 days")
    table(headings, rows)
    if projection["total"]["saved_unknown_runs"]:
        click.echo("Savings are over the runs where cost and baseline are known.")


def print_csv(rows: Sequence[Mapping[str, Any]]) -> None:
    """Comma-separated, a heading first. What is unknown is an empty cell."""
    names = list(rows[0]) if rows else list(BY)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(row[name]) for name in names] for row in rows)


def _cell(value: Any) -> Any:
    # Names come from files that others write: a spreadsheet would run one that looks like a formula.
    if isinstance(value, str):
        text = plain(value)
        return f"'{text}" if value.lstrip(" ").startswith(_FORMULA) else text
    return value


def plain(text: str) -> str:
    """The text with nothing in it that a terminal obeys."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
