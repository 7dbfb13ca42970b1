"""`gofer doctor`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from agent.checkup import check_up
from agent.cli.screen import find_vault, json_option, print_json, vault_option
from agent.doctoring import Check
from agent.git.branch import Branch
from agent.git.repository import Repository


@click.command()
@vault_option
@json_option
@click.option("--fix", is_flag=True, help="Mend what can be mended without asking: missing folders, left-over locks.")
def doctor(vault: Path | None, as_json: bool, fix: bool) -> int:
    """Check everything; one line and one remedy for each finding. Exit code 1 when something is wrong."""
    root = find_vault(vault)
    if fix:
        (root / "inbox").mkdir(exist_ok=True)
        (root / "outbox").mkdir(exist_ok=True)
        Branch(Repository(root)).repair()
    checks = check_up(root, os.environ, datetime.now(UTC), online=True)
    if as_json:
        print_json(as_data(checks))
    else:
        show_checks(checks)
    return 0 if all(check.ok for check in checks) else 1


def as_data(checks: Sequence[Check]) -> dict[str, object]:
    return {"ok": all(check.ok for check in checks), "checks": [asdict(check) for check in checks]}


def show_checks(checks: Sequence[Check]) -> None:
    for check in checks:
        click.echo(f"{'ok  ' if check.ok else 'BAD '} {check.name:9} {check.detail}")
        if check.fix:
            click.echo(f"               do: {check.fix}")
