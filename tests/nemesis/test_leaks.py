"""The checker of secrets is checked."""

from __future__ import annotations

import base64
import random
from dataclasses import replace
from pathlib import Path

import pytest

from agent.gate import OutputGate
from agent.redact import find_tokens
from tests.nemesis.commits import GOFER, git
from tests.nemesis.expect import Expectations, Expected
from tests.nemesis.leaks import blob_id, check_folders_clean, check_kept, check_objects_clean
from tests.nemesis.planted import KEY, KNOWN, secret
from tests.nemesis.scribe import PERSON, Scribe

SECRET = "correct" + "Horse/7battery+staple"
SECRETS = {SECRET: "t1", "other-" + "9f3Kq7Zt": "t2"}


@pytest.fixture
def scribe(tmp_path: Path) -> Scribe:
    return Scribe(tmp_path)


def said(scribe: Scribe, *theirs: str) -> list[str]:
    places = [scribe.bare.path, scribe.clone / ".git"]
    found = check_objects_clean(places, SECRETS, theirs)
    return [
        line.removeprefix("I6: ").replace(str(places[0]), "remote").replace(str(places[1]), "clone") for line in found
    ]


def test_what_the_person_committed_is_theirs_and_nothing_else_is(scribe: Scribe) -> None:
    text = f"Use {SECRET}\n"
    scribe.commit(PERSON, "a task", {"inbox/a.md": text})
    scribe.push()
    assert blob_id(text) == git(scribe.clone, "rev-parse", "HEAD:inbox/a.md").strip()
    assert said(scribe, text) == []
    assert said(scribe) == [f"remote: the blob {blob_id(text)[:12]} holds the secret of t1"]  # told once
    scribe.commit(GOFER, "gofer: done a", {"outbox/a.md": f"The task says: {text}"})
    (line,) = said(scribe, text)
    assert line.startswith("clone: the blob ")


@pytest.mark.parametrize(
    "form",
    [
        SECRET.encode().hex(), base64.b64encode(f"a{SECRET}b".encode()).decode(),
        SECRET.replace("/", "%2F").replace("+", "%2B"),
        base64.b64encode(f"it is {SECRET}.".encode()).decode(), base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)  # fmt: skip
def test_a_secret_in_another_spelling(scribe: Scribe, form: str) -> None:
    scribe.commit(GOFER, "gofer: done a", {"memory/a.md": f"{form}\n"})
    assert len(said(scribe)) == 1


def test_a_secret_in_a_message_a_name_a_claim_and_in_what_no_ref_reaches(scribe: Scribe) -> None:
    plain = "other-" + "9f3Kq7Zt"
    scribe.commit(GOFER, f"gofer: done {plain}", {})
    assert [line.split()[2] for line in said(scribe)] == ["commit"]
    git(scribe.clone, "reset", "-q", "--hard", "HEAD~1")
    assert [line.split()[2] for line in said(scribe)] == ["commit"]
    scribe.commit(GOFER, "gofer: done a", {f"memory/{plain}.md": "a\n"})
    assert sorted(line.split()[2] for line in said(scribe)) == ["commit", "tree"]
    scribe.claim(Expected("inbox/a.md", plain), "alpha-1")
    assert sum(line.startswith("remote: the commit") for line in said(scribe)) == 1


def test_a_secret_in_a_file_beside_git(tmp_path: Path) -> None:
    coded = base64.b64encode(SECRET.encode()).decode()
    files = {
        "runs/a/run.log": f"asked for {SECRET}", "runs/a/fine.log": "asked for [redacted:known-value]",
        "board.json": coded, "journal.jsonl": coded, "journal.new": SECRET, f"{next(reversed(SECRETS))}.md": "",
        "objects.git/x": SECRET, "quarantine/a/change__notes.md": SECRET,
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / "state" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "state" / name).write_text(text)
    (tmp_path / "worker.log").write_text(SECRET)
    found = check_folders_clean([tmp_path / "state", tmp_path / "worker.log"], SECRETS)
    names = [line.split()[1].rpartition("/")[2] for line in found]
    assert sorted(names) == ["board.json", "journal.new", "other-9f3Kq7Zt.md", "run.log", "worker.log"]


def test_a_note_with_a_secret_lies_where_its_task_ran_and_nowhere_else(scribe: Scribe) -> None:
    task = scribe.drop("keep.md", "write\n")
    task = replace(task, file="notes/k.md", secret=SECRET, kept=f"{SECRET}\n")
    scribe.done(replace(task, token=""), "alpha-1")
    expected = Expectations((task,), machines=("alpha", "beta"))
    trees = {"alpha": scribe.clone, "beta": scribe.clone / "none"}
    assert check_kept(scribe.bare.path, trees, expected) == [f"I2: {task.id} did not write notes/k.md on alpha"]
    (scribe.clone / "notes").mkdir()
    (scribe.clone / "notes/k.md").write_text(f"{SECRET}\n")
    assert check_kept(scribe.bare.path, trees, expected) == []
    scribe.commit(GOFER, "gofer: done keep", {})
    scribe.push()
    (line,) = check_kept(scribe.bare.path, trees, expected)
    assert line.startswith("I6: notes/k.md was published")


def test_what_is_planted_has_a_shape_that_gofer_promises_to_know() -> None:
    rng, kinds = random.Random(1), set[str]()
    for number in range(300):
        made = secret(rng, number, one_line=number % 2 == 0)
        assert made.core in made.text and list(find_tokens(f"Use {made.text} now")), made
        assert made.core not in OutputGate().redact(f"Use {made.text} now")
        kinds.update(find_tokens(made.text))
    assert len(kinds) == 10
    assert OutputGate(secrets=[KNOWN, KEY]).scan(f"{KNOWN} {KEY}".encode()) == ["known-value"]
