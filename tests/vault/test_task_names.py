"""Which file names may be tasks."""

from __future__ import annotations

import pytest

from agent.vault.names import is_schedule, looks_like_task_name


@pytest.mark.parametrize(
    "path",
    ["inbox/a.md", "inbox/sub/b c.md", "inbox/Notes 2.md", "inbox/UPPER.MD", "inbox/Untitled.md", "inbox/日本.md",
     "inbox/conflict resolution.md", "inbox/Q4 (2026).md", "inbox/template.md"],
)  # fmt: skip
def test_ordinary_names_may_be_tasks(path: str) -> None:
    assert looks_like_task_name(path) is None


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("inbox/.hidden.md", "hidden"),
        ("inbox/.trash/a.md", "hidden"),
        ("inbox/a.md~", "temporary"),
        ("inbox/a.md.tmp", "temporary"),
        ("inbox/#a.md#", "temporary"),
        ("inbox/.a.md.swp", "temporary"),
        ("inbox/~$a.md", "temporary"),
        ("inbox/.syncthing.a.md.tmp", "temporary"),
        ("inbox/.a.md.icloud", "placeholder"),
        ("inbox/a.sync-conflict-20261120-093000-ABCDEFG.md", "conflict copy"),
        ("inbox/a (conflicted copy 2026-11-20 093000).md", "conflict copy"),
        ("inbox/a (Anna's conflicted copy 2026-11-20).md", "conflict copy"),
        ("inbox/a (Case Conflict).md", "conflict copy"),
        ("inbox/templates/a.md", "template"),
        ("inbox/Templates/sub/a.md", "template"),
        ("inbox/a.txt", "not a .md"),
        ("inbox/md", "not a .md"),
    ],
)
def test_w12_w13_names_that_are_no_tasks_are_told_why(path: str, reason: str) -> None:
    assert reason in (looks_like_task_name(path) or "")


def test_w12_a_numbered_name_is_a_copy_only_beside_its_twin() -> None:
    for name in ("Notes 2.md", "Notes (1).md", "Notes copy.md"):
        assert looks_like_task_name(f"inbox/{name}") is None
        assert looks_like_task_name(f"inbox/{name}", siblings={"Notes.md"}) == "it is a copy of Notes.md"


def test_w10_an_empty_new_note_is_no_task() -> None:
    assert looks_like_task_name("inbox/Untitled.md", empty=True) == "it is empty"


def test_schedules_are_told_apart() -> None:
    assert is_schedule("inbox/schedules/daily.md")
    assert not is_schedule("inbox/daily.md")
    assert not is_schedule("memory/schedules/daily.md")
