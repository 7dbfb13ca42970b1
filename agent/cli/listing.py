"""`gofer list`."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from agent.cli.screen import find_vault, json_option, print_json, table, vault_option
from agent.survey import Survey


@click.command("list")
@vault_option
@json_option
def list_(vault: Path | None, as_json: bool) -> None:
    """What waits, runs, was handed off, and ended lately."""
    survey = Survey(find_vault(vault), os.environ, datetime.now(UTC))
    items = [*survey.waiting(), *survey.ended()]
    if as_json:
        print_json([asdict(item) for item in items])
        return
    if not items:
        click.echo('Nothing here yet. Drop a Markdown file into inbox/, or: gofer add "What is 2 + 2?"')
        return
    rows = [(i.state, i.id, i.tier, i.type, i.reason or i.report or i.path or "") for i in items]
    table(("State", "Task", "Tier", "Type", "Why, or where"), rows, flexible=4)
