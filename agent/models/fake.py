"""A model that answers from a script, for tests and rehearsals. It passes the same gate as every other backend."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

from agent.errors import TimeUp
from agent.models.base import Answer, Health, Request, Stop, never
from agent.models.gate import Reply, estimate, gated

Scripted = str | Mapping[str, Any] | Reply | Exception


class FakeModel:
    """Gives back what it was handed, in order, and keeps every request in `history`, as the gate sent it.

    A text or a mapping (sent as JSON) becomes a finished reply; a Reply goes to the gate as it is; an exception is
    raised. An empty script is a mistake of the test: LookupError.
    """

    provider = "fake"

    def __init__(self, *script: Scripted) -> None:
        self.script = deque(script)
        self.history: list[Request] = []

    def ask(self, request: Request, *, stop: Stop = never) -> Answer:
        if stop():
            raise TimeUp("the run was stopped before the model answered")
        return gated(self._attempt, request)

    def health(self, model: str) -> Health:
        """Well, unless the next thing in the script is an exception."""
        if self.script and isinstance(self.script[0], Exception):
            return Health(False, self.provider, str(self.script[0]))
        return Health(True, self.provider, f"{model} is scripted", models=(model,))

    def _attempt(self, request: Request) -> Reply:
        self.history.append(request)
        if not self.script:
            raise LookupError("the script of the fake model is at its end")
        scripted = self.script.popleft()
        if isinstance(scripted, Exception):
            raise scripted
        if isinstance(scripted, Reply):
            return scripted
        text = scripted if isinstance(scripted, str) else json.dumps(scripted)
        return Reply(
            text,
            request.model,
            self.provider,
            thinking=request.thinking,
            input_tokens=estimate(request.system) + estimate(request.prompt),
            output_tokens=estimate(text),
            context=request.context,
        )
