"""The model seam: a request, an answer, and the protocol a backend fulfils."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from agent.vault.values import Usage

Stop = Callable[[], bool]  # true once a run must end; asked often and from another thread


SAMPLING = 0.7  # the temperature of second opinions


def never() -> bool:
    """The `stop` of a call that nobody interrupts."""
    return False


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model. It carries no tools: the model returns data, code acts."""

    system: str
    prompt: str
    model: str  # exactly the model wanted, e.g. "qwen3:8b"
    thinking: str = "off"  # off | low | medium | high
    schema: Mapping[str, Any] | None = None  # JSON Schema of the answer, None for plain text
    max_tokens: int = 1024
    context: int = 8192  # tokens; one fixed size per model and process
    timeout: float = 120.0  # seconds for the answer, once the model is loaded
    seed: int = 0  # 0: temperature 0; else a sample of its own, at the temperature of models.base.SAMPLING


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply that passed the gate: from the model asked for, finished, whole, of the schema asked for."""

    text: str
    usage: Usage
    data: Any = None  # the parsed JSON when a schema was given
    notes: tuple[str, ...] = field(default=())  # e.g. "thinking level 'low' was refused; used on"


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a backend can answer now, and what to do when it cannot."""

    ok: bool
    provider: str
    detail: str
    fix: str = ""
    models: tuple[str, ...] = ()


class Model(Protocol):
    """A backend. `ask` raises ModelAway (try later), Doubt (the gate refused the answer, after one changed
    retry), Refused (never allowed, e.g. a cloud model) or TimeUp (`stop` said so)."""

    provider: str

    def ask(self, request: Request, *, stop: Stop = never) -> Answer: ...

    def health(self, model: str) -> Health: ...
