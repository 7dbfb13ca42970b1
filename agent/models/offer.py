"""What a question to an OpenAI-compatible server is sent with, and what is given up when it refuses a field.

The servers agree on the messages and on little else, so every field that one of them is known to refuse has a next
best. What is given up is told with the answer. Policy only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from agent.models.base import SAMPLING, Request
from agent.models.gate import output_limit

_SWITCH = re.compile(r"think|reasoning|effort|chat_template_kwargs", re.IGNORECASE)
_FORM = re.compile(r"response_format|json.?schema|json_object|structured.output|grammar", re.IGNORECASE)
_DEFAULT = "default"  # the server decides how hard it thinks


@dataclass(frozen=True, slots=True)
class Offer:
    """The ways that are left, the best first. `thinking` is the level asked for."""

    thinking: str
    switches: tuple[tuple[str, Mapping[str, Any]], ...]  # the level that is then in force, and its fields
    forms: tuple[Mapping[str, Any] | None, ...]  # of the answer; None says nothing about it
    bound: str = "max_tokens"  # OpenAI's own newer models know it by another name only
    tempered: bool = True
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, request: Request, mode: str) -> Self:
        """The best offer. `mode` is the thinking switch that the server knows: template | effort | none."""
        forms: tuple[Mapping[str, Any] | None, ...] = (None,)
        if request.schema is not None:
            named = {"name": "answer", "schema": dict(request.schema), "strict": True}
            forms = ({"type": "json_schema", "json_schema": named}, {"type": "json_object"}, None)
        return cls(request.thinking, _switches(mode, request.thinking), forms)

    @property
    def level(self) -> str:
        """The thinking level in force: off, low, medium, high, on, or default."""
        return self.switches[0][0]

    def fields(self, request: Request) -> dict[str, Any]:
        """The body of the question, without the model's name."""
        body: dict[str, Any] = {
            "messages": [{"role": "system", "content": request.system}, {"role": "user", "content": request.prompt}],
            "stream": True,
            "stream_options": {"include_usage": True},
            self.bound: output_limit(request),
            **self.switches[0][1],
        }
        if self.tempered:
            body["temperature"] = SAMPLING if request.seed else 0
        if request.seed:
            body["seed"] = request.seed
        if self.forms[0] is not None:
            body["response_format"] = self.forms[0]
        return body

    def conceding(self, words: str) -> Offer | None:
        """The next best offer to a server that refused this one with these words; None when they name nothing of it."""
        if "max_completion_tokens" in words and self.bound == "max_tokens":
            return replace(self, bound="max_completion_tokens")
        if len(self.forms) > 1 and _FORM.search(words):
            note = "the form of the answer was refused as a schema; it was checked here"
            return replace(self, forms=self.forms[1:], notes=_with(self.notes, note))
        if len(self.switches) > 1 and _SWITCH.search(words):
            kept = tuple(one for one in self.notes if not one.startswith("thinking level"))
            left = self.switches[1:]
            note = f"thinking level '{self.thinking}' was refused; used {left[0][0]}"
            return replace(self, switches=left, notes=(*kept, note))
        if self.tempered and "temperature" in words.lower():
            note = "the temperature was refused; used the server's own"
            return replace(self, tempered=False, notes=_with(self.notes, note))
        return None


def _switches(mode: str, level: str) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    leave_out: tuple[str, Mapping[str, Any]] = (_DEFAULT, {})
    if mode == "template":  # a chat template knows no levels
        on = level != "off"
        return (("on" if on else "off", {"chat_template_kwargs": {"enable_thinking": on}}), leave_out)
    if mode == "effort" and level == "off":  # some models always think: then little is the next best
        return (("off", {"reasoning_effort": "none"}), ("low", {"reasoning_effort": "low"}), leave_out)
    return ((level, {"reasoning_effort": level}), leave_out) if mode == "effort" else (leave_out,)


def _with(notes: tuple[str, ...], note: str) -> tuple[str, ...]:
    return notes if note in notes else (*notes, note)
