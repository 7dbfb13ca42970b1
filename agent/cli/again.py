"""`gofer retry` and `gofer cancel`."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from agent.cli.screen import find_vault, json_option, print_json, vault_option
from agent.desk import Desk
from agent.errors import Busy, Usage
from agent.frontmatter import without
from agent.requests import Requests
from agent.road import road
from agent.route.types import KNOWN_TYPES
from agent.survey import Survey
from agent.text import normal_form
from agent.vault.drops import put
from agent.vault.finished import Archive, as_dropped
from agent.vault.layout import task_slug
from agent.vault.schedule import instance_of
from agent.vault.task import read_task
from agent.vault.values import Status
from agent.watch import Bell

PATIENCE = 10.0  # seconds for a file to settle, and for git to be at rest


@click.command()
@click.argument("task")
@vault_option
@json_option
def retry(task: str, vault: Path | None, as_json: bool) -> None:
    """Put a finished task back into the inbox: it runs again, as a new instance."""

    root = find_vault(vault)
    archive = Archive(root)
    found = archive.find(task)
    if found is None:
        _must_be_no_schedule(Survey(root, os.environ, datetime.now(UTC)), task, "gofer retry")
        raise Usage(f"no finished task has the id '{task}'", fix="gofer list shows the ids; what waits needs no retry")
    raw = normal_form((root / found.path).read_bytes())
    text = as_dropped(raw, found.revision)
    if instance_of(task):  # once more, and not for ever
        for key in ("every", "cron", "schedule"):
            text = without(text, key)
    path = put(root, text, task_slug(task))
    _, name = archive.latest(read_task(text.encode(), path, types=KNOWN_TYPES).id)
    if as_json:
        print_json({"id": name, "state": "open", "path": path})
    else:
        click.echo(f"{path} will run as {name}")


@click.command()
@click.argument("task")
@vault_option
@json_option
def cancel(task: str, vault: Path | None, as_json: bool) -> int:
    """Cancel a task that waits or runs; it ends with a report that says so."""

    root = find_vault(vault)
    survey = Survey(root, os.environ, datetime.now(UTC))
    items = [item for item in (*survey.waiting(), *survey.due()) if item.id == task]
    if not items or items[0].path is None:
        _must_be_no_schedule(survey, task, "gofer cancel")
        raise Usage(f"no task that waits or runs has the id '{task}'", fix="gofer list shows the ids")
    if items[0].state == Status.INVALID:
        raise Usage(f"{items[0].path} is no task yet", why=items[0].reason or "", fix="mend the file, or delete it")
    Requests(survey.state / "requests").ask("cancel", task)
    state, reason = "waiting", "its worker was asked to cancel it"
    try:
        desk = Desk(root, os.environ, only=items[0].path)
    except Busy:
        pass  # the worker that runs here sees the request
    else:
        try:
            state, reason = _cancel_here(desk, task, items[0].path)
        finally:
            desk.close()
    if as_json:
        print_json({"id": task, "state": state, "reason": reason or None})
    else:
        click.echo(f"{task}: {state}" + (f" ({reason})" if reason else ""))
    return 0


def _must_be_no_schedule(survey: Survey, name: str, command: str) -> None:
    """Raises Usage for a schedule's own name: only runs of it can be done again or called off."""
    if path := next((item.path for item in survey.schedules if item.id == name), None):
        raise Usage(
            f"'{name}' is a schedule, and {command} takes one of its runs",
            where=path,
            fix=f"gofer show {name} names them; status: draft in the file stops it, and its text in a file of its own "
            "in inbox/, without `every` and `cron`, runs at once",
        )


def _cancel_here(desk: Desk, task: str, path: str) -> tuple[str, str]:
    """Cancel it without a worker: travel until its report is committed, or until that has to wait for a person."""
    bell, deadline = Bell(), time.monotonic() + PATIENCE
    while True:
        tick = road(desk, datetime.now(UTC))
        if any(record.task == task and record.status != Status.WAITING for record in tick.published):
            return "cancelled", ""
        settling = path in desk.intake.look.settling
        if desk.outlet.blocked or not (tick.owed or settling or tick.more) or time.monotonic() > deadline:
            break
        bell.wait(0.1)
    if tick.stuck:
        return "waiting", f"cancelled; the report waits to be committed: {tick.stuck}"
    return "waiting", "it is cancelled as soon as a worker looks at it: gofer run"
