"""The file type on a real vault: what it proposes, and what comes of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.errors import Busy, Doubt, Refused
from agent.files import Beneath, VaultFiles
from agent.handlers.base import Context
from agent.handlers.file import HANDLER, FileParams, understand
from agent.vault.values import Result, Task

Do = Callable[..., Result]


def task(text: str = "", /, **params: Any) -> Task:
    return Task(id="t", path="inbox/t.md", title="t", text=text, raw=text, revision="0" * 12, params=params)


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    root = tmp_path / "vault"
    root.mkdir()
    return root


@pytest.fixture
def do(vault: Path, tmp_path: Path) -> Do:
    """Understand and run a task, then apply its changes through the door, as the road does."""

    def run(text: str = "", /, **params: Any) -> Result:
        asked = task(text, **params)
        context = Context(
            task=asked,
            now=datetime(2026, 11, 20, tzinfo=UTC),
            files=VaultFiles(vault),
            ask=lambda *args, **kwargs: pytest.fail("no model is asked"),
            facts=dict,
            note=lambda line: None,
            check=lambda: None,
            memory=tmp_path / "memory",
            run_dir=tmp_path / "run",
        )
        before = contents(vault)
        result = HANDLER.run(context, understand(asked))
        assert contents(vault) == before, "a handler never writes"
        for change in result.changes:
            if change.after is None:
                Beneath(vault).remove(change.path, change.before or "")
            else:
                Beneath(vault).write(change.path, change.after, expect=change.before)
        return result

    return run


def contents(vault: Path) -> Mapping[str, bytes]:
    return {str(path.relative_to(vault)): path.read_bytes() for path in vault.rglob("*") if path.is_file()}


def put(vault: Path, path: str, content: str) -> None:
    (vault / path).parent.mkdir(parents=True, exist_ok=True)
    (vault / path).write_bytes(content.encode())


def test_a_new_file_is_written_with_a_final_newline(vault: Path, do: Do) -> None:
    do("Write 42 to notes/test.txt")
    assert contents(vault) == {"notes/test.txt": b"42\n"}


def test_writing_what_is_there_already_changes_nothing(vault: Path, do: Do) -> None:
    put(vault, "test.txt", "42\n")
    result = do("Write 42 to test.txt")
    assert result.changes == ()
    assert "already" in result.findings[0]


def test_an_existing_file_is_not_replaced_unasked_and_the_refusal_names_the_ways_out(vault: Path, do: Do) -> None:
    put(vault, "test.txt", "41\n")
    with pytest.raises(Refused, match="Overwrite") as caught:
        do("Write 42 to test.txt")
    assert "Append" in caught.value.fix
    assert contents(vault) == {"test.txt": b"41\n"}


@pytest.mark.parametrize("text", ["Overwrite test.txt with 42", "Write 42 to test.txt, overwriting it"])
def test_an_existing_file_is_replaced_when_the_order_says_so(vault: Path, do: Do, text: str) -> None:
    put(vault, "test.txt", "41\n")
    do(text)
    assert contents(vault) == {"test.txt": b"42\n"}


@pytest.mark.parametrize(
    ("old", "new"),
    [("", "x\n"), ("a\n", "a\nx\n"), ("a", "a\nx\n"), ("a\r\nb\r\n", "a\r\nb\r\nx\r\n"), ("a\r\nb", "a\r\nb\r\nx\r\n")],
)
def test_an_appended_line_stands_alone_and_keeps_the_line_ends_of_the_file(
    vault: Path, do: Do, old: str, new: str
) -> None:
    put(vault, "a.md", old)
    do('Append "x" to a.md')
    assert contents(vault) == {"a.md": new.encode()}


def test_appending_to_a_missing_file_makes_it(vault: Path, do: Do) -> None:
    assert "new" in do('Append "x" to a.md').findings[0]
    assert contents(vault) == {"a.md": b"x\n"}


def test_a_move_writes_the_new_file_before_it_deletes_the_old(vault: Path, do: Do) -> None:
    put(vault, "a.md", "content")
    result = do("Move a.md to b/c/")
    sha = hashlib.sha256(b"content").hexdigest()
    assert [(change.path, change.before, change.after) for change in result.changes] == [
        ("b/c/a.md", None, b"content"),
        ("a.md", sha, None),
    ]
    assert contents(vault) == {"b/c/a.md": b"content"}


def test_a_copy_leaves_the_old_file_and_any_bytes_as_they_are(vault: Path, do: Do) -> None:
    (vault / "a.csv").write_bytes(b"\xff\xfe\r\n\0")
    do("Copy a.csv to b/c.csv")
    assert contents(vault) == {"a.csv": b"\xff\xfe\r\n\0", "b/c.csv": b"\xff\xfe\r\n\0"}


@pytest.mark.parametrize("verb", ["Move", "Copy"])
def test_q17_move_and_copy_never_overwrite(vault: Path, do: Do, verb: str) -> None:
    put(vault, "a.md", "one")
    put(vault, "b.md", "two")
    with pytest.raises(Refused, match="already"):
        do(f"{verb} a.md to b.md")
    assert contents(vault) == {"a.md": b"one", "b.md": b"two"}


def test_a_deletion_names_the_bytes_it_deletes(vault: Path, do: Do) -> None:
    put(vault, "a.md", "one")
    result = do("Delete a.md")
    assert result.changes[0].before == hashlib.sha256(b"one").hexdigest()
    assert contents(vault) == {}


def test_a_file_that_changed_since_it_was_read_is_left_alone(vault: Path, do: Do) -> None:
    put(vault, "a.md", "one")
    change = do("Copy a.md to b.md").changes[0]
    put(vault, "b.md", "the person's")
    with pytest.raises(Busy):
        Beneath(vault).write(change.path, change.after or b"", expect=change.before)


def test_reading_reports_the_content_as_raw_data(vault: Path, do: Do) -> None:
    put(vault, "a.md", "one\ntwo\n")
    result = do("Read a.md and give me its content")
    assert result.raw == "one\ntwo\n"
    assert result.findings == ("Read `a.md`: 2 lines, 8 bytes.",)
    assert result.changes == ()


def test_a_wikilink_finds_the_one_note_of_that_name(vault: Path, do: Do) -> None:
    put(vault, "memory/deep/Ideas.md", "here")
    assert do("Show me [[Ideas|my ideas]]").raw == "here"
    put(vault, "other/Ideas.md", "there")
    with pytest.raises(Doubt, match="2 notes"):
        do("Show me [[Ideas]]")
    put(vault, "Ideas.md", "root")
    assert do("Show me [[Ideas]]").raw == "root"


@pytest.mark.parametrize(
    "text",
    ["Read a.md", "Delete a.md", "Move a.md to b/", "Copy a.md to b/", "Show me [[a]]"],
)
def test_a_missing_file_is_said_to_be_missing(do: Do, text: str) -> None:
    with pytest.raises(Refused, match="not there"):
        do(text)


@pytest.mark.parametrize(
    "text",
    [
        "Write 42 to ../x.md",
        "Write 42 to /tmp/x.md",
        "Write 42 to AGENTS.md",
        "Write 42 to inbox/x.md",
        "Write 42 to .obsidian/x.json",
        "Write 42 to .git/x.md",
        "Move a.md to outbox/",
        "Copy a.md to prompts/x.md",
        "Delete memory/ledger/x.md",
        "Read .obsidian/x.json",
        "Write 42 to gofer.toml",
        "Overwrite prompts/SOUL.md with 42",
    ],
)
def test_s10_control_paths_are_refused_before_anything_is_proposed(vault: Path, do: Do, text: str) -> None:
    put(vault, "a.md", "one")
    with pytest.raises(Refused):
        do(text)
    assert contents(vault) == {"a.md": b"one"}


def test_s11_a_linked_folder_is_refused(vault: Path, do: Do, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (vault / "sub").symlink_to(tmp_path / "outside")
    for text in ("Write 42 to sub/x.md", "Read sub/x.md", "Delete sub/x.md"):
        with pytest.raises(Refused, match="link"):
            do(text)


def test_parameters_in_the_header_win_over_the_text(vault: Path, do: Do) -> None:
    do("Delete everything", op="write", path="a.md", text="x")
    assert contents(vault) == {"a.md": b"x\n"}
    do(op="write", path="a.md", text="y", overwrite="true")
    assert contents(vault) == {"a.md": b"y\n"}


def test_without_a_text_parameter_the_body_is_what_is_written() -> None:
    assert understand(task("\n# Title\n\n  indented\n", op="write", path="a.md")).text == "# Title\n\n  indented"


@pytest.mark.parametrize(
    "params",
    [
        {"op": "burn", "path": "a.md"},
        {"op": "read"},
        {"op": "read", "path": ""},
        {"op": "read", "path": ["a.md"]},
        {"op": "move", "path": "a.md"},
        {"op": "delete", "path": "a.md", "to": "b.md"},
        {"op": "read", "path": "a.md", "pth": "b.md"},
        {"op": "write", "path": "a.md", "text": "x", "overwrite": "perhaps"},
    ],
)
def test_a_bad_parameter_is_refused_with_the_words_that_would_do(params: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="op: read, write, append"):
        understand(task("", **params))


def test_keys_of_other_programs_do_not_stand_in_the_way_of_plain_english() -> None:
    assert understand(task("Delete a.md", tags=["errand"], created="2026-11-20")).op == "delete"


def test_a_folder_without_its_slash_is_refused_with_the_name_that_would_do(vault: Path, do: Do) -> None:
    put(vault, "a.md", "one")
    with pytest.raises(Refused, match="'archive/' if it is a folder"):
        do(op="move", path="a.md", to="archive")
    do(op="move", path="a.md", to="archive/")
    assert contents(vault) == {"archive/a.md": b"one"}


def test_parameters_without_an_operation_are_doubtful() -> None:
    with pytest.raises(Doubt, match="no `op`"):
        understand(task("Delete it", path="a.md"))


@pytest.mark.parametrize(
    ("text", "waits"),
    [("Delete a.md", True), ("Move a.md to b/", True), ("Write 42 to a.md", False), ("Tidy up", False)],
)
def test_only_what_takes_a_file_away_waits_in_an_unmarked_note(text: str, waits: bool) -> None:
    assert HANDLER.waits_unmarked(task(text)) is waits


def test_w21_a_file_that_is_no_text_is_neither_read_nor_appended_to(vault: Path, do: Do) -> None:
    (vault / "a.md").write_bytes("ü".encode("utf-16"))
    for text in ("Read a.md", 'Append "x" to a.md'):
        with pytest.raises(Refused, match="UTF-8"):
            do(text)


def test_the_parameters_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        FileParams(op="read", path="a.md").path = "b.md"  # type: ignore[misc]
