"""What goes on like this: turns, cost and savings a day and a month, from the person's own history alone."""

from __future__ import annotations

from typing import Any

from agent.stats.cache import Cache

MONTH = 30  # days

_SUMS = """
SUM(runs), SUM(CASE WHEN paid THEN runs ELSE 0 END), SUM(CASE WHEN paid THEN cost_known ELSE 0 END),
SUM(CASE WHEN paid THEN cost ELSE 0 END), SUM(CASE WHEN paid THEN 0 ELSE cost_known END),
SUM(CASE WHEN paid THEN 0 ELSE cost END), SUM(baseline_known), SUM(baseline), SUM(saved_known), SUM(saved)
"""


def projection(cache: Cache, days: int) -> dict[str, Any]:
    """`{days_with_data, total, by_tier}` of the chosen span: averages over its `days` that have runs at all. Dollars
    are None where nothing is known; `…_unknown_runs` says over how many runs nothing is."""
    rows = cache.db.execute(f"SELECT tier, {_SUMS} FROM span GROUP BY tier ORDER BY tier").fetchall()  # noqa: S608
    total = cache.db.execute(f"SELECT {_SUMS} FROM span").fetchone()  # noqa: S608 - our own words
    return {
        "days_with_data": days,
        "total": _daily(days, *(value or 0 for value in total)),
        "by_tier": {tier: _daily(days, *sums) for tier, *sums in rows},
    }


def _daily(
    days: int, runs: int, paid: int, paid_known: int, paid_cost: float, local_known: int, local_cost: float,
    compared: int, baseline: float, saved_known: int, saved: float,
) -> dict[str, Any]:  # fmt: skip
    def a_day(amount: float, known: int, of: int) -> float | None:
        """Known for all runs it is about, or for none of them when there are none."""
        return amount / days if days and known == of else None

    saved_a_day = saved / days if saved_known else None
    return {
        "turns_a_day": runs / days if days else 0.0,
        "paid_usd_a_day": a_day(paid_cost, paid_known, paid),
        "local_usd_a_day": a_day(local_cost, local_known, runs - paid),
        "baseline_usd_a_day": baseline / days if compared else None,
        "saved_usd_a_day": saved_a_day,
        "saved_usd_a_month": None if saved_a_day is None else saved_a_day * MONTH,
        "paid_unknown_runs": paid - paid_known,
        "saved_unknown_runs": runs - saved_known,
    }
