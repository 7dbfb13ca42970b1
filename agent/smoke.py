"""The smoke test: ten trivial tasks through the real road, in a throw-away vault, each checked by what it left behind.

No model is asked: its address leads nowhere. Settings are Gofer's own, but for the person's prices, by which the cost
and the paid way are counted. A status word proves nothing: a check reads the file, the report, the ledger and what
arrived at the remote.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import tomlkit

from agent import worker
from agent.config.environment import local_config_path
from agent.facts import handoffs
from agent.git.command import Git
from agent.smoke_checks import CHECKS, DROPPED, NOTES, REMARKS, REPO, Scene, answer_of
from agent.throwaway import Place, throwaway
from agent.vault import ledger

NOWHERE = "http://127.0.0.1:9"  # the discard port: whoever asks a model here is told at once that there is none
LIMIT = 120.0  # seconds for all of it


@dataclass(frozen=True, slots=True)
class Errand:
    """One of the ten, after it ran. Money is US dollars over its runs, None when it is not known of all of them."""

    name: str
    checked: str  # what the code looked at
    why: str  # what it found wrong, "" when it passed
    runs: int
    seconds: float
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    baseline_usd: float | None

    @property
    def passed(self) -> bool:
        return not self.why


@dataclass(frozen=True, slots=True)
class Smoke:
    """What came of all of them. `baseline_model` is the paid model they are compared with, "" when none is known."""

    errands: tuple[Errand, ...]
    seconds: float  # wall clock of everything, the making of the vault included
    baseline_model: str
    vault: Path

    @property
    def passed(self) -> int:
        return sum(errand.passed for errand in self.errands)

    def sum(self, key: str) -> float | None:
        """A total over the errands that ran; None when it is not known of one of them."""
        values = [getattr(errand, key) for errand in self.errands if errand.runs]
        return None if None in values else sum(values)


def smoke(env: Mapping[str, str], stop: Callable[[], bool], *, keep: bool = False) -> Smoke:
    """Make the vault, run the tasks, check each. `env` is the environment of the person, for their prices alone."""
    began = time.monotonic()

    def over() -> bool:
        return stop() or time.monotonic() - began > LIMIT

    with throwaway("smoke", keep=keep) as place:
        mine = prepare(place, env, datetime.now(UTC))
        worker.drain(place.vault, mine, over)
        answer(place)
        worker.drain(place.vault, mine, over)
        return judged(place.vault, place.remote, began)


def prepare(place: Place, env: Mapping[str, str], now: datetime) -> Mapping[str, str]:
    """Notes, a listed repository, settings and the tasks. Returns the environment to work in."""
    late = (now - timedelta(days=2)).strftime("%Y-%m-%d")
    place.write({path: text.replace("LATE", late) for path, text in NOTES.items()})
    repo = place.folder / REPO
    repo.mkdir()
    git = Git(repo)
    git.run("init", "--quiet", "--initial-branch=main", "--template=", str(repo))
    (repo / "kept.md").write_text("kept\n", "utf-8")
    git.run("add", "kept.md")
    git.run("-c", "user.name=Gofer", "-c", "user.email=gofer@example.invalid", "-c", "commit.gpgsign=false",
            "commit", "--quiet", "--no-verify", "-m", "first")  # fmt: skip
    for path, text in REMARKS.items():
        (repo / path).write_text(text, "utf-8")
    place.drop(DROPPED)
    config = place.folder / "config.toml"
    config.write_text(_settings(repo, env), "utf-8")
    return {**env, **place.env, "GOFER_CONFIG": str(config), "GOFER_OLLAMA_HOST": NOWHERE}


def answer(place: Place) -> None:
    """The lead's answer to the one hand-off, if there is one: without it the check says what is missing."""
    for handoff in handoffs(place.vault)[:1]:
        place.drop({"answer.md": answer_of(str(handoff["id"]))})


def judged(vault: Path, remote: Path, began: float) -> Smoke:
    """Every check, made on a vault and its remote as they are now."""
    runs = list(ledger.read(sorted((vault / ledger.FOLDER).glob("*.jsonl"))))
    scene = Scene(vault, remote, runs)
    errands = tuple(_errand(scene, name) for name in CHECKS)
    compared = next((str(run["baseline_model"]) for run in runs if run.get("baseline_model")), "")
    return Smoke(errands, round(time.monotonic() - began, 2), compared, vault)


def _errand(scene: Scene, name: str) -> Errand:
    says, check = CHECKS[name]
    try:
        why = check(scene)
    except (OSError, ValueError, LookupError) as error:  # a check that meets the unforeseen has not passed
        why = f"{type(error).__name__}: {error}"
    runs = scene.runs_of(name)
    tokens_in, tokens_out = (sum(int(run.get(key) or 0) for run in runs) for key in ("input_tokens", "output_tokens"))
    seconds = round(sum(float(run.get("duration_s") or 0) for run in runs), 3)
    cost, paid = _money(runs, "cost_usd"), _money(runs, "baseline_usd")
    return Errand(name, says, why, len(runs), seconds, tokens_in, tokens_out, cost, paid)


def _money(runs: Sequence[Mapping[str, Any]], key: str) -> float | None:
    known = [run[key] for run in runs if isinstance(run.get(key), int | float)]
    return float(sum(known)) if known and len(known) == len(runs) else None


def _settings(repo: Path, env: Mapping[str, str]) -> str:
    theirs: Mapping[str, Any] = {}
    with suppress(OSError, ValueError):  # a broken file is the doctor's business
        theirs = tomllib.loads(local_config_path(env).read_text("utf-8"))
    baseline = theirs.get("money", {}).get("baseline") if isinstance(theirs.get("money"), dict) else None
    return tomlkit.dumps(
        {
            "worker": {"name": "smoke"},
            "watch": {"settle_seconds": 0.1, "settle_open_seconds": 0.1},
            "repos": {REPO: {"path": str(repo), "allow": ["status"]}},
            **({"money": {"baseline": baseline}} if isinstance(baseline, str) else {}),
            **({"prices": theirs["prices"]} if isinstance(theirs.get("prices"), dict) else {}),
        }
    )
