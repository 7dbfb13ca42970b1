"""When to come back: what a server says of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST = 86_400.0  # seconds
LATER = (408, 425, 429, 500, 502, 503, 504)  # statuses after which asking again may help


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """The seconds to wait by the `Retry-After` of an answer (RFC 9110, 10.2.3: seconds or a date), from 0 to a day.
    None when it has none, or none that can be read. Header names are lower case."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:12]), LONGEST)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return min(max((when - now).total_seconds(), 0.0), LONGEST)
