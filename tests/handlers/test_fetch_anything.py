"""Whatever a server says, a run ends in a result, a doubt or a refusal, and what it writes can be read again."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import Doubt, Refused, ServerAway
from agent.files import Beneath
from agent.files.group import change_all
from agent.gate import OutputGate
from agent.handlers.doors import Reply
from agent.handlers.fetch import HANDLER, fetching, handler
from agent.vault.pictures import section_text
from agent.vault.values import Status
from tests.handlers.fetch_place import Place

numbers = st.integers() | st.floats() | st.decimals().map(str)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=30)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from("abcdk") | st.text(max_size=5), inner),
    max_leaves=15,
)
bodies = documents.map(lambda said: json.dumps(said).encode()) | st.binary(max_size=60)
replies = st.builds(
    Reply,
    url=st.just("https://a.example/x"),
    status=st.sampled_from([200, 200, 200, 200, 304, 204, 404, 401, 429, 500]),
    headers=st.dictionaries(
        st.sampled_from(["etag", "last-modified", "link", "retry-after", "content-type"]),
        st.text(st.characters(codec="latin-1"), max_size=40) | st.just('<https://a.example/y>; rel="next"'),
    ),
    body=bodies,
)
SOURCES = (
    "fields: ['a = a', 'b? = b', 'c:text? = c.d']\nunits: [b = USD]\nalert: [a > 1, a change > 1%, stale > 1h]",
    "items: '@'\nkey: k\nfields: ['a = a', 'k:text = k']\nalert: a falls > 5%",
    "items: a\nfields: ['b:number = b']\nnext: c\nmax_pages: 3",
    "items: a\nfields: ['b = b']\nnext: c\ncursor: q",
    "items: a\nfields: ['b? = @']\nnext: link-header",
    "fields: ['a? = a', 'b? = b.c']",
    "items: a\nfields: ['b? = b', 'c? = c']",
    "",
    "wanted: [a, k]",
    "wanted: [status code]",
)


class Saying:
    """A door behind which one reply after the other comes, or nobody is."""

    def __init__(self, said: list[Reply | None]) -> None:
        self.said = said

    def get(self, url: str, **_: Any) -> Reply:
        reply = self.said.pop(0) if self.said else None
        if reply is None:
            raise ServerAway("the server does not answer", where=url)
        return reply

    def post(self, url: str, body: bytes, *, headers: Mapping[str, str] | None = None, **_: Any) -> Reply:
        raise AssertionError("nothing is ever sent")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(SOURCES), st.lists(replies | st.none(), max_size=8), st.booleans())
def test_no_answer_is_a_defect(
    monkeypatch: pytest.MonkeyPatch, source: str, said: list[Reply | None], scheduled: bool
) -> None:
    monkeypatch.setattr(fetching, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(handler, "TIME", 0.05)
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), ())
        door, task = Saying(said), f"url: https://a.example/x\n{source}"
        for _ in range(3):
            place.later(hours=1)
            context = replace(place.context(place.task(task, scheduled=scheduled)), web=door)
            assert HANDLER.understand
            try:
                result = HANDLER.run(context, HANDLER.understand(context.task))
            except (Doubt, Refused):
                continue
            assert result.status in (Status.DONE, Status.NEEDS_REVIEW, Status.FAILED)
            assert result.quiet or result.findings
            for section in result.sections:
                assert "\n\n\n" not in section_text(section, OutputGate(), 1000)
            assert change_all(Beneath(place.root), [result.changes]) == set()
            for change in result.changes:
                assert change.after is not None
                table = list(csv.reader(io.StringIO(change.after.decode("utf-8"), newline="")))
                assert table[0][:2] == ["time", "key"] and {len(line) for line in table} == {len(table[0])}
