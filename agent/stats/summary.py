"""What a span of days took and saved, by day, tier, type and model, as `gofer stats --json` prints it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from agent.stats.cache import Cache
from agent.stats.metrics import metrics
from agent.stats.projection import projection
from agent.stats.reading import Progress, with_ledger
from agent.vault.layout import LEDGER

BY = ("day", "tier", "type", "model")
MOST_DAYS = 36_500
NAMED = 50  # broken lines that are listed

Row = dict[str, Any]

_COUNTED = """
SUM(runs), SUM(CASE WHEN status = 'done' THEN runs ELSE 0 END),
SUM(CASE WHEN status = 'handed-off' THEN runs ELSE 0 END),
SUM(CASE WHEN status = 'failed' THEN runs ELSE 0 END), SUM(input_tokens), SUM(output_tokens),
SUM(cost), SUM(cost_known), SUM(baseline), SUM(baseline_known), SUM(saved), SUM(saved_known),
SUM(estimated * runs), SUM(baseline_estimated * runs), SUM(seconds)
"""


@dataclass(frozen=True, slots=True)
class Span:
    """UTC days, both included."""

    first: date
    last: date

    @property
    def texts(self) -> tuple[str, str]:
        return self.first.isoformat(), self.last.isoformat()


def span_of(days: int, now: datetime) -> Span:
    """The last `days` UTC days, today included."""
    today = now.astimezone(UTC).date()
    return Span(today - timedelta(days=min(days, MOST_DAYS) - 1), today)


def collect(root: Path, state: Path, days: int, now: datetime, progress: Progress | None = None) -> Row:
    """The data of `stats --json` (schema `stats`) for the last `days` UTC days. Money is US dollars, None when a price
    is unknown. Raises Busy when another gofer holds the cache."""
    return with_ledger(root, state, lambda cache: _summary(cache, days, span_of(days, now)), progress)


def details(root: Path, state: Path, days: int, now: datetime, progress: Progress | None = None) -> list[Row]:
    """One row for each day, tier, type and model of the span, in that order."""
    span = span_of(days, now)
    found = with_ledger(root, state, lambda cache: _rows(cache, span, BY), progress)
    return [dict(zip(BY, key, strict=True)) | row for key, row in found.items()]


def measured(root: Path, state: Path) -> Mapping[str, tuple[float, float]]:
    """By task type, what the lead or a paid model took on average: input and output tokens, over every run of it in
    the ledger whose counts were stated. A type that is not there was never measured."""
    return with_ledger(root, state, _measured)


def _measured(cache: Cache) -> dict[str, tuple[float, float]]:
    rows = cache.db.execute(
        "SELECT type, SUM(spoke), SUM(input_tokens), SUM(output_tokens) FROM runs_by_key"
        " WHERE paid AND NOT estimated AND status = 'done' AND spoke > 0 GROUP BY type"
    )
    return {kind: (taken / runs, given / runs) for kind, runs, taken, given in rows}


def _summary(cache: Cache, days: int, span: Span) -> Row:
    query = f"SELECT {_COUNTED} FROM runs_by_key WHERE day BETWEEN ? AND ?"  # noqa: S608 - our own words
    total = _row(*(value or 0 for value in cache.db.execute(query, span.texts).fetchone()))
    by = {name: {key[0]: row for key, row in _rows(cache, span, (name,)).items()} for name in BY}
    compared = _baselines(cache, span)
    return {
        "days": days,
        "first_day": span.texts[0],
        "last_day": span.texts[1],
        "total": total,
        **{f"by_{name}": by[name] for name in BY},
        "handoffs": _reasons(cache, span),
        "baseline_model": compared[0]["model"] if compared else None,
        "price_date": compared[0]["price_date"] if compared else None,
        "baselines": compared,
        "metrics": metrics(cache, span.texts, _measured(cache)),
        "projection": projection(cache, span.texts),
        "problems": _problems(cache),
    }


def _rows(cache: Cache, span: Span, by: Sequence[str]) -> dict[tuple[str, ...], Row]:
    names = ", ".join(by)
    query = f"SELECT {names}, {_COUNTED} FROM runs_by_key WHERE day BETWEEN ? AND ?"  # noqa: S608 - words of BY
    found = cache.db.execute(f"{query} GROUP BY {names} ORDER BY {names}", span.texts)
    return {tuple(row[: len(by)]): _row(*row[len(by) :]) for row in found}


def _row(
    runs: int, done: int, handed_off: int, failed: int, taken: int, given: int, cost: float, cost_known: int,
    baseline: float, baseline_known: int, saved: float, saved_known: int, estimated: int, compared: int, seconds: float,
) -> Row:  # fmt: skip
    return {
        "runs": runs,
        "done": done,
        "handed_off": handed_off,
        "failed": failed,
        "success": done / runs if runs else None,
        "handoff_share": handed_off / runs if runs else None,
        "input_tokens": taken,
        "output_tokens": given,
        "estimated_runs": estimated,
        "estimated_share": estimated / runs if runs else None,
        "cost_usd": cost if cost_known == runs else None,
        "cost_known_usd": cost if cost_known else None,
        "cost_unknown_runs": runs - cost_known,
        "baseline_usd": baseline if baseline_known == runs and runs else None,
        "baseline_known_usd": baseline if baseline_known else None,
        "baseline_unknown_runs": runs - baseline_known,
        "baseline_estimated_runs": compared,
        "saved_usd": saved if saved_known else None,
        "saved_runs": saved_known,
        "seconds": round(seconds, 3),
    }


def _reasons(cache: Cache, span: Span) -> list[Row]:
    """What was handed to the lead, and why: the most frequent first."""
    rows = cache.db.execute(
        "SELECT reason, type, SUM(runs) AS count FROM runs_by_key WHERE status = 'handed-off' AND day BETWEEN ? AND ?"
        " GROUP BY reason, type ORDER BY count DESC, reason, type",
        span.texts,
    )
    return [{"reason": reason, "type": kind, "runs": runs} for reason, kind, runs in rows]


def _baselines(cache: Cache, span: Span) -> list[Row]:
    """The models that runs were compared with and the dates of their prices: the one of most runs first."""
    rows = cache.db.execute(
        "SELECT baseline_model, price_date, SUM(baseline_known) AS count FROM runs_by_key"
        " WHERE baseline_model <> '' AND baseline_known AND day BETWEEN ? AND ?"
        " GROUP BY baseline_model, price_date ORDER BY count DESC, price_date DESC, baseline_model",
        span.texts,
    )
    return [{"model": model, "price_date": dated or None, "runs": runs} for model, dated, runs in rows]


def _problems(cache: Cache) -> list[Row]:
    return [
        {
            "what": f"a ledger {'line is not counted' if line else 'file cannot be read'}: {why}",
            "where": f"{LEDGER}/{name}" + (f":{line}" if line else ""),
            "fix": f"restore it with git: git log -- {LEDGER}/{name}" if line else "make it readable for this user",
        }
        for name, line, why in cache.broken()[:NAMED]
    ]
