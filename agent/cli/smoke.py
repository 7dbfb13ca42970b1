"""`gofer smoke`."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

import click

from agent.cli.screen import json_option, print_json, progress, table
from agent.smoke import Errand, Smoke
from agent.smoke import smoke as tried


@click.command()
@json_option
@click.option("--keep", is_flag=True, help="Keep the throw-away vault, to look around in it.")
def smoke(as_json: bool, keep: bool) -> int:
    """Try ten trivial tasks in a throw-away vault and check what each left; no model is asked. Exit 1 if one failed."""
    progress("ten tasks in a throw-away vault …")
    found = tried(os.environ, lambda: False, keep=keep)
    progress("")
    if as_json:
        print_json(_data(found, keep))
    else:
        _tell(found, keep)
    return 0 if found.passed == len(found.errands) else 1


def _data(found: Smoke, keep: bool) -> dict[str, Any]:
    tasks = [{**asdict(errand), "passed": errand.passed, "why": errand.why or None} for errand in found.errands]
    totals = {key: found.sum(key) for key in ("input_tokens", "output_tokens", "cost_usd", "baseline_usd")}
    return {
        "passed": found.passed,
        "total": len(found.errands),
        "seconds": found.seconds,
        "baseline_model": found.baseline_model or None,
        **totals,
        "vault": str(found.vault) if keep else None,
        "tasks": tasks,
    }


def _tell(found: Smoke, keep: bool) -> None:
    paid = f"Paid way ({found.baseline_model})" if found.baseline_model else "Paid way"
    table(
        ("Task", "Checked", "Passed", "Time", "Tokens", "Cost", paid), [_row(e) for e in found.errands], flexible=1
    )  # fmt: skip
    for errand in found.errands:
        if errand.why:
            click.echo(f"\n{errand.name} failed: {errand.why}")
    tokens = int((found.sum("input_tokens") or 0) + (found.sum("output_tokens") or 0))
    click.echo(
        f"\nReliability: {found.passed}/{len(found.errands)}. {found.seconds} s in all, {tokens} tokens, "
        f"cost {_dollars(found.sum('cost_usd'))}; the paid way: {_dollars(found.sum('baseline_usd'))}."
    )
    if keep:
        click.echo(f"The vault is kept: {found.vault}")


def _row(errand: Errand) -> tuple[str, ...]:
    money = (_dollars(errand.cost_usd), _dollars(errand.baseline_usd)) if errand.runs else ("no run", "no run")
    tokens = str(errand.input_tokens + errand.output_tokens)
    return errand.name, errand.checked, "yes" if errand.passed else "NO", f"{errand.seconds:.2f} s", tokens, *money


def _dollars(amount: float | None) -> str:
    """Unknown money is said, never shown as nothing."""
    return "unknown" if amount is None else f"${amount:.4f}"
