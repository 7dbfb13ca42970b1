"""Measuring a model that answers from a script, the share's interval, the report and its comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from agent.capability import (
    SKILLS,
    Heading,
    Measured,
    Score,
    cases_of,
    compared,
    measure,
    read_report,
    report_text,
)
from agent.errors import CredentialsRefused, Doubt, ModelAway, PersonMustAct, TimeUp
from agent.gate import OutputGate
from agent.models.base import Answer, Request
from agent.models.fake import FakeModel
from agent.vault.values import Usage
from tests.capability.test_skills import RIGHT

SECRET = "s3cr3t-value-of-this-machine"
WHEN = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
GATE = OutputGate((SECRET,))


class Oracle:
    """Answers every case rightly but those whose numbers are in `wrong`."""

    def __init__(self, *skills: str, count: int, wrong: tuple[int, ...] = (), away: int | None = None) -> None:
        self.known = {c.prompt: (s, c) for s in skills for c in cases_of(SKILLS[s], 1, count)}
        self.wrong, self.away, self.asked = wrong, away, 0

    def __call__(self, prompt: str, schema: Mapping[str, Any] | None, max_tokens: int) -> Answer:
        number, self.asked = self.asked, self.asked + 1
        if number == self.away:
            raise ModelAway("the model server is busy or failing")
        skill, case = self.known[prompt]
        assert (schema, max_tokens) == (case.schema, case.max_tokens)
        if number in self.wrong:
            doubt = Doubt("no answer could be used", reason="bad-answer", why=f"bad [[x]] {SECRET} | ## x")
            doubt.usage = (Usage("m", "fake", "d1", 7, 3),)
            raise doubt
        said = RIGHT[skill](case)
        if isinstance(said, str):
            return Answer(said, Usage("m", "fake", "d1", 10, 5))
        return Answer(json.dumps(said), Usage("m", "fake", "d1", 10, 5), dict(said))


def run(*skills: str, count: int = 5, **more: Any) -> Measured:
    oracle = Oracle(*skills, count=count, **more)
    return measure(oracle, [SKILLS[name] for name in skills], seed=1, count=count)


def heading(model: str = "m", seed: int = 1) -> Heading:
    return Heading(model, "fake", "d1", "off", WHEN, seed, 5)


def test_every_right_answer_counts_and_tokens_are_added_up() -> None:
    measured = run(*SKILLS)
    assert measured.stopped is None
    assert {found.skill: (found.score, found.failures) for found in measured.found} == {
        name: (Score(5, 5), ()) for name in SKILLS
    }
    assert all((found.input_tokens, found.output_tokens) == (50, 25) for found in measured.found)
    assert measured.usage is not None and measured.usage.digest == "d1"


def test_a_doubt_is_a_failed_case_with_its_reason_and_its_tokens() -> None:
    (found,) = run("compose", wrong=(1, 2)).found
    assert found.score == Score(3, 5) and len(found.failures) == 2
    assert (found.input_tokens, found.output_tokens) == (44, 21)
    assert found.typical() == [f"{found.failures[0]} (2 times)"]


def test_a_model_that_goes_away_ends_it_and_what_was_done_is_kept() -> None:
    measured = run("compose", "branch", "unknown", away=7)
    assert isinstance(measured.stopped, ModelAway)
    assert [(found.skill, found.score) for found in measured.found] == [
        ("compose", Score(5, 5)),
        ("branch", Score(2, 2)),
    ]
    assert run("compose", away=0).found == ()


def test_a_stop_keeps_what_was_done_and_refused_credentials_pass_through() -> None:
    fake = FakeModel("one", TimeUp("stopped"))

    def ask(prompt: str, schema: Mapping[str, Any] | None, max_tokens: int) -> Answer:
        return fake.ask(Request("", prompt, "m", schema=schema, max_tokens=max_tokens))

    measured = measure(ask, [SKILLS["compose"]], seed=1, count=4)
    assert isinstance(measured.stopped, TimeUp) and measured.found[0].score == Score(0, 1)
    fake.script.append(CredentialsRefused("no"))
    with pytest.raises(CredentialsRefused):
        measure(ask, [SKILLS["compose"]], seed=1, count=1)


@pytest.mark.parametrize(
    ("passed", "cases", "low", "high"),
    [(0, 20, 0.0, 0.1611), (20, 20, 0.8389, 1.0), (10, 20, 0.2993, 0.7007), (1, 1, 0.2065, 1.0), (0, 0, 0.0, 1.0)],
)
def test_the_interval_is_wilsons(passed: int, cases: int, low: float, high: float) -> None:
    assert Score(passed, cases).interval == pytest.approx((low, high), abs=5e-5)


def test_intervals_that_overlap() -> None:
    assert Score(18, 20).overlaps(Score(15, 20)) and Score(15, 20).overlaps(Score(18, 20))
    assert not Score(20, 20).overlaps(Score(5, 20)) and not Score(5, 20).overlaps(Score(20, 20))
    assert Score(0, 0).share is None and Score(0, 0).overlaps(Score(1, 1))


def test_a_report_is_read_again_as_it_was_written() -> None:
    measured = run(*SKILLS, wrong=(0, 1, 44))
    text = report_text(heading(), measured, GATE)
    kept = read_report(text, "a.md")
    assert kept.scores == {found.skill: found.score for found in measured.found}
    assert (kept.model, kept.seed, kept.cases, kept.complete) == ("m", "1", "5", True)
    assert '\ninstructions: 0.6\ninstructions-counts: "3/5"\n' in text and "\ndate: 2026-11-20T09:30:00Z\n" in text


def test_what_a_model_said_is_inert_and_redacted_in_the_report() -> None:
    text = report_text(heading("evil | `x` [[y]]"), run("compose", wrong=(0,)), GATE)
    assert SECRET not in text and "[[x]]" not in text and "[[y]]" not in text
    assert "\n## x" not in text and "redacted" in text
    assert [line.count("|") - line.count("\\|") for line in text.splitlines() if line.startswith("|")] == [7, 7, 7]


def test_a_report_that_is_not_complete_says_so_and_why() -> None:
    text = report_text(heading(), run("compose", "branch", away=6), GATE)
    assert not read_report(text, "a.md").complete
    assert "## Not complete\n\nthe model server is busy or failing" in text


def test_two_reports_are_compared_skill_by_skill() -> None:
    good = read_report(report_text(heading("good"), run("compose", "branch", count=20), GATE), "a.md")
    bad = read_report(
        report_text(heading("bad"), run("compose", "unknown", count=20, wrong=tuple(range(12))), GATE), "b.md"
    )
    pairs = {pair.skill: pair for pair in compared(good, bad)}
    assert list(pairs) == ["compose", "branch", "unknown"]
    assert pairs["compose"].difference == pytest.approx(-0.6) and not pairs["compose"].overlap
    assert pairs["branch"].difference is None and pairs["unknown"].difference is None


@pytest.mark.parametrize(
    "text",
    ["no header\n", "---\ntype: report\n---\n", "---\ntype: capability\ncompose-counts: 7/5\n---\n",
     "---\ntype: capability\ncompose-counts: many\n---\n"],
)  # fmt: skip
def test_another_file_is_no_report(text: str) -> None:
    with pytest.raises(PersonMustAct):
        read_report(text, "x.md")
