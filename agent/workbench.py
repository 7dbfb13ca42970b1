"""The workbench: where claimed tasks run. It gives each handler its narrow view of the world and its time limit."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.asking import Asking
from agent.claims import Claim
from agent.errors import Doubt, Refused, TaskOver, TryLater
from agent.files.overlay import OverlayFiles
from agent.handlers import HANDLERS
from agent.handlers.base import Context
from agent.inbox import Drop
from agent.repos import ListedRepos
from agent.runner import Lane, Run
from agent.runs import RunFolders
from agent.vault.params import read_params
from agent.vault.values import Decision, HandoffReason, Result, Status, Task, Tier, Who

SETTLE = 3.0  # seconds for what runs outside to end with the worker
HANDOFF_LIMIT = 60.0  # seconds, for a run that only writes a hand-off

Ended = Result | TryLater
Timed = tuple[Ended, float]  # and how long it took, in seconds


@dataclass(slots=True)
class Workbench:
    """One worker's workbench. Code has a lane of its own, so that no model and no other machine ever holds it up."""

    state: Path
    overlay: OverlayFiles
    asking: Asking
    folders: RunFolders
    time_limit: Callable[[str, float], float]
    max_attempts: int
    facts: Callable[[], Mapping[str, Any]]
    repos: ListedRepos
    code: Lane[Timed]
    local: Lane[Timed]
    outside: Lane[Timed]

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that have not ended."""
        return (*self.code.runs, *self.local.runs, *self.outside.runs)

    def away(self, model: str) -> str:
        """Why a task for this model cannot start now, "" when it can."""
        return self.asking.away(model) or ("" if self.local.room else "the model is busy with another task")

    def start(
        self, drop: Drop, task: Task, decision: Decision, claim: Claim, now: datetime,
        work: Callable[[Workbench, Run], Ended], *, cancelled: bool = False,
    ) -> None:  # fmt: skip
        """Send a task into its lane: code and hand-offs run at once, what waits for a model or for another machine
        beside them."""
        handler = HANDLERS.get(decision.type)
        limit = task.timeout or self.time_limit(decision.type, handler.limit if handler else HANDOFF_LIMIT)
        folder = self.folders.open(task.id, task.raw, now)
        run = Run(drop, task, decision, claim, now, limit, folder)
        if cancelled:
            run.cancelled.set()
        folder.note(f"attempt {claim.attempt}: {decision.reason}")
        lane = self.code
        if task.problem is None and not cancelled:
            if decision.who is Who.LOCAL:
                lane = self.local
            elif decision.who is Who.CODE and handler and handler.outside:
                lane = self.outside
        lane.start(run, lambda run: _timed(work, self, run))

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
            return Result(Status.HANDED_OFF, handoff=decision.handoff_reason or HandoffReason.COMPLEX)
        handler = HANDLERS.get(decision.type)
        if handler is None:
            raise Doubt(f"the type '{decision.type}' is not built yet", reason=HandoffReason.NEEDS)
        if task.model == "none" and handler.tier is not Tier.TRIVIAL:
            raise Refused("the task says model: none, and its type needs a model", fix="model: local, or another type")
        params = handler.understand(task) if handler.understand else read_params(task, handler.params)
        memory = self.state / "memory" / handler.name
        memory.mkdir(parents=True, exist_ok=True)
        context = Context(
            task=task,
            now=run.started,
            files=self.overlay,
            ask=self.asking.of(run),
            facts=self.facts,
            note=run.folder.note,
            check=run.check,
            memory=memory,
            run_dir=run.folder.path,
            repo=self.repos.of(run.check),
        )
        result = handler.run(context, params)
        self.overlay.propose(result.changes)
        return result

    def collect(self) -> list[tuple[Run, Timed]]:
        """What has ended: all code that was started, and of the others what is finished by now."""
        beside = [timed for lane in (self.local, self.outside) for timed in lane.collect(_given_up, wait=False)]
        return self.code.collect(_given_up, wait=True) + beside

    def log_defect(self, run: Run, error: BaseException) -> None:
        """The whole traceback into the run's log."""
        run.folder.note("".join(traceback.format_exception(error)))

    def close(self) -> tuple[Run, ...]:
        """Stop everything; returns the runs that had not ended, to be handed back."""
        left = self.runs
        for run in left:
            run.cancelled.set()
        for lane in (self.code, self.local, self.outside):
            lane.close()
        self.outside.settle(SETTLE)
        return left


def _timed(work: Callable[[Workbench, Run], Ended], bench: Workbench, run: Run) -> Timed:
    began = time.monotonic()
    run = replace(run, deadline=began + run.limit)  # its time does not pass while it waits for its turn
    return work(bench, run), time.monotonic() - began


def _given_up(run: Run) -> Timed:
    result = Result(
        Status.FAILED,
        findings=(f"the time limit of {run.limit:g} s passed, and the run did not end by itself",),
        actions=(f"decide whether to retry: gofer retry {run.task.id}",),
    )
    return result, run.limit
