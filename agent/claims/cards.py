"""What a claim on the remote says: one line of JSON in a commit of its own (docs/reference.md, Claims)."""

from __future__ import annotations

import json
import math
import secrets

LONGEST = 86_400.0  # seconds: anyone who can push can write a claim, and none may stand for ever
MOST = 1000  # attempts that are believed
_SIZE = 4096  # characters: ours have about 250


def say(worker: str, nonce: str, task: str, revision: str, lease: float, attempt: int) -> str:
    """The line of a claim. No two are alike, not even two renewals of one claim: git would take them for one object."""
    said = {
        "v": 1, "worker": worker, "nonce": nonce, "task": task, "revision": revision, "lease_s": lease,
        "attempt": attempt, "n": secrets.token_hex(4),
    }  # fmt: skip
    return json.dumps(said, separators=(",", ":"))


def hear(text: str) -> tuple[float, int]:
    """Lease in seconds and attempt of a claim; 0 for what it does not say in a way that can be believed."""
    try:
        said = json.loads(text) if len(text) <= _SIZE else {}
    except (ValueError, RecursionError):
        said = {}
    if not isinstance(said, dict):
        return 0.0, 0
    return _number(said.get("lease_s"), LONGEST), int(_number(said.get("attempt"), MOST))


def _number(said: object, most: float) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float) or math.isnan(said):
        return 0.0
    return float(min(max(said, 0), most))
