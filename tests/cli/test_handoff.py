"""The lead's side from a shell: from a task that is too hard to its final report."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from agent import frontmatter
from agent.schema import schema
from tests.e2e.support import House


def data(house: House, *args: str, stdin: str = "") -> Any:
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


def test_what_cannot_be_claimed_or_answered_any_more_is_told_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.drop("review.md", "---\nstatus: open\n---\nReview PR #9\n")
    house.gofer("run", "--once")
    task = data(house, "handoff", "list")[0]["id"]
    wrong = house.gofer("handoff", "claim", task, "--by", "a: b")
    assert wrong.returncode == 2 and "--by cannot be used" in wrong.stderr
    negative = house.gofer("handoff", "answer", task, "yes", "--by", "ada", "--cost-usd", "-1")
    assert negative.returncode == 2 and "--cost-usd cannot be used" in negative.stderr

    data(house, "handoff", "claim", task, "--by", "ada")
    house.gofer("run", "--once")
    second = house.gofer("handoff", "claim", task, "--by", "ben")
    assert second.returncode == 1 and f"the hand-off {task} is claimed" in second.stderr

    took = ("--model", "claude-opus-4-6", "--input-tokens", "1200", "--output-tokens", "40", "--cost-usd", "0.02")
    data(house, "handoff", "answer", task, "It is fine.", "--by", "ben", *took)
    house.gofer("run", "--once")
    header = house.header(task)
    assert (header["model"], header["input_tokens"], header["cost_usd"]) == ("claude-opus-4-6", "1200", "0.02")
    late = house.gofer("handoff", "answer", task, "No, it is not.", "--by", "ada")
    assert late.returncode == 1 and "answered already" in late.stderr
    assert house.inbox() == []


def test_status_names_a_handoff_that_is_about_to_expire_and_a_stop_that_somebody_forgot(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.drop("review.md", "---\nstatus: open\n---\nReview PR #9\n")
    house.gofer("run", "--once")
    problems = house.data("status")["problems"]
    assert problems == []
    (path,) = (house.root / "outbox/handoffs").glob("*.handoff.md")
    now = datetime.now(UTC)
    ends = {"created": now - timedelta(days=6), "expires": now + timedelta(hours=5, minutes=1)}
    path.write_text(frontmatter.amend(path.read_text("utf-8"), ends), "utf-8")
    (house.root / "STOP").write_text("stop\n", "utf-8")
    before = (now - timedelta(days=3)).timestamp()
    os.utime(house.root / "STOP", (before, before))
    problems = [problem["what"] for problem in house.data("status", code=1)["problems"]]
    name = path.name.removesuffix(".handoff.md")
    assert problems == [
        f"hand-off {name} expires in 5 h without an answer",
        "nothing has started for 3 days, heartbeats neither",
    ]
