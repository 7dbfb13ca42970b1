"""What a model had a part in is done as it was planned: nobody asks it a second time."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.models.fake import FakeModel
from tests.e2e.support import House

TASK = "---\nstatus: open\napprove: true\ntype: config\npath: conf/a.toml\n---\nSet port to 8080 in conf/a.toml\n"
SAID = {"key": "server.port", "value": "8080", "known": True, "confidence": 0.95}


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    (house.root / "conf").mkdir()
    (house.root / "conf/a.toml").write_text("[server]\nport = 80\n", "utf-8")
    house.git("add", "conf")
    house.git("commit", "-qm", "settings")
    return house


def planned(house: House) -> Path:
    """The approval of the one task, made with one answer of the model."""
    house.drop("shop.md", TASK)
    model = FakeModel(SAID)
    house.drain(model)
    assert len(model.history) == 1
    (path,) = (house.root / "outbox/approvals").glob("*.md")
    return path


def test_an_approved_answer_is_applied_without_asking_again(house: House) -> None:
    path = planned(house)
    assert (house.root / "conf/a.toml").read_text("utf-8") == "[server]\nport = 80\n"
    assert "-port = 80\n+port = 8080\n" in path.read_text("utf-8")
    assert house.gofer("approve", path.stem).returncode == 0
    (record,) = house.drain(FakeModel())  # an empty script: a question would be an error
    assert record.status == "done"
    assert (house.root / "conf/a.toml").read_text("utf-8") == "[server]\nport = 8080\n"
    (line,) = house.ledger()
    assert line["input_tokens"] > 0  # what the plan took is counted, once
    assert house.gofer("undo", path.stem).returncode == 0
    assert (house.root / "conf/a.toml").read_text("utf-8") == "[server]\nport = 80\n"


def test_what_a_rejected_plan_took_is_in_the_ledger(house: House) -> None:
    path = planned(house)
    assert house.gofer("approve", path.stem, "--reject", "wrong port").returncode == 0
    (record,) = house.drain(FakeModel())
    assert record.status == "cancelled"
    (line,) = house.ledger()
    assert (line["status"], line["input_tokens"] > 0) == ("cancelled", True)


def test_a_plan_of_a_models_is_left_to_the_worker_that_made_it(house: House) -> None:
    path = planned(house)
    for plan in (house.state / "approvals").glob("*.json"):
        plan.unlink()
    assert house.gofer("approve", path.stem).returncode == 0
    assert house.drain(FakeModel()) == []
    (row,) = [row for row in house.data("list") if row["id"] == path.stem]
    assert row["reason"].startswith("approved; ")
    assert row["reason"].endswith("carries it out, who planned it")
