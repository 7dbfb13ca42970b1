"""`gofer status`."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from agent import stopping
from agent.cli.screen import find_vault, json_option, print_json, vault_option
from agent.neighbours import Neighbours, look
from agent.survey import Survey, stop_problem
from agent.vault.values import Status


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
    items = [*survey.waiting(), *survey.held()]
    settings = survey.settings
    around = look(root, survey.state, settings.sync.remote, settings.worker.name, survey.now)
    elsewhere = any(worker["state"] != "STOPPED" for worker in around.workers)
    unfit = [item for item in survey.schedules if item.state == Status.INVALID]
    problems = survey.problems([*items, *unfit], elsewhere=elsewhere)
    sync = _sync(survey, around)
    stop = stopping.stopped(root, survey.state)
    if not stop and not elsewhere:
        problems += survey.unattended()
    if forgotten := stop_problem(stop, stopping.stopped_since(root, survey.state, time.time()), survey.now):
        problems.append(forgotten)
    if sync["state"] in ("paused", "offline") and sync["reason"]:
        problems.append({"what": f"git: {sync['state']}", "where": sync["remote"] or "", "fix": sync["reason"]})
    return {
        "healthy": not problems,
        "workers": [*survey.workers(), *around.workers],
        "queue": survey.queue(items),
        "sync": sync,
        "models": survey.models(),
        "problems": problems,
        "stopped": bool(stop),
        "stopped_by": stop,
        "watching": survey.board.get("watching", "") if survey.working else "",
        "sandbox": survey.sandbox.words(used=survey.shuts_in),
        "quiet_beats": survey.board.get("quiet_beats", 0),
    }


def _sync(survey: Survey, around: Neighbours) -> dict[str, Any]:
    """How it stands with git: as the worker here says; without one, as far as it can be seen from outside."""
    stuck = str(survey.board.get("stuck", "")) if survey.working else ""
    owed = survey.board.get("owed", 0) if survey.working else 0
    said = (survey.board.get("sync") if survey.working else None) or around.sync
    if said is None:
        return {"state": "paused" if stuck else "none", "remote": None, "reason": stuck or None, "unpublished": owed}
    return {**said, "reason": said["reason"] or stuck or None, "unpublished": owed}


def _git(sync: dict[str, Any]) -> str:
    """The line on git: state, what is to come and to go, and why it waits."""
    if sync["state"] == "none" or sync["remote"] is None:
        return f"{sync['unpublished']} results wait: {sync['reason']}" if sync["reason"] else "no remote"
    counts = [
        f"{sync[key]} commits {words}" for key, words in (("ahead", "to push"), ("behind", "to take")) if sync[key]
    ]
    said = ", ".join([f"{sync['remote']}/{sync['branch']} {sync['state']}", *counts])
    return f"{said}: {sync['reason']}" if sync["reason"] else said


def _show(root: Path, data: dict[str, Any]) -> None:
    click.echo(f"Vault    {root}")
    for worker in data["workers"]:
        task = f", {worker['task']}" if worker["task"] else ""
        where = "" if worker["local"] else f" (another machine, seen {worker['seen']})"
        click.echo(f"Worker   {worker['name']}: {worker['state']} since {worker['since']}{task}{where}")
    if not any(w["pid"] or w["state"] != "STOPPED" for w in data["workers"] if w["local"]):
        click.echo("Worker   none runs in this clone: gofer run")
    if data["watching"]:
        click.echo(f"Events   {data['watching']}")
    if data["stopped"]:
        click.echo(f"Stopped  {data['stopped_by']}. To go on: gofer resume")
    queue = ", ".join(f"{count} {word}" for word, count in data["queue"].items() if count)
    click.echo(f"Queue    {queue or 'empty'}")
    click.echo(f"Git      {_git(data['sync'])}")
    for model in data["models"]:
        click.echo(f"Model    {model['name']}: {model['detail']}" + (f" ({model['fix']})" if model["fix"] else ""))
    click.echo(f"Sandbox  {data['sandbox']}")
    for problem in data["problems"]:
        where = f" [{problem['where']}]" if problem["where"] else ""
        click.echo(f"Problem  {problem['what']}{where}\n         do: {problem['fix']}")
    if data["healthy"]:
        click.echo("Nothing needs you.")
