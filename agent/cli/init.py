"""`gofer init`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from agent.checkup import check_up
from agent.cli.doctor import as_data, show_checks
from agent.cli.screen import json_option, print_json
from agent.config import state_dir
from agent.newvault import make_vault


@click.command()
@click.argument("folder", default=".", metavar="[DIR]", type=click.Path(file_okay=False, path_type=Path))
@click.option("--remote", default="", metavar="URL", help="The git remote that all machines share.")
@click.option("--obsidian", is_flag=True, help="Let Obsidian put new notes into inbox/ and find the templates.")
@json_option
def init(folder: Path, remote: str, obsidian: bool, as_json: bool) -> int:
    """Make a vault here or in DIR; nothing is overwritten. Then check everything."""
    root = folder.resolve()
    made = make_vault(root, state_dir(root, os.environ), remote=remote, obsidian=obsidian)
    checks = check_up(made.path, os.environ, datetime.now(UTC))
    if as_json:
        print_json(
            {
                "path": str(made.path),
                "created": list(made.created),
                "kept": list(made.kept),
                "remote": made.remote,
                "doctor": as_data(checks),
            }
        )
        return 0
    click.echo(f"Vault in {made.path}: {len(made.created)} files made, {len(made.kept)} were there and stay.\n")
    show_checks(checks)
    click.echo(f'\nNext: cd {made.path} && gofer run    (and in another window: gofer add "What is 2 + 2?")')
    return 0
