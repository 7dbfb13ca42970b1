"""`gofer demo`: all three tiers and all four roles once, in a throw-away vault."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from agent.cli.run import COUNTED, drain
from agent.cli.screen import json_option, print_json, table
from agent.config import load_settings
from agent.git.command import Git
from agent.handlers import HANDLERS
from agent.route.router import Router
from agent.route.types import KNOWN_TYPES
from agent.sample_server import serving
from agent.throwaway import throwaway
from agent.vault.finished import Archive
from agent.vault.task import read_task
from agent.vault.values import Who

TASKS = {
    "note.md": 'Write "Call the plumber before Friday" to memory/todo.md\n',
    "tidy.md": "---\nstatus: open\n---\nMove memory/inbox-dump.md to memory/archive/\n",
    "heartbeat.md": "---\ntype: heartbeat\npriority: high\n---\n# Heartbeat\n",
    "price.md": "---\ntype: fetch\nurl: {url}/latest/dex/pairs/solana/sample\nfields:\n"
    '  - price:number = pairs[0].priceUsd\n  - volume:number = pairs[0].volume.h24\nunits: ["price = USD"]\n'
    'alert: ["price < 150"]\n---\n# Price of a token pair\n',
    "daily.md": "Tidy memory/daily\n",
    "log.md": "List the recurring errors in memory/logs/worker.log\n",
    "status.md": "Post a status report\n",
    "summary.md": "---\ntitle: Summary of the meeting\n---\nSummarize memory/meeting.md in three bullets\n",
    "question.md": "What is 25 × 4?\n",
    "review.md": "---\ntitle: Review of PR 214\nthinking: high\n---\nReview PR #214 and leave substantive comments\n",
    "broken.md": "---\ntitle: Weekly digest\npriority: hgih\n---\nSummarize the week\n",
}


# A made-up answer in the shape of DEX Screener's.
ANSWERS = {
    "/latest/dex/pairs/solana/sample": {
        "schemaVersion": "1.0.0",
        "pairs": [{"chainId": "solana", "priceUsd": "142.07", "volume": {"h24": 1834220.51}}],
    }
}


def _notes(now: datetime) -> dict[str, str]:
    """What the throw-away person has in their vault."""
    late = (now - timedelta(days=2)).strftime("%Y-%m-%d")
    old = now - timedelta(days=60)
    log = [
        f"{now - timedelta(minutes=n):%Y-%m-%dT%H:%M:%SZ} "
        + (f"ERROR cannot reach 10.0.0.{n % 9}:5432" if n % 6 == 0 else f"INFO job {n} took {n * 7} ms")
        for n in range(60, 0, -1)
    ]
    return {
        f"memory/daily/{old:%Y-%m-%d}.md": f"# {old:%A}\n\nMet Ada.\n",
        f"memory/daily/{now:%Y-%m-%d}.md": f"# Today\n\nAs on [[{old:%Y-%m-%d}]].\n",
        "memory/logs/worker.log": "\n".join(log) + "\n",
        "HEARTBEAT.md": "# Heartbeat\n\n- [ ] Is the nightly backup there?\n",
        "active-tasks.md": f"# Active\n\n- [ ] Send the invoice to Ada (due {late})\n- [x] Order paper\n",
        "memory/inbox-dump.md": "Ideas for the garden: beans, a bench, less lawn.\n",
        "memory/meeting.md": "# Meeting\n\nAda, Ben and Cleo met. The demo is on Friday. Ben writes the release notes. "
        "The login bug on Safari is still open; Cleo looks at it. Next meeting on Tuesday.\n",
    }


@click.command()
@json_option
@click.option("--keep", is_flag=True, help="Keep the throw-away vault, to look around in it.")
def demo(as_json: bool, keep: bool) -> int:
    """Show all of it once: sample tasks of all tiers and all roles in a throw-away vault with a bare remote."""
    began = time.monotonic()
    with throwaway("demo", keep=keep) as place, serving(ANSWERS) as url:
        place.allow(url, os.environ)
        os.environ.update(place.env)
        place.write(_notes(datetime.now(UTC)))
        place.drop({name: text.replace("{url}", url) for name, text in TASKS.items()})
        if not as_json:
            click.echo(f"A vault with {len(TASKS)} tasks in inbox/: {place.vault}\n")
        data, _ = drain(place.vault, lambda: False, show=not as_json)
        shown = {**_explained(data, place.vault), "vault": str(place.vault), "remote": str(place.remote), "kept": keep}
        shown["seconds"] = round(time.monotonic() - began, 2)
        if as_json:
            print_json(shown)
        else:
            _tell(shown, place.vault)
    return 0


def _explained(data: dict[str, Any], vault: Path) -> dict[str, Any]:
    """The results with title, role and who, which the table shows besides."""
    archive = Archive(vault)
    router = Router(vault, load_settings(vault, os.environ).names)
    tasks = []
    for task in data["tasks"]:
        found = archive.find(task["id"])
        lying = next((p for p in (vault / "inbox").glob("*.md") if task["id"].startswith(p.stem)), None)
        path = vault / found.path if found else lying
        read = read_task(path.read_bytes(), f"inbox/{path.name}", types=KNOWN_TYPES) if path else None
        decision = router.route(read) if read and task["tier"] else None
        who = str(Who.LEAD) if task["status"] == "handed-off" else str(decision.who) if decision else None
        reason = task.get("reason") or (decision.reason if decision else None)
        handler = HANDLERS.get(task["type"] or "")
        role = str(handler.role) if handler else None
        title = read.title if read else task["id"]
        tasks.append({**task, "title": title, "role": role, "who": who, "reason": reason})
    return {**{word: data[word] for word in COUNTED}, "tasks": tasks}


def _tell(data: dict[str, Any], vault: Path) -> None:
    rows = [
        (
            task["title"], task["role"] or "-", task["tier"] or "-", task["who"] or "-", task["status"],
            str(task["input_tokens"] + task["output_tokens"]), f"{task['seconds']:.2f} s",
        )
        for task in data["tasks"]
    ]  # fmt: skip
    table(("Task", "Role", "Tier", "Who", "Outcome", "Tokens", "Time"), rows)
    waiting = [task for task in data["tasks"] if task["status"] == "waiting"]
    if waiting:
        click.echo(f"\n{len(waiting)} tasks wait for a local model. These two commands let them run:")
        click.echo("  ollama serve\n  ollama pull qwen3:8b")
    click.echo("\nWhere to look in a vault of yours:")
    click.echo("  outbox/            one report per task       outbox/handoffs/   what the lead has to do")
    click.echo("  memory/            the same, for good        git log            one commit per outcome\n")
    log = Git(vault).run("log", "--oneline", "-5").text
    click.echo("\n".join(f"  {line}" for line in log.splitlines()))
    beat = next(task for task in data["tasks"] if task["type"] == "heartbeat")
    click.echo(f"\nOne report, {beat['report']}:\n")
    click.echo((vault / beat["report"]).read_text("utf-8"))
    click.echo(
        f"All in {data['seconds']} s. "
        + (f"The vault is kept: {vault}" if data["kept"] else "The vault is gone again; --keep keeps it.")
    )
