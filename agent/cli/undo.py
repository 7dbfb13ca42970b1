"""`gofer undo`."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from agent.cli.screen import find_vault, json_option, print_json, vault_option
from agent.config import state_dir
from agent.desk import Desk
from agent.errors import Busy, GoferError, TryLater, Usage
from agent.gate import OutputGate
from agent.handlers.undo import DATA
from agent.past import journal_of
from agent.road import road
from agent.route.types import KNOWN_TYPES
from agent.runs import RunFolders
from agent.text import slug
from agent.vault.drops import put
from agent.vault.finished import Archive
from agent.vault.layout import INBOX
from agent.vault.task import read_task
from agent.vault.values import Status
from agent.watch import Bell

PATIENCE = 30.0  # seconds for a worker to do it, and for git to be at rest
SHOWN = 20  # paths that are printed


@click.command()
@click.argument("task")
@vault_option
@json_option
def undo(task: str, vault: Path | None, as_json: bool) -> int:
    """Take back what a finished task did to files. What was changed since is left alone, and named."""

    root = find_vault(vault)
    archive = Archive(root)
    if not journal_of(root, task):
        raise _nothing(task, known=archive.find(task) is not None)
    text = f"---\ntype: undo\nstatus: open\nof: {task}\n---\nTake back what {task} changed.\n"
    usual = f"{INBOX}/{slug(f'undo-{task}')}.md"
    name = _name(archive, text, usual)  # before a worker can be done with it
    path = put(root, text, f"undo-{task}")
    name = name if path == usual else _name(archive, text, path)
    _run(root, name, path)
    ended = Archive(root).find(name)
    data = _data(root, task, name)
    if as_json:
        print_json(data)
    else:
        _show(data, name)
    return 0 if ended and ended.status is Status.DONE else 1


def _name(archive: Archive, text: str, path: str) -> str:
    """The id under which it will run."""
    return archive.latest(read_task(text.encode(), path, types=KNOWN_TYPES).id)[1]


def _nothing(task: str, *, known: bool) -> GoferError:
    if not known:
        return Usage(f"no finished task has the id '{task}'", fix="gofer list shows the ids")
    return Usage(
        f"there is nothing to undo: {task} changed no file of this vault",
        why="a push, a message that was sent, or what another program did cannot be taken back by Gofer",
        fix=f"gofer show {task} says what it did",
    )


def _run(root: Path, name: str, path: str) -> None:
    """See that it is done: here when no worker runs, else by that one. TryLater when it is not done in time."""
    bell, deadline, stuck = Bell(), time.monotonic() + PATIENCE, ""
    try:
        desk = Desk(root, os.environ, ring=bell.ring, only=path)
    except Busy:
        while Archive(root).find(name) is None and time.monotonic() < deadline:
            bell.wait(0.1)
    else:
        try:
            while time.monotonic() < deadline or desk.workbench.runs:
                tick = road(desk, datetime.now(UTC))
                stuck = tick.stuck
                owed = any(record.task == name for record in desk.journal.owed.values())
                if desk.outlet.blocked or (not owed and Archive(root).find(name) is not None):
                    break
                bell.wait(0.05)
        finally:
            desk.close()
    if Archive(root).find(name) is None:
        why = stuck or "no worker has come to it yet"
        raise TryLater("it is not undone yet", where=path, why=why, fix=f"wait, then: gofer show {name}")


def _data(root: Path, task: str, name: str) -> dict[str, Any]:
    """What came of it, as the run on this machine noted it down."""
    folder = RunFolders(state_dir(root, os.environ) / "runs", OutputGate()).find(name)
    try:
        data: dict[str, Any] = json.loads((folder / DATA).read_text("utf-8")) if folder else {}
    except (OSError, ValueError):
        data = {}
    if not data:
        raise GoferError(f"{task} was not undone", where=f"outbox/{name}.md", fix="read that report: it says why")
    return data


def _show(data: dict[str, Any], name: str) -> None:
    restored, kept = data["restored"], data["kept"]
    if not restored and not kept:
        click.echo(f"Already undone: every file is as it was before {data['id']}.")
    for path in restored[:SHOWN]:
        click.echo(f"as before  {path}")
    if len(restored) > SHOWN:
        click.echo(f"… and {len(restored) - SHOWN} more as before")
    for one in kept[:SHOWN]:
        click.echo(f"left alone {one['where']}: {one['what']}; {one['fix']}")
    if len(kept) > SHOWN:
        click.echo(f"… and {len(kept) - SHOWN} more left alone: outbox/{name}.md names them")
    if restored:
        click.echo(f"To take this back: gofer undo {name}")
