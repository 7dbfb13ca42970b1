"""The report of a beat: what is new, what is over, what is still so, and which files changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.handlers.heartbeat.alarms import CRITICAL, NOTICE, ORDER, Alarm, kind
from agent.handlers.status import queue_line
from agent.text import shorten
from agent.vault.values import Result

SHOWN = 20  # lines of one kind
LINE = 160  # characters of one line


@dataclass(frozen=True, slots=True)
class Beat:
    """What one beat has to tell. Alarms are sorted, the worst first; `over` is what was told of each."""

    news: Sequence[Alarm]
    known: Sequence[Alarm]
    over: Sequence[str]
    changed: Sequence[str]
    open_items: int
    facts: Mapping[str, Any]

    @property
    def has_critical(self) -> bool:
        return any(alarm.severity == CRITICAL for alarm in (*self.news, *self.known))

    def result(self) -> Result:
        """The whole of it as a report."""
        lines, resolved = [f"{alarm.severity}: {alarm.text}" for alarm in self.news], self._resolved()
        actions = _of_each_kind([alarm for alarm in self.news if alarm.severity != NOTICE], "see to this ")
        still = [f"still {alarm.severity}: {alarm.text}" for alarm in self.known]
        return Result(
            findings=tuple(shorten(line, LINE) for line in self._findings(resolved)),
            actions=tuple(shorten(line, LINE) for line in actions),
            raw="\n".join([*lines, *resolved, *still, *(f"changed: {path}" for path in self.changed)]),
        )

    def _resolved(self) -> list[str]:
        return [f"resolved: {text}" for text in self.over]

    def _findings(self, resolved: list[str]) -> list[str]:
        findings = [*_of_each_kind(self.news), *_some(resolved, "resolved")]
        if self.known:
            counts = Counter(alarm.severity for alarm in self.known)
            told = ", ".join(f"{counts[severity]} {severity}" for severity in ORDER if counts[severity])
            findings.append(f"Told before and still so: {told}.")
        elif not self.news:
            findings.append("Nothing is wrong." if not resolved else "Nothing else is wrong.")
        queue = queue_line(self.facts.get("queue") or {})
        findings.append(f"Open check boxes: {self.open_items}. Queue: {queue}.")
        if self.changed:
            findings.append(f"Files changed since the last beat: {len(self.changed)}")
            findings += _some([f"changed: {path}" for path in self.changed], "files")
        return findings


def _of_each_kind(alarms: Sequence[Alarm], word: str = "") -> list[str]:
    """A line for each alarm, but only so many of one kind: a long list must not hide a full disk."""
    seen: Counter[str] = Counter()
    lines = []
    for alarm in alarms:
        seen[kind(alarm.key)] += 1
        if seen[kind(alarm.key)] <= SHOWN:
            lines.append(f"{word}{alarm.severity}: {alarm.text}")
    return [*lines, *([f"… and {len(alarms) - len(lines)} more alerts"] if len(lines) < len(alarms) else [])]


def _some(lines: Sequence[str], what: str) -> list[str]:
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], *([f"… and {more} more {what}"] if more > 0 else [])]
