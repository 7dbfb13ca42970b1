"""`gofer run`."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import click

from agent import worker
from agent.cli.screen import find_vault, json_option, print_json, progress, table, vault_option
from agent.config import load_settings
from agent.errors import Usage
from agent.git.repository import Repository
from agent.records import ran
from agent.remotes import choose, is_source
from agent.survey import Survey
from agent.vault.values import Who
from agent.watch import Bell

SHOWN = 50  # lines of a plan that are printed
COUNTED = ("done", "needs-review", "handed-off", "failed", "cancelled", "unknown", "invalid", "waiting")


@click.command()
@vault_option
@json_option
@click.option("--once", is_flag=True, help="Do what lies in the inbox, then end.")
@click.option("--dry-run", is_flag=True, help="Only say what would go where.")
@click.option(
    "--workers", type=click.IntRange(0, 64), default=1, show_default=True, help="Worker processes; 0: only sync."
)
@click.option("--no-push", is_flag=True, help="Leave the remote alone.")
def run(vault: Path | None, as_json: bool, once: bool, dry_run: bool, workers: int, no_push: bool) -> int:
    """Work: do what lies in the inbox, now and as it comes. Ctrl-C ends it after the tasks in hand; a second one at
    once."""
    if as_json and not (once or dry_run):
        raise Usage(
            "a worker that goes on prints no data", fix="give --once or --dry-run with --json; gofer status --json"
        )
    root = find_vault(vault)
    if dry_run:
        return _rehearse(root, as_json)
    stop = _stop_on_signals()
    if once:
        return drain_and_tell(root, stop, as_json=as_json, workers=None if workers == 1 else workers, push=not no_push)

    repository = Repository(root)
    if not no_push and is_source(repository) and not choose(repository, load_settings(root, os.environ).sync.remote):
        click.echo("This is Gofer's own source: nothing is pushed. gofer init DIR makes a vault of your own.")
    click.echo(f"Working in {root}. Drop tasks into inbox/; end with Ctrl-C.")
    worker.run(
        root, os.environ, stop.asked, bell=stop.bell, events=not os.environ.get("GOFER_NO_EVENTS"), on_tick=_say,
        workers=workers, push=not no_push,
    )  # fmt: skip
    return 130 if stop.interrupted else 0


class Stop:
    """Set by a signal; the loop looks at it between two steps. A second Ctrl-C ends at once."""

    def __init__(self) -> None:

        self.bell, self.interrupted, self._asked = Bell(), False, False

    def asked(self) -> bool:
        return self._asked

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._asked, self.interrupted = True, number == signal.SIGINT
        self.bell.ring()


def _stop_on_signals() -> Stop:
    stop = Stop()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stop


def _say(desk: Any, tick: Any) -> None:
    for record in tick.published:
        click.echo(f"{datetime.now(UTC):%H:%M:%S} {record.status:12} {record.subject}")


def drain_and_tell(root: Path, stop: Stop, *, as_json: bool, workers: int | None = None, push: bool = True) -> int:
    """Do what lies in the inbox and report what came of it, as text or JSON. Returns the exit code."""
    data, away = drain(root, stop.asked, bell=stop.bell, show=not as_json, workers=workers, push=push)
    if as_json:
        print_json(data)
    else:
        show_results(data)
    if stop.interrupted:
        return 130
    if data["failed"] or data["needs-review"] or data["invalid"] or data["unknown"]:
        return 1
    return 3 if away else 0


def drain(
    root: Path,
    stop: Callable[[], bool],
    *,
    bell: Any = None,
    show: bool = False,
    model: Any = None,
    workers: int | None = None,
    push: bool = True,
) -> tuple[dict[str, Any], bool]:
    """Drain the inbox. Returns the data of `run --once --json`, and whether to try again later: a model or
    a remote is absent, or results could not be committed."""
    tasks: list[dict[str, Any]] = []
    waiting: list[dict[str, Any]] = []
    away, owed, stuck = False, 0, ""

    def on_tick(desk: Any, tick: Any) -> None:
        nonlocal away, owed, stuck
        owed, stuck = tick.owed, tick.stuck
        tasks.extend(ran(record) for record in tick.published if record.status != "waiting")
        rests = desk.intake.waiting()
        waiting[:] = [rest.as_data() for rest in rests]
        remote_away = desk.exchange is not None and desk.exchange.sync.away
        away = bool(tick.stuck) or remote_away or any(rest.tried or rest.decision.who is Who.LOCAL for rest in rests)
        if show:
            left = tick.running + tick.settling + tick.owed
            progress(f"{len(tasks)} ended, {left} under way" + (f": {tick.stuck}" if tick.stuck else ""))

    worker.drain(root, os.environ, stop, bell=bell, on_tick=on_tick, model=model, workers=workers, push=push)
    if show:
        progress("")
    tasks += waiting
    counts = {word: sum(1 for task in tasks if task["status"] == word) for word in COUNTED}
    return {**counts, "tasks": tasks, "unpublished": owed, "stuck": stuck or None}, away


def show_results(data: dict[str, Any]) -> None:
    if data["unpublished"]:
        results = "1 result waits" if data["unpublished"] == 1 else f"{data['unpublished']} results wait"
        click.echo(f"{results} to be committed, and will be at the next run: {data['stuck']}")
    if not data["tasks"]:
        if not data["unpublished"]:
            click.echo("Nothing to do.")
        return
    rows = [
        (task["status"], task["id"], task["tier"] or "", task["type"] or "", task.get("reason") or task["report"] or "")
        for task in data["tasks"]
    ]
    table(("Status", "Task", "Tier", "Type", "Report, or why"), rows, flexible=4)


def _rehearse(root: Path, as_json: bool) -> int:
    """Say what would go where, and change nothing."""

    survey = Survey(root, os.environ, datetime.now(UTC))
    rows = survey.rehearsal()
    if as_json:
        print_json(rows)
    elif not rows:
        click.echo("The inbox is empty.")
    else:
        table(
            ("Task", "Tier", "Type", "Who", "Why"),
            [(r["id"], r["tier"] or "-", r["type"] or "-", r["who"] or "-", r["waits"] or r["reason"]) for r in rows],
            flexible=4,
        )
        for row in rows:
            _show_plan(row["id"], row["plan"] or [])
    return 0


def _show_plan(task: str, plan: list[str]) -> None:
    """What code would do to files, a line each."""
    if plan:
        click.echo(f"\n{task}:")
        for line in plan[:SHOWN]:
            click.echo(f"  {line}")
        if len(plan) > SHOWN:
            click.echo(f"  … and {len(plan) - SHOWN} more; --json names them all")
