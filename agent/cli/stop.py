"""`gofer stop` and `gofer resume`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click

from agent import stopping
from agent.cli.screen import find_vault, json_option, print_json, vault_option
from agent.cli.sync import exchange
from agent.clock import utc_now
from agent.config import state_dir
from agent.survey import Survey
from agent.text import utc
from agent.watch import Bell

PATIENCE = 10.0  # seconds until what runs is killed, with --now


@click.command()
@vault_option
@json_option
@click.option("--now", is_flag=True, help="Kill what runs; its tasks wait until you resume.")
@click.option("--all", "everywhere", is_flag=True, help="Stop the workers of every machine that syncs this vault.")
def stop(vault: Path | None, as_json: bool, now: bool, everywhere: bool) -> int:
    """Stop the worker: what runs is finished, nothing new starts, also after a restart, until gofer resume."""
    root = find_vault(vault)
    state = state_dir(root, os.environ)
    said: dict[str, Any] = {}
    if everywhere:
        stopping.stop_everywhere(root, utc(utc_now()), now=now)
        said = exchange(root, only="STOP")
    else:
        stopping.stop_here(state, now=now)
    running = _running(root, now=now)
    if as_json:
        print_json({"stopped": True, "all": everywhere, "running": running})
    else:
        where = "Every machine stops as soon as it looks at the remote" if everywhere else "Stopped here"
        click.echo(f"{where}. To go on: gofer resume" + (f"\nStill running: {', '.join(running)}" * bool(running)))
    return _told(said)


@click.command()
@vault_option
@json_option
def resume(vault: Path | None, as_json: bool) -> int:
    """Go on after gofer stop: here, and on every machine if all were stopped."""
    root = find_vault(vault)
    stopping.go_on(state_dir(root, os.environ))
    said = exchange(root, only="STOP")  # the stop file may lie on the remote only
    there = stopping.stopped(root, state_dir(root, os.environ))
    stopping.lift_everywhere(root)
    said = exchange(root, only="STOP") if there else said
    if as_json:
        print_json({"stopped": False})
    else:
        click.echo("Work goes on." + (" Every machine sees it at its next look at the remote." if there else ""))
    return _told(said)


def _running(root: Path, *, now: bool) -> list[str]:
    """What the worker here still runs; with `now`, once it has had the time to kill it."""
    bell, deadline = Bell(), time.monotonic() + PATIENCE
    while True:
        survey = Survey(root, os.environ, utc_now())
        running = [str(run["id"]) for run in survey.board.get("running", [])] if survey.working else []
        if not running or not now or time.monotonic() > deadline:
            return running
        bell.wait(0.05)


def _told(said: dict[str, Any]) -> int:
    """Say on stderr when the other machines do not know yet."""
    if said.get("state") not in ("offline", "paused"):
        return 0
    click.echo(
        f"gofer: the other machines do not know yet: {said['reason']}\n  do: gofer sync, once it is back", err=True
    )
    return 3
