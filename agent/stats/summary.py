"""What a span of days took and saved, by day, tier, type and model, as `gofer stats --json` prints it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from agent.stats.cache import Cache, with_cache
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
    found = with_ledger(root, state, lambda cache: _rows(cache, BY, span), progress)
    return [dict(zip(BY, key, strict=True)) | row for key, row in found.items()]


def measured(root: Path, state: Path, *, look: bool = True) -> Mapping[str, tuple[int, int]]:
    """By task type, what the lead or a paid model took on average: input and output tokens, over every run of it in
    the ledger that ended done and whose counts were stated. A type that is not there was never measured.

    Without `look` the ledger is not looked at, and the answer is that of the last call here that did: for a worker,
    which must not wait while a large ledger is read for the first time. Raises Busy as `collect` does.
    """
    return with_ledger(root, state, _measured) if look else with_cache(state, _measured)


def _measured(cache: Cache) -> dict[str, tuple[int, int]]:
    rows = cache.db.execute(
        "SELECT type, SUM(spoke), SUM(input_tokens), SUM(output_tokens) FROM runs_by_key"
        " WHERE paid AND NOT estimated AND status = 'done' AND spoke > 0 GROUP BY type"
    )
    return {kind: (taken // runs, given // runs) for kind, runs, taken, given in rows}


def _summary(cache: Cache, days: int, span: Span) -> Row:
    cache.choose(*span.texts)
    total = cache.db.execute(f"SELECT {_COUNTED} FROM span").fetchone()  # noqa: S608 - our own words
    by_day = {day: row for (day,), row in _rows(cache, ("day",), span).items()}
    compared = _baselines(cache)
    return {
        "days": days,
        "first_day": span.texts[0],
        "last_day": span.texts[1],
        "total": _row(*(value or 0 for value in total)),
        "by_day": by_day,
        **{f"by_{name}": {word: row for (word,), row in _rows(cache, (name,)).items()} for name in BY[1:]},
        "handoffs": _reasons(cache),
        "baseline_model": compared[0]["model"] if compared else None,
        "price_date": compared[0]["price_date"] if compared else None,
        "baselines": compared,
        "metrics": metrics(cache, _measured(cache)),
        "projection": projection(cache, len(by_day)),
        "problems": _problems(cache),
    }


def _rows(cache: Cache, by: Sequence[str], span: Span | None = None) -> dict[tuple[str, ...], Row]:
    """A row for each value of `by`: of the chosen span, or of another one with its days."""
    names = ", ".join(by)
    where, given = ("runs_by_key WHERE day BETWEEN ? AND ?", span.texts) if span else ("span", ())
    query = f"SELECT {names}, {_COUNTED} FROM {where} GROUP BY {names} ORDER BY {names}"  # noqa: S608 - our own words
    return {tuple(row[: len(by)]): _row(*row[len(by) :]) for row in cache.db.execute(query, given)}


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


def _reasons(cache: Cache) -> list[Row]:
    """What was handed to the lead, and why: the most frequent first."""
    rows = cache.db.execute(
        "SELECT reason, type, SUM(runs) AS count FROM span WHERE status = 'handed-off'"
        " GROUP BY reason, type ORDER BY count DESC, reason, type",
    )
    return [{"reason": reason, "type": kind, "runs": runs} for reason, kind, runs in rows]


def _baselines(cache: Cache) -> list[Row]:
    """The models that runs were compared with and the dates of their prices: the one of most runs first. Paid runs are
    left out: the date in their lines is that of what they cost."""
    rows = cache.db.execute(
        "SELECT baseline_model, price_date, SUM(baseline_known) AS count FROM span"
        " WHERE baseline_model <> '' AND baseline_known AND NOT paid"
        " GROUP BY baseline_model, price_date ORDER BY count DESC, price_date DESC, baseline_model",
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
