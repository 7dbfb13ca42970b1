"""The day in facts: what was filed, which notes came, changed and went, what is open, and what ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from agent.handlers.organize.library import Library
from agent.handlers.organize.recall import Differences
from agent.text import parse_utc, shorten

SHOWN = 10  # names of one kind
LINE = 400  # characters

OWN_TYPES = frozenset({"organize", "heartbeat"})  # what runs by itself is no reason to speak


def day_lines(library: Library, differences: Differences, moved: int, facts: Mapping[str, Any]) -> list[str]:
    """The summary, a fact a line."""
    since = datetime.fromtimestamp(differences.since, UTC)
    lines = [f"Since {since:%Y-%m-%d %H:%M} UTC:"]
    named: Sequence[tuple[str, Sequence[str]]] = (("New or changed notes", differences.changed),)
    if differences.known:
        named = (
            ("New notes", differences.new),
            ("Changed notes", differences.changed),
            ("Notes that went", differences.gone),
        )
    lines += [_named(what, paths) for what, paths in named]
    boxes = {note.path: note.boxes for note in library.notes.values() if note.boxes and library.in_scope(note.path)}
    files = f" in {_count(len(boxes), 'note')}" if boxes else ""
    lines += [f"Filed: {_count(moved, 'file')}", f"Open check boxes: {sum(boxes.values()):,}{files}"]
    return [lines[0], *(f"- {shorten(line, LINE)}" for line in [*lines[1:], _runs(facts)])]


def others_ran(facts: Mapping[str, Any], since: float) -> bool:
    """Whether anything that does not run by itself ended since then (seconds since the epoch)."""
    recent = [(row.get("type") not in OWN_TYPES, _ended(row)) for row in facts.get("recent") or ()]
    if recent and all(ended > since for _, ended in recent):  # they do not reach back so far
        return any(row.get("type") not in OWN_TYPES for row in facts.get("day") or ())
    return any(other and ended > since for other, ended in recent)


def _ended(row: Mapping[str, Any]) -> float:
    try:
        return parse_utc(str(row.get("finished", ""))).timestamp()
    except ValueError:
        return 0.0


def _named(what: str, paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:SHOWN])
    more = f" and {len(paths) - SHOWN:,} more" if len(paths) > SHOWN else ""
    return f"{what}: {len(paths):,}" + (f" ({shown}{more})" if paths else "")


def _runs(facts: Mapping[str, Any]) -> str:
    counts: Counter[str] = Counter()
    for row in facts.get("day") or ():
        counts[str(row.get("status", "?"))] += int(row.get("runs", 0))
    told = ", ".join(f"{count:,} {status}" for status, count in counts.most_common())
    return f"Tasks in the last 24 hours: {sum(counts.values()):,}" + (f" ({told})" if told else "")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
