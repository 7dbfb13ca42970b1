"""`gofer capability`."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from agent.asking import Asking
from agent.capability import (
    MOST,
    SKILLS,
    SYSTEM,
    Ask,
    Found,
    Heading,
    Kept,
    Measured,
    Score,
    compared,
    measure,
    read_report,
    report_text,
)
from agent.cli.screen import find_vault, json_option, print_json, progress, table, vault_option
from agent.config import load_settings, state_dir
from agent.errors import ModelAway, TimeUp, Usage
from agent.files import ANY, Beneath
from agent.gate import OutputGate
from agent.models.base import Answer
from agent.text import slug

FOLDER = "memory/capability"
SEED = 1  # of everybody who names none, so that their models meet the same cases


@click.command()
@vault_option
@json_option
@click.option("--model", default="local", help="An alias or provider/name (default: the one in use).")
@click.option("--skill", "only", multiple=True, type=click.Choice(list(SKILLS)), help="Only this skill; repeatable.")
@click.option("--cases", type=click.IntRange(1, MOST), default=20, show_default=True, help="Cases of each skill.")
@click.option("--seed", type=int, default=SEED, show_default=True, help="The same seed makes the same cases.")
@click.option("--seconds", type=click.FloatRange(1, 3600), default=None, help="Time limit of a case.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=None, help=f"Else in {FOLDER}/.")
@click.option(
    "--compare", nargs=2, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Two reports, no model."
)
def capability(
    vault: Path | None,
    as_json: bool,
    model: str,
    only: tuple[str, ...],
    cases: int,
    seed: int,
    seconds: float | None,
    out: Path | None,
    compare: tuple[Path, Path] | None,
) -> int:
    """Measure what a model can do, by generated cases that code alone scores, and write a report; or compare two."""
    if compare:
        kept = [read_report(path.read_text("utf-8"), str(path)) for path in compare]
        _tell_pairs(kept[0], kept[1], as_json)
        return 0
    root = find_vault(vault)
    settings = load_settings(root, os.environ)
    asking = Asking(root, settings, state=state_dir(root, os.environ))
    if away := asking.away(model):
        raise ModelAway(f"'{model}' cannot be asked", why=away, fix="gofer doctor tells more")
    skills = [SKILLS[name] for name in only or SKILLS]
    stopped = _on_interrupt()
    ask = _asker(asking, model, seconds, stopped)
    began = datetime.now(UTC)
    measured = measure(ask, skills, seed=seed, count=cases, told=_progress)
    progress("")
    gate = OutputGate(settings.secret_values)
    heading = _heading(asking, model, measured, began, seed, cases)
    path = _write(root, out, only, heading, measured, report_text(heading, measured, gate)) if measured.found else None
    _tell(heading, measured, path, gate, as_json)
    if stopped.is_set():
        return 130
    if measured.stopped:
        raise measured.stopped
    return 0


def _on_interrupt() -> threading.Event:
    """Set by Ctrl-C: the question under way is broken off, and what was done is kept."""
    stopped = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    return stopped


def _asker(asking: Asking, model: str, seconds: float | None, stopped: threading.Event) -> Ask:
    def ask(prompt: str, schema: Mapping[str, Any] | None, max_tokens: int) -> Answer:
        if stopped.is_set():
            raise TimeUp("it was stopped")
        return asking.ask_once(
            model, prompt, schema=schema, max_tokens=max_tokens, system=SYSTEM, timeout=seconds, stop=stopped.is_set
        )

    return ask


def _progress(skill: str, done: int, count: int) -> None:
    progress(f"{skill}: {done + 1} of {count}")


def _heading(asking: Asking, model: str, measured: Measured, began: datetime, seed: int, cases: int) -> Heading:
    target, used = asking.target(model), measured.usage
    return Heading(
        model=used.model if used else target.model,
        provider=used.provider if used else target.provider,
        digest=used.digest if used else "",
        thinking=used.thinking if used else "off",
        date=began,
        seed=seed,
        cases=cases,
    )


def _write(
    root: Path, out: Path | None, only: tuple[str, ...], heading: Heading, measured: Measured, text: str
) -> Path:
    """The file it went to. A whole report is never replaced by a part of one: those have names of their own."""
    words = [slug(heading.model), f"{heading.date:%Y-%m-%d}", *only, *(["partial"] if measured.stopped else [])]
    path = out.absolute() if out else root / FOLDER / f"{'-'.join(words)}.md"
    if out and path.exists():
        read_report(path.read_text("utf-8", "replace"), str(path))  # raises when it is a file of somebody else's
    folder = root if path.is_relative_to(root) else path.parent
    if not folder.is_dir():
        raise Usage("the folder of --out is not there", where=str(path.parent))
    Beneath(folder).write(path.relative_to(folder).as_posix(), text.encode(), expect=ANY)
    return path


def _tell(heading: Heading, measured: Measured, path: Path | None, gate: OutputGate, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "model": heading.model,
                "provider": heading.provider,
                "digest": heading.digest or None,
                "seed": heading.seed,
                "cases": heading.cases,
                "complete": measured.stopped is None,
                "stopped": gate.value(str(measured.stopped), 500) if measured.stopped else None,
                "report": str(path) if path else None,
                "skills": [_data(found, gate) for found in measured.found],
            }
        )
        return
    rows = [_row(found, gate) for found in measured.found]
    table(("Skill", "Passed", "Share", "95 % interval", "Time", "Tokens", "Typical failures"), rows, flexible=6)
    passed = sum(found.score.passed for found in measured.found)
    total = sum(found.score.cases for found in measured.found)
    click.echo(
        f"\n{gate.value(heading.model, 200)}: {passed} of {total} cases passed. Time and tokens are for one case."
    )
    if path:
        click.echo(f"Report: {path}")


def _data(found: Found, gate: OutputGate) -> dict[str, Any]:
    (low, high), count = found.score.interval, found.score.cases
    return {
        "skill": found.skill,
        "passed": found.score.passed,
        "cases": count,
        "share": found.score.share,
        "low": round(low, 4),
        "high": round(high, 4),
        "seconds": round(found.seconds / count, 3),
        "input_tokens": round(found.input_tokens / count, 1),
        "output_tokens": round(found.output_tokens / count, 1),
        "failures": [gate.value(reason, 200) for reason in found.failures],
    }


def _row(found: Found, gate: OutputGate) -> tuple[str, ...]:
    count = found.score.cases
    tokens = f"{found.input_tokens / count:.0f} + {found.output_tokens / count:.0f}"
    why = "; ".join(gate.value(reason, 80) for reason in found.typical())
    return (
        found.skill,
        f"{found.score.passed}/{count}",
        *_shown(found.score),
        f"{found.seconds / count:.2f} s",
        tokens,
        why,
    )


def _shown(score: Score) -> tuple[str, str]:
    low, high = score.interval
    return ("-", "-") if score.share is None else (f"{score.share:.0%}", f"{low:.0%} to {high:.0%}")


def _tell_pairs(a: Kept, b: Kept, as_json: bool) -> None:
    pairs = compared(a, b)
    same = (a.seed, a.cases) == (b.seed, b.cases) and a.complete and b.complete
    if as_json:
        skills = [
            {
                "skill": pair.skill,
                "a": pair.a.share,
                "b": pair.b.share,
                "difference": pair.difference,
                "overlap": pair.overlap,
            }
            for pair in pairs
        ]
        print_json({"a": a.model, "b": b.model, "same_cases": same, "skills": skills})
        return
    rows = [
        (
            pair.skill, " ".join(_shown(pair.a)), " ".join(_shown(pair.b)),
            "-" if pair.difference is None else f"{pair.difference:+.0%}",
            "may be chance" if pair.overlap else "more than chance",
        )
        for pair in pairs
    ]  # fmt: skip
    table(("Skill", f"A: {a.model}", f"B: {b.model}", "B - A", "The difference"), rows)
    click.echo("\nIt may be chance where the two 95 % intervals overlap.")
    if not same:
        click.echo("The two did not meet the same cases: another seed, another number of cases, or not complete.")
