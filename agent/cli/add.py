"""`gofer add`."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from agent.cli.screen import find_vault, json_option, print_json, vault_option
from agent.cli.sync import exchange
from agent.errors import GoferError, Usage
from agent.git.repository import Repository
from agent.remotes import choose
from agent.route.types import KNOWN_TYPES
from agent.survey import Survey
from agent.vault.drops import drop


@click.command()
@click.argument("text", nargs=-1)
@vault_option
@json_option
@click.option("--type", "type_", default="", help="The task type; without it the matrix decides.")
@click.option("--model", default="", help="none, local, lead, an alias, or provider/name.")
@click.option("--thinking", type=click.Choice(["off", "low", "medium", "high"]), default=None)
@click.option("--priority", type=click.Choice(["low", "normal", "high", "critical"]), default=None)
@click.option(
    "--file", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Read the text there."
)
@click.option("--draft", is_flag=True, help="Put it there without starting it.")
def add(
    text: tuple[str, ...],
    vault: Path | None,
    as_json: bool,
    type_: str,
    model: str,
    thinking: str | None,
    priority: str | None,
    file: Path | None,
    draft: bool,
) -> None:
    """Put a task into the inbox; it starts at once. TEXT is the request, - reads standard input."""

    request = _request(text, file)
    header = {"type": type_, "model": model, "thinking": thinking, "priority": priority}
    asked = {key: value for key, value in header.items() if value}
    task, path = drop(find_vault(vault), request, {**asked, "status": "draft" if draft else "open"}, KNOWN_TYPES)
    if as_json:
        print_json({"id": task, "path": path})
    else:
        click.echo(path)
    if not draft:
        publish(find_vault(vault), path)


def publish(root: Path, path: str) -> None:
    """Where no worker runs, the task goes to the remote at once, so that the workers of other machines see it. When
    that does not work the task lies here all the same."""
    survey = Survey(root, os.environ, datetime.now(UTC))
    try:
        if survey.working or not choose(Repository(root), survey.settings.sync.remote):
            return
        said = exchange(root, only=path)
    except GoferError as error:
        said = {"state": "paused", "reason": str(error)}
    if said["state"] in ("offline", "paused"):
        click.echo(f"gofer: it is not on the remote yet: {said['reason']}\n  do: gofer sync, later", err=True)


def _request(text: tuple[str, ...], file: Path | None) -> str:
    if file and text:
        raise Usage("a task has one text", fix="give TEXT or --file, not both")
    try:
        given = sys.stdin.buffer.read().decode() if text == ("-",) else " ".join(text)
        request = file.read_text("utf-8") if file else given
        request.encode()  # an argument that was no UTF-8 holds surrogates
    except UnicodeError as error:
        raise Usage("the text is not UTF-8", where=str(file or "standard input"), why=str(error)) from None
    if not request.strip():
        raise Usage("a task needs a text", fix='gofer add "Write 42 to test.txt", or: echo … | gofer add -')
    return request
