"""Hand-offs: all that a lead needs, word for word, and nothing in it that acts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import frontmatter
from agent.errors import BadHeader, Refused
from agent.gate import OutputGate
from agent.vault import handoff
from agent.vault.handoff import HandoffSettings
from agent.vault.values import HandoffReason, Outcome, Section
from tests.vault.samples import FINISHED, TASK, USAGE, blocks, body_of, hostile_run, hostile_text, lead_run

SECRET = "correct-horse-battery"
GATE = OutputGate((SECRET,))
CALM = settings(max_examples=120, deadline=None)
HEADINGS = ["Goal", "Acceptance", "What was tried", "Context", "How to answer"]


def render(outcome: Outcome) -> str:
    return handoff.render(outcome, GATE, HandoffSettings(lead="Mara"))


def test_the_front_matter_has_the_keys_of_the_format_in_their_order() -> None:
    values = frontmatter.read(render(lead_run())).values
    assert list(values) == [
        "type",
        "handoff_version",
        "id",
        "title",
        "status",
        "reason",
        "priority",
        "from",
        "to",
        "created",
        "expires",
        "attempts",
        "model_hint",
        "thinking",
        "answer",
        "task_type",
        "task_file",
        "source",
    ]
    assert (values["type"], values["handoff_version"], values["status"], values["reason"]) == (
        "handoff", "1", "open", "complex",
    )  # fmt: skip
    assert (values["from"], values["to"], values["answer"]) == ("laptop-1", "Mara", f"inbox/answer-{TASK.id}.md")
    assert (values["created"], values["expires"]) == ("2026-11-20T09:30:00Z", "2026-11-27T09:30:00Z")


def test_the_sections_stand_in_their_order_below_the_title() -> None:
    lines = render(lead_run()).splitlines()
    assert [line for line in lines if line.startswith("#")] == ["# Weekly digest", *(f"## {name}" for name in HEADINGS)]


def test_the_file_to_answer_with_is_there_to_the_letter() -> None:
    answer = f"```text\n---\ntype: answer\nstatus: open\nhandoff: {TASK.id}\nby: your name\n---\nYour answer.\n```\n"
    assert f"`inbox/answer-{TASK.id}.md`" in render(lead_run()) and answer in render(lead_run())


def test_it_says_who_tried_what_and_what_the_task_demands() -> None:
    task = replace(
        TASK, verify="lint", due=datetime(2026, 12, 1, tzinfo=UTC), budget_usd=0.5, needs=("gpu",), model="coder",
        params={"path": "a.md"},
    )  # fmt: skip
    run = lead_run(
        task=task, handoff=HandoffReason.BAD_ANSWER, usage=(USAGE,), tried=("the answer was cut",), raw="minutes",
        findings=("memory/minutes.md was read",), sections=(Section("Draft", "half a summary"),),
    )  # fmt: skip
    text = render(run)
    for told in (
        "- qwen3:8b (ollama, thinking off): 812 tokens in, 164 out.", "- the answer was cut", "(bad-answer)",
        "check lint passes", "due on 2026-12-01T00:00:00Z", "at most 0.50 US dollars", "Needs: gpu", "path: a.md",
        "dropped as inbox/weekly-digest.md", "memory/minutes.md was read", "half a summary", "```text\nminutes\n```",
    ):  # fmt: skip
        assert told in text
    assert handoff.parse(text)["model_hint"] == "coder"


def test_it_reads_back_with_its_types() -> None:
    read = handoff.parse(render(replace(lead_run(), attempt=2)))
    assert (read["created"], read["expires"]) == (FINISHED, FINISHED + timedelta(days=7))
    assert (read["reason"], read["attempts"], read["handoff_version"]) == (HandoffReason.COMPLEX, 2, 1)
    assert read["request"] == "Summarise the week."


@pytest.mark.parametrize("text", ["", "---\ntype: report\n---\n", "---\ntype: handoff\n---\n"])
def test_what_is_no_hand_off_is_refused(text: str) -> None:
    with pytest.raises(BadHeader):
        handoff.parse(text)


def test_the_text_of_a_private_task_never_goes_into_a_hand_off() -> None:
    with pytest.raises(Refused, match="private"):
        render(lead_run(task=replace(TASK, private=True)))


@given(hostile_text)
@CALM
def test_the_request_comes_back_word_for_word(text: str) -> None:
    read = handoff.parse(render(lead_run(task=replace(TASK, text=text))))
    assert read["request"] == text.rstrip("\n")


@given(hostile_text | st.text(st.sampled_from("\\uU0059<%`\n\r\u202e\U000e0041\ud800")), st.integers(0, 60))
@CALM
def test_quoting_can_always_be_taken_back(text: str, limit: int) -> None:
    quoted, left_out = handoff.quote(text, limit)
    kept = handoff.unquote(quoted)
    assert len(quoted.encode()) <= limit or not left_out
    assert text.startswith(kept)
    assert left_out == len(text.encode("utf-8", "surrogatepass")) - len(kept.encode("utf-8", "surrogatepass"))
    assert "<%" not in quoted


@given(hostile_text)
@CALM
def test_s21_to_s24_nothing_from_outside_is_active_in_a_hand_off(text: str) -> None:
    run = hostile_run(text)
    written = render(run)
    assert "<%" not in written
    seen = blocks(body_of(written))
    assert not {kind for kind, _ in seen} & {
        "html_block",
        "html_inline",
        "image",
        "link_open",
        "table_open",
        "code_block",
    }
    assert [tag for kind, tag in seen if kind == "heading_open"] == ["h1", *["h2"] * 5]
    assert {info for kind, info in seen if kind == "fence"} == {"text"}
    assert frontmatter.read(written).values["title"] == GATE.value(text, handoff.ITEM_LIMIT)


@given(hostile_text, hostile_text)
@CALM
def test_i6_a_known_secret_never_reaches_a_hand_off(before: str, after: str) -> None:
    written = render(hostile_run(f"{before}{SECRET}{after}"))
    assert SECRET not in written
    assert GATE.scan(written.encode()) == []


@pytest.mark.parametrize("letter", ["x", "`", "é", "<%", "\u202e", "\U000e0041", "𝒳", "\n", "word ", "*"])
def test_a_hand_off_stays_within_64_kib_and_says_where_the_rest_is(letter: str) -> None:
    run = hostile_run(letter * 100_000)
    full = replace(run.result, findings=(letter * 5000,) * 20, tried=(letter * 5000,) * 20, usage=(USAGE,) * 20)
    sections = (Section(letter * 100, letter * 50_000),) * 5
    task = replace(run.task, text=letter * 300_000, needs=(letter * 300,) * 9)
    written = render(replace(run, task=task, result=replace(full, sections=sections)))
    assert len(written.encode()) <= handoff.LIMIT
    assert [line for line in written.splitlines() if line.startswith("## ")] == [f"## {name}" for name in HEADINGS]
    if letter != "\n":
        assert f"more bytes of the request are in `memory/tasks/2026-11/{TASK.id}.md`" in written
        assert len(handoff.parse(written)["request"]) > 2000


def test_what_was_cut_is_counted_in_bytes_of_the_request() -> None:
    text = "<%é" * 40_000
    written = render(lead_run(task=replace(TASK, text=text)))
    kept = handoff.parse(written)["request"]
    assert text.startswith(kept)
    assert f"\nCut: {len(text.encode()) - len(kept.encode()):,} more bytes" in written
