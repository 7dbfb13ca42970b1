"""Logs and backlogs on the whole road, from a dropped file to a report in a commit; no model unless it is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.support import House
from tests.engine.faults import Say
from tests.engine.standin import OllamaStandIn

FAST = "[watch]\nsettle_seconds = 0.1\nsettle_open_seconds = 0.01\npoll_seconds = 0.1\n"
LOG = "".join(
    f"2026-11-20T0{n % 10}:15:00Z {'ERROR cannot reach 10.0.0.' + str(n) if n % 5 == 0 else 'INFO tick ' + str(n)}\n"
    for n in range(40)
)


@pytest.fixture
def house(tmp_path: Path, standin: OllamaStandIn) -> House:
    outside = tmp_path / "app.log"
    outside.write_text(LOG)
    return House(tmp_path, settings=f'{FAST}[logs.app]\npath = "{outside}"\n', ollama=standin.url)


def test_a_log_is_mined_without_a_model_and_reported_in_one_commit(house: House, standin: OllamaStandIn) -> None:
    (house.root / "memory/logs").mkdir()
    (house.root / "memory/logs/worker.log").write_text(LOG)
    house.drop("logs.md", "---\nstatus: open\ntype: logs\npath: memory/logs/worker.log\n---\n")
    house.drop("asked.md", "---\nstatus: open\n---\nList the recurring errors in memory/logs/worker.log\n")
    house.drop("machine.md", "---\nstatus: open\ntype: logs\nlog: [app]\n---\n")
    assert {record.status for record in house.drain()} == {"done"}
    assert standin.chats == []
    for name, tokens in (("logs", "8 errors, 32 info"), ("asked", "8 errors of 1 pattern"), ("machine", "40 lines")):
        header, report = house.header(name), house.report(name) or ""
        assert (header["tier"], header["model"], header["role"]) == ("standard", "none", "research")
        assert header["route"].endswith("code is enough → code")
        assert tokens in report, report
    assert "8 × ERROR cannot reach \\<ip>" in (house.report("asked") or "")
    assert len(list(house.root.glob("memory/qwen-worker/research-drafts/*/*.md"))) == 3
    assert house.git("status", "--porcelain", "--", "outbox", "memory/qwen-worker", "inbox") == ""


def test_a_question_about_a_log_asks_the_model_for_patterns_only(house: House, standin: OllamaStandIn) -> None:
    (house.root / "memory/worker.log").write_text(LOG)
    standin.faults.append(Say(json.dumps({"patterns": [2], "known": True, "confidence": 0.9})))
    house.drop(
        "q.md", "---\nstatus: open\ntype: logs\npath: memory/worker.log\n---\nWhich machines were unreachable?\n"
    )
    (record,) = house.drain()
    report = house.report("q") or ""
    assert record.status == "done", report
    assert "What was asked about: 8 messages of 1 pattern" in report
    assert house.header("q")["model"] == "qwen3:8b"


def test_a_log_that_is_nowhere_goes_to_the_lead_with_the_reason(house: House) -> None:
    house.drop("q.md", "---\nstatus: open\n---\nLook through the gateway log and list recurring errors\n")
    (record,) = house.drain()
    assert record.status == "handed-off"
    assert "no log called 'gateway' is in the vault, and this machine's settings list app" in (house.report("q") or "")


def test_a_backlog_is_read_without_a_model(house: House, standin: OllamaStandIn) -> None:
    (house.root / "BACKLOG.md").write_text("# Next\n- [ ] One @ada\n- [x] Two\n# Later\n- [ ] Three <script>\n")
    house.drop("b.md", "---\nstatus: open\n---\nList the open items of BACKLOG.md by section\n")
    (record,) = house.drain()
    report = house.report("b") or ""
    assert (record.status, standin.chats) == ("done", [])
    assert "- BACKLOG.md: 2 of 3 items: 2 open." in report
    assert "Later:\n- (open) Three \\<script>" in report
    assert house.header("b")["role"] == "task"


def test_model_none_is_enough_where_code_understands(house: House) -> None:
    (house.root / "BACKLOG.md").write_text("- [ ] One\n")
    house.drop("b.md", "---\nstatus: open\ntype: backlog\nmodel: none\n---\n")
    house.drop("c.md", "---\nstatus: open\ntype: backlog\nmodel: none\n---\nWhich of them is funny?\n")
    assert {record.task.split("-")[0]: record.status for record in house.drain()} == {"b": "done", "c": "failed"}
