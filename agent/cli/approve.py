"""`gofer approve`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import click

from agent.cli.add import publish
from agent.cli.screen import find_vault, json_option, print_json, vault_option
from agent.errors import Usage
from agent.files import Beneath
from agent.survey import Survey
from agent.text import utc
from agent.vault import approval
from agent.vault.layout import approval_path

LARGEST = 64 << 20  # bytes


@click.command()
@click.argument("task")
@click.option("--reject", metavar="WHY", default=None, help="Call it off, with this reason.")
@vault_option
@json_option
def approve(task: str, reject: str | None, vault: Path | None, as_json: bool) -> None:
    """Tick a box in what waits for you in outbox/approvals: let a task act, or --reject it."""

    root = find_vault(vault)
    path = approval_path(task)
    reject = None if reject is None else " ".join(reject.split())
    files = Beneath(root)
    try:
        raw = files.read(path, LARGEST)
    except FileNotFoundError:
        raise Usage(f"nothing waits for approval under the id '{task}'", fix="gofer list shows what waits") from None
    asked = approval.parse(raw)
    now = datetime.now(UTC)
    if asked is None or asked.trouble:
        why = asked.trouble if asked else "its front matter cannot be read"
        raise Usage("the approval file is no answer any more", where=path, why=why, fix="delete it to be asked anew")
    if now >= asked.expires:
        raise Usage(f"it expired on {utc(asked.expires)}", where=path, fix=f"gofer retry {task}, when it has ended")
    if asked.approved if reject is not None else asked.rejected:
        word = "approved" if asked.approved else "rejected"
        raise Usage(f"it is {word} already", where=path, fix="change the tick in the file, if no worker was faster")
    if not (asked.approved or asked.rejected):
        text = approval.ticked(asked.blank, reject=reject).encode()
        files.write(path, text, expect=sha256(raw).hexdigest())
    publish(root, path)
    if as_json:
        reason = None if reject is None else reject or None
        print_json({"id": task, "approved": reject is None, "plan": asked.plan, "reason": reason})
        return
    what = "rejected" if reject is not None else "approved"
    works = Survey(root, os.environ, now).working
    click.echo(f"{task}: {what}" + ("" if works else "; a worker sees to it: gofer run"))
