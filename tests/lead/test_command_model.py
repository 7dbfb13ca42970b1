"""A registered command in a model's place: `model: command/NAME`, by name or by alias."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.support import House
from tests.lead.commands import CLAUDE, printing, registered, script

QUESTION = "---\nstatus: open\n---\nWhat is the capital of Peru? [model:coder]\n"
KEYS = {"output": "json", "model": "keys(modelUsage)[0]", "max_usd": 0.05}
CAPS = "[money]\nper_task_usd = 0.2\nper_day_usd = 1\nper_month_usd = 2\n"
LIMA = {"answer": "Lima.", "known": True, "confidence": 0.97}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def coder(house: House, path: Path, caps: str = CAPS, **keys: object) -> None:
    alias = '[aliases]\ncoder = "command/agent"\n'
    tables = alias + caps + registered("executors", "agent", path, **{**KEYS, **keys})
    house.config.write_text(house.config.read_text("utf-8") + tables, "utf-8")


def answering(house: House, text: str) -> Path:
    return printing(house.folder, "agent", {**CLAUDE, "result": text})


@pytest.mark.parametrize("fence", ["{}", "```json\n{}\n```"], ids=["bare", "fenced"])
def test_a_command_answers_a_task_and_its_cost_is_counted(house: House, fence: str) -> None:
    coder(house, answering(house, fence.format(json.dumps(LIMA))))
    house.drop("peru.md", QUESTION)
    assert house.once()["done"] == 1
    (line,) = house.ledger()
    assert (line["provider"], line["model"]) == ("command:agent", "claude-opus-4-6")
    assert line["cost_usd"] == pytest.approx(0.0123) and line["input_tokens"] == 1200
    assert "\n## Result\nLima.\n" in (house.report("peru") or "")
    asked = (house.folder / "agent.asked").read_text("utf-8")
    assert "capital of Peru" in asked and "[model:" not in asked


def test_an_answer_that_does_not_fit_is_asked_for_once_more_and_both_are_paid(house: House) -> None:
    coder(house, answering(house, "Lima, of course!"))
    house.drop("peru.md", QUESTION)
    assert house.once()["handed-off"] == 1
    (line,) = house.ledger()
    assert line["cost_usd"] == pytest.approx(2 * 0.0123) and line["input_tokens"] == 2400
    assert (house.folder / "agent.asked").read_text("utf-8").count("capital of Peru") == 2


def test_each_question_has_a_process_and_a_folder_of_its_own(house: House) -> None:
    code = f"print(json.dumps(dict({CLAUDE!r}, result=json.dumps(dict({LIMA!r}, answer=os.getcwd())))))"
    coder(house, script(house.folder, "agent", code))
    for name in ("peru", "chile"):
        house.drop(f"{name}.md", QUESTION.replace("Peru", name))
    assert house.once()["done"] == 2
    places = {(house.report(name) or "").partition("## Result\n")[2].splitlines()[0] for name in ("peru", "chile")}
    assert len(places) == 2 and not any(str(house.root) in place for place in places)


@pytest.mark.parametrize(
    ("caps", "keys", "header", "status"),
    [
        ("", {}, "", "handed-off"),
        (CAPS, {"max_usd": 0.3}, "", "handed-off"),
        (CAPS, {}, "budget_usd: 0.01\n", "handed-off"),
        (CAPS, {}, "private: true\n", "failed"),
    ],
    ids=["no caps", "over the cap", "over its budget", "private"],
)
def test_it_is_not_started_when_it_may_not_be(
    house: House, caps: str, keys: dict[str, object], header: str, status: str
) -> None:
    coder(house, answering(house, json.dumps(LIMA)), caps, **keys)
    house.drop("peru.md", QUESTION.replace("status", f"{header}status", 1))
    assert house.once(code=None)[status] == 1
    assert not (house.folder / "agent.asked").exists()


def test_another_program_in_its_place_is_waited_for_and_never_started(house: House) -> None:
    path = answering(house, json.dumps(LIMA))
    coder(house, path)
    path.write_text(path.read_text("utf-8") + "\n# changed\n", "utf-8")
    house.drop("peru.md", QUESTION)
    shown = house.once(code=3)
    assert "not the one that was registered" in shown["tasks"][0]["reason"]
    assert not (house.folder / "agent.asked").exists()
