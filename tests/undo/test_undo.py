"""`gofer undo`: what one task did to files is taken back, and nothing else, by real workers in real vaults."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agent.schema import schema
from tests.support import Vault, clone, git, make_vault, wait_for


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return make_vault(tmp_path)


def do(vault: Vault, *texts: str) -> list[str]:
    """Drop tasks, run them together, and give their ids in the order of their dropping."""
    for number, text in enumerate(texts):
        head = text if text.startswith("---") else f"---\nstatus: open\n---\n{text}\n"
        vault.drop(f"t{number}-{sha256(text.encode()).hexdigest()[:6]}.md", head)
    data = vault.run_once(ok=(0,))
    return sorted((task["id"] for task in data["tasks"]), key=lambda name: name.split("-")[0])


def undo(vault: Vault, task: str, *, code: int = 0) -> dict[str, Any]:
    """`gofer undo ID --json`: its data, which its schema allows."""
    done = vault.gofer("undo", task, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    whole = json.loads(done.stdout)
    Draft202012Validator(schema("undo")).validate(whole)
    data: dict[str, Any] = whole["data"]
    return data


def read(vault: Vault, path: str) -> str | None:
    try:
        return (vault.root / path).read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None


def journal(vault: Vault, task: str) -> list[dict[str, Any]]:
    (path,) = (vault.root / "memory/changes").glob(f"*/{task}.jsonl")
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


CASES = {
    "a new file goes": ("Write 42 to notes/new.md", {}, "notes/new.md"),
    "what was appended goes": ("Append 'one more' to notes/a.md", {"notes/a.md": "first\n"}, "notes/a.md"),
    "a deleted file comes back": ("Delete notes/a.md", {"notes/a.md": "text\r\nwith é\n"}, "notes/a.md"),
    "what was overwritten comes back": ("Overwrite notes/a.md with 'new'", {"notes/a.md": "old\n"}, "notes/a.md"),
    "a copy goes": ("Copy notes/a.md to notes/b.md", {"notes/a.md": "old\n"}, "notes/b.md"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("committed", [True, False], ids=["committed", "never committed"])
def test_what_a_file_task_did_is_taken_back(vault: Vault, case: str, committed: bool) -> None:
    text, before, path = CASES[case]
    for name, content in before.items():
        vault.write(name, content)
    if committed:
        vault.commit()
    (task,) = do(vault, text)
    assert read(vault, path) != before.get(path)
    assert undo(vault, task) == {"id": task, "restored": [path], "kept": []}
    assert {name: read(vault, name) for name in [path, *before]} == {path: before.get(path), **before}
    vault.check()


def test_a_moved_file_goes_back_and_the_journal_names_the_move(vault: Vault) -> None:
    vault.write("memory/daily/2026-10-01.md", "a day\n")
    vault.commit()
    (task,) = do(vault, "Move memory/daily/2026-10-01.md to memory/archive/2026-10-01.md")
    assert journal(vault, task) == [
        {
            "v": 1, "op": "move", "path": "memory/daily/2026-10-01.md", "before": digest("a day\n"),
            "to": "memory/archive/2026-10-01.md", "to_before": None,
        }
    ]  # fmt: skip
    undo(vault, task)
    assert read(vault, "memory/daily/2026-10-01.md") == "a day\n"
    assert read(vault, "memory/archive/2026-10-01.md") is None
    assert [path for path in vault.tracked("memory") if path.endswith("2026-10-01.md")] == [
        "memory/daily/2026-10-01.md"
    ]
    assert vault.git("status", "--short") == ""


def test_the_journal_of_a_replaced_file_names_gits_own_copy(vault: Vault) -> None:
    vault.write("notes/a.md", "old\n")
    vault.commit()
    blob = vault.git("rev-parse", "HEAD:notes/a.md").strip()
    (task,) = do(vault, "Overwrite notes/a.md with 'new'")
    after = {"op": "write", "path": "notes/a.md", "before": digest("old\n"), "after": digest("new\n"), "blob": blob}
    assert journal(vault, task) == [{"v": 1, **after}]
    assert not (vault.state / "replaced").exists()


def test_an_undo_is_one_commit_and_leaves_the_report_of_the_task_alone(vault: Vault) -> None:
    (task,) = do(vault, "Write 42 to notes/new.md")
    report, commits = vault.reports()[task], len(vault.subjects())
    undo(vault, task)
    assert len(vault.subjects()) == commits + 1
    assert vault.reports()[task] == report
    assert vault.inbox() == []


def test_undoing_twice_says_so_and_changes_nothing(vault: Vault) -> None:
    (task,) = do(vault, "Write 42 to notes/new.md")
    undo(vault, task)
    assert undo(vault, task) == {"id": task, "restored": [], "kept": []}
    assert vault.gofer("undo", task).stdout.startswith("Already undone")


def test_an_undo_can_be_undone(vault: Vault) -> None:
    vault.write("notes/a.md", "old\n")
    vault.commit()
    (task,) = do(vault, "Move notes/a.md to notes/b.md")
    undo(vault, task)
    (back,) = [path.stem for path in (vault.root / "memory/changes").glob("*/undo-*.jsonl")]
    undo(vault, back)
    assert (read(vault, "notes/a.md"), read(vault, "notes/b.md")) == (None, "old\n")
    undo(vault, task)
    assert (read(vault, "notes/a.md"), read(vault, "notes/b.md")) == ("old\n", None)


def test_a_file_that_changed_since_is_left_alone_and_named(vault: Vault) -> None:
    vault.write("notes/a.md", "old\n")
    vault.commit()
    (task,) = do(vault, "Append 'one more' to notes/a.md")
    vault.write("notes/a.md", "mine now\n")
    data = undo(vault, task, code=1)
    assert data["restored"] == []
    assert [(kept["where"], kept["what"]) for kept in data["kept"]] == [("notes/a.md", "it was changed since")]
    assert read(vault, "notes/a.md") == "mine now\n"


def test_a_moved_file_stays_when_its_old_name_is_taken_or_it_was_edited(vault: Vault) -> None:
    vault.write("notes/a.md", "a\n")
    vault.write("notes/b.md", "b\n")
    vault.commit()
    first, second = do(vault, "Move notes/a.md to old/a.md", "Move notes/b.md to old/b.md")
    vault.write("notes/a.md", "another\n")
    vault.write("old/b.md", "b, edited\n")
    assert undo(vault, first, code=1)["kept"][0]["what"] == "another file has its old name by now"
    assert undo(vault, second, code=1)["kept"][0]["what"] == "it was changed since"
    assert [read(vault, name) for name in ("notes/a.md", "old/a.md", "old/b.md")] == ["another\n", "a\n", "b, edited\n"]


def test_of_tasks_that_share_a_commit_one_alone_is_taken_back(vault: Vault) -> None:
    vault.write("notes/log.md", "zero\n")
    vault.commit()
    first, second, third = do(
        vault, "Append 'one' to notes/log.md", "Append 'two' to notes/log.md", "Write 42 to notes/x.md"
    )
    assert vault.subjects()[0] == "gofer: 3 outcomes"
    undo(vault, third)
    assert read(vault, "notes/x.md") is None
    assert undo(vault, first, code=1)["kept"][0]["where"] == "notes/log.md"
    undo(vault, second)
    assert read(vault, "notes/log.md") == "zero\none\n"
    undo(vault, first)
    assert read(vault, "notes/log.md") == "zero\n"
    vault.check()


def test_an_unknown_task_and_one_without_changes_are_refused_with_words(vault: Vault) -> None:
    vault.write("notes/a.md", "text\n")
    vault.commit()
    (task,) = do(vault, "Read notes/a.md")
    unknown, without = vault.gofer("undo", "no-such-task"), vault.gofer("undo", task)
    assert (unknown.returncode, without.returncode) == (2, 2)
    assert "no finished task has the id 'no-such-task'" in unknown.stderr
    assert "changed no file of this vault" in without.stderr
    assert "a push" in without.stderr
    assert vault.inbox() == []


def test_a_running_worker_does_it(vault: Vault) -> None:
    (task,) = do(vault, "Write 42 to notes/new.md")
    with vault.worker():
        assert undo(vault, task)["restored"] == ["notes/new.md"]
    assert read(vault, "notes/new.md") is None


def test_a_dropped_file_does_the_same(vault: Vault) -> None:
    (task,) = do(vault, "Write 42 to notes/new.md")
    (back,) = do(vault, f"---\ntype: undo\nstatus: open\nof: '[[outbox/{task}]]'\n---\n")
    assert read(vault, "notes/new.md") is None
    assert "Took all of what" in vault.reports()[back]


@pytest.mark.parametrize("line", [
    '{"v":1,"op":"write","path":"AGENTS.md","before":null,"after":"%s"}',
    '{"v":1,"op":"move","path":".obsidian/app.json","before":"%s","to":"x.md","to_before":null}',
    '{"v":1,"op":"delete","path":"../outside.md","before":"%s"}',
])  # fmt: skip
def test_s10_a_forged_journal_reaches_no_control_file(vault: Vault, line: str) -> None:
    (task,) = do(vault, "Write 42 to notes/new.md")
    (path,) = (vault.root / "memory/changes").glob(f"*/{task}.jsonl")
    text = (vault.root / "AGENTS.md").read_text("utf-8")
    path.write_text(line % digest(text) + "\n", "utf-8")
    data = undo(vault, task, code=1)
    assert data["restored"] == []
    assert len(data["kept"]) == 1
    assert read(vault, "AGENTS.md") == text


def test_a_broken_journal_is_said_to_be_broken(vault: Vault) -> None:
    (task,) = do(vault, "Write 42 to notes/new.md")
    (path,) = (vault.root / "memory/changes").glob(f"*/{task}.jsonl")
    path.write_text("withheld\n", "utf-8")
    done = vault.gofer("undo", task)
    assert done.returncode == 1
    assert "was not undone" in done.stderr
    assert any("cannot be read" in text for name, text in vault.reports().items() if name.startswith("undo"))


@pytest.mark.parametrize("name", ["a\u2028b", "a\u2029b", "]] a", "%0a", "$= x"])
def test_a_file_of_an_odd_name_comes_back(vault: Vault, name: str) -> None:
    path = f"memory/logs/{name}.log"
    vault.write(path, "old\n")
    os.utime(vault.root / path, (1, 1))
    (task,) = do(vault, "---\nstatus: open\ntype: organize\nonly: file\n---\n")
    assert read(vault, path) is None
    assert path in undo(vault, task)["restored"]
    assert read(vault, path) == "old\n"


def test_a_thousand_moves_of_one_commit_are_taken_back(vault: Vault) -> None:
    """One task, by its journal; the moves were made by many tasks, and are one task's in the journal of that one."""
    for number in range(1000):
        vault.write(f"notes/n{number}.md", f"note {number}\n")
    vault.commit()
    moves = [f"n{number}.md" for number in range(1000)]
    (task,) = do(vault, "Write 42 to notes/new.md")
    (path,) = (vault.root / "memory/changes").glob(f"*/{task}.jsonl")
    with path.open("a", encoding="utf-8") as file:
        for number, name in enumerate(moves):
            (vault.root / "archive").mkdir(exist_ok=True)
            (vault.root / "notes" / name).rename(vault.root / "archive" / name)
            action = {"v": 1, "op": "move", "path": f"notes/{name}", "before": digest(f"note {number}\n")}
            file.write(json.dumps({**action, "to": f"archive/{name}", "to_before": None}) + "\n")
    vault.commit("a thousand moves")
    data = undo(vault, task)
    assert len(data["restored"]) == 2001
    assert all(read(vault, f"notes/{name}") is not None for name in moves)
    assert not list((vault.root / "archive").glob("*.md"))
    vault.check()


def test_another_clone_takes_it_back_too(tmp_path: Path) -> None:
    bare = tmp_path / "remote.git"
    (tmp_path / "one").mkdir()
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(bare))
    first = make_vault(tmp_path / "one", remote=str(bare))
    first.write("notes/a.md", "old\n")
    first.write("notes/gone.md", "gone\n")
    first.commit()
    first.git("push", "-q", "-u", "origin", "main")
    move, delete = do(first, "Move notes/a.md to notes/b.md", "Delete notes/gone.md")
    wait_for(lambda: first.git("status", "--short") == "")
    (tmp_path / "two").mkdir()
    second = clone(first, tmp_path / "two")
    second.git("remote", "set-url", "origin", str(bare))
    second.git("pull", "-q", "--ff-only", "origin", "main")
    assert undo(second, move)["kept"] == []
    assert undo(second, delete)["restored"] == ["notes/gone.md"]
    assert (read(second, "notes/a.md"), read(second, "notes/gone.md")) == ("old\n", "gone\n")
    first.run_once()
    assert (read(first, "notes/a.md"), read(first, "notes/b.md")) == ("old\n", None)
    assert git(bare, "fsck", "--strict", "--no-dangling") == ""
