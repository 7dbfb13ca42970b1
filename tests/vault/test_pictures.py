"""Tables and charts of a report: code makes them, and no text from outside gets a say in them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from agent.gate import OutputGate
from agent.vault.pictures import chart, section_text
from agent.vault.values import Chart, Section, Table

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
GATE = OutputGate()
# What xychart-beta reads: plain words in quotes, decimals without an exponent (mermaid, xychart.jison).
BLOCK = re.compile(
    r"```mermaid\nxychart-beta\n    title \"[A-Za-z0-9 ._/-]*\"\n    x-axis \"[0-9 .:to UTC-]+\" 1 --> \d+\n"
    r"    y-axis \"[A-Za-z0-9 ._/-]+\"\n    line \[-?\d+(?:\.\d+)?(?:, -?\d+(?:\.\d+)?)*\]\n```"
)


def _chart(title: str, values: list[Decimal], unit: str = "USD") -> str:
    return chart(Chart(title, unit, tuple(NOW + timedelta(hours=n) for n in range(len(values))), tuple(values)))


def test_a_chart_is_a_mermaid_block_of_numbers() -> None:
    assert _chart("price of coin", [Decimal("0.00001234"), Decimal(2), Decimal("1E+3")]) == (
        '```mermaid\nxychart-beta\n    title "price of coin"\n'
        '    x-axis "2026-11-20 09.30 to 2026-11-20 11.30 UTC" 1 --> 3\n'
        '    y-axis "USD"\n    line [0.00001234, 2, 1000]\n```'
    )


@given(st.text(max_size=80), st.text(max_size=20), st.lists(st.decimals(), max_size=8))
def test_s23_no_title_unit_or_number_gets_out_of_the_chart(title: str, unit: str, values: list[Decimal]) -> None:
    drawn = _chart(title, values, unit)
    assert drawn == "" or BLOCK.fullmatch(drawn), drawn


def test_what_cannot_be_drawn_is_left_out() -> None:
    assert _chart("a", [Decimal(1)]) == ""
    assert _chart("a", [Decimal(1), Decimal("NaN")]) == ""
    assert _chart("a", [Decimal(1), Decimal("1e400")]) == ""


@given(st.lists(st.lists(st.text(max_size=30), min_size=2, max_size=2), min_size=1, max_size=5))
def test_s23_no_cell_gets_out_of_its_table(cells: list[list[str]]) -> None:
    table = Table(("a", "b"), tuple(tuple(row) for row in cells))
    text = section_text(Section("Readings", "", table), GATE, 1000)
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    assert tokens[0].type == "table_open" and tokens[-1].type == "table_close"
    assert sum(token.type == "tr_open" for token in tokens) == len(cells) + 1
    assert sum(token.type == "td_open" for token in tokens) == 2 * len(cells)
    assert not any(child.type in ("html_inline", "image", "link_open") for t in tokens for child in t.children or ())


def test_a_section_without_table_and_chart_is_its_text() -> None:
    assert section_text(Section("Result", "1 < 2"), GATE, 1000) == GATE.text("1 < 2", 1000)


def test_a_long_table_says_what_it_leaves_out() -> None:
    table = Table(("n",), tuple((str(n),) for n in range(250)))
    assert section_text(Section("R", "", table), GATE, 1000).endswith("… and 50 more rows")
