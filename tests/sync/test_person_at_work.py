"""The person is in the middle of something: it stays byte for byte, results reach the remote all the same, and the
branch here follows afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import git, snapshot, wait_for
from tests.sync.support import Clone, Fleet, append, person_state, write

TASK = append("once")


@pytest.fixture
def busy(fleet: Fleet) -> Clone:
    """A clone with a side branch that conflicts with main in notes/same.md."""
    a = fleet.clone("a")
    a.write("notes/same.md", "base\n")
    a.commit("base")
    a.git("switch", "-q", "-c", "side")
    a.write("notes/same.md", "side\n")
    a.commit("side")
    a.git("switch", "-q", "main")
    a.write("notes/same.md", "main\n")
    a.commit("main")
    a.push()
    return a


def merge(clone: Clone) -> None:
    clone.git("merge", "side", ok=(1,))


def rebase(clone: Clone) -> None:
    clone.git("rebase", "side", ok=(1,))


def cherry_pick(clone: Clone) -> None:
    clone.git("cherry-pick", "side", ok=(1,))


def revert(clone: Clone) -> None:
    clone.git("revert", "--no-edit", "HEAD~1", ok=(1,))


def bisect(clone: Clone) -> None:
    clone.git("bisect", "start", "HEAD", "HEAD~2")


def detach(clone: Clone) -> None:
    clone.git("switch", "-q", "--detach", "HEAD~1")


def lock_index(clone: Clone) -> None:
    (clone.git_dir / "index.lock").touch()


def write_message(clone: Clone) -> None:
    """`git commit` is waiting for its editor."""
    ref = max(p.stat().st_mtime_ns for p in (clone.git_dir / "logs/HEAD", clone.git_dir / "refs/heads/main"))
    message = clone.git_dir / "COMMIT_EDITMSG"
    wait_for(lambda: (message.write_text("half a mess"), message.stat().st_mtime_ns > ref)[1])


OVER: dict[Callable[[Clone], None], tuple[str, ...]] = {
    merge: ("merge", "--abort"),
    rebase: ("rebase", "--abort"),
    cherry_pick: ("cherry-pick", "--abort"),
    revert: ("revert", "--abort"),
    bisect: ("bisect", "reset"),
    detach: ("switch", "-q", "main"),
    lock_index: (),
    write_message: ("commit", "-q", "--allow-empty", "-m", "written"),
}


def private(clone: Clone) -> dict[str, bytes]:
    """The whole git directory but objects, and where the remote's branch was last seen."""
    return snapshot(clone.git_dir, skip=("objects/", "refs/remotes/", "logs/refs/remotes/"))


@pytest.mark.parametrize("state", OVER, ids=lambda state: state.__name__)
def test_g14_an_operation_is_left_alone_results_reach_the_remote_and_the_branch_follows_when_it_is_over(
    fleet: Fleet, busy: Clone, state: Callable[[Clone], None]
) -> None:
    busy.drop("a.md", TASK)
    state(busy)
    before, theirs = private(busy), snapshot(busy.root / "notes")
    busy.drain()
    busy.drain()  # it is not done a second time, also by a worker that starts anew
    after = private(busy)
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == set()
    assert snapshot(busy.root / "notes") == theirs
    assert list(fleet.outcomes().values()) == [1]
    assert fleet.text("notes/log.md") == "once\n"
    assert busy.reports() == {}  # they would be in the way of the person's own pull (ruling 14)
    shown = busy.gofer("show", next(iter(fleet.outcomes())))
    assert shown.returncode == 0, shown.stderr

    if state is lock_index:
        (busy.git_dir / "index.lock").unlink()
    else:
        busy.git(*OVER[state])
    if state is write_message:  # that commit is young, and the remote's goes on: they are merged when it is old
        assert busy.git("log", "-1", "--format=%s").strip() == "written"
        busy.git("commit", "-q", "--amend", "--allow-empty", "-m", "written", "--date=2020-01-01T00:00:00Z")
        env = {**busy.env, "GIT_COMMITTER_DATE": "2020-01-01T00:00:00Z"}
        git(busy.root, "commit", "-q", "--amend", "--allow-empty", "-m", "written", env=env)
    busy.drain()
    assert busy.head == fleet.tip()
    assert busy.text("notes/log.md") == "once\n"
    assert busy.inbox() == []
    assert len(busy.reports()) == 1
    assert list(fleet.outcomes().values()) == [1]
    (busy.git_dir / "ORIG_HEAD").unlink(missing_ok=True)
    fleet.unharmed()


def test_g14_a_task_of_a_detached_clone_that_ends_elsewhere_is_not_run_here(fleet: Fleet, a: Clone, b: Clone) -> None:
    a.share("inbox/t.md", TASK)
    b.pull()
    b.git("switch", "-q", "--detach")
    a.drain()
    b.drain()
    assert list(fleet.outcomes().values()) == [1]
    assert b.inbox() == ["t.md"]
    b.git("switch", "-q", "main")
    b.drain()
    assert b.inbox() == []
    assert list(fleet.outcomes().values()) == [1]
    fleet.unharmed(fetched=[b])


def test_what_is_staged_edited_stashed_or_not_added_stays_as_it_is(fleet: Fleet, a: Clone, b: Clone) -> None:
    for name in ("staged", "edited", "both", "removed", "mode"):
        a.write(f"notes/{name}.md", f"{name} 0\n")
    a.commit()
    a.push()
    b.pull()
    b.write("notes/stashed.md", "stashed\n")
    b.git("stash", "push", "-q", "--include-untracked")
    b.write("notes/staged.md", "staged 1\n")
    b.write("notes/both.md", "both 1\n")
    b.git("add", "notes")
    b.write("notes/both.md", "both 2\n")
    b.write("notes/edited.md", "edited 1\n")
    b.write("notes/untracked.md", "untracked\n")
    b.git("rm", "-q", "--cached", "notes/removed.md")
    os.chmod(b.root / "notes/mode.md", 0o755)
    mine = ["notes/staged.md", "notes/both.md", "notes/edited.md", "notes/untracked.md", "notes/removed.md",
            "notes/mode.md"]  # fmt: skip
    before, files = person_state(b, *mine), {path: (b.root / path).read_bytes() for path in mine}
    a.share("notes/theirs.md", "theirs\n")
    b.drop("t.md", TASK)
    b.drain()
    assert person_state(b, *mine) == before
    assert {path: (b.root / path).read_bytes() for path in mine} == files
    assert b.head == fleet.tip()
    assert b.text("notes/theirs.md") == "theirs\n"
    b.git("stash", "drop", "-q")
    fleet.unharmed(b, dirty=mine, fetched=[b])


@pytest.mark.parametrize("how", ["edited", "staged", "untracked", "deleted"])
def test_a_file_that_the_person_works_on_and_the_remote_changed_makes_the_branch_wait_and_is_named(
    fleet: Fleet, a: Clone, b: Clone, how: str
) -> None:
    path = "notes/new.md" if how == "untracked" else "notes/same.md"
    if how != "untracked":
        a.share(path, "base\n")
    b.drain()
    a.share(path, "theirs\n")
    if how == "deleted":
        (b.root / path).unlink()
    else:
        b.write(path, "mine\n")
    if how == "staged":
        b.git("add", path)
    before = b.head
    b.drop("t.md", TASK)
    with b.desk() as driven:
        driven.settle()
        assert path in driven.stuck
        assert b.head == before
        assert list(fleet.outcomes().values()) == [1]  # the result is there all the same
        assert path in str(driven.said["reason"])
        assert b.status() != []
        if how == "deleted":
            b.write(path, "base\n")
        elif how == "untracked":
            (b.root / path).unlink()
        else:
            b.git("restore", "--staged", "--worktree", path)
        wait_for(lambda: driven.travel() and b.head == fleet.tip(), seconds=20, what="the branch to follow")
    assert b.text(path) == "theirs\n"
    assert b.inbox() == []
    fleet.unharmed()


def test_an_edit_that_was_committed_meanwhile_is_merged(fleet: Fleet, a: Clone, b: Clone) -> None:
    a.share("notes/same.md", "".join(f"line {n}\n" for n in range(20)))
    b.drain()
    a.share("notes/same.md", b.text("notes/same.md").replace("line 1\n", "line one\n"))
    b.write("notes/same.md", b.text("notes/same.md").replace("line 18\n", "line eighteen\n"))
    with b.desk() as driven:
        driven.settle()
        b.commit("mine")
        driven.settle()
    assert "line one" in fleet.text("notes/same.md")
    assert "line eighteen" in fleet.text("notes/same.md")
    assert b.head == fleet.tip()
    fleet.unharmed()


def test_a_report_that_the_person_took_out_of_the_outbox_leaves_the_remote_too(
    fleet: Fleet, a: Clone, b: Clone
) -> None:
    a.drop("t.md", TASK)
    a.drain()
    b.drain()
    (report,) = (a.root / "outbox").glob("*.md")
    report.unlink()
    a.drain()
    assert f"outbox/{report.name}" not in fleet.tracked()
    b.drain()
    assert not (b.root / "outbox" / report.name).exists()
    fleet.unharmed()


def test_a_report_that_was_taken_out_here_and_changed_there_comes_back_changed(
    fleet: Fleet, a: Clone, b: Clone
) -> None:
    a.drop("t.md", TASK)
    a.drain()
    b.drain()
    (report,) = (b.root / "outbox").glob("*.md")
    report.unlink()
    a.share(f"outbox/{report.name}", "written anew\n")
    b.drain()
    assert report.read_text() == "written anew\n"
    fleet.unharmed()


def test_a_clone_with_the_line_ends_of_windows_follows_and_is_clean(fleet: Fleet, a: Clone) -> None:
    a.share("notes/same.md", "one\ntwo\n")
    b = fleet.clone("b", "-c", "core.autocrlf=true")
    assert (b.root / "notes/same.md").read_bytes() == b"one\r\ntwo\r\n"
    a.share("notes/same.md", "one\ntwo\nthree\n")
    b.drop("t.md", TASK)
    b.drain()
    assert b.head == fleet.tip()
    assert b.text("notes/same.md").split() == ["one", "two", "three"]
    a.drain()
    a.share("notes/same.md", "four\n")
    b.drain()
    assert b.head == fleet.tip()
    fleet.unharmed()


def test_younger_commits_are_left_time_to_be_amended(fleet: Fleet, a: Clone) -> None:
    before = fleet.tip()
    a.write("notes/mine.md", "mine\n")
    a.commit("young", age=0)
    a.drop("t.md", TASK)
    with a.desk() as driven:
        assert driven.desk.exchange
        driven.look()
        driven.travel()
        driven.travel()
        assert "your last commit is" in driven.stuck
        assert fleet.tip() == before
        a.write("notes/mine.md", "amended\n")
        a.git("commit", "-q", "--amend", "-a", "-m", "amended")
        driven.desk.exchange.ground._wall = lambda: __import__("time").time() + 61
        driven.settle()
    assert fleet.text("notes/mine.md") == "amended\n"
    assert "young" not in fleet.messages()
    assert list(fleet.outcomes().values()) == [1]
    fleet.unharmed()


def test_somebody_who_commits_every_few_seconds_is_waited_for_a_minute_not_for_ever(fleet: Fleet, a: Clone) -> None:
    with a.desk() as driven:
        assert driven.desk.exchange
        driven.look()
        ground = driven.desk.exchange.ground
        a.write("notes/mine.md", "mine\n")
        a.commit("young", age=0)
        assert ground.base(driven.desk.repository.head(), still=False).wait
        assert ground._young_since
        ground._young_since -= 61
        a.commit("younger", age=0)
        assert not ground.base(driven.desk.repository.head(), still=False).wait


def test_the_persons_notes_follow_with_a_task_file_that_was_committed_and_not_pushed(fleet: Fleet, a: Clone) -> None:
    a.drop("t.md", TASK)
    a.commit("a task")
    a.drain()
    assert a.inbox() == []
    assert "inbox/t.md" not in fleet.tracked()
    assert a.head == fleet.tip()
    fleet.unharmed()


def test_a_commit_that_brings_a_finished_task_back_does_not_run_it_again(fleet: Fleet, a: Clone, b: Clone) -> None:
    a.share("notes/same.md", "base\n")
    b.drain()
    b.share("notes/same.md", "theirs\n")
    a.write("notes/same.md", "mine\n")
    a.commit("mine")
    a.drop("t.md", TASK)
    a.drain()  # the result is on the remote, the branch here waits for the person
    a.git("pull", "-q", "--no-rebase", ok=(1,))
    a.write("notes/same.md", "both\n")
    a.commit("merged, and git add -A took the task file too")
    assert "inbox/t.md" in a.tracked()
    a.drain()
    assert list(fleet.outcomes().values()) == [1]
    assert "inbox/t.md" not in fleet.tracked()
    assert fleet.text("notes/log.md") == "once\n"
    fleet.unharmed(fetched=[a])


def test_the_persons_files_are_published_from_a_clone_whose_worker_cannot_do_them(
    fleet: Fleet, a: Clone, b: Clone
) -> None:
    a.drop("t.md", "---\nneeds: [gpu]\n---\n" + write("1", "notes/one.md"))
    a.drain()
    assert "inbox/t.md" in fleet.tracked()
    (Path(b.env["GOFER_CONFIG"])).write_text(
        Path(b.env["GOFER_CONFIG"]).read_text().replace('name = "b"', 'name = "b"\noffers = ["gpu"]')
    )
    b.drain()
    assert list(fleet.outcomes().values()) == [1]
    a.drain()
    assert a.inbox() == []
    assert a.text("notes/one.md") == "1\n"
    fleet.unharmed()


def test_a_draft_is_not_published(fleet: Fleet, a: Clone) -> None:
    a.drop("t.md", "---\nstatus: draft\n---\n" + TASK)
    a.drain()
    assert "inbox/t.md" not in fleet.tracked()
    fleet.unharmed(dirty=["inbox/t.md"])


def test_with_person_off_a_task_that_waits_here_stays_here(fleet: Fleet) -> None:
    a = fleet.clone("a", settings='person = "off"\n')
    a.drop("t.md", "---\nneeds: [gpu]\n---\n" + write("1", "notes/one.md"))
    a.drain()
    assert "inbox/t.md" not in fleet.tracked()
    fleet.unharmed(dirty=["inbox/t.md"])


def test_a_file_of_the_same_name_with_another_task_in_it_does_not_block_anybody(
    fleet: Fleet, a: Clone, b: Clone
) -> None:
    waiting = "---\nneeds: [gpu]\n---\n" + write("1", "notes/one.md")
    a.drop("t.md", waiting)
    a.drain()
    b.drop("t.md", TASK)
    b.drain()
    assert list(fleet.outcomes().values()) == [1]
    assert fleet.text("inbox/t.md") == waiting
    assert b.text("inbox/t.md") == waiting
    assert b.head == fleet.tip()
    fleet.unharmed()
