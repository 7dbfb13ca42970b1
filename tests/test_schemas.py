"""Every `--json` shape is a valid schema, accepts its examples and refuses what lacks a promised field."""

from __future__ import annotations

import copy
import json
from importlib import resources

import pytest
from jsonschema import Draft202012Validator, ValidationError

from agent.errors import Usage
from agent.schema import schema, verbs
from agent.vault.values import HandoffReason, Priority, Role, Status, Tier, Who

BUILT = {
    "sync",
    *("stats", "review", "smoke", "capability", "capability-compare"),
    *("prices-list", "prices-show", "prices-import"),
    "stop",
    "resume",
    *("route", "add", "list", "show", "run", "run-dry-run", "status", "doctor", "init", "retry", "cancel", "demo"),
    *("approve", "undo"),
    *("handoff-list", "handoff-show", "handoff-claim", "handoff-answer"),
}

PROMISED = {
    "route": {"tier", "type", "who", "model", "reason"},
    "add": {"id", "path"},
    "list": {"id", "title", "state", "type", "tier", "priority", "path", "report", "reason"},
    "run": {"done", "needs-review", "handed-off", "failed", "cancelled", "unknown", "waiting", "tasks"},
    "status": {"healthy", "workers", "queue", "sync", "models", "problems"},
    "doctor": {"ok", "checks"},
}


def validator(verb: str) -> Draft202012Validator:
    return Draft202012Validator(schema(verb))


def first_example(verb: str) -> dict:
    return copy.deepcopy(schema(verb)["examples"][0])


@pytest.mark.parametrize("verb", verbs())
def test_every_schema_is_valid_and_accepts_its_own_examples(verb: str) -> None:
    Draft202012Validator.check_schema(schema(verb))
    assert schema(verb)["examples"]
    for example in schema(verb)["examples"]:
        validator(verb).validate(example)


@pytest.mark.parametrize("verb", verbs())
def test_an_envelope_of_another_version_or_without_data_is_refused(verb: str) -> None:
    example = first_example(verb)
    assert not validator(verb).is_valid(example | {"schema_version": 2})
    assert not validator(verb).is_valid({"schema_version": 1})
    assert not validator(verb).is_valid({"schema_version": 1, "data": "text"})


@pytest.mark.parametrize("verb", verbs())
def test_every_required_field_of_the_data_is_really_required(verb: str) -> None:
    example = first_example(verb)
    records = example["data"] if isinstance(example["data"], list) else [example["data"]]
    optional = {"log", "stopped", "sandbox"}
    for key in sorted(records[0].keys() - optional):
        lacking = copy.deepcopy(example)
        record = lacking["data"][0] if isinstance(lacking["data"], list) else lacking["data"]
        del record[key]
        assert not validator(verb).is_valid(lacking), key


@pytest.mark.parametrize("verb", verbs())
def test_fields_may_be_added_by_a_later_version(verb: str) -> None:
    example = first_example(verb)
    for record in example["data"] if isinstance(example["data"], list) else [example["data"]]:
        record["added_later"] = 1
    validator(verb).validate(example | {"added_later": 1})


def test_the_verbs_that_are_built_are_not_marked_as_planned() -> None:
    assert {verb for verb in verbs() if "x-planned" not in schema(verb)} == BUILT


@pytest.mark.parametrize(("verb", "fields"), PROMISED.items())
def test_the_promised_fields_are_in_the_example(verb: str, fields: set[str]) -> None:
    data = first_example(verb)["data"]
    assert fields <= (data[0] if isinstance(data, list) else data).keys()


@pytest.mark.parametrize(
    ("verb", "field", "value"),
    [
        ("route", "who", "cloud"),
        ("route", "tier", "hard"),
        ("add", "id", "Not An Id"),
        ("add", "path", "/etc/passwd"),
        ("retry", "state", "finished"),
        ("run", "done", -1),
        ("run", "done", "1"),
        ("status", "healthy", "yes"),
        ("status", "workers", [{"name": "a", "state": "busy"}]),
        ("status", "problems", [{"what": "no fix"}]),
        ("doctor", "checks", [{"name": "git", "ok": True}]),
        ("demo", "tasks", [{"id": "a"}]),
        ("approve", "plan", "abc"),
        ("stats", "total", {"runs": 1}),
        ("stats", "metrics", {"saved_usd": {"value": None, "target": 0, "met": "no"}}),
        ("stats", "projection", {"days_with_data": -1}),
        ("review", "samples", [{"id": "a"}]),
    ],
)
def test_a_wrong_value_is_refused(verb: str, field: str, value: object) -> None:
    example = first_example(verb)
    example["data"][field] = value
    with pytest.raises(ValidationError):
        validator(verb).validate(example)


def test_a_failed_run_in_a_list_of_runs_still_needs_its_tokens() -> None:
    example = first_example("run")
    del example["data"]["tasks"][0]["input_tokens"]
    assert not validator("run").is_valid(example)


def test_the_words_are_those_of_the_code() -> None:
    shared = schema("list")["$defs"]
    assert shared["status"]["enum"] == [status.value for status in Status]
    assert shared["tier"]["enum"] == [tier.value for tier in Tier]
    assert shared["who"]["enum"] == [who.value for who in Who]
    assert shared["ledger"]["properties"]["role"]["enum"] == [role.value for role in Role]
    assert shared["handoff"]["properties"]["reason"]["enum"] == [reason.value for reason in HandoffReason]
    assert shared["handoff"]["properties"]["priority"]["enum"] == [priority.value for priority in Priority]


def test_each_schema_stands_alone() -> None:
    for verb in verbs():
        assert "common.json" not in json.dumps(schema(verb))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(Usage, match="run-dry-run"):
        schema("../config")


def test_the_files_are_neatly_formatted_json() -> None:
    for entry in (resources.files("agent") / "schemas").iterdir():
        text = entry.read_text("utf-8")
        assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"
