"""What is written, as this reader and a plain one understand it."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import frontmatter
from agent.frontmatter.writing import export
from tests.frontmatter.support import VALUES, WORDS


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


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(WORDS.filter(lambda key: key != "<<"), WORDS | st.lists(WORDS, max_size=4), max_size=6), VALUES)
def test_what_is_written_reads_back_as_it_was_for_this_reader_and_for_a_plain_one(
    mapping: dict[str, str | list[str]], body: str
) -> None:
    note = frontmatter.read(frontmatter.dump(mapping, body))
    assert note.values == mapping
    assert note.body == body
    assert (yaml.safe_load(export(mapping)) or {}) == mapping


def test_nested_data_and_surrogates_are_written_so_that_they_can_be_read() -> None:
    text = frontmatter.dump({"a": {"b": ["c", {"d": "off"}]}, "e": [["f"], []], "g": "\ud800"}, "")
    assert frontmatter.read(text).values == {"a": {"b": ["c", {"d": "off"}]}, "e": [["f"], []], "g": "\ufffd"}


def test_only_plain_data_can_be_written() -> None:
    with pytest.raises(TypeError, match="not object"):
        frontmatter.dump({"a": object()}, "")


def test_none_is_a_word_and_needs_no_quotes() -> None:
    assert frontmatter.dump({"verified": "none", "model": "none"}, "") == "---\nverified: none\nmodel: none\n---\n"
    assert yaml.safe_load("verified: none\nModel: None") == {"verified": "none", "Model": "None"}
