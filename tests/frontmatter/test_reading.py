"""What is read, on the C parser and on the pure one."""

from __future__ import annotations

import pytest
import yaml
from frontmatter.default_handlers import YAMLHandler

from agent import frontmatter
from agent.frontmatter import events
from tests.frontmatter.support import file, refused


def test_the_fast_parser_is_libyaml_where_it_is_there() -> None:
    assert issubclass(events.FastLoader, yaml.CSafeLoader) == yaml.__with_libyaml__


def test_python_frontmatter_reads_with_the_guarded_loader() -> None:
    assert YAMLHandler().load("a: off\nb: [001]", Loader=events.FastLoader) == (
        {"a": "off", "b": ["001"]},
        {"a": 0, "b": 1},
    )
    with pytest.raises(events.Unreadable, match="aliases"):
        YAMLHandler().load("a: &x 1", Loader=events.FastLoader)


# --- splitting


def test_a_file_without_header_is_all_body() -> None:
    assert frontmatter.split("Write 42\n") == frontmatter.Parts(None, "Write 42\n", 1)


def test_a_header_is_cut_at_exact_fences_with_trailing_blanks() -> None:
    parts = frontmatter.split("--- \ntype: file\n---\t\nbody\n---\nmore\n")
    assert parts == frontmatter.Parts("type: file\n", "body\n---\nmore\n", 4)


def test_w21_a_byte_order_mark_and_windows_line_ends_do_not_hide_a_header() -> None:
    note = frontmatter.read("\ufeff---\r\ntype: file\r\n---\r\nbody\r\n")
    assert (dict(note.values), note.body, note.body_line) == ({"type": "file"}, "body\r\n", 4)


@pytest.mark.parametrize(
    "text",
    ["---\nJust words\nand more\n---\nbody\n", "---\nJust words\n", "---\n", "---", "----\na: b\n", "\n---\na: b\n"],
)
def test_a_rule_above_prose_is_body_and_nothing_is_lost(text: str) -> None:
    assert frontmatter.read(text).body == text


def test_s07_an_unclosed_header_is_refused_on_line_1_and_closed_in_the_correction() -> None:
    error = refused("---\ntype: file\ntitle: Re: it\n\nDo it.\n")
    assert error.line == 1
    assert error.corrected == "---\ntype: file\ntitle: Re: it\n---\n\nDo it.\n"


def test_a_closing_line_that_an_editor_turned_into_a_dash_is_replaced_in_the_correction() -> None:
    assert refused("---\ntype: file\n—\nDo it.\n").corrected == "---\ntype: file\n---\nDo it.\n"


def test_a_header_below_blank_lines_is_told_not_taken_for_text() -> None:
    error = refused("\n\n---\nprivate: true\n---\nDo it.\n")
    assert (error.line, error.corrected) == (3, "---\nprivate: true\n---\nDo it.\n")


def test_a_late_header_with_a_mistake_inside_is_corrected_in_both_ways() -> None:
    error = refused("\n---\na: b\na: c\n---\nDo it.\n")
    assert (error.line, error.corrected) == (2, "---\na: b\n# a: c\n---\nDo it.\n")


# --- reading


@pytest.mark.usefixtures("each_parser")
def test_s06_every_value_stays_the_text_that_was_typed() -> None:
    words = ["off", "001", "12:30", "2026-11-20", "no", ".inf", "0x1f", "1e3", "True", "1_000", "~x", "yes", "08"]
    note = frontmatter.read(file("\n".join(f"k{n}: {word}" for n, word in enumerate(words))))
    assert list(note.values.values()) == words


@pytest.mark.usefixtures("each_parser")
def test_null_and_nothing_are_empty_text_but_a_quoted_null_is_a_word() -> None:
    assert frontmatter.load("a: null\nb: ~\nc:\nd: 'null'\n") == {"a": "", "b": "", "c": "", "d": "null"}


@pytest.mark.usefixtures("each_parser")
def test_s07_keys_that_other_readers_lose_survive() -> None:
    assert frontmatter.load("on: a\ncontent: b\n2026: c\nhandler: d\n") == {
        "on": "a", "content": "b", "2026": "c", "handler": "d",
    }  # fmt: skip


@pytest.mark.usefixtures("each_parser")
def test_lists_come_in_both_spellings_and_lines_count_in_the_file() -> None:
    note = frontmatter.read(file("# note\ntags:\n  - a\n  - b\nneeds: [gpu, lan]"))
    assert note.values == {"tags": ["a", "b"], "needs": ["gpu", "lan"]}
    assert note.lines == {"tags": 3, "needs": 6}


@pytest.mark.usefixtures("each_parser")
@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("a: Re: hello", "Re: hello"),
        ("a: Re: hello # why", "Re: hello"),
        ("a: note: it ends with:", "note: it ends with:"),
        ("a: @name", "@name"),
        ("a: `code`", "`code`"),
        ("a: *.md", "*.md"),
        ("a: *bold* text", "*bold* text"),
        ("a: %done", "%done"),
        ("a: > 5 items", "> 5 items"),
        ("a: [draft] do it", "[draft] do it"),
        ("a: [[link]]", "[[link]]"),
        ("a: [[link]] and more", "[[link]] and more"),
        ("a: [[one]], [[two]]", ["[[one]]", "[[two]]"]),
        ("a: [[[one]], [[two]]]", ["[[one]]", "[[two]]"]),
        ("a:\n  - [[one]]\n  - @b", ["[[one]]", "@b"]),
        ("a:\n\t- one", ["one"]),
        ("\ta: one", "one"),
        ("a:\tone", "one"),
        ("a: {{date}}", "{{date}}"),
        ("a: {{date}} at {{time}}", "{{date}} at {{time}}"),
        ("a: \u201cone two\u201d", "one two"),
        ("a: 'it's'", "it's"),
        ('a: "Fix" the "bug"', '"Fix" the "bug"'),
        ('a: "C:\\Users"', "C:\\Users"),
        ("a:one", "one"),
        ("a: http://x.y: z", "http://x.y: z"),
        ("a: one\u2028b: two", "one b: two"),
    ],
)
def test_d12_common_mistakes_are_understood(line: str, value: object) -> None:
    assert frontmatter.read(file(line)).values == {"a": value}
    if line.startswith("\t"):
        return  # among keys that are not indented, an indented one could mean two things
    note = frontmatter.read(file(f"title: fine\n{line}\nbare\ntype: file"))
    assert note.values == {"title": "fine", "a": value, "bare": "", "type": "file"}


@pytest.mark.usefixtures("each_parser")
def test_block_text_is_never_mended() -> None:
    note = frontmatter.read(file("a: |\n  x: @y: z\n  \t[[q]]\n\n  `r`\nb: @c"))
    assert note.values == {"a": "x: @y: z\n\t[[q]]\n\n`r`\n", "b": "@c"}
