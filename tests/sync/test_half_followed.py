"""A follow that could not finish, since git was being used just then: its files lie in the work tree, and by the next
try they may be in neither of the two commits."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import Busy
from agent.git.repository import Head
from tests.support import wait_for
from tests.sync.support import Clone, Driven, Fleet, append

TASK = append("once")
UNTIL = ["advance", "_move"]  # the index; the branch


def half_followed(driven: Driven, until: str) -> None:
    """It looks, and its branch does not move: files came, or files and index, up to this step."""

    tried: list[Head] = []

    def busy(head: Head, *_: object) -> None:
        if head.branch == "refs/heads/main":  # not the note where the remote's is
            tried.append(head)
        raise Busy("git is being used here")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driven.desk.branch, until, busy)
        driven.look()
        wait_for(lambda: driven.travel() and tried, what="a try to follow")
    assert driven.desk.exchange
    driven.desk.exchange.sync.lookout.wake_at = float("inf")  # it does not look again by itself


def held_back(clone: Clone, driven: Driven, until: str) -> None:
    """The tasks that come with the files are not begun before the remote has gone on."""
    driven.desk.intake.admitting = False
    half_followed(driven, until)
    driven.desk.intake.admitting = True
    assert clone.inbox() == ["t.md"]


@pytest.mark.parametrize("until", UNTIL)
def test_a_task_that_came_with_half_a_follow_and_ended_elsewhere_is_not_run_again(
    fleet: Fleet, a: Clone, b: Clone, until: str
) -> None:
    a.drain()
    with a.desk() as driven:
        b.share("inbox/t.md", TASK)
        held_back(a, driven, until)
        b.drain()
        driven.settle()
    assert list(fleet.outcomes().values()) == [1]
    assert fleet.text("notes/log.md") == "once\n"
    assert a.head == fleet.tip()
    assert a.inbox() == []
    fleet.unharmed(fetched=[b])


@pytest.mark.parametrize("until", UNTIL)
def test_files_that_are_as_they_were_before_half_a_follow_are_so_in_the_work_tree_too(
    fleet: Fleet, a: Clone, b: Clone, until: str
) -> None:
    for name in ("changed", "gone"):
        b.write(f"notes/{name}.md", f"{name}\n")
    b.commit()
    b.push()
    a.drain()
    before = b.head
    with a.desk() as driven:
        b.write("notes/changed.md", "new\n")
        (b.root / "notes/gone.md").unlink()
        b.write("notes/added.md", "added\n")
        b.write("notes/mine.md", "added\n")
        b.commit()
        b.push()
        half_followed(driven, until)
        assert (a.text("notes/changed.md"), a.text("notes/added.md")) == ("new\n", "added\n")
        assert not Path(a.root / "notes/gone.md").exists()
        a.write("notes/mine.md", "my own words\n")
        b.git("revert", "--no-edit", "HEAD")
        b.write("notes/later.md", "later\n")
        b.commit()
        b.push()
        assert b.git("diff", "--stat", before, "--", "notes/changed.md", "notes/gone.md", "notes/added.md") == ""
        driven.settle()
    assert a.head == fleet.tip()
    assert (a.text("notes/changed.md"), a.text("notes/gone.md")) == ("changed\n", "gone\n")
    assert not (a.root / "notes/added.md").exists()
    assert a.status() == ["?? notes/mine.md"]
    assert a.text("notes/mine.md") == "my own words\n"
    fleet.unharmed(a, dirty=["notes/mine.md"])


@pytest.mark.parametrize("until", UNTIL)
def test_a_file_that_went_on_after_half_a_follow_is_followed(fleet: Fleet, a: Clone, b: Clone, until: str) -> None:
    b.share("notes/changed.md", "first\n")
    a.drain()
    with a.desk() as driven:
        b.write("notes/added.md", "added\n")
        b.share("notes/changed.md", "second\n")
        half_followed(driven, until)
        b.write("notes/added.md", "added and more\n")
        b.share("notes/changed.md", "third\n")
        driven.settle()
    assert a.head == fleet.tip()
    assert (a.text("notes/added.md"), a.text("notes/changed.md")) == ("added and more\n", "third\n")
    fleet.unharmed()
