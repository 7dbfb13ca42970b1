"""Fixtures: a host, and two machines that share it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.claims.support import Machine
from tests.remotes import Bare, make_bare


@pytest.fixture
def host(tmp_path: Path) -> Bare:
    return make_bare(tmp_path / "remote.git", ledger=False)


@pytest.fixture
def ada(tmp_path: Path, host: Bare) -> Machine:
    return Machine(tmp_path / "ada", str(host.path))


@pytest.fixture
def bob(tmp_path: Path, host: Bare) -> Machine:
    return Machine(tmp_path / "bob", str(host.path))
