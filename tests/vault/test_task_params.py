"""Parameters validated per type."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import Field

from agent.errors import BadHeader
from agent.handlers.base import NoParams, Params
from agent.vault.params import read_params
from agent.vault.task import read_task


class FileParams(Params):
    op: Literal["read", "write", "move"]
    path: str
    to: str = ""
    count: int = 1
    keep_old: bool = False
    names: tuple[str, ...] = ()


def params(header: str) -> FileParams:
    return read_params(read_task(f"---\ntype: file\n{header}\n---\nx\n".encode(), "inbox/a.md"), FileParams)


def refused(header: str) -> BadHeader:
    with pytest.raises(BadHeader) as caught:
        params(header)
    return caught.value


def test_text_becomes_the_declared_types() -> None:
    assert params("op: write\npath: 01.md\ncount: '3'\nkeep-old: off\nnames: a, [[b]]") == FileParams(
        op="write", path="01.md", count=3, keep_old=False, names=("a", "b")
    )


def test_empty_values_count_as_absent_and_note_properties_are_no_parameters() -> None:
    assert params("op: read\npath: a\nto:\ntags: [x]\ncssclasses: y\naliases:\n  - z").to == ""


def test_an_unknown_parameter_names_the_nearest_and_the_known_ones() -> None:
    error = refused("op: read\npth: a")
    assert (error.line, error.where) == (4, "inbox/a.md")
    assert "`pth`" in error.what
    assert "op, path, to, count, keep_old, names" in error.why
    assert "`path`" in error.fix
    assert error.corrected == "---\ntype: file\nop: read\npath: a\n---\nx\n"


def test_an_unknown_parameter_far_from_all_is_commented_out() -> None:
    assert "# colour: red" in (refused("op: read\npath: a\ncolour: red").corrected or "")


def test_a_wrong_word_names_the_nearest() -> None:
    error = refused("op: wrte\npath: a")
    assert error.line == 3
    assert "op: write" in (error.corrected or "")


def test_a_wrong_number_is_told_with_its_line() -> None:
    error = refused("op: read\npath: a\ncount: many")
    assert error.line == 5
    assert "# count: many" in (error.corrected or "")


def test_a_missing_parameter_gets_a_line_to_fill_in() -> None:
    error = refused("op: read")
    assert "`path` is missing" in error.what
    assert 'path: ""' in (error.corrected or "")


def test_a_type_without_parameters_says_so() -> None:
    task = read_task(b"---\ntype: status\nspeed: 3\n---\nx\n", "inbox/a.md")
    with pytest.raises(BadHeader, match="no parameters"):
        read_params(task, NoParams)


def test_a_task_without_header_has_no_parameters() -> None:
    assert read_params(read_task(b"hello\n", "inbox/a.md"), NoParams) == NoParams()


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("names:\n  a: b", "it must be text, or a list of texts"),
        ("to: [a, b]", "it must be one text, no list and nothing with parts of its own"),
        ("count: lots", "it must be a whole number"),
        ("count: 1e999", "it must be a whole number"),
        (f"count: {'9' * 5000}", "it must be a whole number"),
        ("keep_old: perhaps", "it must be true or false"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_in_plain_words(header: str, why: str) -> None:
    assert refused(f"op: read\npath: a\n{header}").why == why


def test_limits_are_told_in_plain_words() -> None:
    class Limited(Params):
        few: int = Field(1, ge=1, le=5)
        short: str = Field("", max_length=3)

    def why(header: str) -> str:
        with pytest.raises(BadHeader) as caught:
            read_params(read_task(f"---\ntype: file\n{header}\n---\nx\n".encode(), "inbox/a.md"), Limited)
        return caught.value.why

    assert why("few: 0") == "it must be at least 1"
    assert why("few: 99") == "it must be at most 5"
    assert why("short: long one") == "it has more than 3 characters"
