"""What a lead writes about a hand-off: an answer ends the task, a claim reserves it, time ends it without either."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agent import frontmatter, worker
from agent.handlers.answer import AnswerParams
from agent.journal import Record
from agent.text import parse_utc
from agent.vault import handoff
from tests.support import Vault, make_vault

SECRET = "correct-horse-battery-staple"


class Lead:
    """A vault with one task that was handed off, and a lead who knows only what the files say."""

    def __init__(self, place: Path, request: str = "Review PR #1") -> None:
        self.vault: Vault = make_vault(place)
        self.vault.env["LEAD_TOKEN"] = SECRET
        self.later = timedelta(0)  # how far this vault's clock is ahead
        self.vault.drop("review.md", request)
        (handed,) = self.work()
        assert handed.status == "handed-off"
        self.id = handed.task
        self.path = f"outbox/handoffs/{self.id}.handoff.md"
        self.finished = str(self.header(self.path)["task_file"])

    def work(self) -> list[Record]:
        """What `gofer run --once` does, at this vault's own time; the outcomes."""
        ended: list[Record] = []
        worker.drain(
            self.vault.root,
            self.vault.env,
            lambda: False,
            now=lambda: datetime.now(UTC) + self.later,
            on_tick=lambda _, tick: ended.extend(tick.published),
        )
        return ended

    def text(self, path: str) -> str:
        return (self.vault.root / path).read_text("utf-8")

    def header(self, path: str) -> dict[str, Any]:
        return dict(frontmatter.read(self.text(path)).values)

    def handoff(self) -> dict[str, Any]:
        return handoff.parse(self.text(self.path))

    def report(self) -> dict[str, Any]:
        return self.header(f"outbox/{self.id}.md")

    def decisions(self) -> list[str]:
        return self.vault.tracked("memory/decisions")

    def told(self, slug: str) -> str:
        """The one report whose id begins with `slug`."""
        (text,) = [text for name, text in self.vault.reports().items() if name.startswith(slug)]
        return text

    def says_how(self, kind: str) -> tuple[str, str]:
        """The file to write, and its text, to the letter as the hand-off says."""
        said = self.text(self.path).partition("## How to answer")[2]
        (text,) = re.findall(rf"```text\n(---\ntype: {kind}\n.*?)```", said, re.DOTALL)
        (name,) = re.findall(rf"`inbox/({kind.partition('-')[0]}-[^`]*)`", said)
        return name, text

    def answers(self, body: str = "Looks good.", name: str = "", by: str = "Ana", **stated: str) -> None:
        usual, text = self.says_how("answer")
        lines = "".join(f"\n{key}: {value}" for key, value in stated.items())
        self.vault.drop(name or usual, text.replace("your name", by + lines).replace("Your answer.\n", body))

    def claims(self, by: str, name: str = "") -> None:
        usual, text = self.says_how("claim-handoff")
        self.vault.drop(name or usual, text.replace("your name", by))


@pytest.fixture
def lead(tmp_path: Path) -> Lead:
    return Lead(tmp_path)


def test_an_answer_written_as_the_hand_off_says_ends_the_task_in_one_commit(lead: Lead) -> None:
    before = lead.vault.git("rev-parse", "HEAD")
    lead.answers(
        "Merge it.\n\n- tests pass\n",
        model="anthropic/claude-opus-4-6", input_tokens="1200", output_tokens="340", cost_usd="0.02",
    )  # fmt: skip
    (record,) = lead.work()
    assert (record.subject, record.status) == (lead.id, "done")

    report = lead.report()
    assert {key: report[key] for key in ("task", "title", "status", "role", "tier", "source")} == {
        "task": lead.id, "title": "Review PR #1", "status": "done", "role": "task", "tier": "complex",
        "source": "[[review]]",
    }  # fmt: skip
    assert [report[key] for key in ("model", "input_tokens", "output_tokens", "cost_usd")] == [
        "anthropic/claude-opus-4-6", "1200", "340", "0.02",
    ]  # fmt: skip
    body = lead.text(f"outbox/{lead.id}.md")
    assert "**Status:** ✅ Complete\n" in body
    assert "- Answered by Ana\n" in body
    assert "## Result\nMerge it.\n\n- tests pass\n" in body
    assert "## Action Required\n- [ ] No action needed\n" in body

    finished = lead.header(lead.finished)
    assert finished["status"] == "done"
    assert lead.text(finished["report"].strip("[]") + ".md") == body
    assert lead.text(lead.finished).endswith("---\nReview PR #1\n")

    said = lead.handoff()
    assert (said["status"], said["answered_by"]) == ("answered", "Ana")
    assert timedelta(0) <= parse_utc(finished["finished"]) - parse_utc(said["answered"]) < timedelta(seconds=60)

    (decision,) = lead.decisions()
    assert decision == f"memory/decisions/{finished['finished'][:10]}-{lead.id}.md"
    assert lead.header(decision) == {
        "type": "decision", "id": lead.id, "handoff": lead.path, "by": "Ana", "decided": finished["finished"],
        "decision": "answered", "model": "anthropic/claude-opus-4-6", "cost_usd": "0.02",
    }  # fmt: skip
    assert lead.text(decision).endswith("---\n# Review PR \\#1\n\nMerge it.\n\n- tests pass\n")

    line = lead.vault.ledger()[-1]
    assert {key: line[key] for key in ("task", "title", "type", "role", "tier", "status")} == {
        "task": lead.id, "title": "Review PR #1", "type": "handoff", "role": "task", "tier": "complex",
        "status": "done",
    }  # fmt: skip
    assert [line[key] for key in ("model", "input_tokens", "output_tokens", "cost_usd", "estimated")] == [
        "anthropic/claude-opus-4-6", 1200, 340, 0.02, False,
    ]  # fmt: skip

    assert lead.vault.inbox() == []
    assert len([path for path in lead.vault.tracked("memory/tasks") if "/answer-" in path]) == 1
    assert lead.vault.git("rev-parse", "HEAD~1") == before
    assert lead.vault.subjects()[0] == f"gofer: done {lead.id}"
    assert lead.vault.git("status", "--porcelain") == ""


def test_what_the_answerer_does_not_state_is_unknown_and_never_zero_money(lead: Lead) -> None:
    lead.answers()
    lead.work()
    assert lead.report()["model"] == "unknown"
    assert "cost_usd" not in lead.report()
    line = lead.vault.ledger()[-1]
    assert (line["model"], line["cost_usd"], line["estimated"]) == ("unknown", None, True)
    assert "cost_usd" not in lead.header(lead.decisions()[0])


def test_the_body_of_a_hand_off_stays_byte_for_byte_when_it_is_claimed_and_answered(lead: Lead) -> None:
    before = frontmatter.read(lead.text(lead.path))
    lead.claims("Ana")
    lead.work()
    lead.answers()
    lead.work()
    after = frontmatter.read(lead.text(lead.path))
    assert after.body == before.body
    assert {k: v for k, v in after.values.items() if k in before.values and k != "status"} == {
        k: v for k, v in before.values.items() if k != "status"
    }


def test_a_claim_says_who_and_when_and_only_the_first_one_has_it(lead: Lead) -> None:
    lead.claims("Ana")
    assert [record.status for record in lead.work()] == ["done"]
    said = lead.handoff()
    assert (said["status"], said["claimed_by"]) == ("claimed", "Ana")
    assert timedelta(0) <= datetime.now(UTC) - parse_utc(said["claimed"]) < timedelta(seconds=60)

    lead.claims("Bo", "claim-2.md")
    assert [record.status for record in lead.work()] == ["failed"]
    assert "was claimed by Ana on" in lead.told("claim-2")
    lead.later += timedelta(hours=1)
    lead.claims("Ana", "claim-3.md")
    assert [record.status for record in lead.work()] == ["done"]
    assert lead.handoff() == said


def test_of_two_claims_that_come_together_one_wins(lead: Lead) -> None:
    lead.claims("Ana", "claim-a.md")
    lead.claims("Bo", "claim-b.md")
    assert sorted(record.status for record in lead.work()) == ["done", "failed"]


def test_an_answer_counts_whoever_had_claimed_the_hand_off(lead: Lead) -> None:
    lead.claims("Ana")
    lead.work()
    lead.answers(by="Bo")
    lead.work()
    assert (lead.handoff()["status"], lead.handoff()["answered_by"]) == ("answered", "Bo")


def test_a_second_answer_is_refused_and_kept_and_changes_nothing(lead: Lead) -> None:
    lead.answers("The first.\n")
    lead.work()
    kept = {path: lead.text(path) for path in (lead.path, f"outbox/{lead.id}.md", *lead.decisions())}
    lead.answers("The second.\n", "again.md", by="Bo")
    (record,) = lead.work()
    assert (record.subject, record.status) == (record.task, "failed")
    assert "has been answered already, by Ana on" in lead.told("again")
    assert "gofer retry" not in lead.told("again")
    assert {path: lead.text(path) for path in kept} == kept
    (place,) = [path for path in lead.vault.tracked("memory/tasks") if "/again-" in path]
    assert lead.text(place).endswith("---\nThe second.\n")


def test_of_two_answers_that_come_together_exactly_one_counts(lead: Lead) -> None:
    lead.answers("One.\n", "a.md")
    lead.answers("Two.\n", "b.md", by="Bo")
    ended = lead.work()
    assert sorted((r.status, r.subject == lead.id) for r in ended) == [("done", True), ("failed", False)]
    assert len(lead.decisions()) == 1


@pytest.mark.parametrize(
    ("named", "status", "words"),
    [
        ("no-such-task-1a2b3c4d", "failed", "there is no hand-off no-such-task-1a2b3c4d"),
        ("../../gofer.toml", "failed", "there is no hand-off gofer.toml"),
        ("UPPER CASE", "invalid", "the parameter `handoff` is not valid"),
    ],
)
def test_an_answer_to_a_hand_off_that_is_not_there_says_so(lead: Lead, named: str, status: str, words: str) -> None:
    lead.vault.drop("lost.md", f"---\ntype: answer\nstatus: open\nhandoff: {named}\nby: Ana\n---\nHere.\n")
    (record,) = lead.work()
    assert record.status == status
    assert words in lead.told("lost").replace("\\", "")
    assert lead.handoff()["status"] == "open"


def test_an_empty_answer_ends_nothing(lead: Lead) -> None:
    lead.answers("\n", "void.md")
    assert [record.status for record in lead.work()] == ["failed"]
    assert "is empty" in lead.told("void")
    assert (lead.handoff()["status"], lead.report()["status"]) == ("open", "handed-off")


@pytest.mark.parametrize("kind", ["answer", "claim-handoff"])
def test_w21_without_a_name_it_waits_in_the_inbox_until_one_is_there(lead: Lead, kind: str) -> None:
    text = f"---\ntype: {kind}\nstatus: open\nhandoff: {lead.id}\n---\nHere.\n"
    lead.vault.drop("nameless.md", text)
    assert [record.status for record in lead.work()] == ["invalid"]
    assert "the parameter `by` is missing" in lead.told("nameless").replace("\\", "")
    assert lead.vault.inbox() == ["nameless.md"]
    lead.vault.drop("nameless.md", text.replace("status: open", "status: open\nby: Ana"))
    assert [record.status for record in lead.work()] == ["done"]
    assert lead.vault.inbox() == []


def test_a_broken_hand_off_file_is_told_and_not_taken_for_a_defect(lead: Lead) -> None:
    lead.answers(name="late.md")
    lead.vault.write(lead.path, "---\ntype: handoff\n---\n")
    assert [record.status for record in lead.work()] == ["failed"]
    assert "the hand-off cannot be read" in lead.told("late")
    assert "Gofer failed" not in lead.told("late")


def test_a_hand_off_that_nobody_answers_in_time_ends_its_task_as_failed(lead: Lead) -> None:
    lead.claims("Ana")
    lead.work()
    lead.later += timedelta(days=6)
    assert lead.work() == []
    lead.later += timedelta(days=2)
    (record,) = lead.work()
    assert (record.subject, record.status) == (lead.id, "failed")
    assert lead.handoff()["status"] == "expired"
    assert lead.report()["status"] == "failed"
    assert "- No answer came by" in lead.text(f"outbox/{lead.id}.md")
    assert lead.header(lead.finished)["status"] == "failed"
    assert [path for path in lead.vault.tracked("memory/tasks") if lead.id in path and "claim" not in path] == [
        lead.finished
    ]
    assert lead.header(lead.decisions()[0])["decision"] == "expired"
    assert (lead.vault.ledger()[-1]["status"], lead.vault.ledger()[-1]["tier"]) == ("failed", "complex")
    assert lead.work() == []
    assert lead.vault.git("status", "--porcelain") == ""


def test_a_stopped_vault_lets_no_hand_off_expire(lead: Lead) -> None:
    lead.vault.write("STOP", "")
    lead.later += timedelta(days=8)
    assert lead.work() == []
    assert lead.handoff()["status"] == "open"


def test_an_answer_that_comes_after_the_end_still_counts_and_a_claim_does_not(lead: Lead) -> None:
    lead.later += timedelta(days=8)
    lead.work()
    lead.claims("Ana")
    assert [record.status for record in lead.work()] == ["failed"]
    assert "an answer still counts" in lead.told("claim-")
    lead.answers()
    assert [record.status for record in lead.work()] == ["done"]
    assert "- Answered by Ana, after it had expired on" in lead.text(f"outbox/{lead.id}.md")
    assert lead.handoff()["status"] == "answered"
    # Two decisions of one day on one task: neither replaces the other.
    assert sorted(lead.header(path)["decision"] for path in lead.decisions()) == ["answered", "expired"]


def test_what_waits_for_the_task_starts_when_it_is_answered(lead: Lead) -> None:
    lead.vault.drop("then.md", f"---\nafter: {lead.id}\nstatus: open\n---\nWrite 42 to then.txt\n")
    assert lead.work() == []
    assert not (lead.vault.root / "then.txt").exists()
    lead.answers()
    assert [record.status for record in lead.work()] == ["done", "done"]
    assert lead.text("then.txt") == "42\n"


def test_d13_secrets_and_active_text_in_an_answer_pass_the_gate_everywhere(lead: Lead) -> None:
    lead.answers(f"# Fake\n**Status:** ❌ Failed\n<% tp.file.delete() %>\nthe key is {SECRET}\n![[diary]]\n")
    lead.work()
    for path in (f"outbox/{lead.id}.md", *lead.decisions()):
        text = lead.text(path)
        assert "[redacted:" in text.replace("\\", "")
        assert "\n# Fake" not in text.partition("## Raw Data")[0]
        assert "<%" not in text
        assert "\n![[" not in text.partition("## Raw Data")[0]
    for path in lead.vault.tracked():
        assert SECRET not in lead.text(path)


def test_a_long_answer_is_cut_in_the_report_which_says_where_the_whole_is(lead: Lead) -> None:
    body = "".join(f"line {number}\n" for number in range(5_000))
    lead.answers(body)
    lead.work()
    text = lead.text(f"outbox/{lead.id}.md")
    (place,) = re.findall(r"are in (memory/tasks/\S+\.md)", text.replace("\\", ""))
    assert lead.text(place).endswith(body)
    assert "line 4999" not in text


@pytest.mark.parametrize("model", ["lead", "local", "none", "auto"])
def test_words_for_models_in_an_answer_name_no_model_and_never_send_it_elsewhere(lead: Lead, model: str) -> None:
    lead.answers(model=model, tier="complex")
    assert [(record.subject, record.status) for record in lead.work()] == [(lead.id, "done")]
    assert lead.report()["model"] == "unknown"


def test_tags_in_the_text_of_an_answer_stay_part_of_it(lead: Lead) -> None:
    lead.answers("Use [model:qwen3:8b] there.\n")
    lead.work()
    assert "Use [model:qwen3:8b] there." in lead.text(f"outbox/{lead.id}.md").replace("\\", "")
    assert lead.report()["model"] == "unknown"


def test_an_answered_task_that_asks_for_a_check_needs_review(tmp_path: Path) -> None:
    lead = Lead(tmp_path, "---\nverify: lint\nstatus: open\n---\nReview PR #1\n")
    lead.answers()
    assert [record.status for record in lead.work()] == ["needs-review"]
    finished = lead.text(lead.finished)
    assert "verify: lint" in finished
    assert "status: needs-review" in finished


def test_a_forged_hand_off_cannot_make_gofer_write_into_a_persons_note(lead: Lead) -> None:
    lead.vault.write("notes/diary.md", "Mine.\n")
    forged = frontmatter.amend(lead.text(lead.path), {"task_file": "notes/diary.md", "id": "other-1a2b3c4d"})
    lead.vault.write(lead.path, forged)
    lead.answers()
    assert [(record.subject, record.status) for record in lead.work()] == [(lead.id, "done")]
    assert lead.text("notes/diary.md") == "Mine.\n"
    assert lead.header(lead.finished)["status"] == "done"


def test_an_answer_counts_although_the_finished_task_file_is_gone(lead: Lead) -> None:
    (lead.vault.root / lead.finished).unlink()
    lead.answers()
    assert [(record.subject, record.status) for record in lead.work()] == [(lead.id, "done")]
    assert lead.report()["title"] == "Review PR #1"
    assert lead.text(lead.finished).endswith("---\nReview PR #1\n")


def test_an_answered_task_is_listed_once_and_as_done(lead: Lead) -> None:
    lead.answers()
    lead.work()
    listed = lead.vault.gofer("list")
    assert listed.stdout.count(lead.id) == 2  # its id and its report
    assert "handed-off" not in listed.stdout


def test_q01_whatever_step_a_crash_cuts_off_the_task_is_answered_exactly_once(tmp_path: Path) -> None:
    for step in count(1):
        lead = Lead(tmp_path / str(step))
        lead.answers()
        done = lead.vault.gofer("run", "--once", GOFER_CRASH_AT=str(step))
        lead.work()
        assert lead.vault.outcomes() == {lead.id: 2}, f"step {step}"  # handed off, and done
        assert [line["status"] for line in lead.vault.ledger()] == ["handed-off", "done"], f"step {step}"
        assert (lead.handoff()["status"], len(lead.decisions()), lead.vault.inbox()) == ("answered", 1, [])
        if done.returncode == 0:
            break
    assert step > 5


@pytest.mark.parametrize(
    "form", ["{}", "[[{}.handoff]]", "outbox/handoffs/{}.handoff.md", "[[outbox/handoffs/{}.handoff|x]]"]
)
def test_a_hand_off_may_be_named_by_its_id_its_path_or_a_link(form: str) -> None:
    assert AnswerParams(handoff=form.format("a-1a2b3c4d"), by="Ana").handoff == "a-1a2b3c4d"


@pytest.mark.parametrize(
    "stated",
    [{"by": ""}, {"by": "a\nb"}, {"by": "<% x %>"}, {"by": "[[x]]"}, {"by": "x" * 81}, {"handoff": "../x y"},
     {"input_tokens": "-1"}, {"output_tokens": "many"}, {"cost_usd": "-0.1"}, {"cost_usd": "nan"}, {"cost_usd": "inf"}],
)  # fmt: skip
def test_names_and_numbers_that_are_none_are_refused(stated: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        AnswerParams.model_validate({"handoff": "a-1a2b3c4d", "by": "Ana", **stated})


@pytest.mark.parametrize(
    "name", ["Ana", "Zoë Müller-O'Neil", "claude (opus 4.6)", "qwen/3+8b @home", "李雷", "A, B & C"]
)
def test_names_of_people_and_agents_are_taken_as_they_are(name: str) -> None:
    assert AnswerParams(handoff="a-1a2b3c4d", by=name).by == name
