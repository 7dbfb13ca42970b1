"""How often a host lets us push, and how that is shared among the machines of a vault."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

BURST = 3.0  # pushes that may follow each other at once
# Pushes a minute that a host advises for one repository (GitHub: repository limits; GitLab: rate limits on pushes).
RATIONED = {"github.com": 6.0, "gitlab.com": 600.0}


def rate_of(url: str) -> float | None:
    """Pushes a minute that the host of this address wants at most; None where nobody rations them."""
    address = url if "://" in url else f"ssh://{url.replace(':', '/', 1)}" if "@" in url else ""
    host = (urlsplit(address).hostname or "").lower()
    return next((rate for name, rate in RATIONED.items() if host == name or host.endswith(f".{name}")), None)


@dataclass(slots=True)
class Budget:
    """A token bucket: `rate` pushes a minute for the whole vault, None for as many as there are. `machines` is how many
    share it."""

    rate: float | None
    machines: int = 1
    clock: Callable[[], float] = time.monotonic
    _tokens: float = BURST
    _at: float = field(default=0.0)

    def wait(self) -> float:
        """Seconds until the next push may go; 0.0 when it may go now."""
        if self.rate is None:
            return 0.0
        self._fill(self.rate)
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) * 60 / self._share(self.rate)

    def spend(self) -> None:
        """One push was sent."""
        if self.rate is not None:
            self._fill(self.rate)
            self._tokens -= 1

    def _share(self, rate: float) -> float:
        return rate / max(1, self.machines)

    def _fill(self, rate: float) -> None:
        now = self.clock()
        most = max(1.0, BURST / max(1, self.machines))
        self._tokens = min(most, self._tokens + (now - (self._at or now)) * self._share(rate) / 60)
        self._at = now
