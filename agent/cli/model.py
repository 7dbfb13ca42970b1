"""`gofer model`: the models for llama.cpp inside Gofer; which are known, here and in use, and bringing one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from agent.cli.screen import json_option, print_json, table
from agent.config import load_settings
from agent.models import shelf
from agent.models.fetch import fetch


@dataclass(frozen=True, slots=True)
class Row:
    """A model as `list` shows it: `name` is what a task or an alias calls it, `download` what brings it; bytes."""

    name: str
    download: str
    path: str
    size: int
    here: bool
    in_use: bool


@click.group()
def model() -> None:
    """Models for llama.cpp inside Gofer: GGUF files that need no server."""


@model.command("list")
@json_option
def list_(as_json: bool) -> None:
    """What can be downloaded by name, what is here, and which one is in use."""
    rows = _rows()
    if as_json:
        print_json({"folder": str(shelf.models_dir(os.environ)), "models": [asdict(row) for row in rows]})
        return
    shown = [(row.name, _state(row), f"{row.size / 1e9:.1f} GB" if row.size else "", _where(row)) for row in rows]
    table(("Model", "State", "Size", "Where, or how to get it"), shown, flexible=3)


@model.command()
@click.argument("name")
@click.option("--sha256", default="", metavar="HEX", help="The checksum that the file must have.")
@click.option("--url", default="", metavar="URL", help="Take the file from there, and call it NAME.")
@json_option
def download(name: str, sha256: str, url: str, as_json: bool) -> None:
    """Bring the model NAME; what broke off goes on where it was. `gofer model list` tells the names."""
    if url and shelf.short(name) not in shelf.KNOWN:
        file = shelf.file_name(name)
    else:
        known = shelf.known(name)
        file, sha256, url = known.file, sha256 or known.sha256, url or shelf.address(known, os.environ)
    with _bar(file) as progress:
        got = fetch(url, shelf.models_dir(os.environ) / file, progress, sha256=sha256)
    in_use = _in_use()
    if as_json:
        print_json({**asdict(got), "path": str(got.path), "in_use": got.path == in_use})
        return
    click.echo(f"{'Downloaded' if got.fresh else 'Already here'}: {got.path}")
    click.echo(f"sha256 {got.sha256}")
    if got.path == in_use:
        click.echo("Gofer uses it as its embedded model from now on.")
    else:
        click.echo(f'In use stays {in_use}; to change that, in config.toml: [embedded] path = "{got.path}"')


def _rows() -> list[Row]:
    in_use, here = _in_use(), list(shelf.on_shelf(os.environ))
    if in_use and in_use not in here:
        here.insert(0, in_use)
    files = {one.file: name for name, one in shelf.KNOWN.items()}
    rows = [
        Row(path.stem, files.get(path.name, ""), str(path), _size(path), path.is_file(), path == in_use)
        for path in here
    ]
    missing = [(name, one) for name, one in shelf.KNOWN.items() if name not in {row.download for row in rows}]
    return rows + [Row(Path(one.file).stem, name, "", one.size, False, False) for name, one in missing]


def _in_use() -> Path | None:
    settings = load_settings(Path.cwd(), os.environ)  # the key is the machine's own, whatever vault this is
    return shelf.find_model(settings.embedded.path, os.environ)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _state(row: Row) -> str:
    if row.in_use:
        return "in use" if row.here else "in use, but missing"
    return "here" if row.here else "not here"


def _where(row: Row) -> str:
    return row.path or f"gofer model download {row.download}"


@contextmanager
def _bar(label: str) -> Iterator[Any]:
    """A progress bar on a terminal, and nothing elsewhere."""
    bars: list[Any] = []

    def progress(done: int, total: int) -> None:
        if not sys.stderr.isatty():
            return
        if not bars:
            bars.append(click.progressbar(length=total, label=label, file=sys.stderr))
            bars[0].__enter__()
        bars[0].update(done - bars[0].pos)

    try:
        yield progress
    finally:
        for bar in bars:
            bar.__exit__(None, None, None)
