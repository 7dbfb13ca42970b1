"""What a look at logs says in its report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from agent.handlers.logs.drain import Pattern
from agent.handlers.logs.mining import Mined, Spike
from agent.text import shorten
from agent.vault.values import Result, Section, Usage

LISTED = 5  # new patterns and bursts among the findings
LINE = 200  # characters
_WORDS = {"error": "errors", "warning": "warnings", "info": "info", "": "without a level"}
_ONE = {"error": "error", "warning": "warning"}


@dataclass(frozen=True, slots=True)
class Shown:
    """What was looked at, and how much of it is shown. `chosen`: numbers of patterns, from 1, where a question was
    asked; None: the most frequent ones."""

    names: Sequence[str]
    level: str
    since: datetime | None
    top: int
    first_time: bool
    chosen: Sequence[int] | None = None


def result_of(mined: Mined, shown: Shown, usage: tuple[Usage, ...] = (), confidence: float | None = None) -> Result:
    """Counts first, then what is new, then bursts; a section with the patterns; all of them in Raw Data."""
    new, spikes = ([] if shown.first_time else mined.new), mined.spikes()
    picked = mined.patterns if shown.chosen is None else [mined.patterns[number - 1] for number in shown.chosen]
    findings = [_total(mined, shown)]
    if shown.chosen is not None:
        count = sum(pattern.count for pattern in picked)
        findings.append(f"What was asked about: {count:,} messages of {_many(len(picked), 'pattern')}")
    findings += [f"new since last time: {_line(pattern)}" for pattern in new[:LISTED]]
    findings += [f"… and {len(new) - LISTED} more new patterns"] if len(new) > LISTED else []
    findings += [f"burst: {_burst(spike)}" for spike in spikes[:LISTED]]
    if not shown.first_time and mined.patterns and not new:
        findings.append("No pattern is new since last time.")
    serious = [pattern for pattern in new if pattern.level == "error"]
    lines = [f"- {_line(pattern)}" for pattern in picked[: shown.top]]
    lines += [f"- … and {len(picked) - shown.top} more patterns"] if len(picked) > shown.top else []
    sections = (Section("Patterns", "\n".join(lines)),) if lines else ()
    return Result(
        findings=tuple(shorten(finding, LINE * 2) for finding in findings),
        actions=tuple(f"look at this new error: {shorten(p.sample, LINE)}" for p in serious[:LISTED]),
        sections=sections,
        raw="\n".join(_raw(pattern) for pattern in mined.patterns),
        usage=usage,
        confidence=confidence,
    )


def _total(mined: Mined, shown: Shown) -> str:
    of = shorten(", ".join(shown.names), LINE)
    what = {"error": "errors", "warning": "errors and warnings"}.get(shown.level, "messages")
    if not mined.entries:
        since = f" since {_when(shown.since.timestamp())}" if shown.since else ""
        return f"No {what} in {of}{since} ({_many(mined.lines, 'line')})."
    counts_of = {level: (mined.levels[level], word) for level, word in _WORDS.items() if mined.levels[level]}
    levels = ", ".join(f"{n:,} {_ONE.get(level, word) if n == 1 else word}" for level, (n, word) in counts_of.items())
    span = f", {_when(mined.first)} to {_when(mined.last)}" if mined.first is not None and mined.last else ""
    what = what.removesuffix("s") if mined.entries == 1 and " " not in what else what
    counts = f"{mined.entries:,} {what} of {_many(len(mined.patterns), 'pattern')}"
    return f"{of}: {_many(mined.lines, 'line')}{span}. {counts}: {levels}."


def _line(pattern: Pattern) -> str:
    level = f"{pattern.level}, " if pattern.level else ""
    span = ""
    if pattern.first is not None and pattern.last is not None:
        span = f", {_when(pattern.first)}" + (f" to {_when(pattern.last)}" if pattern.count > 1 else "")
    told = f"{level.rstrip(', ')}{span}".removeprefix(", ")
    return f"{pattern.count:,} × {shorten(pattern.text, LINE)}" + (f" ({told})" if told else "")


def _burst(spike: Spike) -> str:
    length = {60: "minute", 600: "10 minutes", 3600: "hour", 86_400: "day"}[spike.seconds]
    usual = f"{spike.usual:.1f}".removesuffix(".0")
    return (
        f"{spike.count:,} in one {length} from {_when(spike.at)}, usually {usual}: {shorten(spike.pattern.text, LINE)}"
    )


def _raw(pattern: Pattern) -> str:
    said = {
        "count": pattern.count,
        "level": pattern.level or None,
        "first": None if pattern.first is None else _when(pattern.first),
        "last": None if pattern.last is None else _when(pattern.last),
        "new": not pattern.known,
        "pattern": pattern.text,
        "sample": pattern.sample,
    }
    return json.dumps(said, ensure_ascii=False)


def _when(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"
