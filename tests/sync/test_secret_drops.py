"""D13: what nobody committed and what holds a secret is not published for its person, and the person is told. What they
committed themselves is theirs, and whatever key of it holds a secret, Gofer writes it nowhere."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.nemesis.leaks import check_folders_clean, check_objects_clean
from tests.sync.support import Clone, Fleet

TOKEN = "gh" + "p_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


def waiting(clone: Clone) -> Mapping[str, str]:
    """Why tasks wait in a clone, as its board says."""
    said = clone.board()["waiting"]
    assert isinstance(said, dict)
    return said


def test_i6_a_task_that_waits_and_holds_a_secret_stays_here(fleet: Fleet, a: Clone) -> None:
    a.drop("secret.md", f"---\nneeds: [gpu]\n---\nUse {TOKEN}\n")
    a.drop("fine.md", "---\nneeds: [gpu]\n---\nfine\n")
    with a.desk() as driven:
        driven.settle()
        said = waiting(a)
    assert "inbox/fine.md" in fleet.tracked()
    assert "inbox/secret.md" not in fleet.tracked()
    assert TOKEN not in fleet.bare.git("log", "-p", "--all")
    assert "not published" in said["inbox/secret.md"] and "not published" not in said["inbox/fine.md"]
    a.drop("secret.md", "---\nneeds: [gpu]\n---\nUse the token in the keyring\n")
    a.drain()
    assert "inbox/secret.md" in fleet.tracked()
    fleet.unharmed()


def test_a_task_with_a_secret_that_its_person_committed_is_theirs_to_publish(fleet: Fleet, a: Clone) -> None:
    a.drop("secret.md", f"---\nneeds: [gpu]\n---\nUse {TOKEN}\n")
    a.commit()
    a.push()
    with a.desk() as driven:
        driven.settle()
        assert "not published" not in waiting(a)["inbox/secret.md"]
    assert "inbox/secret.md" in fleet.tracked()
    fleet.unharmed()


@pytest.mark.parametrize(
    "header",
    [
        "type: {}", "id: {}", "id: A/{}", "priority: {}", "tier: {}", "thinking: {}", "not_before: {}",
        "timeout: {}", "budget_usd: {}", "needs: [{}]", "after: [{}]", "type: status\nverify: {}", "{}: x", "a: [{}",
        "type: file\nop: write\npath: notes/{}.md\ntext: x", "type: file\nop: read\npath: notes/{}.md",
        "type: git\nrepo: {}\nverb: status", "type: answer\nhandoff: {}", "type: claim-handoff\nhandoff: h\nby: {}",
    ],
)  # fmt: skip
def test_i6_no_key_of_a_task_carries_a_secret_on(fleet: Fleet, a: Clone, header: str) -> None:
    token = "xo" + "xb-0123abcdefghijk2345"  # its form fits an id
    text = f"---\nstatus: open\n{header.format(token)}\n---\nDo it.\n"
    a.drop("t.md", text)
    a.commit()
    a.push()
    with a.desk() as driven:
        driven.settle()
        found = check_folders_clean([a.state, a.root / "outbox", a.root / "memory"], {token: header})
    found = [line for line in found if "journal.jsonl" not in line]  # what was asked for and is still owed
    repositories = [fleet.bare.path, a.root / ".git", *sorted(a.state.glob("*.git"))]
    assert found + check_objects_clean(repositories, {token: header}, [text]) == []
