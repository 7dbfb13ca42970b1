"""A crash at every numbered durable step, and what the next start makes of it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tests.crash import scenario
from tests.support import Vault

FULL = bool(os.environ.get("GOFER_FULL_SWEEP"))
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


def test_q01_a_crash_at_any_step_ends_as_without_it(tmp_path: Path, undisturbed: scenario.End) -> None:
    names: dict[int, str] = {}

    def crashed(step: int) -> scenario.End:
        vault = scenario.prepare(tmp_path / str(step))
        names[step] = crash(vault, step)
        scenario.check_git_is_free(vault)
        if names[step]:
            scenario.finish(vault)
        return scenario.look(vault)

    for low in range(1, MOST, 4):
        assert scenario.troubles(crashed, range(low, low + 4), undisturbed) == {}
        if not names[low + 3]:
            break
    assert set(names.values()) > KNOWN  # and "", the run that was not stopped


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
        return scenario.look(vault)

    steps = range(1, len(KNOWN) + 4, 1 if FULL else 2)
    assert scenario.troubles(crashed, steps, undisturbed) == {}
