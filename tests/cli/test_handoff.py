"""The lead's side from a shell: from a task that is too hard to its final report."""

from __future__ import annotations

import json
from pathlib import Path

from jsonschema import Draft202012Validator

from agent.schema import schema
from tests.e2e.support import House


def data(house: House, *args: str, stdin: str = "") -> object:
    done = house.gofer(*args, "--json", stdin=stdin)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    Draft202012Validator(schema("-".join(args[:2]))).validate(said)
    return said["data"]


def test_a_lead_lists_shows_claims_and_answers_a_handoff_from_a_shell(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.drop("review.md", "---\nstatus: open\n---\nReview PR #214 and leave substantive comments\n")
    assert house.gofer("run", "--once").returncode == 0
    (only,) = data(house, "handoff", "list")
    task = only["id"]
    assert "Review PR #214" in data(house, "handoff", "show", task)["text"]

    assert data(house, "handoff", "claim", task, "--by", "claude")["path"] == f"inbox/claim-{task}.md"
    assert house.gofer("run", "--once").returncode == 0
    assert data(house, "handoff", "list")[0]["status"] == "claimed"

    data(house, "handoff", "answer", task, "-", "--by", "claude", stdin="The loop in parser.py never ends.\n")
    assert house.gofer("run", "--once").returncode == 0
    assert data(house, "handoff", "list")[0]["status"] == "answered"
    report = (house.root / f"outbox/{task}.md").read_text("utf-8")
    assert "✅ Complete" in report and "never ends" in report


def test_a_handoff_that_there_is_not_and_an_empty_answer_are_told(tmp_path: Path) -> None:
    house = House(tmp_path)
    missing = house.gofer("handoff", "answer", "nothing-1a2b3c4d", "yes")
    assert missing.returncode == 2 and "gofer handoff list" in missing.stderr
    house.drop("review.md", "---\nstatus: open\n---\nReview PR #7\n")
    house.gofer("run", "--once")
    (path,) = (house.root / "outbox/handoffs").glob("*.handoff.md")
    empty = house.gofer("handoff", "answer", path.name.removesuffix(".handoff.md"), "-", stdin="  \n")
    assert empty.returncode == 2 and "needs a text" in empty.stderr
