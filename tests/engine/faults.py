"""What a healthy server would rarely do, one entry for each chat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

CRASH_ERROR = "an error was encountered while running the model: unexpected EOF"


class Fault(Enum):
    """What goes wrong with one chat. Before the engine is asked: a status and words. Then: on the way back."""

    BUSY = (503, "server busy, please try again.  maximum pending requests exceeded")
    LIMITED = (429, "too many requests")
    BAD_GATEWAY = (502, "bad gateway")
    MEMORY = (500, "model requires more system memory (9.1 GiB) than is available (2.0 GiB)")
    UNAUTHORIZED = (401, "unauthorized")
    THINK_REFUSED = (400, 'think value "low" is not supported for this model')
    HANG = "never answers, until the server is closed"
    LOAD_HANGS = "the next load never ends, until the server is closed"
    CRASH = "the runner dies before the first token: a 500 with CRASH_ERROR"
    STREAM_ERROR = "the runner dies after two tokens: an error object inside the 200"
    ABORT = "the stream ends after two tokens, in good order, without `done`"
    CUT_WIRE = "the connection is reset after two tokens"
    TRICKLE = "one byte at a time, and never a whole line"
    IGNORES_FLAGS = "an old server: `truncate` and `shift` mean nothing, a long prompt is cut silently"


@dataclass(frozen=True)
class Say:
    """A scripted answer, sent as a stream of two parts. `extra` overrides any field of the last part."""

    text: str
    thinking: str = ""
    prompt_tokens: int | None = None  # None: four characters a token
    extra: Mapping[str, Any] = field(default_factory=dict)
