"""What the task says, then the first matching row, then upward."""

import re
import time

import pytest

from agent.errors import Doubt, Refused
from agent.handlers import HANDLERS
from agent.handlers.base import Handler, NoParams, Params
from agent.route import TYPES, decide
from agent.vault.values import Decision, HandoffReason, Result, Role, Task, Tier, Who
from tests.route import SHIPPED, task

REVIEW = "Review PR #214 and leave substantive comments"
SUMMARY = "Summarize memory/meetings/2026-11-18.md in five bullets"
GIT = "git fetch origin and fast-forward main in repos/site"
RIDDLE = "Blorb the frumious gizmo"


def go(text: str, **header: object) -> Decision:
    return decide(task(text, **header), SHIPPED, HANDLERS, {"cheap": "ollama/qwen3:4b", "boss": "lead"})


def reader(problem: Exception | None) -> dict[str, Handler]:
    def understand(_: Task) -> Params:
        if problem:
            raise problem
        return NoParams()

    handler = Handler("file", Tier.TRIVIAL, Role.TASK, NoParams, lambda *_: Result(), understand=understand)
    return {"file": handler}


@pytest.mark.parametrize(("name", "tier"), [(name, tier) for name, tier in TYPES.items() if name != "handoff"])
def test_a_named_type_is_taken_in_its_own_tier_whatever_the_text_says(name: str, tier: Tier) -> None:
    decision = go(REVIEW, type=name)
    assert (decision.type, decision.tier, decision.handoff_reason) == (name, tier, None)
    assert decision.who == (Who.CODE if tier is Tier.TRIVIAL else Who.LOCAL)
    assert f"type: {name}" in decision.reason


@pytest.mark.parametrize("name", ["answer", "claim-handoff"])
def test_control_types_are_code(name: str) -> None:
    assert go("x", type=name) == Decision(
        Tier.TRIVIAL, name, Who.CODE, "none", f"trivial: the task says type: {name} → code"
    )


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"tier": "complex"}, HandoffReason.COMPLEX),
        ({"tier": "complex", "type": "summarize"}, HandoffReason.COMPLEX),
        ({"model": "lead"}, HandoffReason.ASKED),
        ({"model": "boss"}, HandoffReason.ASKED),
        ({"model": "lead", "type": "git"}, HandoffReason.ASKED),
        ({"type": "handoff"}, HandoffReason.ASKED),
        ({"type": "no-such-type"}, HandoffReason.UNCLASSIFIED),
    ],
)
def test_the_task_can_ask_for_the_lead(header: dict[str, str], reason: HandoffReason) -> None:
    decision = go(GIT, **header)
    assert (decision.who, decision.tier, decision.type, decision.model) == (Who.LEAD, Tier.COMPLEX, "handoff", "lead")
    assert decision.handoff_reason is reason


@pytest.mark.parametrize("text", [REVIEW, SUMMARY, GIT, RIDDLE, ""])
@pytest.mark.parametrize("header", [{}, {"tier": "complex"}, {"type": "handoff"}, {"type": "no-such-type"}])
@pytest.mark.parametrize("model", ["local", "none", "cheap", "ollama/qwen3:8b"])
def test_a_task_that_names_its_doer_is_never_sent_to_the_lead(text: str, header: dict[str, str], model: str) -> None:
    decision = go(text, model=model, **header)
    assert decision.who is not Who.LEAD
    assert decision.handoff_reason is None
    if decision.who is Who.LOCAL:
        assert decision.model == model


def test_model_none_says_beforehand_that_a_model_would_be_needed() -> None:
    assert go(GIT, model="none").reason.endswith("→ code")
    decision = go(SUMMARY, model="none")
    assert (decision.who, decision.type, decision.model) == (Who.CODE, "summarize", "none")
    assert "summarize needs a model and the task says model: none, so it will fail" in decision.reason


def test_a_named_model_leaves_code_types_to_code() -> None:
    assert go(GIT, model="cheap").who is Who.CODE
    assert go(SUMMARY, model="cheap").model == "cheap"
    assert go(REVIEW, model="cheap").type == "ask"


def test_a_forced_tier_is_kept_where_it_can_be_and_explained_where_not() -> None:
    assert go(REVIEW, tier="standard").type == "ask"
    assert go(RIDDLE, tier="standard").who is Who.LOCAL
    raised = go(SUMMARY, tier="trivial")
    assert (raised.tier, raised.type) == (Tier.STANDARD, "summarize")
    assert "tier: trivial is raised" in raised.reason
    assert "tier: trivial is raised" in go("x", tier="trivial", type="ask").reason
    assert go(REVIEW, tier="trivial").handoff_reason is HandoffReason.COMPLEX
    assert go(RIDDLE, tier="trivial").handoff_reason is HandoffReason.UNCLASSIFIED


def test_unsure_means_complex() -> None:
    for text in (RIDDLE, "", "…", "Mach das bitte fertig"):
        assert go(text).handoff_reason is HandoffReason.UNCLASSIFIED


def test_the_reason_names_the_row_and_its_words() -> None:
    found = re.fullmatch(
        r"standard: delegation\.md row (\w+) 'summar\* PATH' → local", go("Summarize notes/a.md").reason
    )
    assert found
    assert next(row for row in SHIPPED.rows if row.number == found[1]).type == "summarize"


@pytest.mark.parametrize(
    "text",
    [
        "Fetch https://example.org/x and harden the server",
        "Fetch https://example.org/x, then frobnicate",
        "Summarize notes/a.md. Frobnicate afterwards.",
        "Summarize notes/a.md; frobnicate it",
        "Summarize notes/a.md and draw conclusions",
        "Summarize notes/a.md and lint agent/road.py",
    ],
)
def test_a_further_order_that_the_page_does_not_list_goes_up(text: str) -> None:
    assert go(text).who is Who.LEAD


@pytest.mark.parametrize(
    "text",
    [
        "Fetch https://example.org/x and tell me the status code",
        "Summarize notes/a.md in five bullets, with names and numbers",
        "Write a message to Dr. Who about lunch",
    ],
)
def test_what_is_no_further_order_does_not_go_up(text: str) -> None:
    assert go(text).who is not Who.LEAD


def test_a_row_applies_only_when_its_type_can_read_the_request() -> None:
    errand = task("Write 42 to test.txt")
    assert decide(errand, SHIPPED, reader(None)).type == "file"
    assert decide(errand, SHIPPED, reader(Doubt("which file?"))).who is Who.LEAD
    assert decide(errand, SHIPPED, reader(ValueError("no such parameter"))).who is Who.LEAD
    assert decide(errand, SHIPPED, reader(Refused("inbox/ is yours"))).type == "file"  # its own run says why
    assert decide(errand, SHIPPED, {}).type == "file"


def test_private_does_not_change_the_decision() -> None:
    assert go(REVIEW, private=True) == go(REVIEW)


@pytest.mark.parametrize(
    "text",
    [
        "This is trivial: design the schema for billing",
        "type: file\ntier: trivial\n\nArchitect the payment system",
        'Write "ok" to notes/a.txt. Then decide on our pricing.',
        "Summarize this.\n\n" + "Lorem ipsum dolor sit amet. " * 400 + "\n\nThen design the new protocol.",
        "Fetch https://example.org/x, review it and refactor the client",
        "# Design the API\n\nWrite a message to Sam about lunch",
        'Create a branch for "x" and implement it',
    ],
)
def test_an_errand_around_it_does_not_smuggle_complex_work_down(text: str) -> None:
    assert go(text).who is Who.LEAD


def test_a_title_of_its_own_is_read_too() -> None:
    plain = task("Summarize notes/a.md")
    titled = Task(id="t", path="p", title="Redesign the API", text=plain.text, raw="", revision="")
    assert decide(plain, SHIPPED, HANDLERS).who is Who.LOCAL
    assert decide(titled, SHIPPED, HANDLERS).who is Who.LEAD


@pytest.mark.parametrize("unit", ["review ", "a/b/", '"', "`x", ". ", "and review, ", "-", "x\n", "> a\n", "1. "])
def test_hostile_text_costs_little(unit: str) -> None:
    start = time.process_time()
    go(unit * (1_000_000 // len(unit)))
    assert time.process_time() - start < 0.5  # a quadratic reader of a megabyte takes minutes


def test_a_row_is_enough_for_types_that_take_their_own_doubts_to_the_lead() -> None:
    for text, type_ in (
        ("Archive meeting notes from 2024", "organize"),
        ("Check whether the token price moved more than 5 % since the last reading", "fetch"),
    ):
        decision = decide(task(text), SHIPPED, HANDLERS)
        assert (decision.type, decision.who) == (type_, Who.CODE), text
        with pytest.raises(Doubt):
            HANDLERS[type_].understand(task(text))  # type: ignore[misc]
