"""Both parsers: the one of libyaml and the one that is written in Python."""

from __future__ import annotations

import pytest

from agent.frontmatter import events


@pytest.fixture(params=[events.FastLoader, events.PureLoader], ids=["fast", "pure"])
def each_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "FastLoader", request.param)
