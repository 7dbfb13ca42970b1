"""The `forward` type: who is meant, by the text or by the rules, and what was begun is never begun twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import AnswerLost, Refused, ServerAway
from agent.files import VaultFiles
from agent.handlers.base import Context
from agent.handlers.doors import Reply
from agent.handlers.forward import ForwardParams, run, understood
from agent.handlers.forward_rules import read_rules
from agent.handlers.notebook import Notebook
from agent.vault.values import Result, Task


@pytest.mark.parametrize(
    ("text", "who", "what"),
    [
        ("Forward this message to the build agent: nightly is red again", "build agent", "nightly is red again"),
        ('Forward "the truck leaves at six" to dispatch', "dispatch", "the truck leaves at six"),
        ("Let ops know: disk on node-7 at 91 %", "ops", "disk on node-7 at 91 %"),
        ("Let ops know that the disk is full", "ops", "the disk is full"),
        ("Notify the hub that worker 3 is going offline", "hub", "worker 3 is going offline"),
        ("Ping the night worker with: the backfill can start", "night worker", "the backfill can start"),
        ("Relay this to ops - certificate renewed", "ops", "certificate renewed"),
        ("Relay to the deploy bot that 2.8.1 is tagged", "deploy bot", "2.8.1 is tagged"),
        ("Send the following to @marek: the invoice for January is paid", "marek", "the invoice for January is paid"),
        ("fwd to planner: budget call moved to 15:30", "planner", "budget call moved to 15:30"),
        ("Please forward the following note to the lead\n\nThe keys: rotated", "lead", "The keys: rotated"),
        ("Pass this on to Dana: see http://x.example/a: done", "Dana", "see http://x.example/a: done"),
    ],
)
def test_who_and_what_are_read_from_plain_words(text: str, who: str, what: str) -> None:
    assert understood(text) == (who, what)


@pytest.mark.parametrize(
    "text", ["Forward the last alert", "The parcel: it has arrived", "Forward", "to ops: hello", ""]
)
def test_what_is_no_order_to_forward_is_not_understood(text: str) -> None:
    assert understood(text) is None


@given(st.text(alphabet='forwad to:-\n"@that know', max_size=400))
def test_any_text_can_be_looked_at(text: str) -> None:
    found = understood(text)
    assert found is None or all(found)


TABLE = "# Rules\n\n| When the message has | To |\n|---|---|\n| invoice, `light bulb` | lamp |\n| * | `ops` |\n"


def test_rules_fit_by_whole_words_and_in_their_order() -> None:
    first, rest = read_rules(TABLE)
    assert (first.to, first.line, rest.to, rest.line) == ("lamp", 5, "ops", 6)
    assert first.fits("An INVOICE came") and first.fits("a light\nbulb!") and not first.fits("invoices")
    assert rest.fits("anything")


@pytest.mark.parametrize("row", ["| invoice |", "| | ops |", "| invoice | |"])
def test_a_row_that_is_none_is_named_with_its_line(row: str) -> None:
    with pytest.raises(Refused, match=r"prompts/forward\.md line 7"):
        read_rules(TABLE + row + "\n")


def test_a_page_without_the_table_has_no_rules() -> None:
    assert read_rules("# Notes\n\n| a | b |\n|---|---|\n| c | d |\n") == ()


# -- at most once --------------------------------------------------------------------------------------------------


class Somebody:
    """A recipient that does what a test scripts, and counts."""

    aliases: tuple[str, ...] = ()

    def __init__(self, *script: Reply | Exception, idempotent: bool = False) -> None:
        self.script, self.idempotent, self.keys = [*script], idempotent, list[str]()

    def send(self, text: str, key: str) -> Reply:
        self.keys.append(key)
        said = self.script.pop(0)
        if isinstance(said, Exception):
            raise said
        return said


OK = Reply("https://ops.example/in", 200, {}, b"ok")


def forwarded(folder: Path, somebody: Somebody, **more: Any) -> Result:
    task = Task("f-1", "inbox/f.md", "f", "Hello", "Hello", "0" * 12)
    ctx = Context(
        task, datetime(2026, 11, 20, tzinfo=UTC), VaultFiles(folder), ask=SimpleNamespace, facts=dict, note=print,
        check=lambda: None, memory=folder, run_dir=folder, recipients={"ops": somebody}, **more,
    )  # fmt: skip
    return run(ctx, ForwardParams(to=("ops",)))


def test_a_run_that_is_repeated_after_it_sent_says_so_and_sends_nothing(tmp_path: Path) -> None:
    ops = Somebody(OK)
    assert forwarded(tmp_path, ops).status == "done"
    again = forwarded(tmp_path, ops, attempt=2)
    assert (again.status, len(ops.keys)) == ("done", 1)
    assert again.findings == ("sent to ops (HTTP 200: ok) (by a run that was cut off)",)


def test_a_run_that_was_begun_and_not_ended_is_unknown(tmp_path: Path) -> None:
    Notebook(tmp_path, "f-1", "0" * 12).begin("ops")
    ops = Somebody(OK)
    result = forwarded(tmp_path, ops, attempt=2)
    assert (result.status, ops.keys) == ("unknown", [])


def test_a_note_that_is_not_whole_counts_as_begun(tmp_path: Path) -> None:
    Notebook(tmp_path, "f-1", "0" * 12).begin("ops")
    next(tmp_path.glob("*.note")).write_text("{")
    assert forwarded(tmp_path, Somebody(OK), attempt=2).status == "unknown"


def test_an_attempt_of_another_machine_may_have_sent_it(tmp_path: Path) -> None:
    ops = Somebody(OK)
    result = forwarded(tmp_path, ops, attempt=2, shared=True)
    assert (result.status, ops.keys) == ("unknown", [])
    assert "on another machine" in result.findings[0]
    assert forwarded(tmp_path, Somebody(OK, idempotent=True), attempt=2, shared=True).status == "done"


def test_an_earlier_attempt_that_sent_nothing_here_is_no_reason_not_to(tmp_path: Path) -> None:
    assert forwarded(tmp_path, Somebody(OK), attempt=2).status == "done"


def test_what_was_surely_not_taken_may_be_sent_later(tmp_path: Path) -> None:
    ops = Somebody(ServerAway("nobody is there"), Reply("https://x", 503, {"retry-after": "7"}, b""), OK)
    for _ in range(2):
        with pytest.raises(ServerAway):
            forwarded(tmp_path, ops)
    assert forwarded(tmp_path, ops).status == "done"


def test_a_lost_answer_is_unknown_and_for_an_idempotent_one_a_reason_to_try_again(tmp_path: Path) -> None:
    assert forwarded(tmp_path, Somebody(AnswerLost("cut"))).status == "unknown"
    (tmp_path / "b").mkdir()
    with pytest.raises(ServerAway):
        forwarded(tmp_path / "b", Somebody(AnswerLost("cut"), idempotent=True))


def test_old_notes_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.handlers.notebook.KEPT", 3)
    book = Notebook(tmp_path, "t", "r")
    for number in range(6):
        book.end(str(number), {"status": "done", "words": ""})
    book.tidy()
    assert len(list(tmp_path.glob("*.note"))) == 3
    assert json.loads(next(tmp_path.glob("*.note")).read_text())["task"] == "t"
