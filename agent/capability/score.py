"""How sure a share is: counts, and the interval in which the real share lies."""

from __future__ import annotations

import math
from dataclasses import dataclass

_Z = 1.959964  # the normal distribution's 97.5 % point: an interval of 95 %


@dataclass(frozen=True, slots=True)
class Score:
    """So many right answers of so many cases."""

    passed: int
    cases: int

    @property
    def share(self) -> float | None:
        """0 to 1, None when nothing was asked."""
        return self.passed / self.cases if self.cases else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the share (E. B. Wilson 1927); all of 0 to 1 when nothing was asked."""
        if not self.cases:
            return 0.0, 1.0
        share, n = self.passed / self.cases, self.cases
        middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
        half = _Z / (1 + _Z**2 / n) * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
        return max(0.0, middle - half), min(1.0, middle + half)

    def overlaps(self, other: Score) -> bool:
        """Whether both intervals share a value: then the difference may be chance."""
        (low, high), (other_low, other_high) = self.interval, other.interval
        return low <= other_high and other_low <= high
