"""`gofer show`."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from agent import facts
from agent.cli.screen import find_vault, json_option, print_json, vault_option
from agent.errors import Usage
from agent.gate import OutputGate
from agent.journal import Journal
from agent.runs import RunFolders
from agent.survey import Survey
from agent.text import normal_form, revision
from agent.vault.names import is_schedule
from agent.vault.schedule import instance_of

NOT_YET = "it has ended, and its report comes into the vault with the branch"


@click.command()
@click.argument("task")
@vault_option
@json_option
@click.option("--log", is_flag=True, help="Show the log of its last run on this machine too.")
def show(task: str, vault: Path | None, as_json: bool, log: bool) -> None:
    """One task: its file, its report, its log. TASK is an id or the beginning of one."""
    root = find_vault(vault)
    data = collect(root, task, log=log)
    if as_json:
        print_json(data)
        return
    click.echo(f"{data['id']}: {data['state']}" + (f" ({data['reason']})" if data["reason"] else ""))
    if data["path"]:
        click.echo(f"Task    {data['path']}")
    if data["report_text"]:
        click.echo(f"Report  {data['report']}\n\n{data['report_text']}")
    elif data["task"]:
        click.echo(f"\n{data['task']['text']}")
    if log:
        click.echo("Log\n" + ("\n".join(data["log"]) or "(no run of it on this machine)"))


def collect(root: Path, named: str, *, log: bool) -> dict[str, Any]:
    """The data of `show --json`. Usage when no task has that id, with those that begin alike."""

    survey = Survey(root, os.environ, datetime.now(UTC))
    items = [*survey.waiting(), *survey.schedules, *survey.ended(10_000)]
    item = _choose(items, named)
    file = root / item.path if item.path else None
    raw = normal_form(file.read_bytes()) if file and file.is_file() else ""
    runs = [line for line in facts.recent_runs(root, 10_000) if item.id in _names(line["task"])][::-1]
    if runs and item.path and is_schedule(item.path):  # of a schedule, the report of its last run
        item = replace(item, report=f"outbox/{runs[-1]['task']}.md")
    report = root / (item.report or f"outbox/{item.id}.md")
    owed = next((r for r in Journal.owed_in(survey.state / "journal.jsonl").values() if r.subject == item.id), None)
    if owed and not report.is_file():  # it has ended, and comes into the vault with the branch
        item = replace(item, state=owed.status, reason=str(survey.board.get("stuck") or NOT_YET))
    text = report.read_text("utf-8") if report.is_file() else owed and owed.files.get(f"outbox/{item.id}.md")
    folders = RunFolders(survey.state / "runs", OutputGate())
    ran = folders.find(item.id) or (folders.find(runs[-1]["task"]) if runs else None)  # of a schedule the last run
    lines = (ran or Path("/nonexistent")) / "run.log"
    return {
        **asdict(item),
        "task": {"path": item.path, "revision": revision(raw), "text": raw} if raw else None,
        "report_text": text,
        "handoff": next((h for h in facts.handoffs(root) if h["id"] == item.id), None),
        "runs": runs,
        **({"log": lines.read_text("utf-8").splitlines() if lines.is_file() else []} if log else {}),
    }


def _names(task: str) -> tuple[str, ...]:
    """The ids under which a run is shown: its own, and the name of its schedule."""
    run = instance_of(task)
    return (task, run[0]) if run else (task,)


def _choose(items: list[Any], named: str) -> Any:
    exact = [item for item in items if item.id == named]
    alike = exact or [item for item in items if item.id.startswith(named)]
    ids = sorted({item.id for item in alike})
    if len(ids) == 1:
        return alike[0]
    if ids:
        raise Usage(f"'{named}' is the beginning of {len(ids)} ids", why=", ".join(ids[:8]), fix="give more of it")
    raise Usage(f"no task here has the id '{named}'", fix="gofer list shows them")
