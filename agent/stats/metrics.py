"""The success metrics against their targets, each with what it measures. None: not measured, never a guess."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.stats.cache import Cache

LOCALLY = 0.9  # share of heartbeats
FEWER = 0.5  # share of paid tokens


def metrics(cache: Cache, averages: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """Each metric of the chosen span as `{value, target, met, measures}` and its numbers. `averages`: measured tokens
    by type."""
    return {
        "heartbeats_local": _heartbeats(cache),
        "paid_tokens_fewer": _tokens(cache, averages),
        "missed_critical_alerts": _missed(cache),
        "saved_usd": _saved(cache),
    }


def _heartbeats(cache: Cache) -> dict[str, Any]:
    """A run that ends a hand-off (an answer, or its end without one) is about a beat that was counted before."""
    beats, away = _one(
        cache,
        "SELECT SUM(runs), SUM(CASE WHEN status = 'handed-off' OR paid THEN runs ELSE 0 END) FROM span"
        " WHERE role = 'heartbeat'"
        " AND NOT (provider = 'lead' OR (tier = 'complex' AND status <> 'handed-off'))",
    )
    share = (beats - away) / beats if beats else None
    return {
        "value": share,
        "target": LOCALLY,
        "met": None if share is None else share >= LOCALLY,
        "measures": "the share of heartbeat runs, quiet ones too, that were neither handed off nor paid for",
        "heartbeats": beats,
        "handed_off": away,
    }


def _tokens(cache: Cache, averages: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """A handed-off run is left out of the comparison: the baseline would have done the work once, as the answer did."""
    rows = cache.db.execute(
        "SELECT type, paid, SUM(runs), SUM(spoke), SUM(input_tokens + output_tokens), status = 'handed-off' AS away"
        " FROM span GROUP BY type, paid, away",
    )
    used = compared = 0.0
    stated = unstated = unmeasured = 0
    for kind, paid, runs, spoke, tokens, away in rows:
        if paid:
            used, stated, unstated = used + tokens, stated + spoke, unstated + runs - spoke
        if away:
            continue
        compared += tokens
        silent = 0 if paid else runs - spoke
        if kind in averages:
            compared += silent * sum(averages[kind])
        else:
            unmeasured += silent
    known = compared > 0 and not (unstated and not stated)
    fewer = 1 - used / compared if known else None
    return {
        "value": fewer,
        "target": FEWER,
        "met": None if fewer is None else fewer >= FEWER,
        "measures": "paid tokens that were used against the tokens of the same work by a paid model; work of code "
        "counts where the ledger holds what a paid model took for that type",
        "paid_tokens": int(used),
        "baseline_tokens": round(compared),
        "unstated_runs": unstated,
        "unmeasured_runs": unmeasured,
    }


def _missed(cache: Cache) -> dict[str, Any]:
    beats, missed = _one(
        cache,
        "SELECT SUM(runs), SUM(CASE WHEN status IN ('failed', 'unknown') THEN runs ELSE 0 END) FROM span"
        " WHERE role = 'heartbeat'",
    )
    return {
        "value": missed if beats else None,
        "target": 0,
        "met": missed == 0 if beats else None,
        "measures": "heartbeat runs that failed or ended unknown, so that an alert may have been missed; "
        "whether somebody read an alert that was told is not measured",
    }


def _saved(cache: Cache) -> dict[str, Any]:
    runs, known, saved = _one(cache, "SELECT SUM(runs), SUM(saved_known), SUM(saved) FROM span")
    value = saved if known else None
    return {
        "value": value,
        "target": 0,
        "met": None if value is None else value > 0,
        "measures": "dollars: the baseline's price less the real cost, over the runs where both are known; more than 0",
        "runs": known,
        "unknown_runs": runs - known,
    }


def _one(cache: Cache, query: str) -> tuple[Any, ...]:
    return tuple(value or 0 for value in cache.db.execute(query).fetchone())
