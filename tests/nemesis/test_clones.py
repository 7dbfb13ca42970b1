"""The checker of clones is checked."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.nemesis.clones import (
    check_clone,
    check_locks,
    check_objects,
    check_survivors,
    processes,
    record,
)  # fmt: skip
from tests.nemesis.commits import git
from tests.nemesis.scribe import PERSON, Scribe
from tests.support import wait_for


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone in which the person has edited, staged, stashed and made files."""
    scribe = Scribe(tmp_path)
    scribe.commit(PERSON, "notes", {f"notes/{name}.md": f"{name} 0\n" for name in ("edited", "staged", "stashed")})
    scribe.push()
    clone = scribe.clone
    (clone / "notes/stashed.md").write_text("stashed 1\n")
    git(clone, "-c", "user.name=a", "-c", "user.email=a@b", "stash", "-q")
    (clone / "notes/staged.md").write_text("staged 1\n")
    git(clone, "add", "notes/staged.md")
    (clone / "notes/edited.md").write_text("edited 1\n")
    (clone / "notes/new.md").write_text("new\n")
    return clone


FILES = ("notes/edited.md", "notes/staged.md", "notes/new.md", "notes/none.md")


def test_a_clone_as_the_person_left_it(clone: Path) -> None:
    mine = record(clone, FILES, FILES)
    assert mine.files["notes/none.md"] is None
    assert mine.index["notes/new.md"] == ""
    assert mine.index["notes/staged.md"].startswith("100644 ")
    assert len(mine.stash) == 1
    assert check_clone(clone, mine, tip=git(clone, "rev-parse", "HEAD").strip()) == []


def test_each_thing_of_the_person_that_was_touched(clone: Path) -> None:
    mine = record(clone, FILES, FILES)
    (clone / "notes/edited.md").write_text("edited 0\n")
    (clone / "notes/new.md").unlink()
    (clone / "notes/none.md").write_text("")
    git(clone, "reset", "-q", "--", "notes/staged.md")
    git(clone, "stash", "drop", "-q")
    git(clone, "config", "user.name", "Gofer")
    found = check_clone(clone, mine)
    for part in (
        "notes/edited.md is b'edited 0\\n' instead of b'edited 1\\n'", "notes/new.md is not there instead of b'new\\n'",
        "notes/none.md is b'' instead of not there", "for notes/staged.md instead of", "the stash is ()", ".git/config",
    ):  # fmt: skip
        assert sum(part in line and line.startswith("I3: ") for line in found) == 1, (part, found)
    assert len(found) == 6


def test_what_git_status_shows(clone: Path) -> None:
    mine = record(clone, FILES, FILES)
    (clone / "outbox").mkdir()
    (clone / "outbox/x y.md").write_text("a report\n")
    (clone / "README.md").unlink()
    assert sorted(line.partition("shows ")[2] for line in check_clone(clone, mine)) == [
        " D README.md",
        "?? outbox/x y.md",
    ]
    assert len(check_clone(clone, mine, allowed=("README.md",))) == 1


def test_operations_that_are_left(clone: Path) -> None:
    mine = record(clone, FILES, FILES)
    git(clone, "checkout", "-q", "--detach")
    (clone / ".git/MERGE_HEAD").write_text(git(clone, "rev-parse", "HEAD"))
    found = check_clone(clone, mine)
    assert [line.split(": ")[0] for line in found] == ["G14", "G14"]


def test_a_branch_that_did_not_follow(clone: Path) -> None:
    mine = record(clone, FILES, FILES)
    tip = git(
        clone, "-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", "HEAD^{tree}", "-m", "x", "-p", "HEAD"
    ).strip()
    (line,) = check_clone(clone, mine, tip=tip)
    assert f"does not contain {tip[:12]}" in line
    assert len(check_clone(clone, mine, tip="0123456789" * 4)) == 1  # a commit that is not even here


@pytest.mark.parametrize("name", ["index.lock", "HEAD.lock", "refs/heads/main.lock", "refs/gofer/claims/a.lock"])
def test_a_lock_that_is_left(clone: Path, name: str) -> None:
    lock = clone / ".git" / name
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    assert check_locks(clone / ".git") == [f"I4: {lock} is left"]
    assert check_locks(clone / ".git", planted=[lock]) == []


def test_objects_that_are_not_sound(clone: Path) -> None:
    assert check_objects(clone) == []
    oid = git(clone, "rev-parse", "HEAD:README.md").strip()
    (clone / ".git/objects" / oid[:2] / oid[2:]).unlink()
    assert any(line.startswith("I5: ") and oid in line for line in check_objects(clone))


def test_a_process_that_survives(tmp_path: Path) -> None:
    marker = f"GOFER_NEMESIS_ROUND={uuid.uuid4()}"
    name, _, value = marker.partition("=")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env={**os.environ, name: value})
    wait_for(lambda: processes(marker), what="the child")
    assert list(processes(marker)) == [child.pid]
    assert check_survivors(marker)[0].startswith(f"I9: process {child.pid} is alive: ")
    assert check_survivors(marker + "0") == []
    child.communicate(b"\n", timeout=10)
    assert check_survivors(marker) == []
