"""Tables and charts of a report. They are made by code out of values, so that a table cannot be broken out of, and a
chart, which Obsidian and GitHub draw, holds no word but plain ones and no number that is not one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from agent.gate import OutputGate
from agent.text import shorten
from agent.vault.values import Chart, Section, Table

CELL = 120  # characters
ROWS = 200
COLUMNS = 20
POINTS = 100
LARGEST, SMALLEST = Decimal("1e15"), Decimal("1e-15")  # beyond which Mermaid draws nothing of use
DIGITS = 8  # significant ones

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 ._/-]+")


def section_text(section: Section, gate: OutputGate, limit: int) -> str:
    """What stands below a section's heading, inert: its text, at most `limit` characters, its table, its chart."""
    parts = [gate.text(section.text, limit)] if section.text.strip() or not (section.table or section.chart) else []
    if section.table:
        parts.append(_table(section.table, gate))
    if section.chart and (drawn := chart(section.chart)):
        parts.append(drawn)
    return "\n\n".join(parts)


def chart(values: Chart) -> str:
    """The chart as a Mermaid block (xychart-beta), "" when there is nothing that can be drawn."""
    points = [_plain(value) for value in values.values[-POINTS:]]
    times = values.times[-POINTS:]
    if len(points) < 2 or len(times) != len(points) or "" in points:
        return ""
    span = f"{times[0]:%Y-%m-%d %H.%M} to {times[-1]:%Y-%m-%d %H.%M} UTC"
    lines = [
        "xychart-beta",
        f'    title "{_words(values.title)}"',
        f'    x-axis "{span}" 1 --> {len(points)}',
        f'    y-axis "{_words(values.unit) or "value"}"',
        f"    line [{', '.join(points)}]",
    ]
    return "\n".join(["```mermaid", *lines, "```"])


def _words(text: str) -> str:
    return shorten(_NOT_PLAIN.sub(" ", text), 60).replace("…", "").strip()


def _plain(value: Decimal) -> str:
    """A number as Mermaid reads it, without an exponent; "" for one that it cannot draw."""
    if not value.is_finite() or abs(value) >= LARGEST:
        return ""
    if abs(value) < SMALLEST:
        return "0"
    return f"{Decimal(f'{value:.{DIGITS}g}'):f}"


def _table(table: Table, gate: OutputGate) -> str:
    header = table.header[:COLUMNS]
    lines = [_row(gate, header), "|" + "---|" * len(header)]
    lines += [_row(gate, row[: len(header)]) for row in table.rows[:ROWS]]
    hidden = len(table.rows) - ROWS
    return "\n".join(lines) + (f"\n\n… and {hidden:,} more rows" if hidden > 0 else "")


def _row(gate: OutputGate, cells: Iterable[str]) -> str:
    return "| " + " | ".join(gate.line(cell, CELL) or " " for cell in cells) + " |"
