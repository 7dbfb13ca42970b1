"""`gofer handoff`: the lead's side, from a shell. It writes the same files that an agent writes by hand."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from agent import facts, frontmatter
from agent.cli.screen import find_vault, json_option, print_json, table, vault_option
from agent.errors import Busy, Refused, Usage
from agent.files import Beneath
from agent.handlers.answer import AnswerParams, ClaimParams
from agent.vault.layout import answer_path, claim_path

by_option = click.option("--by", default="", help="Who you are (default: your user name).")


@click.group()
def handoff() -> None:
    """What was handed to the lead: list, show, claim, answer."""


@handoff.command("list")
@vault_option
@json_option
def list_(vault: Path | None, as_json: bool) -> None:
    """Every hand-off, the open ones first."""
    found = sorted(facts.handoffs(find_vault(vault)), key=lambda h: (h["status"] != "open", h["created"]))
    if as_json:
        print_json(found)
    elif not found:
        click.echo("Nothing was handed off.")
    else:
        rows = [(h["status"], h["id"], h["reason"], h["expires"], h["title"]) for h in found]
        table(("Status", "Hand-off", "Reason", "Expires", "Title"), rows, flexible=4)


@handoff.command()
@click.argument("task")
@vault_option
@json_option
def show(task: str, vault: Path | None, as_json: bool) -> None:
    """One hand-off, whole."""
    root = find_vault(vault)
    found = _find(root, task)
    text = (root / found["path"]).read_text("utf-8")
    if as_json:
        print_json({**found, "text": text})
    else:
        click.echo(text)


@handoff.command()
@click.argument("task")
@by_option
@vault_option
@json_option
def claim(task: str, by: str, vault: Path | None, as_json: bool) -> None:
    """Tell others that you are at work on it. Exit code 1 when it is taken, answered or expired already."""
    root = find_vault(vault)
    found, name = _find(root, task), by or getpass.getuser()
    _check(ClaimParams, {"handoff": found["id"], "by": name})
    if found["status"] != "open":
        rest = " An answer still counts." if found["status"] == "expired" else ""
        raise Refused(f"the hand-off {task} is {found['status']}.{rest}", fix="gofer handoff list shows the open ones")
    header = {"type": "claim-handoff", "status": "open", "handoff": found["id"], "by": name}
    _write(root, claim_path(found["id"]), frontmatter.dump(header, ""))
    _told(found["id"], name, claim_path(found["id"]), as_json=as_json)


@handoff.command()
@click.argument("task")
@click.argument("text", nargs=-1)
@by_option
@click.option(
    "--file", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Read the answer there."
)
@click.option("--model", default="", help="The model that answered.")
@click.option("--input-tokens", type=int, help="What it read.")
@click.option("--output-tokens", type=int, help="What it wrote.")
@click.option("--cost-usd", type=float, help="What that cost, in US dollars.")
@vault_option
@json_option
def answer(
    task: str, text: tuple[str, ...], by: str, file: Path | None, model: str, vault: Path | None, as_json: bool,
    **took: float | None,
) -> None:  # fmt: skip
    """Answer it: TEXT, --file, or - for standard input. Gofer then writes the final report. Exit code 1 when somebody
    was faster."""
    root = find_vault(vault)
    found, name = _find(root, task), by or getpass.getuser()
    stated = {key: value for key, value in took.items() if value is not None}
    _check(AnswerParams, {"handoff": found["id"], "by": name, **stated})
    if found["status"] == "answered":
        raise Refused(
            f"the hand-off {task} has been answered already", why="the first answer counts", fix=f"gofer show {task}"
        )
    given = sys.stdin.read() if text == ("-",) else " ".join(text)
    body = file.read_text("utf-8") if file else given
    if not body.strip():
        raise Usage("an answer needs a text", fix=f"gofer handoff answer {task} --file answer.md")
    header = {"type": "answer", "status": "open", "handoff": found["id"], "by": name, **stated}
    _write(root, answer_path(found["id"]), frontmatter.dump({**header, **({"model": model} if model else {})}, body))
    _told(found["id"], name, answer_path(found["id"]), as_json=as_json)


def _check(kind: type[ClaimParams], values: Mapping[str, Any]) -> None:
    """What the worker would find wrong with the file is told here, before it is written."""
    try:
        kind.model_validate(values)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)[0]
        option = f"--{str(wrong['loc'][-1]).replace('_', '-')}"
        raise Usage(f"{option} cannot be used", why=wrong["msg"][:1].lower() + wrong["msg"][1:]) from None


def _find(root: Path, task: str) -> dict[str, Any]:
    found = next((h for h in facts.handoffs(root) if h["id"] == task), None)
    if found is None:
        raise Usage(f"no hand-off has the id '{task}'", fix="gofer handoff list shows them")
    return found


def _write(root: Path, path: str, text: str) -> None:
    try:
        Beneath(root).write(path, text.encode(), expect=None)
    except Busy:
        raise Usage("that file is there already", where=path, fix="wait until Gofer has taken it, or edit it") from None


def _told(task: str, by: str, path: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"id": task, "by": by, "path": path})
    else:
        click.echo(path)
