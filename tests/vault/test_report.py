"""Reports: the format to the letter, and nothing in them that acts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import frontmatter
from agent.errors import BadHeader
from agent.gate import OutputGate
from agent.vault import report
from agent.vault.ledger import Baseline
from agent.vault.report import ReportSettings
from agent.vault.values import OUTCOMES, Outcome, Problem, Section, Status, Usage
from tests.vault.samples import (
    FINISHED,
    STARTED,
    TASK,
    USAGE,
    blocks,
    body_of,
    code_run,
    hostile_run,
    hostile_text,
    lead_run,
    local_run,
)  # fmt: skip

SECRET = "correct-horse-battery"
GATE = OutputGate((SECRET,))
SETTINGS = ReportSettings(worker="laptop-1")
CALM = settings(max_examples=120, deadline=None)


def render(outcome: Outcome, settings: ReportSettings = SETTINGS) -> str:
    return report.render(outcome, GATE, settings)


def test_the_body_is_the_format_to_the_letter() -> None:
    run = local_run(
        findings=("Three meetings", "One decision"),
        actions=("review the decision",),
        sections=(Section("Result", "It was a good week."),),
        raw="minutes\n",
    )
    assert body_of(render(run)) == (
        "# Qwen Worker Report\n"
        "**Task:** Weekly digest  \n"
        "**Time:** 2026-11-20 09:30 AM  \n"
        "**Status:** ✅ Complete\n"
        "\n"
        "## Findings\n"
        "- Three meetings\n"
        "- One decision\n"
        "\n"
        "## Result\n"
        "It was a good week.\n"
        "\n"
        "## Action Required\n"
        "- [ ] Lead to review the decision\n"
        "\n"
        "## Raw Data\n"
        "```text\n"
        "minutes\n"
        "```\n"
    )


def test_the_front_matter_has_the_keys_of_the_format_in_their_order() -> None:
    priced = ReportSettings(baseline=Baseline("claude-opus-4-6", 0.00816, date(2026, 11, 1)))
    text = render(local_run(), priced)
    assert list(frontmatter.read(text).values) == [
        "type",
        "task",
        "title",
        "status",
        "role",
        "tier",
        "route",
        "worker",
        "model",
        "model_digest",
        "thinking",
        "input_tokens",
        "output_tokens",
        "cost_usd",
        "baseline_model",
        "baseline_usd",
        "started",
        "finished",
        "duration_s",
        "attempt",
        "confidence",
        "verified",
        "revision",
        "source",
    ]
    assert "\ncost_usd: 0.00\nbaseline_model: claude-opus-4-6\nbaseline_usd: 0.00816\n" in text
    assert "\nroute: \"standard: delegation.md row 14 'summar*' → local\"\n" in text
    assert '\nthinking: "off"\n' in text and "\nstarted: 2026-11-20T09:29:51Z\n" in text
    assert '\nsource: "[[weekly-digest]]"\n---\n# Qwen Worker Report\n' in text


@pytest.mark.parametrize(
    ("status", "words", "asked"),
    [
        (Status.DONE, "✅ Complete", "No action needed"),
        (Status.NEEDS_REVIEW, "⚠️ Needs review", "Mara to review"),
        (Status.HANDED_OFF, "➡️ Handed off", "Mara to answer the hand-off [[outbox/handoffs/"),
        (Status.FAILED, "❌ Failed", "Mara to look at the reason"),
        (Status.CANCELLED, "🚫 Cancelled", "Mara to run it again"),
        (Status.UNKNOWN, "❓ Unknown outcome", "Mara to check whether the effect happened"),
    ],
)
def test_every_outcome_has_its_words_and_asks_the_lead_by_name(status: Status, words: str, asked: str) -> None:
    text = render(code_run(status=status), ReportSettings(lead="Mara"))
    assert f"\n**Status:** {words}\n\n## Findings\n- " in text
    assert f"\n## Action Required\n- [ ] {asked}" in text
    assert report.parse(text)["status"] is status


def test_every_outcome_is_covered() -> None:
    assert set(report.STATUS_LINES) == OUTCOMES | {Status.INVALID}


@pytest.mark.parametrize("status", sorted(OUTCOMES))
def test_the_three_sections_are_always_there_in_order(status: Status) -> None:
    body = body_of(render(code_run(status=status, findings=(), sections=(Section("Sources", "none"),))))
    headings = [line for line in body.splitlines() if line.startswith("#")]
    wanted = ["# Qwen Worker Report", "## Findings", "## Sources", "## Action Required", "## Raw Data"]
    assert headings == wanted
    assert ("fence", "text") in blocks(body)


def test_code_costs_nothing_and_an_unknown_price_is_absent() -> None:
    code = frontmatter.read(render(code_run())).values
    assert (code["model"], code["cost_usd"], "model_digest" in code, "confidence" in code) == (
        "none",
        "0.00",
        False,
        False,
    )
    paid = frontmatter.read(render(local_run(usage=(USAGE, Usage("big", "somewhere"))))).values
    assert "cost_usd" not in paid and "baseline_usd" not in paid and paid["model"] == "big"


def test_a_handed_off_report_says_why() -> None:
    assert "- Not done here: it needs a strong model\n" in render(lead_run())


@pytest.mark.parametrize(
    ("when", "told"),
    [
        (datetime(2026, 1, 2, 0, 5, tzinfo=UTC), "2026-01-02 12:05 AM"),
        (datetime(2026, 1, 2, 12, 0, tzinfo=UTC), "2026-01-02 12:00 PM"),
        (datetime(2026, 1, 2, 23, 59, tzinfo=UTC), "2026-01-02 11:59 PM"),
    ],
)
def test_times_for_people_are_utc_on_a_twelve_hour_clock(when: datetime, told: str) -> None:
    assert report.body_time(when) == told


def test_the_source_is_a_path_where_its_name_is_ambiguous_and_an_id_where_it_cannot_be_linked() -> None:
    assert report.parse(render(code_run(), ReportSettings(ambiguous=frozenset({"weekly-digest"}))))["source"] == (
        "[[inbox/weekly-digest]]"
    )
    for name in ("a]] b", "x|y", "<% x %>", "a#b", f"my {SECRET}"):
        odd = code_run(task=replace(TASK, path=f"inbox/{name}.md"))
        assert report.parse(render(odd))["source"] == "[[weekly-digest-1a2b3c4d]]"


def test_a_report_reads_back_with_its_types() -> None:
    read = report.parse(render(local_run()))
    assert (read["status"], read["started"], read["finished"]) == (
        Status.DONE,
        STARTED.replace(microsecond=0),
        FINISHED,
    )
    assert (read["input_tokens"], read["cost_usd"], read["confidence"], read["attempt"]) == (812, 0.0, 0.92, 1)
    assert read["route"] == local_run().decision.reason


@pytest.mark.parametrize(
    "text", ["", "# note\n", "---\ntype: handoff\n---\n", "---\ntype: report\nstatus: great\n---\n"]
)
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(BadHeader):
        report.parse(text)


def test_raw_data_is_cut_at_the_stated_size_and_says_so() -> None:
    text = render(code_run(raw="0123456789" * 10_000), ReportSettings(raw_limit=1000))
    assert text.endswith("\n```\n\nCut: the first 1,000 of 100,000 bytes are shown.\n")
    assert len(text) < 2500


def test_a_flood_of_findings_is_counted_not_printed() -> None:
    text = render(code_run(findings=tuple(f"file {n}" for n in range(5000))))
    assert text.count("\n- file ") == 100 and "\n- … and 4,900 more\n" in text


def test_an_action_that_names_the_lead_already_is_not_named_twice() -> None:
    text = render(code_run(actions=("Lead to look", "decide")))
    assert "- [ ] Lead to look\n- [ ] Lead to decide\n" in text


@given(hostile_text, st.sampled_from(sorted(OUTCOMES)))
@CALM
def test_s21_to_s24_nothing_from_outside_is_active_in_a_report(text: str, status: Status) -> None:
    written = render(hostile_run(text, status))
    assert "<%" not in written
    seen = blocks(body_of(written))
    assert not {kind for kind, _ in seen} & {
        "html_block",
        "html_inline",
        "image",
        "link_open",
        "code_block",
        "code_inline",
    }
    assert [tag for kind, tag in seen if kind == "heading_open"] == ["h1", "h2", "h2", "h2", "h2"]
    assert [info for kind, info in seen if kind == "fence"] == ["text"]
    assert "table_open" not in {kind for kind, _ in seen} and "blockquote_open" not in {kind for kind, _ in seen}
    values = frontmatter.read(written).values
    assert values["title"] == GATE.value(text, report.TITLE_LIMIT)
    assert (values["type"], values["status"], values["revision"]) == ("report", status, TASK.revision)


@given(hostile_text, hostile_text)
@CALM
def test_i6_a_known_secret_never_reaches_a_report(before: str, after: str) -> None:
    written = render(hostile_run(f"{before}{SECRET}{after}"))
    assert SECRET not in written
    assert GATE.scan(written.encode()) == []


@given(hostile_text)
@CALM
def test_s24_a_file_that_is_no_task_is_shown_as_data(text: str) -> None:
    task = replace(TASK, title=text, raw=text, problem=Problem(text, 3, text, text, text))
    written = report.render_invalid(task, GATE, SETTINGS, FINISHED)
    assert "<%" not in written
    seen = blocks(body_of(written))
    assert [tag for kind, tag in seen if kind == "heading_open"][:2] == ["h1", "h2"]
    assert {info for kind, info in seen if kind == "fence"} == {"text"}
    assert not {kind for kind, _ in seen} & {"html_block", "html_inline", "image", "link_open"}


def test_d12_a_bad_header_gets_its_line_the_reason_and_the_corrected_text() -> None:
    bad = "---\ntitle: [x\n---\nhello\n"
    good = '---\ntitle: "[x"\n---\nhello\n'
    problem = Problem("the bracket is not closed", 2, "YAML reads a list here", "quote the value", good)
    task = replace(TASK, path="inbox/My Note.md", raw=bad, problem=problem)
    written = report.render_invalid(task, GATE, SETTINGS, FINISHED)
    assert "\n**Status:** ⛔ Not a task\n" in written
    assert "\n- the bracket is not closed (line 2 of inbox/My Note.md)\n- Why: YAML reads a list here\n" in written
    assert f"\n## Corrected text\n```text\n{good}```\n\n## Action Required\n- [ ] Mend inbox/My Note.md and" in written
    assert written.endswith(f"## Raw Data\n```text\n{bad}```\n")
    assert report.parse(written)["status"] is Status.INVALID
    assert report.invalid_path(task) == f"outbox/{report.parse(written)['task']}.md"
    assert report.invalid_path(replace(task, raw=good)) != report.invalid_path(task)
