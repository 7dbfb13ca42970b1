"""How a clone stands to its remote: behind, ahead, apart, in conflict, unborn; and what one exchange makes of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.sync.support import Clone, Fleet, append, task_id, write

TASK = write("1", "notes/one.md")


def test_an_outcome_is_on_the_remote_and_in_the_clone_when_the_run_ends(fleet: Fleet, a: Clone) -> None:
    a.drop("a.md", TASK)
    assert [record.status for record in a.drain()] == ["done"]
    assert a.head == fleet.tip()
    assert a.text("notes/one.md") == "1\n"
    assert a.inbox() == []
    assert set(fleet.outcomes().values()) == {1}
    fleet.unharmed()


def test_behind_a_clone_takes_new_changed_and_deleted_files(fleet: Fleet, a: Clone, b: Clone) -> None:
    for name in ("changed", "deleted", "deep/er/deleted"):
        a.write(f"notes/{name}.md", f"{name} 0\n")
    a.commit()
    a.push()
    b.drain()
    a.write("notes/changed.md", "changed 1\n")
    a.write("notes/new.md", "new\n")
    a.write("notes/new/deep/er/file.md", "new\n")
    a.write(".obsidian/app.json", "{}\n")
    a.write("AGENTS.md", "mine\n")
    a.write("notes/ümläut and space.md", "odd\n")
    a.write("picture.png", "\0\1\2")
    (a.root / "notes/deleted.md").unlink()
    (a.root / "notes/deep/er/deleted.md").unlink()
    a.commit()
    a.push()
    b.drain()
    assert b.head == a.head
    assert b.text("notes/changed.md") == "changed 1\n"
    assert b.text("notes/new/deep/er/file.md") == "new\n"
    assert (b.root / "picture.png").read_bytes() == b"\0\1\2"
    assert not (b.root / "notes/deleted.md").exists()
    assert not (b.root / "notes/deep").exists()
    fleet.unharmed()


def test_a_clone_of_a_remote_whose_head_names_no_branch_is_told_which_to_switch_to(fleet: Fleet, a: Clone) -> None:
    tip = fleet.tip()
    a.git("rm", "-rq", ".")
    a.git("symbolic-ref", "HEAD", "refs/heads/master")
    done = a.gofer("sync")
    assert "the remote has no branch master, but main: git switch main" in done.stdout
    assert fleet.tip() == tip


def test_behind_the_executable_bit_comes_with_and_without_new_content(fleet: Fleet, a: Clone, b: Clone) -> None:
    for name in ("plain", "tool", "both"):
        a.write(f"bin/{name}.sh", f"{name}\n")
    os.chmod(a.root / "bin/tool.sh", 0o755)
    a.commit()
    a.push()
    b.drain()
    assert os.access(b.root / "bin/tool.sh", os.X_OK)
    os.chmod(a.root / "bin/plain.sh", 0o755)
    os.chmod(a.root / "bin/tool.sh", 0o644)
    a.write("bin/both.sh", "changed\n")
    os.chmod(a.root / "bin/both.sh", 0o755)
    a.commit()
    a.push()
    b.drain()
    assert [os.access(b.root / f"bin/{name}.sh", os.X_OK) for name in ("plain", "tool", "both")] == [True, False, True]
    fleet.unharmed()


def test_behind_a_file_becomes_a_folder_and_a_folder_a_file(fleet: Fleet, a: Clone, b: Clone) -> None:
    a.write("notes/file", "file\n")
    a.write("notes/folder/one/two.md", "two\n")
    a.commit()
    a.push()
    b.drain()
    (a.root / "notes/file").unlink()
    a.write("notes/file/inside.md", "inside\n")
    a.git("rm", "-q", "-r", "notes/folder")
    a.write("notes/folder", "now a file\n")
    a.commit()
    a.push()
    b.drain()
    assert b.head == a.head
    assert b.text("notes/file/inside.md") == "inside\n"
    assert b.text("notes/folder") == "now a file\n"
    fleet.unharmed()


def test_behind_by_three_thousand_files_comes_in_one_go(fleet: Fleet, a: Clone, b: Clone) -> None:
    for number in range(3000):
        path = a.root / f"notes/{number % 30}/{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}\n")
    a.commit()
    a.push()
    b.drain()
    assert b.head == a.head
    assert len(b.tracked("notes")) == 3001
    fleet.unharmed()


def test_ahead_a_commit_of_the_persons_is_pushed_along(fleet: Fleet, a: Clone) -> None:
    a.write("notes/mine.md", "mine\n")
    mine = a.commit("mine")
    a.drop("a.md", TASK)
    a.drain()
    assert fleet.bare.git("merge-base", "--is-ancestor", mine, "main") == ""
    assert fleet.text("notes/mine.md") == "mine\n"
    assert a.head == fleet.tip()
    fleet.unharmed()


def test_ahead_a_commit_is_pushed_although_there_is_no_result(fleet: Fleet, a: Clone) -> None:
    a.write("notes/mine.md", "mine\n")
    mine = a.commit("mine")
    a.drain()
    assert fleet.tip() == mine == a.head
    fleet.unharmed()


def test_ahead_with_person_off_the_commit_stays_here_and_the_result_goes(fleet: Fleet) -> None:
    a = fleet.clone("a", settings='person = "off"\n')
    a.write("notes/mine.md", "mine\n")
    mine = a.commit("mine")
    a.drop("a.md", TASK)
    a.drain()
    assert "notes/mine.md" not in fleet.tracked()
    assert fleet.text("notes/one.md") == "1\n"
    assert a.git("merge-base", "--is-ancestor", mine, "HEAD") == ""
    assert a.text("notes/one.md") == "1\n"
    assert a.text("notes/mine.md") == "mine\n"
    fleet.unharmed()


def test_diverged_both_sides_are_merged_pushed_and_followed(fleet: Fleet, a: Clone, b: Clone) -> None:
    a.share("notes/theirs.md", "theirs\n")
    b.write("notes/mine.md", "mine\n")
    b.commit("mine")
    before = b.head
    b.drop("b.md", TASK)
    b.drain()
    assert b.head == fleet.tip()
    assert b.git("rev-list", "--parents", "-1", "HEAD").split()[1:] == [a.head, before]
    assert [b.text(f"notes/{name}.md") for name in ("theirs", "mine", "one")] == ["theirs\n", "mine\n", "1\n"]
    assert set(fleet.outcomes().values()) == {1}
    fleet.unharmed()


def test_diverged_without_any_result_is_merged_too(fleet: Fleet, a: Clone, b: Clone) -> None:
    a.share("notes/theirs.md", "theirs\n")
    b.write("notes/mine.md", "mine\n")
    b.commit("mine")
    b.drain()
    assert b.head == fleet.tip()
    assert sorted(path for path in b.tracked("notes")) == ["notes/log.md", "notes/mine.md", "notes/theirs.md"]
    fleet.unharmed()


def test_conflicting_edits_pause_this_clone_results_go_on_and_it_heals_by_itself(
    fleet: Fleet, a: Clone, b: Clone
) -> None:
    a.share("notes/same.md", "base\n")
    b.drain()
    a.share("notes/same.md", "theirs\n")
    b.write("notes/same.md", "mine\n")
    mine = b.commit("mine")
    b.drop("b.md", TASK)
    b.drain()
    assert b.head == mine
    assert b.text("notes/same.md") == "mine\n"
    assert set(fleet.outcomes().values()) == {1}  # the result is there all the same
    assert fleet.text("notes/same.md") == "theirs\n"
    assert b.reports() == {}  # the report waits for the branch: the person's own pull would stop at it
    with b.desk() as driven:
        driven.settle()
        assert driven.said["state"] == "paused"
        assert "notes/same.md" in str(driven.said["reason"])
    assert (b.git_dir / "MERGE_HEAD").exists() is False

    b.git("pull", "-q", "--no-rebase", ok=(1,))
    b.write("notes/same.md", "both\n")
    b.commit("merged")
    b.drain()
    assert b.head == fleet.tip()
    assert fleet.text("notes/same.md") == "both\n"
    assert len(b.reports()) == 1
    assert b.inbox() == []
    assert set(fleet.outcomes().values()) == {1}
    fleet.unharmed(fetched=[b])


def test_an_edit_of_a_waiting_task_stays_as_a_new_task_when_its_old_revision_ends_elsewhere(
    fleet: Fleet, a: Clone, b: Clone
) -> None:
    a.share("inbox/t.md", TASK)
    b.pull()
    a.drain()
    assert a.inbox() == []
    b.drop("t.md", write("2", "notes/two.md"))
    b.drain()
    assert b.text("notes/one.md") == "1\n"
    assert b.text("notes/two.md") == "2\n"
    assert b.inbox() == []
    assert sorted(fleet.outcomes().values()) == [1, 1]
    fleet.unharmed(fetched=[b])


def test_a_committed_edit_of_a_waiting_task_stays_too(fleet: Fleet, a: Clone, b: Clone) -> None:
    a.share("inbox/t.md", TASK)
    b.pull()
    a.drain()
    b.drop("t.md", write("2", "notes/two.md"))
    b.commit("changed my mind")
    b.drain()
    assert b.text("notes/two.md") == "2\n"
    assert sorted(fleet.outcomes().values()) == [1, 1]
    assert b.head == fleet.tip()
    fleet.unharmed(fetched=[b])


def test_a_task_that_ended_elsewhere_is_not_run_again_here(fleet: Fleet, a: Clone, b: Clone) -> None:
    a.share("inbox/t.md", append("once"))
    b.pull()
    a.drain()
    b.drain()
    assert b.text("notes/log.md") == "once\n"
    assert list(fleet.outcomes().values()) == [1]
    assert b.inbox() == []
    fleet.unharmed(fetched=[b])


def test_unborn_here_and_there_the_first_outcome_is_the_first_commit(tmp_path: Path, fleet: Fleet) -> None:
    fleet.bare.git("update-ref", "-d", "refs/heads/main")
    a = fleet.clone("a")
    a.drop("a.md", TASK)
    a.drain()
    assert a.head == fleet.tip()
    assert set(fleet.outcomes().values()) == {1}
    fleet.unharmed()


def test_unborn_here_takes_the_remote(fleet: Fleet) -> None:
    a = fleet.clone("a")
    a.git("update-ref", "-d", "HEAD")
    a.git("read-tree", "--empty")
    for path in a.root.rglob("*"):
        if path.is_file() and ".git/" not in str(path):
            path.unlink()
    a.drop("a.md", TASK)
    a.drain()
    assert a.head == fleet.tip()
    assert a.text("notes/one.md") == "1\n"
    fleet.unharmed()


def test_unborn_there_gets_the_persons_commits(fleet: Fleet) -> None:
    a = fleet.clone("a")
    fleet.bare.git("update-ref", "-d", "refs/heads/main")
    a.write("notes/mine.md", "mine\n")
    a.commit("mine")
    a.drop("a.md", TASK)
    a.drain()
    assert a.head == fleet.tip()
    assert fleet.text("notes/mine.md") == "mine\n"
    fleet.unharmed()


@pytest.mark.parametrize("path", ["a", "deep/er/b"])
def test_the_same_text_dropped_again_after_it_ended_is_a_second_run(fleet: Fleet, a: Clone, path: str) -> None:
    text = append("again")
    a.drop(f"{path}.md", text)
    a.drain()
    a.drop(f"{path}.md", text)
    a.drain()
    first = task_id(path.rpartition("/")[2], text)
    assert fleet.outcomes() == {first: 1, f"{first}-2": 1}
    assert a.text("notes/log.md") == "again\nagain\n"
    fleet.unharmed()


def test_two_clones_drop_the_same_text_and_both_are_reported(fleet: Fleet, a: Clone, b: Clone) -> None:
    text = append("same")
    a.drop("t.md", text)
    b.drop("t.md", text)
    with b.desk() as driven:  # it has run its own before it hears of the other's
        driven.look()
        a.drain()
        driven.settle()
    first = task_id("t", text)
    assert fleet.outcomes() == {first: 1, f"{first}-2": 1}
    assert fleet.text("notes/log.md") == "same\nsame\n"
    assert {f"outbox/{first}.md", f"outbox/{first}-2.md"} <= set(fleet.tracked())
    assert b.head == fleet.tip()
    fleet.unharmed(b)
    a.drain()
    fleet.unharmed(a)


def test_two_clones_append_to_the_same_file_and_each_line_is_there_once(fleet: Fleet, a: Clone, b: Clone) -> None:
    for clone in (a, b):
        for number in range(3):
            clone.drop(f"{clone.name}{number}.md", append(f"{clone.name}{number}"))
    with a.desk() as first, b.desk() as second:
        first.look()
        second.look()
        for _ in range(12):
            first.travel()
            second.travel()
        first.settle()
        second.settle()
        first.settle()
    assert sorted(a.text("notes/log.md").split()) == ["a0", "a1", "a2", "b0", "b1", "b2"]
    assert a.head == b.head == fleet.tip()
    assert set(fleet.outcomes().values()) == {1}
    fleet.unharmed()
