"""What verbs share: the vault option, JSON envelopes, plain tables."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from agent.errors import PersonMustAct

F = TypeVar("F", bound=Callable[..., Any])

vault_option = click.option(
    "--vault",
    type=click.Path(path_type=Path),
    envvar="GOFER_VAULT",
    default=None,
    help="The vault's folder (default: the git repository around the current folder).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print data for programs.")


def find_vault(named: Path | None) -> Path:
    """The folder of the vault: as named, else the git work tree around the current folder. PersonMustAct if none."""
    start = (named or Path.cwd()).resolve()
    for folder in (start, *start.parents) if named is None else (start,):
        if (folder / ".git").exists():
            return folder
    raise PersonMustAct(
        "this is not a vault: no git work tree here",
        where=str(start),
        fix="gofer init makes one; --vault DIR names another",
    )


def print_json(data: object) -> None:
    click.echo(json.dumps({"schema_version": 1, "data": data}, ensure_ascii=False, indent=2))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, flexible: int = 0) -> None:
    """Print a table as wide as the terminal; the column `flexible` gives way first. Plain text when piped."""
    from rich.console import Console  # noqa: PLC0415 - heavy, and --json does not need it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(file=sys.stdout, highlight=False, no_color=bool(os.environ.get("NO_COLOR")) or None)
    if not console.is_terminal:
        console = Console(file=sys.stdout, highlight=False, color_system=None, width=max(120, console.width))
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        shown.add_column(
            heading,
            overflow="fold" if number == flexible else "ellipsis",
            ratio=1 if number == flexible else None,
            no_wrap=number != flexible,
        )
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))
    console.print(shown)


def progress(text: str) -> None:
    """One line on stderr that replaces itself, on a terminal only."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text}", nl=False, err=True)
