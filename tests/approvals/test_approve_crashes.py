"""A crash at every durable step, of planning and of acting: nothing is lost, nothing is done twice or unasked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent import frontmatter
from tests.crash.test_kill_sweep import FULL, crash
from tests.support import Vault, git, make_vault

MOST = 40  # steps; the sweep ends where the run ends by itself


def prepare(place: Path, remote: str = "") -> Vault:
    vault = make_vault(place, settle=0, remote=remote)
    vault.write("notes/a.md", "old\n")
    vault.drop("t.md", "---\napprove: true\nid: tidy\n---\nMove notes/a.md to archive/a.md\n")
    vault.commit()
    if remote:
        vault.git("push", "-q", "-u", "origin", "main")
    return vault


def with_remote(place: Path) -> Vault:
    place.mkdir()
    git(place, "init", "-q", "--bare", "-b", "main", str(place / "remote.git"))
    return prepare(place, str(place / "remote.git"))


def approval(vault: Vault) -> Path:
    return vault.root / "outbox/approvals/tidy.md"


def check_asked(vault: Vault) -> None:
    """The question is there, once, whole and unticked, and nothing was done."""
    assert (vault.root / "notes/a.md").read_text("utf-8") == "old\n"
    assert vault.outcomes() == {}
    assert "- [ ] Approve\n- [ ] Reject\n" in approval(vault).read_text("utf-8")
    assert "outbox/approvals/tidy.md" in vault.tracked("outbox/approvals")
    assert vault.git("status", "--short") == ""
    vault.check()


def check_done(vault: Vault) -> None:
    """It was done, once, and the question is gone."""
    assert (vault.root / "archive/a.md").read_text("utf-8") == "old\n"
    assert not (vault.root / "notes/a.md").exists()
    assert vault.outcomes() == {"tidy": 1}
    assert not approval(vault).exists()
    assert vault.git("status", "--short") == ""
    decisions = [path.read_text("utf-8") for path in (vault.root / "memory/decisions").glob("*.md")]
    assert [frontmatter.read(text).values["decision"] for text in decisions] == ["approved"]
    assert len(list((vault.root / "memory/changes").glob("*/tidy.jsonl"))) == 1
    vault.check()


def tick(vault: Vault) -> None:
    assert vault.gofer("approve", "tidy").returncode == 0


def sweep(place: Path, remote: bool) -> set[str]:
    """Crash while it is planned, then while it is done, at each step there is; the names of the steps."""
    names: set[str] = set()
    for step in range(1, MOST, 2 if remote and not FULL else 1):
        vault = (with_remote if remote else prepare)(place / str(step))
        planning = crash(vault, step)
        vault.run_once(ok=(0,))
        check_asked(vault)
        tick(vault)
        acting = crash(vault, step)
        vault.run_once(ok=(0,))
        check_done(vault)
        names |= {planning, acting}
        if not planning and not acting:
            break
    return names


@pytest.mark.slow
def test_q01_a_crash_at_any_step_of_planning_and_acting_ends_as_without_it(tmp_path: Path) -> None:
    assert sweep(tmp_path, remote=False) > {"outcomes recorded", "change applied", "branch moved", "inbox cleared", ""}


@pytest.mark.slow
def test_q01_with_a_remote_too(tmp_path: Path) -> None:
    assert sweep(tmp_path, remote=True) > {"commit built", ""}


def test_a_tick_between_delivery_and_commit_is_not_overwritten(tmp_path: Path) -> None:
    """The worker dies when the file lies there and nothing else was done; the person ticks before the next start."""
    for step in range(1, MOST):
        vault = prepare(tmp_path / str(step))
        if not crash(vault, step):
            break
        if approval(vault).exists():
            ticked = approval(vault).read_text("utf-8").replace("- [ ] Approve", "- [x] Approve")
            vault.write("outbox/approvals/tidy.md", ticked)
            vault.run_once(ok=(0,))
            check_done(vault)
    else:
        raise AssertionError("the run has more steps than are tried")


def test_a_plan_that_is_lost_with_the_state_folder_is_made_again(tmp_path: Path) -> None:
    vault = prepare(tmp_path)
    vault.run_once(ok=(0,))
    for path in (vault.state / "approvals").glob("*.json"):
        path.write_text(json.dumps({"v": 9}), "utf-8")
    tick(vault)
    vault.run_once(ok=(0,))
    check_done(vault)
