"""Many files as one group: each whole, nothing else touched, nothing left behind."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.files import Beneath
from agent.files.group import MANY, change_all, put_all, remove_all
from agent.vault.values import Change


@pytest.fixture
def door(tmp_path: Path) -> Beneath:
    return Beneath(tmp_path)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("count", [2, MANY], ids=["synced one by one", "synced together"])
def test_a_group_is_put_with_its_folders_and_without_left_overs(door: Beneath, count: int) -> None:
    files = {f"f{number % 3}/n{number}.md": b"%d" % number for number in range(count)}
    put_all(door, files)
    assert {path: door.read(path) for path in door.list()} == files
    assert [name for _, _, names in os.walk(door.root) for name in names if name.endswith(".tmp")] == []


def test_a_file_that_holds_its_bytes_already_is_left_alone(door: Beneath) -> None:
    put_all(door, {"a.md": b"one", "b.md": b"one"})
    before = (door.root / "a.md").stat().st_ino, (door.root / "b.md").stat().st_ino
    put_all(door, {"a.md": b"one", "b.md": b"two"})
    after = (door.root / "a.md").stat().st_ino, (door.root / "b.md").stat().st_ino
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_a_group_with_a_change_that_finds_other_bytes_is_not_begun_and_no_other_is_held_up(door: Beneath) -> None:
    put_all(door, {"a.md": b"edited", "c.md": b"old"})
    misfits = change_all(
        door,
        [
            [Change("new.md", None, b"new"), Change("a.md", sha(b"as it was"), b"ours"), Change("b.md", None, b"b")],
            [Change("c.md", sha(b"old"), None), Change("d/e.md", None, b"moved")],
        ],
    )
    assert misfits == {0}
    assert {path: door.read(path) for path in door.list()} == {"a.md": b"edited", "d/e.md": b"moved"}


def test_a_group_is_judged_by_what_the_groups_before_it_make(door: Beneath) -> None:
    put_all(door, {"a.md": b"one"})
    one, two = sha(b"one"), sha(b"two")
    groups = [
        [Change("a.md", one, b"two")],
        [Change("b.md", None, b"b"), Change("a.md", one, b"lost")],
        [Change("c.md", None, b"c"), Change("a.md", two, b"three")],
        [Change("d.md", None, b"d"), Change("c.md", sha(b"c"), None)],
    ]
    assert change_all(door, groups) == {1}
    assert {path: door.read(path) for path in door.list()} == {"a.md": b"three", "d.md": b"d"}


def test_half_a_group_that_a_crash_left_is_completed(door: Beneath) -> None:
    put_all(door, {"old.md": b"text", "new.md": b"text"})
    assert change_all(door, [[Change("new.md", None, b"text"), Change("old.md", sha(b"text"), None)]]) == set()
    assert door.list() == ["new.md"]


def test_only_what_fits_at_that_moment_is_removed(door: Beneath) -> None:
    put_all(door, {"a.md": b"ours", "b.md": b"edited"})
    remove_all(door, ["a.md", "b.md", "gone.md"], lambda path, data: data == b"ours")
    assert door.list() == ["b.md"]


NO_ROOM = """
import resource, sys
from pathlib import Path
from agent.errors import GoferError
from agent.files import Beneath
from agent.files.group import put_all
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    put_all(Beneath(Path(sys.argv[1])), {"sub/a.md": b"x", "b.md": b"x" * 2000})
except GoferError as error:
    print(error.where)
"""


def test_g38_a_group_that_cannot_be_written_leaves_no_temporary_file(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", NO_ROOM, str(tmp_path)], check=True, capture_output=True, text=True)
    assert done.stdout == "b.md\n"
    assert [name for _, _, names in os.walk(tmp_path) for name in names] == []
