"""Fixtures: bare remotes over every transport."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remotes.bare import Bare, make_bare
from tests.remotes.transports import TRANSPORTS, Remote, served


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    """A bare remote, reached by its path."""
    return make_bare(tmp_path / "remote.git")


@pytest.fixture(params=TRANSPORTS)
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Remote]:
    """A bare remote, over each transport in turn."""
    with served(tmp_path / "remote.git", request.param) as made:
        yield made
