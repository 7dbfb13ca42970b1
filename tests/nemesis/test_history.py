"""The checker is checked: a sound history passes, and each broken one is found, with the sentence that says so."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.nemesis.commits import GOFER, deletions, git, log
from tests.nemesis.expect import HANDED_OFF, INVALID, NEVER, Expectations, Expected, task_id
from tests.nemesis.history import check_history
from tests.nemesis.scribe import PERSON, Scribe

APPEND = "---\ntype: file\nop: append\npath: notes/all.md\n---\n"


@pytest.fixture
def scribe(tmp_path: Path) -> Scribe:
    return Scribe(tmp_path)


@pytest.fixture
def task(scribe: Scribe) -> Expected:
    """A task that appends a line."""
    return scribe.drop("a.md", APPEND + "a\n", token="token-a", file="notes/all.md")


def said(scribe: Scribe, *tasks: Expected, **more: object) -> list[str]:
    return check_history(scribe.bare.path, Expectations(tasks, machines=("alpha", "beta"), **more))  # type: ignore[arg-type]


def test_a_sound_history_has_no_violation(scribe: Scribe, task: Expected) -> None:
    second = scribe.drop("b.md", APPEND + "b\n", token="token-b", file="notes/all.md")
    twin = scribe.drop("c.md", APPEND + "b\n", token="token-b", file="notes/all.md")
    lead = scribe.drop("lead.md", "model: lead\n", HANDED_OFF)
    bad = scribe.drop("bad.md", "---\ntype: 7\n---\n", INVALID)
    wait = scribe.drop("wait.md", "---\nneeds: gpu\n---\n", NEVER)
    mine = scribe.commit(PERSON, "a note", {"notes/mine.md": "mine\n"})
    scribe.push()
    for one in (task, second, twin):
        scribe.done(one)
    scribe.done(lead, status="handed-off")
    scribe.done(bad, status="invalid")
    everything = (task, second, twin, lead, bad, wait)
    assert said(scribe, *everything, commits=frozenset({mine})) == []


def test_a_task_that_was_done_twice(scribe: Scribe, task: Expected) -> None:
    scribe.done(task)
    scribe.outcome(task, "beta-1")
    scribe.publish(task)
    found = said(scribe, task)
    assert any("was done 2 times: done by alpha-1 in" in line and "done by beta-1" in line for line in found)
    assert f"I1: {task.id}: 2 reports in memory instead of 1" in found
    assert f"I1: {task.id}: 2 ledger lines instead of 1" in found
    assert "I2: token-a is 2 times in notes/all.md instead of 1" in found


def test_a_task_that_was_lost(scribe: Scribe, task: Expected) -> None:
    scribe.commit(GOFER, "gofer: done other", {task.path: None})
    scribe.push()
    found = said(scribe, task)
    assert f"I1: {task.id} ({task.path}) is lost: no commit has its outcome" in found
    assert any(line.startswith("I3: ") and line.endswith(f"deletes {task.path}") for line in found)


def test_a_task_that_nobody_has_begun(scribe: Scribe, task: Expected) -> None:
    found = said(scribe, task)
    assert f"I1: {task.id} ({task.path}) is lost: no commit has its outcome" in found
    assert f"I1: {task.path} is still in the inbox ({task.id})" in found


def test_an_outcome_that_nobody_asked_for(scribe: Scribe, task: Expected) -> None:
    scribe.done(task)
    scribe.outcome(Expected("inbox/a.md", f"{task.id}-2"), "alpha-1")
    scribe.publish(task)
    assert any(f"{task.id}-2 has an outcome in" in line and "nobody asked" in line for line in said(scribe, task))


def test_an_outcome_with_another_word(scribe: Scribe, task: Expected) -> None:
    scribe.done(task, status="failed")
    found = said(scribe, task)
    assert any(f"{task.id} ended in another word than done: failed by alpha-1" in line for line in found)


def test_a_task_that_should_wait_and_ran(scribe: Scribe) -> None:
    wait = scribe.drop("wait.md", "---\nneeds: gpu\n---\n", NEVER)
    scribe.done(wait)
    found = said(scribe, wait)
    assert any(f"{wait.id} may not run and has an outcome" in line for line in found)
    assert f"I1: {wait.path} is not in the inbox ({wait.id})" in found


@pytest.mark.parametrize(
    ("left_out", "sentence"),
    [
        ("outbox/{id}.md", "no outbox/{id}.md"),
        ("memory/qwen-worker/task-reports/2026-11/2026-11-20-{id}-alpha-1.md", "0 reports in memory instead of 1"),
        ("memory/tasks/2026-11/{id}.md", "0 files in memory/tasks instead of 1"),
        ("memory/ledger/alpha-1-2026-11-20-01.jsonl", "0 ledger lines instead of 1"),
    ],
)
def test_a_part_of_the_outcome_is_missing(scribe: Scribe, task: Expected, left_out: str, sentence: str) -> None:
    scribe.done(task, files={left_out.format(id=task.id): None})
    assert said(scribe, task) == [f"I1: {task.id}: {sentence.format(id=task.id)}"]


def test_a_report_that_says_something_else(scribe: Scribe, task: Expected) -> None:
    scribe.done(task, files={f"outbox/{task.id}.md": f"---\ntask: {task.id}\nstatus: failed\n---\n"})
    assert said(scribe, task) == [f"I1: {task.id}: outbox/{task.id}.md says 'failed'"]


def test_a_hand_off_without_its_file(scribe: Scribe) -> None:
    lead = scribe.drop("lead.md", "model: lead\n", HANDED_OFF)
    scribe.done(lead, status="handed-off", files={f"outbox/handoffs/{lead.id}.handoff.md": None})
    assert said(scribe, lead) == [f"I1: {lead.id}: no hand-off"]


def test_an_inbox_file_that_came_back(scribe: Scribe, task: Expected) -> None:
    scribe.done(task)
    scribe.commit(PERSON, "an old index", {task.path: APPEND + "a\n"})
    scribe.push()
    assert said(scribe, task) == [f"I1: {task.path} is still in the inbox ({task.id})"]


def test_an_invalid_file_that_was_taken_away_or_told_twice(scribe: Scribe) -> None:
    bad = scribe.drop("bad.md", "---\ntype: 7\n---\n", INVALID)
    scribe.done(bad, status="invalid")
    scribe.done(bad, status="invalid", files={bad.path: None})
    found = said(scribe, bad)
    assert any(f"{bad.id} was done 2 times: invalid by" in line for line in found)
    assert f"I1: {bad.path} is not in the inbox ({bad.id})" in found
    assert any(line.startswith("I3: ") and line.endswith(f"deletes {bad.path}") for line in found)


def test_what_was_dropped_into_a_tree_and_stays_need_not_be_on_the_server(scribe: Scribe) -> None:
    text = "---\nneeds: gpu\n---\n"
    wait = Expected("inbox/wait.md", task_id("inbox/wait.md", text), NEVER)
    assert said(scribe, wait) == [f"I1: {wait.path} is not in the inbox ({wait.id})"]
    assert said(scribe, replace(wait, local=True)) == []


@pytest.mark.parametrize(("text", "count"), [(None, 0), ("other\n", 0), ("token-a\ntoken-a\n", 2), ("token-ab\n", 0)])
def test_an_effect_that_is_not_there_once(scribe: Scribe, task: Expected, text: str | None, count: int) -> None:
    scribe.done(task, files={"notes/all.md": text})
    assert said(scribe, task) == [f"I2: token-a is {count} times in notes/all.md instead of 1"]


def test_a_shared_file_that_lost_the_line_of_another(scribe: Scribe, task: Expected) -> None:
    second = scribe.drop("b.md", APPEND + "b\n", token="token-b", file="notes/all.md")
    scribe.done(task)
    scribe.done(second, files={"notes/all.md": "token-b\n"})
    assert said(scribe, task, second) == ["I2: token-a is 0 times in notes/all.md instead of 1"]


@pytest.mark.parametrize("path", ["README.md", "inbox/other.md", "memory/tasks/2026-11/old.md"])
def test_a_file_that_gofer_deletes_by_accident(scribe: Scribe, task: Expected, path: str) -> None:
    scribe.commit(PERSON, "files", {"inbox/other.md": "status: draft\n", "memory/tasks/2026-11/old.md": "old\n"})
    made = scribe.done(task, files={path: None})
    assert f"I3: {made[:12]} (gofer: done {task.id}) deletes {path}" in said(scribe, task)


def test_what_gofer_takes_from_its_tray_is_no_accident(scribe: Scribe, task: Expected) -> None:
    scribe.commit(PERSON, "files", {"outbox/old.md": "old\n", "STOP": ""})
    scribe.done(task, files={"outbox/old.md": None, "STOP": None})
    assert said(scribe, task) == []


def test_a_person_may_delete_what_they_like(scribe: Scribe, task: Expected) -> None:
    scribe.commit(PERSON, "tidy", {"README.md": None})
    scribe.done(task)
    assert said(scribe, task) == []


def merged(
    scribe: Scribe, ours: Mapping[str, str | None], theirs: Mapping[str, str | None], result: Mapping[str, str | None]
) -> str:
    """Two sides from the same commit, and Gofer's merge of both with changes of its own to the result."""
    start = git(scribe.clone, "rev-parse", "HEAD").strip()
    left = scribe.commit(PERSON, "ours", ours)
    git(scribe.clone, "reset", "-q", "--hard", start)
    right = scribe.commit(PERSON, "theirs", theirs)
    git(scribe.clone, "-c", "user.name=x", "-c", "user.email=x@y", "merge", "-q", "--no-commit", "--no-ff", left)
    made = scribe.commit(GOFER, "gofer: both", result)
    assert git(scribe.clone, "rev-list", "--parents", "-1", made).split()[1:] == [right, left]
    return made


def test_a_merge_that_takes_over_the_deletions_of_both_sides_deletes_nothing_itself(
    scribe: Scribe, task: Expected
) -> None:
    scribe.commit(PERSON, "files", {"one.md": "1\n", "two.md": "2\n"})
    merged(scribe, {"one.md": None, "mine.md": "m\n"}, {"two.md": None}, {})
    scribe.done(task)
    assert said(scribe, task) == []


@pytest.mark.parametrize("path", ["added.md", "README.md"])
def test_a_merge_that_loses_a_file(scribe: Scribe, path: str) -> None:
    made = merged(scribe, {"added.md": "a\n"}, {"other.md": "o\n"}, {path: None})
    scribe.push()
    assert said(scribe) == [f"I3: {made[:12]} (gofer: both) deletes {path}"]
    commit = next(commit for commit in log(scribe.bare.path, "main") if commit.oid == made)
    assert deletions(scribe.bare.path, commit) == [path]


def test_a_commit_of_the_person_that_is_gone(scribe: Scribe, task: Expected) -> None:
    lost = scribe.commit(PERSON, "a note", {"notes/mine.md": "mine\n"})
    git(scribe.clone, "reset", "-q", "--hard", "HEAD~1")
    scribe.done(task)
    assert said(scribe, task, commits=frozenset({lost})) == [
        f"I3: the person's commit {lost[:12]} is not in the history"
    ]


def test_a_branch_that_was_moved_by_force(scribe: Scribe, task: Expected) -> None:
    old = scribe.done(task)
    git(scribe.clone, "reset", "-q", "--hard", "HEAD~1")
    new = scribe.outcome(task, "alpha-1")
    git(scribe.clone, "push", "-q", "--force", "origin", "HEAD:main")
    if old != new:  # made within the same second the two commits are one
        told = f"G19: refs/heads/main was moved from {old[:12]} to {new[:12]}, which does not contain it"
        assert said(scribe, task) == [told]
        assert said(scribe, task, rewinds=((old, new),)) == []
    before = git(scribe.clone, "rev-parse", "HEAD~1").strip()
    scribe.bare.git("update-ref", "refs/heads/main", before)
    assert any(line.startswith("G19: ") and before[:12] in line for line in said(scribe, task))


def test_ids_are_those_of_the_reference() -> None:
    vectors = json.loads((Path(__file__).parent.parent / "data" / "task_vectors.json").read_text("utf-8"))
    derived = [v for v in vectors if "id:" not in (text := base64.b64decode(v["base64"]).decode("utf-8-sig")) and text]
    assert len(derived) > 8
    for vector in derived:
        text = base64.b64decode(vector["base64"]).decode("utf-8-sig")
        assert task_id(f"inbox/{vector['name']}", text) == vector["id"], vector["what"]


def test_what_nobody_could_know_may_be_done_twice_and_not_three_times(scribe: Scribe, task: Expected) -> None:
    scribe.done(task)
    scribe.outcome(task, "beta-1")
    scribe.publish(task)
    assert said(scribe, task, redone=frozenset({task.id})) == []
    scribe.outcome(task, "beta-2")
    scribe.publish(task)
    assert any("was done 3 times" in line for line in said(scribe, task, redone=frozenset({task.id})))


def test_what_an_administrator_took_back_may_be_missing(scribe: Scribe, task: Expected) -> None:
    scribe.done(task, files={"notes/all.md": "other\n"})
    assert said(scribe, task, overruled=frozenset({task.id})) == []
    assert said(scribe, task) == ["I2: token-a is 0 times in notes/all.md instead of 1"]
