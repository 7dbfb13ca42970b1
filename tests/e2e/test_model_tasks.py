"""Tasks of the local model on the whole road: the real engine and scripted answers, and a server that is away."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.claims import Wanted
from agent.desk import Desk
from agent.inbox import Drop
from agent.road import execute
from agent.vault.task import read_task
from tests.e2e.support import House, closed_port, eventually
from tests.engine.faults import Fault, Say
from tests.engine.standin import OllamaStandIn

QUESTION = "---\nstatus: open\n---\nWhat is the capital of Peru?\n"
FAST = "[watch]\nsettle_seconds = 0.1\nsettle_open_seconds = 0.01\npoll_seconds = 0.1\n"


@pytest.fixture
def house(tmp_path: Path, standin: OllamaStandIn) -> House:
    return House(tmp_path, settings=FAST, ollama=standin.url)


def say(**data: object) -> Say:
    return Say(json.dumps(data))


def test_an_answer_of_the_model_becomes_a_report_with_its_name_digest_and_tokens(
    house: House, standin: OllamaStandIn
) -> None:
    standin.faults.append(say(answer="Lima.", known=True, confidence=0.97))
    house.drop("peru.md", QUESTION)
    (record,) = house.drain()
    assert record.status == "done"
    header, report = house.header("peru"), house.report("peru") or ""
    assert (header["model"], header["confidence"]) == ("qwen3:8b", "0.97")
    assert header["model_digest"] == standin.digests["qwen3:8b"][:12]
    assert int(header["input_tokens"]) > 0 < int(header["output_tokens"])
    assert "\n## Result\nLima.\n" in report
    (line,) = house.ledger()
    assert (line["provider"], line["tier"], line["model"]) == ("ollama", "standard", "qwen3:8b")


def test_what_the_real_engine_says_passes_the_gate_or_goes_to_the_lead_and_its_tokens_are_counted(
    house: House, standin: OllamaStandIn
) -> None:
    (house.root / "memory/meeting.md").write_text("Ada and Ben met. The demo is on Friday. " * 20)
    house.drop("peru.md", QUESTION)
    house.drop("sum.md", "---\nstatus: open\n---\nSummarize memory/meeting.md in three bullets\n")
    ended = {record.task.split("-")[0]: record.status for record in house.drain()}
    assert set(ended) == {"peru", "sum"} and set(ended.values()) <= {"done", "needs-review", "handed-off"}
    assert len(standin.chats) >= 2
    for line in house.ledger():
        assert line["input_tokens"] > 0 and line["model"] == "qwen3:8b", line


def test_l06_an_answer_that_was_cut_off_is_never_reported_as_done(house: House, standin: OllamaStandIn) -> None:
    standin.faults += [Say('{"answer": "Li', extra={"done_reason": "length"})] * 2
    house.drop("peru.md", QUESTION)
    (record,) = house.drain()
    assert record.status == "handed-off"
    (handoff,) = (house.root / "outbox/handoffs").glob("*.md")
    assert "capital of Peru" in handoff.read_text("utf-8")


def test_l01_without_a_server_a_question_waits_other_tasks_run_and_it_runs_when_the_server_is_back(
    house: House, standin: OllamaStandIn
) -> None:
    here, house.env["GOFER_OLLAMA_HOST"] = standin.url, f"http://127.0.0.1:{closed_port()}"
    house.drop("peru.md", QUESTION)
    house.drop("code.md", "---\nstatus: open\n---\nWrite 42 to memory/a.txt\n")
    shown = house.once(code=3)
    assert (shown["done"], shown["waiting"]) == (1, 1)
    assert house.inbox() == ["peru.md"] and house.report("peru") is None
    (waiting,) = [task for task in shown["tasks"] if task["status"] == "waiting"]
    assert "ollama serve" in waiting["reason"]
    house.env["GOFER_OLLAMA_HOST"] = here
    standin.faults.append(say(answer="Lima.", known=True, confidence=0.97))
    assert house.once()["done"] == 1
    assert house.header("peru")["attempt"] == "1", "waiting costs no attempt"


def test_l02_a_model_that_is_not_pulled_is_named_with_the_command_and_never_pulled(
    house: House, standin: OllamaStandIn
) -> None:
    house.drop("peru.md", QUESTION.replace("open\n", "open\nmodel: ollama/llama9:1b\n"))
    shown = house.once(code=3)
    assert "ollama pull llama9:1b" in shown["tasks"][0]["reason"]
    assert not any("pull" in path for path, _ in standin.requests)


def test_a_private_question_is_answered_here_and_an_unsure_answer_to_it_stays_here(
    house: House, standin: OllamaStandIn
) -> None:
    standin.faults += [say(answer="Lima.", known=True, confidence=0.9), say(answer="?", known=False, confidence=0.1)]
    house.drop("a.md", "---\nstatus: open\nprivate: true\ntype: ask\n---\nWhat is the capital of Peru?\n")
    house.drain()
    house.drop("b.md", "---\nstatus: open\nprivate: true\ntype: ask\n---\nWhat is the ZEBRA of Peru?\n")
    house.drain()
    assert (house.header("a")["status"], house.header("b")["status"]) == ("done", "needs-review")
    assert not list((house.root / "outbox/handoffs").glob("*.md"))


def test_a_running_model_task_is_cancelled_at_once_and_code_goes_on_beside_it(
    house: House, standin: OllamaStandIn
) -> None:
    standin.faults.append(Fault.TRICKLE)
    house.drop("peru.md", QUESTION)
    with house.worker():
        (running,) = eventually(lambda: [i for i in house.data("list") if i["state"] == "running"])
        house.drop("code.md", "---\nstatus: open\n---\nWrite 42 to memory/a.txt\n")
        eventually(lambda: house.report("code"), what="code goes on beside the model")
        eventually(lambda: house.data("status", code=None)["workers"][0]["task"] == running["id"])
        assert house.data("cancel", running["id"])["id"] == running["id"]
        eventually(lambda: house.report("peru"), what="the cancelled task has its report")
    assert house.header("peru")["status"] == "cancelled"
    assert house.inbox() == []


def test_a_quiet_scheduled_heartbeat_writes_and_commits_nothing_and_is_counted_with_the_next_line(
    house: House,
) -> None:
    head = house.git("rev-parse", "HEAD")
    before = {path: path.stat().st_mtime_ns for path in house.root.rglob("*") if ".git" not in path.parts}
    desk = Desk(house.root, house.env)
    try:
        for _ in range(3):
            beat(desk)
        after = {path: path.stat().st_mtime_ns for path in house.root.rglob("*") if ".git" not in path.parts}
        assert after == before and house.git("rev-parse", "HEAD") == head and desk.journal.quiet == 3
    finally:
        desk.close()
    house.drop("code.md", "---\nstatus: open\n---\nWrite 42 to memory/a.txt\n")
    house.drain()
    quiet, line = house.ledger()
    assert (quiet["type"], quiet["quiet"], line["type"]) == ("heartbeat", 3, "file")
    house.drop("more.md", "---\nstatus: open\n---\nWrite 43 to memory/b.txt\n")
    house.drain()
    assert len(house.ledger()) == 3, "the quiet beats are told once"


def beat(desk: Desk) -> None:
    """One scheduled heartbeat on the road's own stations."""
    raw, now = b"---\ntype: heartbeat\nevery: 30m\n---\nBeat\n", datetime.now(UTC)
    drop = Drop("inbox/schedules/beat.md", raw, (0, 0, 0, 0), instance="beat-20301120t0930z")
    task = replace(read_task(raw, drop.path, scheduled=True), id=drop.instance)
    decision = desk.router.route(task)
    desk.journal.begin([drop.key])
    claim = desk.claims.take([Wanted(task.id, task.revision, 1)])[task.id]
    assert claim is not None
    desk.workbench.start(drop, task, decision, claim, now, execute)
    desk.outlet.record(desk.workbench.collect())
    desk.outlet.deliver()
    assert desk.outlet.publish(now).records == ()
