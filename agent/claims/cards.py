"""What a claim on the remote says: one line of JSON in a commit of its own (docs/reference.md, Claims)."""

from __future__ import annotations

import json
import math
import secrets
from dataclasses import dataclass

LONGEST = 86_400.0  # seconds: anyone who can push can write a claim, and none may stand for ever
MOST = 1000  # attempts that are believed
_SIZE = 4096  # characters: ours have about 250


@dataclass(frozen=True, slots=True)
class Card:
    """What a claim says, as far as it can be believed: lease in seconds and attempt, 0 when it does not say; the task;
    and whether it has ended, which is said of the runs of schedules alone."""

    lease: float = 0.0
    attempt: int = 0
    task: str = ""
    done: bool = False


def say(worker: str, nonce: str, task: str, revision: str, lease: float, attempt: int, *, done: bool = False) -> str:
    """The line of a claim. No two are alike, not even two renewals of one claim: git would take them for one object."""
    said = {
        "v": 1, "worker": worker, "nonce": nonce, "task": task, "revision": revision, "lease_s": lease,
        "attempt": attempt, "n": secrets.token_hex(4), **({"done": True} if done else {}),
    }  # fmt: skip
    return json.dumps(said, separators=(",", ":"))


def hear(text: str) -> Card:
    """What a claim says."""
    try:
        said = json.loads(text) if len(text) <= _SIZE else {}
    except (ValueError, RecursionError):
        said = {}
    if not isinstance(said, dict):
        return Card()
    task = said.get("task")
    return Card(
        _number(said.get("lease_s"), LONGEST), int(_number(said.get("attempt"), MOST)),
        task if isinstance(task, str) else "", said.get("done") is True,
    )  # fmt: skip


def _number(said: object, most: float) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float) or math.isnan(said):
        return 0.0
    return float(min(max(said, 0), most))
