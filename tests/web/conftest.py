"""A door of a machine whose settings allow the test's servers, and the servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.config.tables import Network
from agent.web import Door, OpenDoor
from tests.web.server import Server, serving

Opener = Callable[..., OpenDoor]


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def opener(tmp_path: Path) -> Opener:
    """`opener(network…)`: a door for a run. `check`, `deadline`: of the run; `more`: of Door."""

    def make(
        *allowed: str,
        check: Callable[[], None] = lambda: None,
        deadline: float = float("inf"),
        env: dict[str, str] | None = None,
        network: dict[str, object] | None = None,
        **more: object,
    ) -> OpenDoor:
        settings = Network.model_validate({"allowed_hosts": allowed, **(network or {})})
        return Door(settings, env or {}, tmp_path / "rates", **more).opened(check, deadline)  # type: ignore[arg-type]

    return make


@pytest.fixture
def web(opener: Opener, server: Server) -> OpenDoor:
    """A door through which the test's server may be reached."""
    return opener(server.address)
