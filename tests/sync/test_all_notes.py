"""`sync.person = "all"`: the person's uncommitted notes are published, and nothing that should not be."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.support import snapshot
from tests.sync.support import Clone, Fleet, append


@pytest.fixture
def a(fleet: Fleet) -> Clone:
    made = fleet.clone("a", settings='person = "all"\n')
    for name in ("changed", "deleted", "staged", "young"):
        made.write(f"notes/{name}.md", f"{name} 0\n")
    made.write("bin/tool.sh", "tool\n")
    os.chmod(made.root / "bin/tool.sh", 0o755)
    made.commit()
    made.push()
    return made


def later(monkeypatch: pytest.MonkeyPatch, seconds: float = 120) -> None:
    """The notes were left alone for a while."""
    now = time.time
    monkeypatch.setattr("agent.notes.Notes._is_old", lambda _, info: now() + seconds - info.st_mtime >= 60)


def test_new_changed_and_deleted_notes_reach_the_other_machines(
    fleet: Fleet, a: Clone, b: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    a.write("notes/changed.md", "changed 1\n")
    a.write("notes/new.md", "new\n")
    a.write("journal/deep/er.md", "deep\n")
    (a.root / "notes/deleted.md").unlink()
    later(monkeypatch)
    a.drain()
    assert fleet.text("notes/changed.md") == "changed 1\n"
    assert {"notes/new.md", "journal/deep/er.md"} <= set(fleet.tracked())
    assert "notes/deleted.md" not in fleet.tracked()
    assert a.head == fleet.tip()
    b.drain()
    assert b.text("notes/changed.md") == "changed 1\n"
    fleet.unharmed()


def test_what_is_young_staged_ignored_executable_secret_or_gofers_own_stays_here(
    fleet: Fleet, a: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fleet.tip()
    a.write(".gitignore", "ignored.md\n")
    a.commit()
    a.push()
    a.write("notes/staged.md", "staged 1\n")
    a.git("add", "notes/staged.md")
    a.write("ignored.md", "ignored\n")
    a.write("bin/tool.sh", "tool 1\n")
    a.write("notes/secret.md", "password = " + "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8" + "\n")
    a.write("outbox/mine.md", "mine\n")
    a.write("memory/tasks/mine.md", "mine\n")
    os.symlink("changed.md", a.root / "notes/link.md")
    a.write("inbox/draft.md", "---\nstatus: draft\n---\nhalf\n")
    later(monkeypatch)
    monkeypatch.setattr("agent.notes.Notes._is_old", lambda _, info: True)
    files = snapshot(a.root, skip=(".git",))
    a.drain()
    there = fleet.tracked()
    assert [p for p in ("ignored.md", "notes/secret.md", "outbox/mine.md", "memory/tasks/mine.md", "notes/link.md",
                        "inbox/draft.md") if p in there] == []  # fmt: skip
    assert fleet.text("notes/staged.md") == "staged 0\n"
    assert fleet.text("bin/tool.sh") == "tool\n"
    assert snapshot(a.root, skip=(".git",)) == files
    assert before != fleet.tip()  # the person's own commit


def test_a_note_that_was_changed_a_moment_ago_is_left_alone(fleet: Fleet, a: Clone) -> None:
    a.write("notes/young.md", "young 1\n")
    a.drain()
    assert fleet.text("notes/young.md") == "young 0\n"
    fleet.unharmed(dirty=["notes/young.md"])


def test_a_note_that_was_changed_here_and_there_is_for_the_person_to_bring_together(
    fleet: Fleet, a: Clone, b: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    b.share("notes/changed.md", "theirs\n")
    a.write("notes/changed.md", "mine\n")
    a.drop("t.md", append("once"))
    later(monkeypatch)
    a.drain()
    assert fleet.text("notes/changed.md") == "theirs\n"
    assert a.text("notes/changed.md") == "mine\n"
    assert list(fleet.outcomes().values()) == [1]


def test_a_vault_whose_folder_is_away_does_not_delete_it_everywhere(
    fleet: Fleet, a: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(150):
        a.write(f"big/{number}.md", "x\n")
    a.commit()
    a.push()
    os.rename(a.root / "big", fleet.place / "away")
    later(monkeypatch)
    a.drain()
    assert len([path for path in fleet.tracked() if path.startswith("big/")]) == 150


def test_the_vaults_own_settings_cannot_ask_for_it(fleet: Fleet, b: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    b.share("gofer.toml", '[sync]\nperson = "all"\n')
    b.write("notes/new.md", "new\n")
    later(monkeypatch)
    b.drain()
    assert "notes/new.md" not in fleet.tracked()


def test_windows_line_ends_are_published_as_git_stores_them(
    fleet: Fleet, a: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    a.git("config", "core.autocrlf", "true")
    (a.root / "notes/changed.md").write_bytes(b"one\r\ntwo\r\n")
    later(monkeypatch)
    a.drain()
    assert fleet.bare.git("cat-file", "-p", "main:notes/changed.md") == "one\ntwo\n"
    assert (a.root / "notes/changed.md").read_bytes() == b"one\r\ntwo\r\n"
    assert a.head == fleet.tip()
    assert [line for line in a.status() if "changed" in line] == []


def test_filters_of_the_persons_do_not_run(
    fleet: Fleet, a: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a.git("config", "filter.evil.clean", f"touch {tmp_path}/cleaned; cat")
    a.git("config", "core.fsmonitor", f"touch {tmp_path}/monitored")
    (a.git_dir / "info").mkdir(exist_ok=True)
    (a.git_dir / "info/attributes").write_text("*.md filter=evil\n")
    a.write("notes/changed.md", "changed 1\n")
    a.write("notes/new.md", "new\n")
    later(monkeypatch)
    a.drain()
    assert fleet.text("notes/changed.md") == "changed 1\n"
    assert [name for name in ("cleaned", "monitored") if (tmp_path / name).exists()] == []
