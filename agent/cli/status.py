"""`gofer status`."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from agent import facts
from agent.cli.screen import find_vault, json_option, print_json, vault_option
from agent.survey import Survey


@click.command()
@vault_option
@json_option
@click.option("--watch", is_flag=True, help="Show it again every two seconds, until Ctrl-C.")
def status(vault: Path | None, as_json: bool, watch: bool) -> int:
    """Worker, queue, models, and what needs a person. Exit code 1 when something does."""
    root = find_vault(vault)
    while True:
        data = collect(root)
        if as_json:
            print_json(data)
        else:
            if watch:
                click.clear()
            _show(root, data)
        if not watch:
            return 0 if data["healthy"] else 1
        time.sleep(2)


def collect(root: Path) -> dict[str, Any]:
    """The data of `status --json`."""
    survey = Survey(root, os.environ, datetime.now(UTC))
    items = survey.waiting()
    problems = survey.problems(items)
    stuck = str(survey.board.get("stuck", "")) if survey.working else ""
    return {
        "healthy": not problems,
        "workers": survey.workers(),
        "queue": survey.queue(items),
        "sync": {
            "state": "paused" if stuck else "none",
            "remote": None,
            "reason": stuck or None,
            "unpublished": survey.board.get("owed", 0) if survey.working else 0,
        },
        "models": survey.models(),
        "problems": problems,
        "stopped": bool(facts.stopped(root)),
        "watching": survey.board.get("watching", "") if survey.working else "",
        "quiet_beats": survey.board.get("quiet_beats", 0),
    }


def _show(root: Path, data: dict[str, Any]) -> None:
    click.echo(f"Vault    {root}")
    for worker in data["workers"]:
        task = f", {worker['task']}" if worker["task"] else ""
        click.echo(f"Worker   {worker['name']}: {worker['state']} since {worker['since']}{task}")
    if not any(worker["pid"] or worker["state"] != "STOPPED" for worker in data["workers"]):
        click.echo("Worker   none runs in this clone: gofer run")
    if data["watching"]:
        click.echo(f"Events   {data['watching']}")
    if data["stopped"]:
        click.echo("Stopped  the file STOP is there: nothing starts until it is gone")
    queue = ", ".join(f"{count} {word}" for word, count in data["queue"].items() if count)
    click.echo(f"Queue    {queue or 'empty'}")
    if data["sync"]["reason"]:
        click.echo(f"Git      {data['sync']['unpublished']} results wait: {data['sync']['reason']}")
    for model in data["models"]:
        click.echo(f"Model    {model['name']}: {model['detail']}" + (f" ({model['fix']})" if model["fix"] else ""))
    for problem in data["problems"]:
        where = f" [{problem['where']}]" if problem["where"] else ""
        click.echo(f"Problem  {problem['what']}{where}\n         do: {problem['fix']}")
    if data["healthy"]:
        click.echo("Nothing needs you.")
