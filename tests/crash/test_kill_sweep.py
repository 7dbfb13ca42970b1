"""A crash at every numbered durable step, and what the next start makes of it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.crash import scenario
from tests.support import Vault

QUICK = not os.environ.get("GOFER_FULL_SWEEP")
MOST = 40  # steps; the sweep ends where the run ends by itself
KNOWN = {
    "attempts counted", "outcomes recorded", "change applied", "files delivered", "commit built",
    "index.lock held", "index swapped, branch not moved", "branch moved", "inbox cleared",
}  # fmt: skip


def crash(vault: Vault, step: int) -> str:
    """Run until that step; its name, "" when the run ended before it came to it."""
    done = vault.gofer("run", "--once", GOFER_CRASH_AT=str(step))
    if done.returncode == 137:
        found = re.search(r"crashed at step \d+: (.+)", done.stderr)
        assert found, done.stderr
        return found[1]
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode in (0, 1), done.stdout + done.stderr  # 1: a file that is not a task needs attention
    return ""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> scenario.End:
    """What it comes to without a crash."""
    vault = scenario.prepare(tmp_path_factory.mktemp("undisturbed"))
    scenario.finish(vault)
    scenario.check_delivered(vault)
    scenario.check_person(vault)
    vault.check()
    end = scenario.end_of(vault)
    assert sorted(end.statuses.values()) == ["done", "done", "done", "done", "handed-off", "invalid"]
    assert set(end.outcomes.values()) == set(end.ledger.values()) == {1}
    assert end.notes["memory/log.md"] == "- first line\n- one more line\n"
    assert end.inbox == (scenario.STAYS,)
    return end


def test_q01_a_crash_at_any_step_ends_as_without_it(tmp_path: Path, undisturbed: scenario.End) -> None:
    def crashed(step: int) -> tuple[str, scenario.End | None]:
        vault = scenario.prepare(tmp_path / str(step))
        name = crash(vault, step)
        scenario.check_git_is_free(vault)
        if name:
            scenario.finish(vault)
        return name, look(vault)

    names = []
    for low in range(1, MOST, 4):
        for name, end in scenario.in_pairs(crashed, range(low, low + 4)):
            assert end == undisturbed, name
            names.append(name)
        if not names[-1]:
            break
    assert set(names) >= KNOWN
    assert names.index("") > len(KNOWN)


def test_q20_a_person_commits_between_two_crashes_and_all_ends_as_without_them(
    tmp_path: Path, undisturbed: scenario.End
) -> None:
    def crashed(step: int) -> scenario.End:
        vault = scenario.prepare(tmp_path / str(step))
        assert crash(vault, step)
        scenario.check_git_is_free(vault)
        vault.git("commit", "-q", "-m", "mine")
        crash(vault, 1 + step * 5 % 7)
        scenario.check_git_is_free(vault)
        scenario.finish(vault)
        return look(vault)

    steps = range(1, len(KNOWN) + 4, 2 if QUICK else 1)
    for step, end in zip(steps, scenario.in_pairs(crashed, steps), strict=True):
        assert end == undisturbed, f"step {step}"


def look(vault: Vault) -> scenario.End:
    """What it came to, after the invariants held."""
    scenario.check_person(vault)
    scenario.check_delivered(vault)
    vault.check()
    return scenario.end_of(vault)
