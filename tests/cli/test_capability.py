"""`gofer capability` with a real engine behind Ollama's protocol: a tiny model that knows nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from agent.capability import SKILLS, Score, read_report
from agent.capability.cases import cases_of
from agent.schema import schema
from tests.capability.test_skills import RIGHT
from tests.e2e.support import QUICK, House
from tests.engine.faults import Fault, Say
from tests.engine.fixtures import MODEL
from tests.engine.standin import OllamaStandIn


@pytest.fixture
def house(tmp_path: Path, standin: OllamaStandIn) -> House:
    return House(tmp_path, ollama=standin.url)


def reports(house: House) -> list[Path]:
    return sorted((house.root / "memory/capability").glob("*.md"))


def test_a_model_that_knows_nothing_is_asked_everything_and_passes_nearly_nothing(
    house: House, standin: OllamaStandIn
) -> None:
    data = house.data("capability", "--cases", "1", "--seconds", "30")
    assert [skill["skill"] for skill in data["skills"]] == list(SKILLS)
    assert data["complete"] and data["model"] == MODEL and data["digest"] == standin.digests[MODEL]
    assert sum(skill["passed"] for skill in data["skills"]) <= 1
    assert all(skill["input_tokens"] > 0 for skill in data["skills"])
    assert len(standin.chats) >= len(SKILLS)
    (path,) = reports(house)
    assert data["report"] == str(path) and path.name.startswith("qwen3-8b-20")
    kept = read_report(path.read_text("utf-8"), path.name)
    assert kept.scores == {skill["skill"]: Score(skill["passed"], 1) for skill in data["skills"]}
    assert house.git("status", "--porcelain").split() == ["??", "memory/capability/"], "committing it is the person's"


def test_a_right_answer_of_the_server_passes_and_a_wrong_one_is_told(house: House, standin: OllamaStandIn) -> None:
    cases = cases_of(SKILLS["classify"], 1, 3)
    standin.faults.extend(Say(json.dumps(RIGHT["classify"](case)), prompt_tokens=900) for case in cases[:2])
    wrong = {"type": "ask", "tier": "complex"}
    standin.faults.append(Say(json.dumps(wrong), prompt_tokens=900))
    done = house.gofer("capability", "--skill", "classify", "--cases", "3", "--out", "mine.md")
    assert done.returncode == 0, done.stderr
    assert "2 of 3 cases passed" in done.stdout and "instead of" in done.stdout
    assert read_report((house.root / "mine.md").read_text("utf-8"), "").scores == {"classify": Score(2, 3)}
    assert reports(house) == []


def test_the_way_a_case_is_asked(house: House, standin: OllamaStandIn) -> None:
    standin.faults.append(Say("{}", prompt_tokens=900))
    house.gofer("capability", "--skill", "json-read", "--cases", "1", "--seed", "7")
    (body,) = standin.chats
    (case,) = cases_of(SKILLS["json-read"], 7, 1)
    assert body["messages"][1]["content"] == case.prompt and body["options"]["num_predict"] == case.max_tokens
    assert body["options"]["temperature"] == 0 and body["think"] is False


def test_a_model_that_is_away_ends_with_3_and_writes_nothing(tmp_path: Path) -> None:
    house = House(tmp_path)
    done = house.gofer("capability")
    assert done.returncode == 3 and "cannot be asked" in done.stderr and reports(house) == []


def test_a_model_that_is_not_pulled_ends_with_3_and_names_the_remedy(house: House) -> None:
    done = house.gofer("capability", "--model", "ollama/nobody:1b")
    assert done.returncode == 3 and "ollama pull nobody:1b" in done.stderr


def test_a_model_that_goes_away_half_way_ends_with_3_and_what_was_done_is_kept(
    house: House, standin: OllamaStandIn
) -> None:
    standin.faults.extend([Say("x", prompt_tokens=900), Say("y", prompt_tokens=900), Fault.BUSY])
    done = house.gofer("capability", "--skill", "json-read", "--cases", "4", "--json")
    assert done.returncode == 3 and "busy" in done.stderr
    whole = json.loads(done.stdout)
    Draft202012Validator(schema("capability")).validate(whole)
    assert not whole["data"]["complete"] and whole["data"]["skills"][0]["cases"] == 2
    (path,) = reports(house)
    assert path.stem.endswith("-json-read-partial") and not read_report(path.read_text("utf-8"), "").complete


def test_an_alias_names_a_model_and_another_file_is_never_overwritten(house: House, standin: OllamaStandIn) -> None:
    house.config.write_text(f'{QUICK}[aliases]\nmine = "ollama/{MODEL}"\n', "utf-8")
    (house.root / "note.md").write_text("mine\n", "utf-8")
    options = ("--model", "mine", "--skill", "compose", "--cases", "1")
    assert house.data("capability", *options)["model"] == MODEL
    done = house.gofer("capability", *options, "--out", "note.md")
    assert done.returncode == 2 and "no report" in done.stderr
    assert (house.root / "note.md").read_text("utf-8") == "mine\n"
    assert house.gofer("capability", *options).returncode == 0, "its own report of the day is replaced"
    assert len(reports(house)) == 1


def test_two_reports_side_by_side_without_a_vault_or_a_model(house: House, tmp_path: Path) -> None:
    text = "---\ntype: capability\nmodel: {}\nseed: 1\ncases: {}\ncomplete: true\ncompose: 0\ncompose-counts: {}\n---\n"
    (tmp_path / "a.md").write_text(text.format("big", 20, "19/20"), "utf-8")
    (tmp_path / "b.md").write_text(text.format("small", 20, "3/20"), "utf-8")
    (tmp_path / "c.md").write_text(text.format("short", 5, "4/5"), "utf-8")
    done = house.gofer("capability", "--compare", "a.md", "b.md", cwd=tmp_path)
    assert done.returncode == 0 and "-80%" in done.stdout and "more than chance" in done.stdout
    assert "same cases" not in done.stdout
    whole = json.loads(house.gofer("capability", "--compare", "a.md", "c.md", "--json", cwd=tmp_path).stdout)
    Draft202012Validator(schema("capability-compare")).validate(whole)
    (pair,) = whole["data"]["skills"]
    assert pair["overlap"] and pair["difference"] == pytest.approx(-0.15) and not whole["data"]["same_cases"]
    assert house.gofer("capability", "--compare", "a.md", str(house.config), cwd=tmp_path).returncode == 2
