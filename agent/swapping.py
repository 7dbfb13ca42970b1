"""One model at a time on each server of one's own: loading one throws the other out of memory, which costs minutes.

Tasks for the model that is loaded go first while there are any, but nobody waits for that longer than PATIENCE.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

PATIENCE = 60.0  # seconds


@dataclass(slots=True)
class _Server:
    loaded: str
    more: bool = False  # a task for the loaded model was turned away for want of room
    waiting: dict[str, float] = field(default_factory=dict)  # since when, by model


@dataclass(slots=True)
class Swapping:
    """Whose turn it is. Kept in memory only: a wrong guess after a restart costs one loading."""

    _servers: dict[str, _Server] = field(default_factory=dict)

    def why_not(self, provider: str, model: str, busy: Collection[str], room: int, clock: float) -> str:
        """Why a task for this model must wait, "" when it may start. `busy`: the models that run there now; `clock`:
        monotonic seconds."""
        server = self._servers.setdefault(provider, _Server(model))
        longest = min((at for name, at in server.waiting.items() if name != server.loaded), default=clock)
        if model == server.loaded:
            if clock - longest >= PATIENCE:
                return "another model has the turn, its tasks have waited long enough"
            server.more = not room
            return "" if room else "the model is busy with another task"
        since = server.waiting.setdefault(model, clock)
        if any(name != model for name in busy) or (server.more and clock - since < PATIENCE):
            return f"the tasks for '{server.loaded}' go first: its server holds one model at a time"
        if not room:
            return "the model is busy with another task"
        server.loaded, server.more = model, False
        del server.waiting[model]
        return ""
