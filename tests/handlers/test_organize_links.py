"""The links of a note: every form is found, nothing in code is, and markdown-it-py sees the same."""

from __future__ import annotations

import sys
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from agent.handlers.organize.links import links

PARSER = MarkdownIt("commonmark")


def targets(text: str) -> list[str]:
    return [link.target for link in links(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[[note]]", ["note"]),
        ("see [[folder/note|the note]].", ["folder/note"]),
        ("[[note#A heading]] and [[note#^block-1|x]]", ["note", "note"]),
        ("![[picture.png]] ![[note]]", ["picture.png", "note"]),
        ("| [[a\\|b]] | [[c]] |", ["a", "c"]),
        ("[[#only a heading]]", [""]),
        ("[t](../x.md)", ["../x.md"]),
        ("[t](a%20b.md#part) [u](<a b.md>)", ["a b.md", "a b.md"]),
        ('[t](x.md "a title") [u](y.md\n"next line")', ["x.md", "y.md"]),
        ("![alt](pic.png) and [![alt](pic.png)](x.md)", ["pic.png", "pic.png", "x.md"]),
        ("[ref]: x.md\n[other]: <y z.md> 'title'\n", ["x.md", "y z.md"]),
        ("[t](https://example.org/a.md) <https://b.org> [u](mailto:a@b.org) [v](//host/x)", []),
        ("---\nup: \"[[parent]]\"\nrelated:\n  - '[[a|b]]'\n---\n[[body]]\n", ["parent", "a", "body"]),
        ("`[[no]]` ``[[no]] ` `` [[yes]] `open [[also]]", ["yes", "also"]),
        ("```\n[[no]]\n```\n[[yes]]\n~~~~\n[a](no.md)\n~~~\n~~~~\n[[too]]", ["yes", "too"]),
        ("- item\n  ```\n  [[no]]\n  ```\n- [[yes]]\n", ["yes"]),
        ("> ```\n> [[no]]\n\n[[yes]]\n", ["yes"]),
        ("para\n\n    [[no]]\n\n[[yes]]\n", ["yes"]),
        ("para\n    [[yes]]\n", ["yes"]),
        ("\\[[no](x.md)", ["x.md"]),
        ("\\`[[yes]]\\`", ["yes"]),
        ("[^1]: no.md\n[a]: yes.md", ["yes.md"]),
        ("[x] (no.md) ](no.md)", []),
        ("[a](b(c)d.md)", ["b(c)d.md"]),
        ("\ufeff---\nup: \"[[a]]\"\n---\r\n[[b]]\r\n", ["a", "b"]),
        ("[[a b]]\r\n```\r\n[[no]]\r\n```\r\n[[c]]", ["a b", "c"]),
    ],
)  # fmt: skip
def test_every_form_of_a_link_is_found_and_nothing_in_code(text: str, found: list[str]) -> None:
    assert targets(text) == found


def test_a_link_knows_its_line_and_encloses_exactly_the_name_of_the_file() -> None:
    text = '---\nup: "[[a]]"\n---\n\n[x](b%20c.md#d) and [[e/f#g|h]]\n'
    assert [(link.line, text[link.start : link.end]) for link in links(text)] == [(2, "a"), (5, "b%20c.md"), (5, "e/f")]


WORDS = st.sampled_from(["word", "two words", "*em*", "a_b", "1. no", "#tag", "x > y", "\\[", "\\`", "[", "]", "!"])
CODE = st.sampled_from(["`code`", "``co`de``", "`[a](in-code.md)`", "`", "``"])
LINK = st.sampled_from(
    [
        "[t](x.md)", "![i](p.png)", "[t](a%20b.md)", "[t](<a b.md>)", "[t](../up.md#h)", '[t](x.md "title")',
        "[![i](p.png)](x.md)", "[a [b](c.md)](d.md)", "[t](<)", "[t]( x.md )", "[t](b(c).md)", "[t](a\\).md)", "[]()",
    ]
)  # fmt: skip
INLINE = st.lists(st.one_of(WORDS, CODE, LINK), min_size=1, max_size=6).map(" ".join)
PARAGRAPH = st.lists(INLINE, min_size=1, max_size=3).map("\n".join)
FENCED = st.builds(
    lambda mark, inside: f"{mark}\n{inside}\n{mark}",
    st.sampled_from(["```", "~~~", "`````", "```` "]).map(str.strip),
    st.sampled_from(["[a](fenced.md)", "``` x", "text\n\n[b](fenced.md)", "~~", "    indented"]),
)
BLOCK = st.one_of(
    PARAGRAPH,
    FENCED,
    st.just("    [a](indented.md)\n\n    more"),
    INLINE.map(lambda text: f"# {text}"),
    st.sampled_from(["---", "***", "[ref]: defined.md", "```\n[open](fenced.md)", "title\n==="]),
)


def _item(text: str, mark: str) -> str:
    first, *rest = text.split("\n")
    return "\n".join([f"{mark} {first}", *(f"{' ' * (len(mark) + 1)}{line}" if line else "" for line in rest)])


NESTED = st.recursive(
    BLOCK,
    lambda inner: st.one_of(
        st.builds(_item, inner, st.sampled_from(["-", "*", "1.", "10)"])),
        inner.map(lambda text: "\n".join(f"> {line}" for line in text.split("\n"))),
        st.lists(inner, min_size=2, max_size=3).map("\n\n".join),
        st.lists(inner, min_size=2, max_size=2).map("\n".join),
    ),
    max_leaves=5,
)


def _parsed(text: str) -> set[str]:
    """What markdown-it-py takes for a destination, definitions included, decoded."""
    environment: dict[str, dict[str, dict[str, str]]] = {}
    tokens = PARSER.parse(text, environment)
    found = [ref["href"] for ref in environment.get("references", {}).values()]

    def walk(children: list[Token]) -> None:
        for token in children:
            if token.type == "link_open":
                found.append(str(token.attrs["href"]))
            elif token.type == "image":
                found.append(str(token.attrs["src"]))
                walk(token.children or [])
            elif token.children:
                walk(token.children)

    walk(tokens)
    return {unquote(href.partition("#")[0]) for href in found}


@settings(max_examples=1500, deadline=None)
@given(NESTED)
def test_markdown_it_sees_the_same_links(text: str) -> None:
    ours, theirs = set(targets(text)), _parsed(text)
    assert ours - {"defined.md"} == theirs - {"defined.md"}
    assert theirs <= ours, "a definition below text is text to a parser; to us it is one all the same"


@pytest.mark.parametrize(
    "piece",
    ["[[a|", "[a](b", "[a](<b", '[a](b "c', "`", "` ``", "[", "]", "](", "![", "- ", "> ", "[[", "[a]: ", "\\", "[x][",
     "    [", "[[[a](b)"],
)  # fmt: skip
def test_s30_no_text_takes_more_than_linear_time(piece: str) -> None:
    """Twice the text may take twice the steps, not four times: counted, since a clock would lie."""

    def steps(count: int) -> int:
        text, number = piece * count, 0

        def tick(*_: object) -> None:
            nonlocal number
            number += 1

        sys.setprofile(tick)
        try:
            links(text)
        finally:
            sys.setprofile(None)
        return number

    assert steps(4000) <= 2.5 * steps(2000) + 500
    links(piece * 100_000)  # what a pattern does inside is not counted; this would not end
