"""Numbered durable steps: where a crash may fall between two writes, a test can make one fall.

`GOFER_CRASH_AT=n` ends the process at the n-th step it comes to, as a power cut would: no clean-up, exit 137.
"""

from __future__ import annotations

import itertools
import os

_steps = itertools.count(1)
_crash_at = int(os.environ.get("GOFER_CRASH_AT") or 0)


def step(name: str) -> None:
    """Mark a place between two durable writes. `name` is for the reader of the code."""
    if _crash_at and next(_steps) == _crash_at:
        os.write(2, f"crashed at step {_crash_at}: {name}\n".encode())
        os._exit(137)
