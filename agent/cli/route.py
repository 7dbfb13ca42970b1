"""`gofer route`."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click

from agent.cli.screen import find_vault, json_option, print_json, vault_option
from agent.config import load_settings
from agent.errors import BadHeader, PersonMustAct, Usage
from agent.handlers import HANDLERS
from agent.route.router import Router
from agent.route.types import CONTROL_TYPES, KNOWN_TYPES
from agent.vault.layout import INBOX, SCHEDULES
from agent.vault.task import read_task


@click.command()
@click.argument("file")
@vault_option
@json_option
def route(file: str, vault: Path | None, as_json: bool) -> None:
    """Where a task would go, and which rule says so. FILE is a task file; - reads standard input."""

    raw = sys.stdin.buffer.read() if file == "-" else _read(Path(file))
    try:
        root = find_vault(vault)
    except PersonMustAct:
        if vault:
            raise
        root = Path(os.devnull)  # outside a vault the matrix that Gofer ships decides
    path = Path("inbox/stdin.md" if file == "-" else file)
    folder = SCHEDULES if path.absolute().parent.name == "schedules" else INBOX
    task = read_task(raw, f"{folder}/{path.name}", types=KNOWN_TYPES)
    if task.problem:
        problem = task.problem
        raise BadHeader(problem.what, line=problem.line or 1, where=file, why=problem.why, fix=problem.fix)
    router = Router(root, load_settings(root, os.environ).names)
    decision = router.route(task)
    if router.problem:
        click.echo(f"gofer: the matrix has a mistake, the last good one was used: {router.problem}", err=True)
    if as_json:
        print_json(
            {
                "tier": str(decision.tier), "type": decision.type, "who": str(decision.who),
                "model": decision.model, "reason": decision.reason,
            }
        )  # fmt: skip
        return
    click.echo(f"{decision.tier} · {decision.type} · {decision.who}")
    click.echo(decision.reason)
    built = decision.type in HANDLERS or decision.type in CONTROL_TYPES or str(decision.who) == "lead"
    if not built:
        click.echo(f"(this version cannot do '{decision.type}' yet: it would be handed to the lead)")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        fix = f"for a text: echo {shlex.quote(str(path))} | gofer route -"
        raise Usage("the file cannot be read", where=str(path), why=str(error.strerror), fix=fix) from None
