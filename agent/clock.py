"""The wall clock. Nothing is decided by comparing it with another machine's; tests make it wrong on purpose."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

_SKEW = float(os.environ.get("GOFER_CLOCK_SKEW_S") or 0)  # seconds that this machine's clock is wrong, for tests


def wall() -> float:
    """Seconds since 1970."""
    return time.time() + _SKEW


def utc_now() -> datetime:
    """The time in UTC."""
    return datetime.fromtimestamp(wall(), UTC)
