"""A follow that was interrupted between the files and the branch, while the remote went on."""

from __future__ import annotations

from pathlib import Path

from tests.many.support import Many


def test_g36_files_that_an_interrupted_follow_left_are_no_edits_of_the_person_when_the_remote_has_moved_on(
    tmp_path: Path,
) -> None:
    many = Many(tmp_path)
    person, clone = many.clone("person"), many.clone("clone")
    note = person.root / "memory" / "note.md"
    old = person.root / "memory" / "old.md"

    def push(text: str) -> None:
        note.write_text(text)
        person.git("add", "-A")
        person.git("commit", "-q", "-m", text.strip())
        person.git("push", "-q")

    old.write_text("old\n")
    push("one\n")
    clone.git("pull", "-q", "--ff-only")
    old.unlink()
    push("two\n")
    for step in range(1, 30):
        done = clone.process("sync", env={"GOFER_CRASH_AT": str(step)})
        if "files followed" in done.stderr:
            break
    else:
        raise AssertionError("it never came to the step between files and branch")
    assert (clone.root / "memory/note.md").read_text() == "two\n" and not (clone.root / "memory/old.md").exists()
    assert clone.git("show", "HEAD:memory/note.md") == "one\n"
    old.write_text("new\n")
    push("three\n")

    said = clone.data("sync")

    assert (said["state"], said["reason"]) == ("ok", None)
    assert (clone.root / "memory/note.md").read_text() == "three\n"
    assert (clone.root / "memory/old.md").read_text() == "new\n"
    assert clone.git("status", "--porcelain") == ""
