"""What one look at a log leaves for the next: which patterns it had, and until when it went."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.handlers.base import Context
from agent.handlers.logs.drain import ANY
from agent.handlers.logs.mining import Mined

REMEMBERED = 2000  # patterns


@dataclass(frozen=True, slots=True)
class Memory:
    """The last look at these logs that another task took: a run that is repeated after a crash sees what it saw first.
    `until` is the newest time in them, in seconds since the epoch."""

    path: Path
    patterns: tuple[str, ...] = ()
    until: float | None = None
    first_time: bool = True

    @staticmethod
    def read(ctx: Context, logs: str) -> Memory:
        """What is remembered of logs, which are named by `logs`. What cannot be read counts as never seen."""
        path = ctx.memory / f"{hashlib.sha256(logs.encode('utf-8', 'replace')).hexdigest()[:24]}.json"
        try:
            looks: list[dict[str, Any]] = json.loads(path.read_bytes())["looks"]
            last = next(look for look in reversed(looks) if look["task"] != ctx.task.id)
            return Memory(path, tuple(map(str, last["patterns"])), last["until"] and float(last["until"]), False)
        except (OSError, ValueError, TypeError, KeyError, StopIteration):
            return Memory(path)

    def keep(self, ctx: Context, mined: Mined) -> None:
        """Remember this look, and the one before it. Patterns that did not occur this time stay known."""
        seen = dict.fromkeys([*(pattern.text for pattern in mined.patterns), *self.patterns])
        look = {
            "task": ctx.task.id,
            "patterns": [_without_secrets(ctx, text) for text in [*seen][:REMEMBERED]],
            # One line with a time to come must not hide from `since: last` what is written until then.
            "until": self.until if mined.last is None else min(mined.last, ctx.now.timestamp()),
        }
        before = {"task": "", "patterns": self.patterns, "until": self.until}
        looks = [look] if self.first_time else [before, look]
        part = self.path.with_suffix(f".{os.getpid()}.tmp")
        part.write_text(json.dumps({"looks": looks}, ensure_ascii=False), "utf-8", "surrogatepass")
        part.replace(self.path)


def _without_secrets(ctx: Context, text: str) -> str:
    """The pattern with a place for any word where a secret stood: it is still known by its other words."""
    clean = ctx.redact(text)
    if clean == text:
        return text
    left = set(clean.split())
    return " ".join(word if word in left else ANY for word in text.split())
