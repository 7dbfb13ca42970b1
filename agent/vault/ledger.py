"""The ledger: one JSON line per run, in segments that one worker alone writes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from agent.errors import PersonMustAct
from agent.gate import OutputGate
from agent.text import utc
from agent.vault.layout import LEDGER as FOLDER
from agent.vault.layout import ledger_path, ledger_stem
from agent.vault.values import Outcome, Status

__all__ = ["FOLDER", "Account", "Baseline", "account", "line", "next_segment", "read", "seconds"]

SEGMENT = 64 * 1024  # bytes: a file that grows is rewritten whole in every commit
LOCAL_PROVIDERS = frozenset({"ollama", "embedded", "llama.cpp", "fake"})  # what they answer costs no money


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a run would have cost the paid way: on which model, and by a price of which day. `usd` is None when it is
    unknown; `estimated` says that nobody counted the tokens."""

    model: str
    usd: float | None
    dated: date | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """What a run took, over all its model calls. Money is US dollars, None when the price is unknown."""

    model: str  # the one that answered last; "none" for code
    provider: str
    digest: str
    thinking: str
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    baseline_usd: float | None
    estimated: bool  # the tokens of a call, or those of the baseline
    price_date: date | None  # of the cost where it was paid, else of the baseline


def account(outcome: Outcome, baseline: Baseline | None = None, paid_on: date | None = None) -> Account:
    """Add up the model calls of a run. Code and local models cost 0, others what was stated; else it is unknown.
    `paid_on`: the day of the price that the cost was reckoned by."""
    calls = outcome.result.usage
    last = calls[-1] if calls else None
    tokens_in, tokens_out = sum(call.input_tokens for call in calls), sum(call.output_tokens for call in calls)
    costs = [0.0 if call.provider in LOCAL_PROVIDERS else call.cost_usd for call in calls]
    known = [cost for cost in costs if cost is not None]
    cost = sum(known, 0.0) if len(known) == len(costs) else None
    compared = baseline.usd if baseline else None
    dated = baseline.dated if baseline and compared is not None else None
    return Account(
        model=last.model if last else "none",
        provider=last.provider if last else "none",
        digest=last.digest if last else "",
        thinking=last.thinking if last else outcome.task.thinking,
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        cost_usd=cost,
        baseline_usd=compared,
        estimated=any(call.estimated for call in calls) or bool(baseline and baseline.estimated),
        price_date=paid_on if cost and paid_on else dated,
    )


def line(outcome: Outcome, gate: OutputGate, baseline: Baseline | None = None, paid_on: date | None = None) -> str:
    """The ledger line of a run, without a newline at its end. The JSON encoder alone makes it, so that no text can
    end it or add a key."""
    task, decision, spent = outcome.task, outcome.decision, account(outcome, baseline, paid_on)
    row = {
        "v": 1,
        "task": task.id,
        "title": gate.value(task.title, 200),
        "type": gate.value(decision.type, 80),
        "role": outcome.role,
        "tier": decision.tier,
        "status": outcome.status,
        "worker": gate.value(outcome.worker, 80),
        "model": gate.value(spent.model, 200),
        "provider": gate.value(spent.provider, 80),
        "thinking": gate.value(spent.thinking, 20),
        "input_tokens": spent.input_tokens,
        "output_tokens": spent.output_tokens,
        "estimated": spent.estimated,
        "cost_usd": spent.cost_usd,
        "baseline_model": gate.value(baseline.model, 200) if baseline else None,
        "baseline_usd": spent.baseline_usd,
        "price_date": spent.price_date.isoformat() if spent.price_date else None,
        "started": utc(outcome.started),
        "finished": utc(outcome.finished),
        "duration_s": seconds(outcome),
        "attempt": outcome.attempt,
        "route": gate.value(decision.reason, 300),
        "reason": _reason(outcome, gate),
    }
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def seconds(outcome: Outcome) -> float:
    """How long a run took, as people read it: tenths of a second, thousandths below one."""
    return round(outcome.seconds, 1 if outcome.seconds >= 1 else 3)


def next_segment(existing: Mapping[str, int], worker: str, day: date, length: int) -> str:
    """The segment for the next `length` bytes: the newest of this worker and day, or a new one when it would pass
    SEGMENT. `existing` maps paths to sizes in bytes and may hold segments of others."""
    stem = ledger_stem(worker, day)
    numbers = (path[len(stem) :].removesuffix(".jsonl") for path in existing if path.startswith(stem))
    newest = max((int(number) for number in numbers if number.isascii() and number.isdigit()), default=0)
    path = ledger_path(worker, day, max(newest, 1))
    return path if existing.get(path, 0) + length <= SEGMENT or not newest else ledger_path(worker, day, newest + 1)


def read(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """The lines of segments, in the order given. A torn last line (no newline: its writer was killed) is left out.

    Raises PersonMustAct for any other line that is not a JSON object, with its place.
    """
    for path in paths:
        lines = path.read_bytes().split(b"\n")
        torn = lines.pop()
        for number, raw in enumerate(lines, 1):
            if raw.strip():
                yield _row(raw, f"{path}:{number}")
        if torn.strip():
            try:
                yield _row(torn, f"{path}:{len(lines) + 1}")
            except PersonMustAct:
                continue


def _row(raw: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _broken(where, str(error)) from None
    if not isinstance(row, dict):
        raise _broken(where, "it is not a JSON object")
    return row


def _broken(where: str, why: str) -> PersonMustAct:
    return PersonMustAct(
        "a ledger line cannot be read", where=where, why=why, fix="restore the file with git: `git log -- <file>`"
    )


def _reason(outcome: Outcome, gate: OutputGate) -> str | None:
    """Why it did not simply end well: the hand-off's reason, or the first finding."""
    result = outcome.result
    if outcome.status is Status.HANDED_OFF:
        return outcome.handoff_reason
    if outcome.status is Status.DONE or not result.findings:
        return None
    return gate.value(result.findings[0], 200)
