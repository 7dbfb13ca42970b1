"""The lead: what happens when a task goes one tier up. By default a hand-off file; by this machine's settings a
registered command or a paid model is asked first, and whatever it fails at still ends in the hand-off file."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.commanding import Purse, paid_run
from agent.config import Settings
from agent.errors import Doubt, GoferError, Refused, TimeUp
from agent.executors import Executed, Executors
from agent.models.base import Answer
from agent.pleading import CANNOT, Files, prompt
from agent.runner import Run
from agent.text import shorten
from agent.vault.values import Decision, HandoffReason, Result, Section, Status, Task, Usage, Who

COMMAND = "command:"
MARGIN = 2.0  # seconds of a run that are kept for ending a command and writing the hand-off
LEAST = 1.0  # seconds: with less there is no use in asking

AskPaid = Callable[[Run, str, str], Answer]  # the run, provider/model, the prompt; it minds the money itself


@dataclass(frozen=True, slots=True)
class Lead:
    """The lead as this machine's `lead.via` says. `ask_paid` None: no model can be the lead here."""

    settings: Settings
    executors: Executors
    files: Files
    purse: Purse
    ask_paid: AskPaid | None = None

    def acts(self, task: Task, decision: Decision) -> bool:
        """Whether something is asked before the hand-off file. Never for a text that must stay here, and never for
        code's tasks: they want something done in the vault, and a lead that is asked can only say something."""
        stays = task.private or task.model in ("none", "local")
        return self.settings.lead.via != "handoff" and decision.who is not Who.CODE and not stays

    def seconds(self, task: Task, decision: Decision) -> float:
        """How much longer a run may take because it may come to the lead. A time limit of the task's own stands."""
        if task.timeout or task.problem or not self.acts(task, decision):
            return 0.0
        if name := self._command:
            listed = self.executors.listed
            return listed[name].timeout_seconds + MARGIN if name in listed else 0.0
        settings, name = self.settings, self.settings.lead.via.partition("/")[0]
        if provider := settings.providers.get(name):
            return provider.connect_seconds + 2 * provider.answer_seconds + MARGIN
        own = settings.embedded if name == "embedded" else settings.ollama
        return own.load_seconds + 2 * own.answer_seconds + MARGIN

    def act(
        self, run: Run, reason: HandoffReason, tried: tuple[str, ...] = (), findings: tuple[str, ...] = ()
    ) -> Result:
        """The lead's answer, or the hand-off with all that was tried, the lead's own failure included.

        Raises TimeUp when the run was cancelled meanwhile.
        """
        if not self.acts(run.task, run.decision):
            return _handed(run, reason, tried, findings)
        try:
            done = self._ask(run, prompt(run.task, run.decision, self.settings, self.files, reason, tried))
            if done.text.startswith(CANNOT):
                raise _cannot(self.settings.lead.via, done)
        except GoferError as error:
            if run.cancelled.is_set():
                run.spent.extend(_new(run, error.usage))
                run.check()
            return self._failed(run, reason, tried, findings, error)
        run.folder.note(f"the lead answered: {done.usage.provider}, {done.usage.model}")
        return Result(
            findings=(
                shorten(next(filter(None, done.text.splitlines()), ""), 200),
                f"Answered by {self.settings.lead.via} ({done.usage.model})",
                *(f"Tried before: {one}" for one in dict.fromkeys(tried)),
            ),
            sections=(Section("Result", done.text),),
            raw="\n".join(dict.fromkeys(tried)),
            usage=(*run.spent, *_new(run, (done.usage,))),
            tried=tried,
        )

    def refused(self, run: Run, result: Result, doubt: Doubt, reason: HandoffReason) -> Result:
        """The hand-off after an answer of the lead's that did not pass its check."""
        tried = (*result.tried, f"{self.settings.lead.via} answered", doubt.tried, str(doubt))
        return _handed(run, reason, tried, (str(doubt),), result.usage)

    @property
    def _command(self) -> str:
        """The command that is the lead, "" when none is."""
        via = self.settings.lead.via
        return via.removeprefix(COMMAND) if via.startswith(COMMAND) else ""

    def _ask(self, run: Run, text: str) -> Executed:
        run.folder.keep("lead.md", text)
        if time.monotonic() > run.deadline - MARGIN - LEAST:
            raise TimeUp("there was no time left to ask the lead", why=f"the run may take {run.limit:g} s")
        if self._command:
            left = run.deadline - MARGIN - time.monotonic()
            return paid_run(self.executors, self.purse, self._command, text, run, left, run.cancelled.is_set)
        if self.ask_paid is None:
            raise Refused(f"{self.settings.lead.via} cannot be the lead here", fix="lead.via = a registered command")
        answer = self.ask_paid(run, self.settings.lead.via, text)
        return Executed(answer.text.strip(), answer.usage)

    def _failed(
        self, run: Run, reason: HandoffReason, tried: tuple[str, ...], findings: tuple[str, ...], error: GoferError
    ) -> Result:
        """The hand-off after a lead that was asked in vain: why is told, and what it cost is counted."""
        run.folder.note(f"the lead did not answer: {error}")
        budget = isinstance(error, Doubt) and error.reason == HandoffReason.BUDGET
        tells = isinstance(error, Doubt) and error.tried and not budget
        said = error.tried if isinstance(error, Doubt) and tells else f"{self.settings.lead.via}: {error}"
        usage = (*run.spent, *_new(run, error.usage))
        return _handed(run, HandoffReason.BUDGET if budget else reason, (*tried, said), (*findings, said), usage)


def _handed(
    run: Run, reason: HandoffReason, tried: Sequence[str], findings: tuple[str, ...], usage: tuple[Usage, ...] = ()
) -> Result:
    told = tuple(dict.fromkeys(filter(None, tried)))
    return Result(Status.HANDED_OFF, findings=findings, handoff=reason, tried=told, usage=usage or tuple(run.spent))


def _cannot(via: str, done: Executed) -> Doubt:
    why = shorten(done.text.removeprefix(CANNOT), 300)
    doubt = Doubt("the lead says that it cannot do it from here", reason="failed", tried=f"{via} cannot: {why}")
    doubt.usage = (done.usage,)
    return doubt


def _new(run: Run, usage: Sequence[Usage]) -> tuple[Usage, ...]:
    """What the run does not count yet: who asks a model may have added it already."""
    return tuple(one for one in usage if not any(one is counted for counted in run.spent))
