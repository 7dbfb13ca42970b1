"""The front matter reader and writer, on the C parser and on the pure one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import frontmatter
from agent.errors import BadHeader


@pytest.fixture(params=[frontmatter.FastLoader, frontmatter.PureLoader], ids=["fast", "pure"])
def each_parser(request: pytest.FixtureRequest) -> Iterator[None]:
    before = frontmatter._handler.loader
    frontmatter._handler.loader = request.param
    yield
    frontmatter._handler.loader = before


def file(header: str, body: str = "Do it.\n") -> str:
    return f"---\n{header}\n---\n{body}"


def refused(text: str) -> BadHeader:
    with pytest.raises(BadHeader) as caught:
        frontmatter.read(text)
    error = caught.value
    assert error.corrected is not None
    frontmatter.read(error.corrected)  # what is offered as corrected can be read
    return error


def test_the_fast_parser_is_libyaml_where_it_is_there() -> None:
    assert issubclass(frontmatter.FastLoader, yaml.CSafeLoader) == yaml.__with_libyaml__


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


# --- refusing


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
    started = time.perf_counter()
    refused(file(header))
    assert time.perf_counter() - started < 10


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
    started = time.perf_counter()
    frontmatter._mend(f"x: @\n{line}\n")
    assert time.perf_counter() - started < 2


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


# --- writing


def test_s24_values_are_quoted_when_yaml_would_read_another_type() -> None:
    text = frontmatter.dump(
        {
            "type": "report", "thinking": "off", "id": "001", "at": "12:30", "count": 3, "cost": 0.00001, "ok": True,
            "title": "Re: it\n---\n# Heading", "source": "[[x]]", "nothing": None, "worker": "laptop-1",
            "model": "qwen3:8b", "started": datetime(2026, 11, 20, 9, 30, tzinfo=UTC), "day": date(2026, 11, 20),
            "tags": ["a", "no"], "empty": [], "digest": "500a1f067a9f", "float": "5e10", "name": "Grüße 🚲",
        },
        "body\n",
    )  # fmt: skip
    assert text == (
        '---\ntype: report\nthinking: "off"\nid: "001"\nat: "12:30"\ncount: 3\ncost: 0.00001\nok: true\n'
        'title: "Re: it\\n---\\n# Heading"\nsource: "[[x]]"\nnothing:\nworker: laptop-1\nmodel: qwen3:8b\n'
        'started: 2026-11-20T09:30:00Z\nday: 2026-11-20\ntags:\n  - a\n  - "no"\nempty: []\n'
        'digest: 500a1f067a9f\nfloat: "5e10"\nname: Grüße 🚲\n---\nbody\n'
    )


VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
WORDS = VALUES | st.text("abon0123456789-:.#'\" []{}eE_xTZ+~!&*", max_size=12)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(WORDS.filter(lambda key: key != "<<"), WORDS | st.lists(WORDS, max_size=4), max_size=6), VALUES)
def test_what_is_written_reads_back_as_it_was_for_this_reader_and_for_a_plain_one(
    mapping: dict[str, str | list[str]], body: str
) -> None:
    note = frontmatter.read(frontmatter.dump(mapping, body))
    assert note.values == mapping
    assert note.body == body
    assert (yaml.safe_load(frontmatter._export(mapping)) or {}) == mapping


def test_nested_data_and_surrogates_are_written_so_that_they_can_be_read() -> None:
    text = frontmatter.dump({"a": {"b": ["c", {"d": "off"}]}, "e": [["f"], []], "g": "\ud800"}, "")
    assert frontmatter.read(text).values == {"a": {"b": ["c", {"d": "off"}]}, "e": [["f"], []], "g": "\ufffd"}


def test_only_plain_data_can_be_written() -> None:
    with pytest.raises(TypeError, match="not object"):
        frontmatter.dump({"a": object()}, "")


# --- amending


def test_amending_replaces_keys_where_they_stand_and_adds_the_others() -> None:
    text = "---\n# mine\nstatus: open   # now\ntags:\n  - a\n\n# why\ntitle: Re: it\n---\nBody  \n\n"
    assert frontmatter.amend(text, {"status": "done", "tags": ["b"], "worker": "w"}) == (
        "---\n# mine\nstatus: done\ntags:\n  - b\n\n# why\ntitle: Re: it\nworker: w\n---\nBody  \n\n"
    )


def test_amending_a_file_without_header_gives_it_one() -> None:
    assert frontmatter.amend("\ufeffDo it", {"status": "done"}) == "\ufeff---\nstatus: done\n---\nDo it"


def test_amending_keeps_windows_line_ends() -> None:
    text = "---\r\nstatus: open\r\ntype: file\r\n---\r\nBody\r\n"
    assert frontmatter.amend(text, {"status": "done", "worker": "w"}) == (
        "---\r\nstatus: done\r\ntype: file\r\nworker: w\r\n---\r\nBody\r\n"
    )


def test_amending_keeps_the_indent_of_an_indented_header_and_rewrites_one_in_braces() -> None:
    assert frontmatter.amend("---\n  a: b\n---\n", {"c": "d"}) == "---\n  a: b\n  c: d\n---\n"
    assert frontmatter.amend("---\n{a: b}\n---\nx", {"c": "d"}) == "---\na: b\nc: d\n---\nx"


def test_amending_a_file_that_cannot_be_read_loses_nothing() -> None:
    broken = "---\na: &x 1\nb: *x\n---\nBody\n"
    assert frontmatter.amend(broken, {"status": "failed"}) == "---\nstatus: failed\n---\n" + broken


@settings(max_examples=150, deadline=None)
@given(
    st.text("ab:-[]{}#&*!|>'\"%@`,? \t\n", max_size=60) | VALUES,
    st.text(max_size=40),
    st.dictionaries(st.sampled_from(["status", "a", "b"]), WORDS, min_size=1, max_size=3),
)
def test_amending_adds_the_keys_and_keeps_the_body(header: str, body: str, additions: dict[str, str]) -> None:
    text = file(header, body)
    try:
        before = frontmatter.read(text)
    except BadHeader:
        assert frontmatter.amend(text, additions).endswith(text)
        return
    after = frontmatter.read(frontmatter.amend(text, additions))
    assert after.body == before.body
    assert after.values == {**before.values, **additions}


def test_a_key_can_be_commented_out_or_renamed() -> None:
    text = file("a: b\ntags:\n  - x\n  - y\nc: d")
    assert frontmatter.without(text, "tags") == file("a: b\n# tags:\n#   - x\n#   - y\nc: d")
    assert frontmatter.renamed(text, "tags", "labels") == file("a: b\nlabels:\n  - x\n  - y\nc: d")
    assert frontmatter.without(text, "z") == text
