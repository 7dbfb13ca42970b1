"""What is refused, on the C parser and on the pure one, and the correction that goes with it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import frontmatter
from agent.errors import BadHeader
from agent.frontmatter.mending import mend
from tests.frontmatter.support import file, refused


@pytest.mark.usefixtures("each_parser")
@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("a: b\na: c", 3),
        ("a: b\nc: &x [1]\nd: *x", 3),
        ("a: b\nc: !!python/object:os.system x", 3),
        ("a: b\n<<: {c: d}", 3),
        ("- a\n- b", 2),
        ('a: b\nc: "open', 3),
        ("a: b\nc: [open", 3),
        ("a: b\n[x]: y", 3),
        ("a: b\nc: x\x00y", 3),
        ("a: b\nc: x\x07y", 3),
        ("a: b\nc: \ud800", 3),
        ("a: b\nc = d\ne: f", 3),
    ],
)
def test_s04_whatever_is_wrong_is_a_bad_header_with_its_line_and_a_correction(header: str, line: int) -> None:
    error = refused(file(header))
    assert error.line == line
    assert error.what
    assert error.fix


def test_a_correction_keeps_every_word() -> None:
    corrected = refused(file('a: b\na: second\nc: "open\n  d: inner\n- e')).corrected or ""
    for word in ("a: b", "second", "open", "inner", "e\n", "Do it."):
        assert word in corrected


def test_an_unclosed_quote_is_closed_in_the_correction() -> None:
    assert refused(file('title: "Hello')).corrected == file('title: "Hello"')


DEEP = {
    "brackets": "a: " + "[" * 100_000,
    "braces": "a: " + "{b: " * 20_000,
    "dashes": "a:\n  " + "- " * 50_000 + "x",
    "question marks": "? " * 50_000 + "x",
    "indents": "\n".join(" " * n + "a:" for n in range(1_200)),
    "top brackets": "[" * 100_000,
}


@pytest.mark.usefixtures("each_parser")
@pytest.mark.parametrize("header", DEEP.values(), ids=DEEP.keys())
def test_s03_deep_nesting_is_refused_before_composing(header: str) -> None:
    started = time.process_time()
    refused(file(header))
    assert time.process_time() - started < 10


@pytest.mark.usefixtures("each_parser")
def test_s03_twenty_levels_are_read_and_twenty_one_are_not() -> None:
    assert frontmatter.load("a: " + "[" * 19 + "x" + "]" * 19)
    with pytest.raises(BadHeader, match="nested too deeply"):
        frontmatter.load("a: " + "[" * 20 + "x" + "]" * 20)


@pytest.mark.usefixtures("each_parser")
def test_s01_an_endless_header_is_refused_at_its_five_thousandth_event() -> None:
    assert "too long" in refused(file("\n".join(f"k{n}: v" for n in range(20_000)))).what


@pytest.mark.usefixtures("each_parser")
def test_s02_an_alias_bomb_is_refused_at_its_first_anchor() -> None:
    bomb = "a: &a [x, x]\n" + "\n".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]" for n in range(20)
    )
    assert refused(file(bomb)).line == 2


@pytest.mark.parametrize(
    "line",
    [
        "a: " + "'" * 50_000,
        "a: " + "[[" * 50_000,
        "a" + " " * 100_000 + "b",
        "a: " + "- " * 50_000,
        "a: " + '"\\' * 50_000,
        "- " * 50_000 + ":",
        "a: " + "[[x]]," * 20_000 + "y",
        "\t" * 100_000 + "x",
        "a: " + " #" * 50_000,
    ],
)
def test_s30_mending_takes_linear_time(line: str) -> None:
    started = time.process_time()
    mend(f"x: @\n{line}\n")
    assert time.process_time() - started < 2


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(codec=None), max_size=120) | st.text("ab:-[]{}#&*!|>'\"%@`,? \t\n", max_size=80))
def test_s04_any_text_is_read_or_refused_with_a_readable_correction(header: str) -> None:
    text = file(header)
    try:
        frontmatter.read(text)
    except BadHeader as error:
        assert error.corrected is not None
        frontmatter.read(error.corrected)
        assert 1 <= error.line <= text.count("\n") + 1
