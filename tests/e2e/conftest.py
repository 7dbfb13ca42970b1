"""Every end-to-end test runs twice: woken by file events, and with the watcher switched off."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.support import House


@pytest.fixture(params=["events", "polling"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> House:
    made = House(tmp_path)
    if request.param == "polling":
        made.env["GOFER_NO_EVENTS"] = "1"
    return made
