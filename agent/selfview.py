"""What a worker sees of itself, as plain facts for the types that ask for them (`Handler.uses_facts`).

Each fact is a mapping or a list of mappings; times are UTC text, ages seconds. What cannot be seen now is None.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.config import Settings
from agent.errors import GoferError
from agent.exchange import Exchange
from agent.intake import Rest
from agent.journal import Journal
from agent.outlet import Outlet
from agent.paying import Purse
from agent.runner import AnyLane, Run
from agent.text import utc


def tasks(resting: Iterable[Rest], runs: Iterable[Run]) -> list[dict[str, Any]]:
    """The tasks that wait without a time of their own, and those that run: `id`, `title`, `state`, `who`, `priority`,
    `reason`, `since`, and `limit_s` of a run."""
    waiting = [
        {
            "id": rest.task.id, "title": rest.task.title, "state": "waiting", "who": str(rest.decision.who),
            "priority": str(rest.task.priority), "reason": rest.reason, "since": _dropped(rest),
        }
        for rest in resting
        if not rest.reason.startswith("not before")
    ]  # fmt: skip
    running = [
        {
            "id": run.task.id, "title": run.task.title, "state": "running", "who": str(run.decision.who),
            "priority": str(run.task.priority), "reason": "", "since": utc(run.started), "limit_s": run.limit,
        }
        for run in runs
    ]  # fmt: skip
    return waiting + running


def _dropped(rest: Rest) -> str:
    """Since when a task could have started: since its file was changed last, or since its `not_before`."""
    changed = datetime.fromtimestamp(rest.drop.signature[3] / 1e9, UTC)
    start = rest.task.not_before
    return utc(max(changed, start) if start else changed)


def workers(rows: Sequence[Mapping[str, Any]], lanes: Iterable[AnyLane]) -> list[dict[str, Any]]:
    """This clone's workers as the board shows them, and `deaths`: of their processes in the last hour."""
    deaths = [0] * len(rows)
    for lane in lanes:
        for number, post in enumerate(lane.posts[: len(rows)]):
            deaths[number] += post.deaths
    return [{**row, "deaths": count} for row, count in zip(rows, deaths, strict=True)]


def sync(journal: Journal, outlet: Outlet, exchange: Exchange | None) -> dict[str, Any]:
    """How the exchange stands: results that are `waiting`, how many of them and since when are `unpushed`, a `problem`
    that needs a person, and since when the remote is away, or `refused` this machine."""
    owed = list(journal.owed.values())
    found: dict[str, Any] = {"waiting": len(owed), "problem": outlet.stuck if outlet.blocked else ""}
    if exchange is None:
        return found
    remote, shown = exchange.sync, exchange.shown()
    away = remote.away_since
    if away or shown["state"] == "paused":  # what it says then counts what waits, which is no news
        found["problem"] = remote.paused or ("" if away else str(shown["reason"] or ""))
    unpushed = [record for key, record in journal.owed.items() if key not in journal.pushed]
    return found | {
        "unpushed": len(unpushed) or int(shown["ahead"]),
        "oldest": min((record.finished for record in unpushed), default=None),
        "away_since": utc(away) if away else None,
        "refused": remote.lookout.refused_login,
    }


def money(settings: Settings, state: Path, now: datetime) -> list[dict[str, Any]] | None:
    """What paid models took of this machine's caps: `span` and the day or month it is `of`, `spent` and `cap` in US
    dollars. No cap, no row; None when the account cannot be read."""
    caps = settings.money
    if not (caps.per_day_usd or caps.per_month_usd):
        return []
    with suppress(GoferError):
        spent, at = Purse(settings, state).spent(now), utc(now)
        rows = (("day", at[:10], spent.day, caps.per_day_usd), ("month", at[:7], spent.month, caps.per_month_usd))
        return [{"span": span, "of": of, "spent": used, "cap": cap} for span, of, used, cap in rows if cap]
    return None
