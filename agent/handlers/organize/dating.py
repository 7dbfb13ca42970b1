"""How old a note is, and the day it is about: by its name, else its front matter, else when it was saved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime

from agent.frontmatter import Value

_IN_NAME = re.compile(r"(?<![0-9])([0-9]{4})-([0-9]{2})-([0-9]{2})(?![0-9])")
_IN_HEADER = ("date", "created")


def name_day(path: str) -> date | None:
    """The first day that the base name of a file names as `YYYY-MM-DD`."""
    for year, month, day in _IN_NAME.findall(path.rpartition("/")[2]):
        if found := valid_day(year, month, day):
            return found
    return None


def valid_day(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def header_day(values: Mapping[str, Value]) -> date | None:
    """The day that `date`, else `created`, of the front matter says."""
    for key in _IN_HEADER:
        said = values.get(key)
        try:
            if isinstance(said, str):
                return date.fromisoformat(said.strip()[:10])
        except ValueError:
            continue
    return None


def saved_day(modified: float) -> date:
    """The UTC day of a modification time in seconds since the epoch."""
    return datetime.fromtimestamp(modified, UTC).date()
