"""The lead by itself: the money gate, a model as the lead, and the time that a run gets for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.claims import Claim
from agent.config import load_settings
from agent.errors import Busy, Doubt, ModelAway, TimeUp
from agent.executors import Executors
from agent.files import VaultFiles
from agent.gate import OutputGate
from agent.handlers import is_quick
from agent.inbox import Drop
from agent.leading import MARGIN, AskPaid, Lead, Purse
from agent.models.base import Answer
from agent.runner import Run
from agent.runs import RunFolder
from agent.vault.task import read_task
from agent.vault.values import Decision, HandoffReason, Status, Task, Tier, Usage, Who
from tests.lead.commands import CLAUDE, printing, registered, script

LOCAL = Decision(Tier.STANDARD, "ask", Who.LOCAL, "local", "standard: row 1")
LEAD = Decision(Tier.COMPLEX, "handoff", Who.LEAD, "lead", "complex: row 2", HandoffReason.COMPLEX)
CODE = Decision(Tier.TRIVIAL, "file", Who.CODE, "none", "trivial: row 3")
COMPLEX = HandoffReason.COMPLEX
PAID = "openrouter/some/model"
PROVIDER = '[providers.openrouter]\nurl = "https://example.org/v1"\nanswer_seconds = 30\nconnect_seconds = 4\n'


@dataclass
class Wallet:
    """A purse with so much in it."""

    left: float
    log: list[str] = field(default_factory=list)

    def reserve(self, task_id: str, worst_usd: float | None, *, budget: float | None, now: datetime) -> object:
        if worst_usd is None or worst_usd > self.left or (budget is not None and worst_usd > budget):
            raise Doubt("it would cost more than is allowed", reason="budget")
        self.left -= worst_usd
        self.log.append(f"reserve {worst_usd} for {task_id}")
        return worst_usd

    def settle(self, reservation: object, actual_usd: float | None) -> None:
        assert isinstance(reservation, float)
        self.left += reservation - (reservation if actual_usd is None else actual_usd)
        self.log.append(f"settle {actual_usd}")

    def release(self, reservation: object) -> None:
        assert isinstance(reservation, float)
        self.left += reservation
        self.log.append("release")


class Place:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "vault").mkdir()

    def lead(self, config: str, purse: Purse | None = None, ask_paid: AskPaid | None = None) -> Lead:
        (self.folder / "config.toml").write_text(config)
        env = {**os.environ, "GOFER_CONFIG": str(self.folder / "config.toml")}
        settings = load_settings(self.folder / "vault", env).checked()
        files = VaultFiles(self.folder / "vault")
        return Lead(settings, Executors(settings.executors, env), files, purse or Wallet(0.0), ask_paid)

    def command(self, path: Path, purse: Purse | None = None, **keys: object) -> Lead:
        table = registered("executors", "claude", path, **{"output": "json", "max_usd": 0.5, **keys})
        return self.lead(f'[lead]\nvia = "command:claude"\n{table}', purse)

    def run(self, header: str = "", decision: Decision = LOCAL, seconds: float = 60.0) -> Run:
        text = f"---\nid: peru\n{header}---\nWhat is the capital of Peru?\n"
        task = read_task(text.encode(), "inbox/peru.md")
        return Run(
            Drop(task.path, None, (0, 0, 0, 0)), task, decision, Claim(task.id, "nonce", 1),
            datetime.now(UTC), seconds, RunFolder(self.folder / "run", OutputGate()),
            deadline=time.monotonic() + seconds,
        )  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_what_a_command_cost_is_what_is_taken_from_the_purse(place: Place) -> None:
    purse = Wallet(1.0)
    result = place.command(printing(place.folder, "claude", CLAUDE), purse).act(place.run(), COMPLEX)
    assert result.status is Status.DONE and result.usage[-1].cost_usd == 0.0123
    assert purse.log == ["reserve 0.5 for peru", "settle 0.0123"]
    assert purse.left == pytest.approx(1 - 0.0123)


def test_a_command_that_does_not_say_what_it_cost_is_settled_as_unknown(place: Place) -> None:
    purse = Wallet(1.0)
    place.command(printing(place.folder, "claude", {"result": "Lima"}), purse).act(place.run(), COMPLEX)
    assert purse.log[-1] == "settle None" and purse.left == 0.5


class Stuck(Wallet):
    def settle(self, reservation: object, actual_usd: float | None) -> None:
        raise Busy("the account is held by others")


def test_an_answer_that_was_paid_for_is_not_lost_when_the_account_cannot_be_written(place: Place) -> None:
    purse = Stuck(1.0)
    result = place.command(printing(place.folder, "claude", CLAUDE), purse).act(place.run(), COMPLEX)
    assert result.status is Status.DONE and purse.left == 0.5, "the worst case goes on counting"
    assert "the account is held by others" in (place.folder / "run/run.log").read_text()


def test_a_command_that_fails_or_is_too_slow_may_have_cost_money_and_one_that_never_started_has_not(
    place: Place,
) -> None:
    purse = Wallet(9.0)
    failed = place.command(printing(place.folder, "a", {**CLAUDE, "is_error": True}), purse)
    assert failed.act(place.run(), COMPLEX).status is Status.HANDED_OFF
    slow = place.command(script(place.folder, "b", "time.sleep(600)"), purse, timeout_seconds=0.2)
    assert slow.act(place.run(), COMPLEX).status is Status.HANDED_OFF
    gone = place.command(path := printing(place.folder, "c", CLAUDE), purse)
    path.unlink()
    assert gone.act(place.run(), COMPLEX).status is Status.HANDED_OFF
    assert [line for line in purse.log if "reserve" not in line] == ["settle 0.0123", "settle None", "release"]


@pytest.mark.parametrize(("left", "header"), [(0.4, ""), (9.0, "budget_usd: 0\n"), (9.0, "budget_usd: 0.49\n")])
def test_what_the_purse_or_the_task_does_not_allow_is_not_asked(place: Place, left: float, header: str) -> None:
    purse = Wallet(left)
    result = place.command(printing(place.folder, "claude", CLAUDE), purse).act(place.run(header), COMPLEX, ("a",))
    assert (result.status, result.handoff) == (Status.HANDED_OFF, HandoffReason.BUDGET)
    assert result.tried[0] == "a" and "more than is allowed" in result.tried[1]
    assert not (place.folder / "claude.asked").exists() and purse.left == left


def test_a_model_can_be_the_lead(place: Place) -> None:
    heard: list[tuple[str, str]] = []
    usage = Usage("some/model", "openrouter", input_tokens=9, output_tokens=2, cost_usd=0.01)

    def ask(run: Run, model: str, text: str) -> Answer:
        heard.append((model, text))
        run.spent.append(usage)  # as who asks the local model does
        return Answer("Lima.\n\nSurely.", usage)

    result = place.lead(f'[lead]\nvia = "{PAID}"\n{PROVIDER}', ask_paid=ask).act(place.run(), COMPLEX, ("qwen said ?",))
    assert heard[0][0] == PAID and "capital of Peru" in heard[0][1] and "qwen said ?" in heard[0][1]
    assert result.status is Status.DONE and result.sections[0].text == "Lima.\n\nSurely."
    assert result.usage == (usage,), "counted once"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModelAway("the server does not answer", fix="wait"), HandoffReason.LOW_CONFIDENCE),
        (Doubt("it would cost too much", reason="budget"), HandoffReason.BUDGET),
        (Doubt("no good answer", reason="bad-answer", tried="it was asked twice"), HandoffReason.LOW_CONFIDENCE),
        (TimeUp("it took too long"), HandoffReason.LOW_CONFIDENCE),
    ],
)  # fmt: skip
def test_a_model_that_fails_ends_in_the_hand_off(place: Place, error: Exception, reason: HandoffReason) -> None:
    def ask(run: Run, model: str, text: str) -> Answer:
        raise error

    lead = place.lead(f'[lead]\nvia = "{PAID}"\n{PROVIDER}', ask_paid=ask)
    result = lead.act(place.run(), HandoffReason.LOW_CONFIDENCE, ("qwen said ?",), ("found",))
    assert (result.status, result.handoff) == (Status.HANDED_OFF, reason)
    assert result.tried[0] == "qwen said ?" and len(result.tried) == 2 and result.findings[0] == "found"


def test_a_cancelled_run_is_no_hand_off(place: Place) -> None:
    run = place.run()
    run.cancelled.set()
    with pytest.raises(TimeUp):
        place.command(script(place.folder, "claude", "time.sleep(600)"), Wallet(9.0)).act(run, COMPLEX)


def test_a_run_without_time_left_is_handed_off_and_nothing_is_started(place: Place) -> None:
    purse = Wallet(9.0)
    result = place.command(printing(place.folder, "claude", CLAUDE), purse).act(place.run(seconds=1.0), COMPLEX)
    assert result.status is Status.HANDED_OFF and "no time left" in result.tried[0]
    assert purse.log == []


def with_decision(run: Run, decision: Decision) -> tuple[Task, Decision]:
    return replace(run, decision=decision).task, decision


def test_the_time_for_the_lead_is_added_only_where_it_may_be_asked(place: Place) -> None:
    command = place.command(printing(place.folder, "claude", CLAUDE), timeout_seconds=100)
    paid = place.lead(f'[lead]\nvia = "{PAID}"\n{PROVIDER}')
    file = place.lead("")
    assert command.seconds(*with_decision(place.run(), LOCAL)) == 100 + MARGIN
    assert command.seconds(*with_decision(place.run(), LEAD)) == 100 + MARGIN
    assert paid.seconds(*with_decision(place.run(), LEAD)) == 4 + 2 * 30 + MARGIN
    for lead, header, decision in (
        (command, "", CODE), (command, "private: true\n", LEAD), (command, "model: local\n", LOCAL),
        (command, "timeout: 10\n", LOCAL), (file, "", LEAD),
    ):  # fmt: skip
        assert lead.seconds(*with_decision(place.run(header), decision)) == 0


def test_a_lead_that_is_asked_is_not_quick() -> None:
    assert is_quick(LEAD) and not is_quick(LEAD, lead_acts=True)
    assert is_quick(CODE) and is_quick(CODE, lead_acts=True) and not is_quick(LOCAL)


def test_the_hand_off_of_before_is_what_it_was(place: Place) -> None:
    run = place.run()
    run.spent.append(Usage("qwen3:8b", "ollama"))
    acts: Callable[..., object] = place.lead("").act
    result = acts(run, HandoffReason.TOO_LONG, ("a", "a", "b"), ("b",))
    assert result == type(result)(
        Status.HANDED_OFF, findings=("b",), handoff=HandoffReason.TOO_LONG, tried=("a", "b"), usage=tuple(run.spent)
    )
