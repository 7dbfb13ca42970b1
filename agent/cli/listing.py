"""`gofer list`."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from agent.cli.screen import find_vault, json_option, print_json, table, vault_option
from agent.stopping import stopped
from agent.survey import Item, Survey
from agent.vault.layout import handoff_path
from agent.vault.values import FINAL, Status


@click.command("list")
@vault_option
@json_option
def list_(vault: Path | None, as_json: bool) -> None:
    """What waits, runs, was handed off, and ended lately; and when each schedule runs next."""
    survey = Survey(find_vault(vault), os.environ, datetime.now(UTC))
    items = [*survey.waiting(), *survey.schedules, *survey.ended()]
    if as_json:
        print_json([asdict(item) for item in items])
        return
    if not items:
        click.echo('Nothing here yet. Drop a Markdown file into inbox/, or: gofer add "What is 2 + 2?"')
        return
    rows = [(i.state, i.id, i.tier, i.type, _where(i)) for i in items]
    table(("State", "Task", "Tier", "Type", "Why, or where"), rows, flexible=4)
    if stop := stopped(survey.root, survey.state):
        click.echo(f"Nothing starts: {stop}. To go on: gofer resume")


def _where(item: Item) -> str:
    """Why it waits, or where to look: what ended has its report."""
    if item.state == Status.HANDED_OFF:
        return f"for the lead: {handoff_path(item.id)}"
    ended = item.state in FINAL
    return (item.report if ended else item.reason) or item.reason or item.report or item.path or ""
