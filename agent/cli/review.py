"""`gofer review`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from agent.cli.add import publish
from agent.cli.screen import find_vault, json_option, print_json, vault_option
from agent.config import load_settings, state_dir
from agent.gate import OutputGate
from agent.stats import collect, span_of
from agent.stats.review import name_of, render, week_of
from agent.stats.samples import Sample, draw
from agent.vault.drops import put
from agent.vault.finished import Archive
from agent.vault.layout import INBOX

NOTHING = "no run of a local model in this span that could be shown to the lead"


@dataclass(frozen=True, slots=True)
class Review:
    """What there is to review. `reason` says why nothing is asked, "" when it is."""

    samples: list[Sample]
    text: str
    reason: str


@click.command()
@vault_option
@json_option
@click.option("--days", type=click.IntRange(1, 366), default=7, show_default=True, help="UTC days, with today.")
@click.option("--samples", type=click.IntRange(1, 20), default=5, show_default=True, help="How many to show at most.")
@click.option("--dry-run", is_flag=True, help="Print the task and write nothing.")
def review(vault: Path | None, as_json: bool, days: int, samples: int, dry_run: bool) -> None:
    """Ask the lead to judge samples of what the local model did: writes one task, which is handed off."""
    root, now = find_vault(vault), datetime.now(UTC)
    made = prepare(root, days, samples, now)
    path = "" if made.reason or dry_run else put(root, made.text, name_of(now))
    if as_json:
        shown = {
            "id": None if made.reason else name_of(now),
            "path": path or None,
            "week": week_of(now),
            "days": days,
            "samples": [{"id": s.id, "type": s.type, "model": s.model, "report": s.report} for s in made.samples],
            "reason": made.reason or None,
        }
        print_json(shown | ({"text": made.text} if dry_run else {}))
    elif made.reason:
        click.echo(f"Nothing written: {made.reason}.")
    else:
        click.echo(made.text if dry_run else f"{path}: {len(made.samples)} samples for the lead")
    if path:
        publish(root, path)


def prepare(root: Path, days: int, samples: int, now: datetime) -> Review:
    """The review of the last `days` UTC days, not written yet. One a day: a second one would ask the same."""
    name = name_of(now)
    if (root / INBOX / f"{name}.md").exists() or Archive(root).find(name):
        return Review([], "", f"there is a review of today already, {name}")
    drawn = draw(root, span_of(days, now), samples, week_of(now))
    if not drawn:
        return Review([], "", NOTHING)
    numbers = collect(root, state_dir(root, os.environ), days, now)
    gate = OutputGate(secrets=load_settings(root, os.environ).secret_values)
    return Review(drawn, render(now, numbers, drawn, gate), "")
