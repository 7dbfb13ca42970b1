"""Two histories become one as an administrator would have it: both count, and the older one is right."""

from __future__ import annotations

from pathlib import Path

from tests.nemesis.commits import git
from tests.nemesis.rewinding import MAIN, merged
from tests.nemesis.scribe import PERSON, Scribe


def test_where_two_histories_contradict_each_other_the_older_one_stays(tmp_path: Path) -> None:
    scribe = Scribe(tmp_path)
    old = scribe.commit(PERSON, "a task", {"inbox/a.md": "a\n", "notes/all.md": ""})
    now = scribe.commit(PERSON, "done", {"inbox/a.md": None, "notes/all.md": "first\n", "outbox/a.md": "first\n"})
    scribe.push()
    git(scribe.clone, "reset", "-q", "--hard", old)
    there = scribe.commit(PERSON, "again", {"notes/all.md": "second\n", "outbox/a.md": "second\n", "own.md": "own\n"})
    scribe.push("--force")
    assert merged(scribe.bare, now, now) is None  # it is not there any more
    assert merged(scribe.bare, there, now) == ("notes/all.md", "outbox/a.md")
    assert scribe.bare.git("rev-list", "--parents", "-1", MAIN).split()[1:] == [now, there]
    tree = scribe.bare.git("ls-tree", "-r", "--name-only", MAIN).split()
    assert tree == ["README.md", "inbox/.gitkeep", "notes/all.md", "outbox/a.md", "own.md"]
    assert (
        scribe.bare.git("show", f"{MAIN}:outbox/a.md") == scribe.bare.git("show", f"{MAIN}:notes/all.md") == "first\n"
    )
    assert not (scribe.bare.path / "index").exists()
