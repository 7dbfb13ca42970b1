"""A bare remote and its clones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remotes import Remote, served
from tests.sync.support import Clone, Fleet


@pytest.fixture
def path_remote(tmp_path: Path) -> Iterator[Remote]:
    with served(tmp_path / "remote.git", "path") as made:
        yield made


@pytest.fixture
def fleet(tmp_path: Path, path_remote: Remote) -> Fleet:
    """A remote with a new vault in it, and no clone yet."""
    return Fleet(tmp_path, path_remote)


@pytest.fixture
def a(fleet: Fleet) -> Clone:
    return fleet.clone("a")


@pytest.fixture
def b(fleet: Fleet) -> Clone:
    return fleet.clone("b")
