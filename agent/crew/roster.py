"""The roster: what each worker of a desk is doing, and since when, as the board shows it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from agent.runner import Post, WorkerState
from agent.text import utc

# A worker has a process for code and one for the model's tasks; what it is doing is the first of these in either.
_TELLING = (WorkerState.CLAIMED, WorkerState.RESTARTING, WorkerState.READY, WorkerState.IDLE)


class Roster:
    """Remembers since when each worker has been in its state. Nothing but the board needs that."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self._known: dict[str, tuple[str, str | None, str]] = {}

    def rows(self, lanes: Sequence[Sequence[Post]], now: datetime, *, stopped: bool) -> list[dict[str, Any]]:
        """`workers` of board.json and of `status --json`: name, state, task, since, pid. `lanes` are the posts of all
        lanes, each in the order of the names; `stopped`: who has nothing in hand will not begin anything."""
        return [self._row(name, [posts[n] for posts in lanes], utc(now), stopped) for n, name in enumerate(self.names)]

    def _row(self, name: str, posts: Sequence[Post], now: str, stopped: bool) -> dict[str, Any]:
        post = min(posts, key=lambda post: _TELLING.index(post.state))
        task = post.run.task.id if post.run else None
        state = WorkerState.STOPPED if stopped and not task else post.state
        before = self._known.get(name)
        since = before[2] if before and before[:2] == (state, task) else now
        self._known[name] = (state, task, since)
        return {"name": name, "state": str(state), "task": task, "since": since, "pid": post.pid}
