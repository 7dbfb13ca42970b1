"""The `extract` type: values that stand in the material, and nothing else."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import BadHeader, Doubt, Refused
from agent.handlers.extract import HANDLER
from agent.handlers.extract_facts import all_numbers, facts_of, parse_day
from agent.models.fake import FakeModel
from agent.models.ollama import Ollama
from tests.engine.standin import OllamaStandIn
from tests.handlers.model_place import ModelPlace

INVOICE = "Invoice INV-4711 of Acme Ltd, dated 20 November 2026.\nTotal: 1.234,50 EUR for 3 desks.\nPaid: no\n"
FIELDS = ["vendor", "total:number", "date:date", "desks:integer", "paid:boolean"]
RECORD = {"vendor": "Acme Ltd", "total": 1234.5, "date": "2026-11-20", "desks": 3, "paid": False}


def said(record: Any, **more: Any) -> dict[str, Any]:
    key = "records" if isinstance(record, list) else "record"
    return {key: record, "known": True, "confidence": 0.9, **more}


@pytest.fixture
def place(tmp_path: Path) -> ModelPlace:
    made = ModelPlace(tmp_path, HANDLER)
    made.write("invoices/a.md", INVOICE)
    made.write("people.md", "Ann Lee, ann@example.com, Oslo\nBob Ray, bob@example.com, Bergen\n")
    return made


def test_values_that_stand_in_the_material_are_kept_in_their_types(place: ModelPlace) -> None:
    result = place.do(FakeModel(said(RECORD)), "Get the facts", path="invoices/a.md", fields=FIELDS)
    assert json.loads(result.raw) == RECORD
    assert "- vendor: Acme Ltd" in result.sections[0].text
    assert result.confidence == 0.9 and not result.changes


@pytest.mark.parametrize(
    "field, invented",
    [("vendor", "Acme Inc"), ("total", 1234.51), ("date", "2026-11-21"), ("desks", 7), ("vendor", "Acm")],
)
def test_what_does_not_stand_there_becomes_null_and_is_named(place: ModelPlace, field: str, invented: Any) -> None:
    model = FakeModel(said({**RECORD, field: invented}))
    result = place.do(model, "Get the facts", path="invoices/a.md", fields=FIELDS)
    assert json.loads(result.raw) == {**RECORD, field: None}
    assert any(field in finding and "not in the material" in finding.lower() for finding in result.findings)


def test_when_over_half_is_invented_nothing_is_believed(place: ModelPlace) -> None:
    lies = {"vendor": "Evil Corp", "total": 99, "date": "2020-01-01", "desks": 3, "paid": False}
    with pytest.raises(Doubt) as caught:
        place.do(FakeModel(said(lies)), "Get the facts", path="invoices/a.md", fields=FIELDS)
    assert caught.value.reason == "bad-answer"
    assert "3 of 5" in caught.value.tried


@pytest.mark.parametrize(
    "answer, reason",
    [
        (said(RECORD, confidence=0.3), "low-confidence"),
        (said(RECORD, known=False), "low-confidence"),
        (said(dict.fromkeys(RECORD)), "bad-answer"),
    ],
)
def test_doubt_goes_up(place: ModelPlace, answer: dict[str, Any], reason: str) -> None:
    with pytest.raises(Doubt) as caught:
        place.do(FakeModel(answer), "Get the facts", path="invoices/a.md", fields=FIELDS)
    assert caught.value.reason == reason and caught.value.tried


def test_many_records_become_a_list_and_a_csv_file(place: ModelPlace) -> None:
    rows = [{"name": "Ann Lee", "city": "Oslo"}, {"name": "Bob Ray", "city": "Paris"}]
    result = place.do(FakeModel(said(rows)), "x", path="people.md", fields=["name", "city"], many="true", to="p.csv")
    (change,) = result.changes
    assert (change.path, change.before) == ("p.csv", None)
    assert change.after == b"name,city\nAnn Lee,Oslo\nBob Ray,\n"
    assert result.findings[0] == "2 records."


def test_a_csv_file_holds_no_formula_of_a_strangers(place: ModelPlace) -> None:
    place.write("evil.md", "Name: =HYPERLINK(1)\nfine\n")
    result = place.do(FakeModel(said({"name": "=HYPERLINK(1)"})), "x", path="evil.md", fields="name", to="p.csv")
    assert result.changes[0].after == b"name\n'=HYPERLINK(1)\n"


def test_a_file_is_replaced_only_when_the_task_says_so(place: ModelPlace) -> None:
    place.write("out.json", "{}")
    model = FakeModel(said({"vendor": "Acme Ltd"}))
    with pytest.raises(Refused, match="there already"):
        place.do(model, "x", path="invoices/a.md", fields="vendor", to="out.json")
    assert not model.history
    result = place.do(model, "x", path="invoices/a.md", fields="vendor", to="out.json", replace="true")
    assert json.loads(result.changes[0].after or b"") == {"vendor": "Acme Ltd"}
    assert result.changes[0].before


@pytest.mark.parametrize("to", ["outbox/x.json", "../x.json", "package.json"])
def test_s10_what_tasks_may_not_write_is_refused_before_the_model(place: ModelPlace, to: str) -> None:
    model = FakeModel()
    with pytest.raises(Refused):
        place.do(model, "x", path="invoices/a.md", fields="vendor", to=to)
    assert not model.history


# Schemas


SCHEMA = {
    "type": "object",
    "properties": {
        "vendor": {"type": "string"},
        "money": {"type": "object", "properties": {"total": {"type": "number"}, "currency": {"enum": ["EUR", "USD"]}}},
    },
    "required": ["vendor"],
}
DEEP = {"vendor": "Acme Ltd", "money": {"total": 1234.5, "currency": "EUR"}}


@pytest.mark.parametrize("way", ["header", "fence", "file"])
def test_a_schema_comes_from_the_header_a_fence_or_a_file(place: ModelPlace, way: str) -> None:
    text = json.dumps(SCHEMA, indent=1)
    place.write("schemas/i.json", text)
    body = f"Get this:\n\n```json\n{text}\n```\n" if way == "fence" else "Get this"
    params = {"header": {"schema": text}, "file": {"schema": "schemas/i.json"}, "fence": {}}[way]
    model = FakeModel(said(DEEP))
    assert json.loads(place.do(model, body, path="invoices/a.md", **params).raw) == DEEP
    assert '"additionalProperties":false' in model.history[0].prompt


@pytest.mark.parametrize(
    "schema, why",
    [
        ({"properties": {"a": {"$ref": "#"}}}, "ref"),
        ({"properties": {"a": {"type": "string", "pattern": "x"}}}, "pattern"),
        ({"properties": {"a": {"type": "text"}}}, "type"),
        ({"properties": {"a": {}}}, "type of its own"),
        ({"properties": {f"a{n}": {"type": "string"} for n in range(65)}}, "64"),
        ({"type": "string"}, "object with properties"),
        ("{no json", "property name"),
    ],
)
def test_a_schema_that_cannot_be_checked_is_refused_before_the_model(place: ModelPlace, schema: Any, why: str) -> None:
    model = FakeModel()
    text = schema if isinstance(schema, str) else json.dumps(schema)
    with pytest.raises(Refused, match=why):
        place.do(model, "x", path="invoices/a.md", schema=text)
    assert not model.history


def test_a_schema_too_deep_is_refused(place: ModelPlace) -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(8):
        schema = {"type": "object", "properties": {"a": schema}}
    with pytest.raises(Refused, match="deeper"):
        place.do(FakeModel(), "x", path="invoices/a.md", schema=json.dumps(schema))


# Fields that nobody listed


def test_fields_are_named_by_the_model_and_then_filled(place: ModelPlace) -> None:
    rows = [{"name": "Ann Lee", "email": "ann@example.com"}, {"name": "Bob Ray", "email": "bob@example.com"}]
    model = FakeModel({"fields": ["name", "email"], "confidence": 0.9}, said(rows))
    result = place.do(model, "Extract all names and e-mail addresses from people.md")
    assert json.loads(result.raw) == rows
    assert len(result.usage) == 2


@pytest.mark.parametrize("names", [["Name"], ["name; rm"], ["name", "name"], ["$ref"]])
def test_odd_names_of_fields_go_up(place: ModelPlace, names: list[str]) -> None:
    with pytest.raises(Doubt) as caught:
        place.do(FakeModel({"fields": names, "confidence": 0.9}), "Extract names from people.md")
    assert caught.value.reason == "bad-answer"


@pytest.mark.parametrize(
    "params",
    [
        {"fields": "a:money"},
        {"fields": "a, a:number"},
        {"fields": "a", "schema": "{}"},
        {"to": "x.txt", "fields": "a"},
        {"replace": "true", "fields": "a"},
        {"feilds": "a"},
    ],
)
def test_parameters_that_make_no_sense_are_told(place: ModelPlace, params: dict[str, str]) -> None:
    with pytest.raises(BadHeader):
        place.do(FakeModel(), "x", path="people.md", **params)


def test_nothing_to_extract_from_goes_up(place: ModelPlace) -> None:
    with pytest.raises(Doubt, match="nothing to extract"):
        place.do(FakeModel(), "Extract the names", fields="name")


def test_the_tasks_own_text_is_material_too(place: ModelPlace) -> None:
    result = place.do(FakeModel(said({"city": "Oslo"})), "Extract the city\n\nShe lives in Oslo.", fields="city")
    assert json.loads(result.raw) == {"city": "Oslo"}


# Second opinions


def test_opinions_that_differ_go_up_with_both(place: ModelPlace) -> None:
    model = FakeModel(said({"vendor": "Acme Ltd"}), said({"vendor": "INV-4711"}))
    with pytest.raises(Doubt) as caught:
        place.do(model, "x", path="invoices/a.md", fields="vendor", opinions=3)
    assert caught.value.reason == "low-confidence"
    assert "Acme Ltd" in caught.value.tried and "INV-4711" in caught.value.tried
    assert place.seeds == [0, 1]


def test_opinions_that_agree_count_and_cost(place: ModelPlace) -> None:
    model = FakeModel(said({"vendor": "Acme Ltd"}), said({"vendor": "acme  ltd"}, confidence=0.6))
    result = place.do(model, "x", path="invoices/a.md", fields="vendor", opinions=2)
    assert json.loads(result.raw) == {"vendor": "Acme Ltd"}
    assert len(result.usage) == 2 and place.seeds == [0, 1]


# Facts


@pytest.mark.parametrize(
    "text, values",
    [
        ("1,234.50", ["1234.5"]),
        ("1.234,50", ["1234.5"]),
        ("12,5 kg", ["12.5"]),
        ("1 234 567", ["1234567"]),
        ("1,2,3", ["1", "2", "3"]),
        ("10.0.0.7", ["10", "0", "7"]),
        ("1,234", ["1234", "1.234"]),
        ("2026-11-20", ["2026", "11", "20"]),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, values: list[str]) -> None:
    found = all_numbers(text)
    assert all(found.has_number(Decimal(value)) for value in values)
    assert not found.has_number(Decimal("34"))


@pytest.mark.parametrize(
    "text, day",
    [
        ("2026-11-20", "2026-11-20"),
        ("20.11.2026", "2026-11-20"),
        ("Nov 20, 2026", "2026-11-20"),
        ("20th of November 2026", "2026-11-20"),
        ("20. März 2026", "2026-03-20"),
        ("3/4/2026", None),
        ("2026-02-30", None),
        ("20 November", None),
    ],
)
def test_dates_are_one_day_or_none(text: str, day: str | None) -> None:
    found = parse_day(text)
    assert (found.isoformat() if found else None) == day


def test_a_year_that_the_text_does_not_give_is_invented() -> None:
    assert facts_of("on 20 November, in 2026").has_date((2026, 11, 20))
    assert not facts_of("on 20 November").has_date((2026, 11, 20))


@given(st.integers(0, 10**9))
def test_every_number_is_found_in_its_own_spellings(number: int) -> None:
    for spelled in (str(number), f"{number:,}", f"{number:,}".replace(",", "."), f"{number:,}".replace(",", " ")):
        assert all_numbers(f"about {spelled} euros").has_number(Decimal(number)), spelled


@given(st.text())
def test_no_text_breaks_the_reading_of_facts(text: str) -> None:
    all_numbers(text)


# The real engine


def test_a_model_that_knows_nothing_gives_data_of_the_material_or_a_doubt(
    place: ModelPlace, standin: OllamaStandIn
) -> None:
    place.context = 4096
    try:
        result = place.do(Ollama(standin.url), "Get it", path="invoices/a.md", fields=["vendor", "total:number"])
    except Doubt as doubt:
        assert doubt.reason in ("low-confidence", "bad-answer", "too-long") and doubt.tried
    else:
        data = json.loads(result.raw)
        assert data["vendor"] is None or data["vendor"] in INVOICE
        assert data["total"] is None or data["total"] in (1234.5, 4711, 3, 20, 2026)
    assert standin.chats
