"""Keys changed in a person's file, and nothing else."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from agent import frontmatter
from agent.errors import BadHeader
from tests.frontmatter.support import VALUES, WORDS, file


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
