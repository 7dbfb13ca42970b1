"""`gofer prices`: what models cost, where that is known from, and prices taken over from elsewhere."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from agent.cli.screen import find_vault, json_option, print_json, table, vault_option
from agent.clock import utc_now
from agent.config import Settings, load_settings, state_dir
from agent.config.environment import is_loopback, local_config_path
from agent.errors import PersonMustAct, Usage
from agent.money import openclaw
from agent.money.prices import Prices
from agent.money.writing import write_prices

CACHE = "prices.json"
BUILT_IN = frozenset({"ollama", "embedded"})


@click.group()
def prices() -> None:
    """What models cost: list, show, import."""


@prices.command("list")
@vault_option
@json_option
def list_(vault: Path | None, as_json: bool) -> None:
    """The models that your settings name, with their prices."""
    settings, known = _known(vault)
    uses: dict[str, list[str]] = {}
    for use, name in _named(settings):
        uses.setdefault(name, []).append(use)
    found = [_told(name, settings, known, uses[name]) for name in uses]
    if as_json:
        print_json(found)
        return
    rows = [(f["model"], ", ".join(f["uses"]), *_shown(f)) for f in found]
    table(("Model", "Used as", "Input", "Output", "As of", "Source"), rows, flexible=0)
    click.echo("US dollars per million tokens.")


@prices.command()
@click.argument("model")
@vault_option
@json_option
def show(model: str, vault: Path | None, as_json: bool) -> int:
    """The price of one MODEL, as provider/model. Exit code 1 when it is unknown."""
    settings, known = _known(vault)
    model = settings.names.get(model, model)
    found = _told(model, settings, known, [use for use, name in _named(settings) if name == model])
    if as_json:
        print_json(found)
    elif found["local"]:
        click.echo(f"{model}: runs on your own machine and costs nothing")
    elif found["input"] is None:
        click.echo(
            f"{model}: the price is unknown, so it is not asked while a cap is in force\n"
            f'State it in {local_config_path(os.environ)}: [prices."{model}"] with input, output and dated'
        )
    else:
        sent, made, dated, source = _shown(found)
        click.echo(f"{model}: {sent} in, {made} out, US dollars per million tokens, as of {dated} ({source})")
        if (found["most_input"], found["most_output"]) != (found["input"], found["output"]):
            click.echo(f"At most {found['most_input']:g} in and {found['most_output']:g} out, for very long prompts")
    return 0 if found["local"] or found["input"] is not None else 1


@prices.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--per", type=click.Choice(tuple(openclaw.PER)), help="Tokens that a price there is for [thousand].")
@click.option("--dated", type=click.DateTime(("%Y-%m-%d",)), help="The day for which the prices are right [today].")
@click.option("--replace", is_flag=True, help="Also change prices that you have stated already.")
@json_option
def import_(file: Path, per: str | None, dated: datetime | None, replace: bool, as_json: bool) -> None:
    """Take the prices of an openclaw.json over into this machine's config.toml."""
    day = dated.date() if dated else utc_now().date()
    found = openclaw.read(file, per or "thousand", day)
    dear = [key for key, price in found.prices.items() if max(price.input, price.output) > openclaw.IMPLAUSIBLE]
    if dear and per is None:
        why = f"per thousand, {dear[0]} would cost {found.prices[dear[0]].output:g} dollars per million tokens"
        fix = "add --per million if they are, or --per thousand if they really are not"
        raise Usage("these look like prices per million tokens", where=str(file), why=why, fix=fix)
    place = local_config_path(os.environ)
    written = write_prices(place, found.prices, replace=replace)
    if as_json:
        print_json({"path": str(place), "dated": day.isoformat(), **_lists(asdict(written)), "skipped": found.skipped})
        return
    for word, keys in asdict(written).items():
        for key in keys:
            price = found.prices[key]
            note = "; --replace changes it" if word == "kept" else ""
            click.echo(f"{word:8}  {key}: {price.input:g} in, {price.output:g} out per million tokens{note}")
    for key, why in found.skipped.items():
        click.echo(f"skipped   {key}: {why}")
    click.echo(f"{len(written.added) + len(written.replaced)} prices written to {place}, as of {day}")


def _known(vault: Path | None) -> tuple[Settings, Prices]:
    try:
        root = find_vault(vault)
    except PersonMustAct:
        if vault:
            raise
        root = Path(os.devnull)  # outside a vault this machine's own settings hold
    settings = load_settings(root, os.environ)
    return settings, Prices(settings.prices, state_dir(root, os.environ).parent / CACHE)


def _named(settings: Settings) -> list[tuple[str, str]]:
    """What each model is named for in the settings, and the model."""
    lead = settings.lead.via
    return [
        *((f"alias {alias}", target) for alias, target in sorted(settings.names.items())),
        *([("the lead", lead)] if "/" in lead else []),
        *([("the baseline", settings.money.baseline)] if settings.money.baseline else []),
        *(("your price", name) for name in sorted(settings.prices)),
    ]


def _told(model: str, settings: Settings, known: Prices, uses: list[str]) -> dict[str, Any]:
    local = _is_local(model, settings)
    price = None if local and model not in settings.prices else known.named(model)
    shown = {
        "input": price and price.input,
        "output": price and price.output,
        "most_input": price and price.most_input,
        "most_output": price and price.most_output,
        "dated": price and price.dated.isoformat(),
        "source": price and price.source,
    }
    return {"model": model, "uses": uses, "local": local and price is None, **shown}


def _is_local(model: str, settings: Settings) -> bool:
    name = model.partition("/")[0] if "/" in model else ""
    own = settings.providers.get(name)
    if own is None:
        return name in BUILT_IN
    return is_loopback(own.url) if own.local is None else own.local


def _shown(found: dict[str, Any]) -> tuple[str, str, str, str]:
    if found["local"]:
        return "0", "0", "-", "your own machine"
    if found["input"] is None:
        return "unknown", "unknown", "-", "nobody states it"
    return f"{found['input']:g}", f"{found['output']:g}", found["dated"], found["source"]


def _lists(parts: dict[str, Any]) -> dict[str, Any]:
    return {word: list(keys) for word, keys in parts.items()}
