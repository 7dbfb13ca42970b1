"""The bench: what a process needs to do tasks. It gives each handler its narrow view of the world."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from agent.alerts import AlertHook
from agent.asking import Asking
from agent.checks import Checks
from agent.correspondents import mailboxes, recipients
from agent.documents import DocumentReader
from agent.errors import Doubt, Refused, TaskOver
from agent.executors import Executors
from agent.files.outside import last_lines
from agent.files.overlay import OverlayFiles
from agent.gate import OutputGate
from agent.handlers import HANDLERS
from agent.handlers.base import Context
from agent.leading import Lead
from agent.past import Past
from agent.paying import Purse
from agent.repos import ListedRepos
from agent.runner import Run
from agent.vault.params import read_params
from agent.vault.values import HandoffReason, Result, Status, Who
from agent.web import Door

RATES = "web-rates"  # a folder beside the state folders of all vaults


@dataclass(frozen=True, slots=True)
class Bench:
    """One process's bench. Nothing of one task is left for the next but what it proposed to change."""

    state: Path
    overlay: OverlayFiles
    asking: Asking
    max_attempts: int
    repos: ListedRepos
    lead: Lead
    checks: Checks
    door: Door
    alerts: AlertHook
    past: Past
    gate: OutputGate

    @classmethod
    def of(
        cls, state: Path, overlay: OverlayFiles, asking: Asking, repos: ListedRepos, env: Mapping[str, str]
    ) -> Bench:
        """The bench of this machine's settings. `env`: the worker's own environment, of which commands get a part."""
        settings = asking.settings
        purse = Purse(settings, state)
        lead = Lead(settings, Executors(settings.executors, env), overlay, purse, asking.ask_named)
        door = Door(settings.network, env, state.parent / RATES)
        checks = Checks.of(settings, env, state, repos.vault)
        return cls(
            state, overlay, asking, settings.tasks.max_attempts, repos, lead, checks, door,
            AlertHook(settings, door, env), Past(repos.vault, state), OutputGate(secrets=settings.secret_values),
        )  # fmt: skip

    def perform(self, run: Run) -> Result:
        """What a task is: its handler, with the little of the world that it may see. Raises what it raises."""
        task, decision = run.task, run.decision
        if task.problem is not None:
            return Result(Status.INVALID)
        run.check()
        if run.claim.attempt > self.max_attempts:
            raise TaskOver(
                f"it brought the worker down {self.max_attempts} times and was given up",
                fix=f"look at the text, then: gofer retry {task.id}",
            )
        if decision.who is Who.LEAD:
            return self.escalate(run, decision.handoff_reason or HandoffReason.COMPLEX)
        run = self._without_leads_time(run)
        handler = HANDLERS.get(decision.type)
        if handler is None:
            raise Doubt(f"the type '{decision.type}' is not built yet", reason=HandoffReason.NEEDS)
        if task.model == "none" and handler.needs_model(task):
            raise Refused("the task says model: none, and its type needs a model", fix="model: local, or another type")
        params = handler.understand(task) if handler.understand else read_params(task, handler.params)
        memory = self.state / "memory" / handler.name
        memory.mkdir(parents=True, exist_ok=True)
        settings, web = self.asking.settings, self.door.opened(run.check, run.deadline)
        context = Context(
            task=task,
            now=run.started,
            files=self.overlay,
            ask=self.asking.of(run),
            facts=lambda: run.facts,
            note=run.folder.note,
            redact=self.gate.redact,
            check=run.check,
            memory=memory,
            run_dir=run.folder.path,
            leaves=self.asking.leaves(decision),
            opinions=settings.model.opinions,
            repo=self.repos.of(run.check),
            documents=DocumentReader(run.check, self.checks.sandbox),
            window=self.asking.window(decision),
            logs={name: partial(last_lines, log.path) for name, log in self.asking.settings.logs.items()},
            web=web,
            recipients=recipients(settings, web),
            mailboxes=mailboxes(settings, web),
            shared=run.claim.shared,
            worker=run.worker or self.asking.settings.worker.name,
            attempt=run.claim.attempt,
            checks=self.checks.of_run(run),
            model=decision.who is Who.LOCAL,
            alert=self.alerts.of(run),
            past=self.past,
        )
        result = self.checks.judge(run, handler.run(context, params))
        result = replace(result, changes=self.past.keep(result.changes, self.overlay.read))
        if not run.task.approve:  # what waits for a tick is not there for anybody else
            self.overlay.propose(result.changes, run.number)
        return result

    def escalate(
        self, run: Run, reason: HandoffReason, tried: tuple[str, ...] = (), findings: tuple[str, ...] = ()
    ) -> Result:
        """One tier up: the lead's answer, checked, or the hand-off. Raises TimeUp when the run was cancelled."""
        result = self.lead.act(run, reason, tried, findings)
        try:
            return self.checks.judge(run, result)
        except Doubt as doubt:
            return self.lead.refused(run, result, doubt, HandoffReason(doubt.reason))

    def _without_leads_time(self, run: Run) -> Run:
        """What is tried first must leave the lead the time that the run was given for it."""
        seconds = self.lead.seconds(run.task, run.decision)
        return replace(run, limit=run.limit - seconds, deadline=run.deadline - seconds) if seconds else run

    def log_defect(self, run: Run, error: BaseException) -> None:
        """The whole traceback into the run's log."""
        run.folder.note("".join(traceback.format_exception(error)))
