"""What it comes to when nothing goes wrong."""

from __future__ import annotations

import pytest

from tests.crash import scenario


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> scenario.End:
    """What it comes to without a crash."""
    vault = scenario.prepare(tmp_path_factory.mktemp("undisturbed"))
    scenario.finish(vault)
    end = scenario.look(vault)
    assert sorted(end.statuses.values()) == ["done", "done", "done", "done", "handed-off", "invalid"]
    assert set(end.outcomes.values()) == set(end.ledger.values()) == {1}
    assert end.notes["memory/log.md"] == "- first line\n- one more line\n"
    assert end.inbox == (scenario.STAYS,)
    return end
