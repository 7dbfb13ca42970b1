"""`gofer sync`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click

from agent import worker
from agent.cli.screen import find_vault, json_option, print_json, vault_option
from agent.clock import utc_now
from agent.errors import Busy
from agent.requests import Requests
from agent.survey import Survey
from agent.watch import Bell

PATIENCE = 60.0  # seconds that a worker which runs here is given for it
SYNC = "sync"


@click.command()
@vault_option
@json_option
def sync(vault: Path | None, as_json: bool) -> int:
    """One exchange with the remote: take what is new there, publish what you dropped here. Runs no task."""
    data = exchange(find_vault(vault))
    if as_json:
        print_json(data)
    else:
        click.echo(sentence(data))
    return exit_code(data)


def exchange(root: Path, only: str = "") -> dict[str, Any]:
    """The data of `sync --json`; the worker of this clone does it when one runs."""
    try:
        return worker.exchange(root, os.environ, only=only)
    except Busy:
        return _ask_the_worker(root)


def _ask_the_worker(root: Path) -> dict[str, Any]:
    bell, deadline = Bell(), time.monotonic() + PATIENCE
    survey = Survey(root, os.environ, utc_now())
    requests = Requests(survey.state / "requests")
    requests.ask(SYNC, "")
    while requests.pending(SYNC) and time.monotonic() < deadline:
        bell.wait(0.05)
    said = Survey(root, os.environ, utc_now()).board.get("sync")
    if not said:
        return {"state": "none", "fetched": 0, "pushed": 0, "reason": None}
    return {"state": said["state"], "fetched": 0, "pushed": 0, "reason": said["reason"]}


def exit_code(data: dict[str, Any]) -> int:
    """0 when all is exchanged, 3 when the remote is away, 4 when it refused who we are, 1 when a person must act."""
    if data["state"] == "offline":
        return 4 if str(data["reason"]).startswith("refused") else 3
    return 1 if data["state"] in ("paused", "diverged") and data["reason"] else 0


def sentence(data: dict[str, Any]) -> str:
    if data["state"] == "none":
        return "This vault has no remote: gofer init --remote URL, or git remote add origin URL"
    done = f"{data['fetched']} commits taken, {data['pushed']} pushed"
    return f"{data['state']}: {done}" + (f"; {data['reason']}" if data["reason"] else "")
