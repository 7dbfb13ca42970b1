"""The workbench: where claimed tasks run. It sends each into its lane with a time limit, and gathers what has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from agent.bench import Bench
from agent.claims import Claim
from agent.handlers import HANDLERS, is_quick
from agent.inbox import Drop
from agent.models.backends import Target
from agent.runner import AnyLane, Ended, Run, Timed
from agent.runs import RunFolders
from agent.swapping import Swapping
from agent.vault.values import Decision, Result, Status, Task, Tier, Who

HANDOFF_LIMIT = 60.0  # seconds, for a run that only writes a hand-off


@dataclass(slots=True)
class Workbench:
    """One desk's workbench. Code has a lane of its own, so that no model and no other machine ever holds it up."""

    bench: Bench
    folders: RunFolders
    time_limit: Callable[[str, float], float]
    facts: Callable[[], Mapping[str, Any]]
    code: AnyLane
    local: AnyLane
    outside: AnyLane
    swapping: Swapping = field(default_factory=Swapping)
    _known: Mapping[str, Any] = field(default_factory=dict)  # the facts, gathered at most once in one travel
    _next: set[Target] = field(default_factory=set)  # models of tasks that may start in this travel
    _unsettled: set[int] = field(default_factory=set)
    _decided: list[tuple[Run, Timed]] = field(default_factory=list)

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that have not ended."""
        return (*(run for run, _ in self._decided), *(run for lane in self.lanes for run in lane.runs))

    @property
    def lanes(self) -> tuple[AnyLane, ...]:
        return self.code, self.local, self.outside

    @property
    def wake_times(self) -> Sequence[float]:
        """When a lane must be looked at although nothing rings, in monotonic seconds."""
        return [at for lane in self.lanes for at in lane.wake_times]

    def away(self, model: str) -> str:
        """Why a task for this model cannot start now, "" when it can."""
        asking, room = self.bench.asking, self.local.room
        if away := asking.away(model):
            return away
        target = asking.target(model)
        if not asking.backends.is_local(target.provider):
            return "" if room else "the model is busy with another task"
        at_work = [asking.target(run.decision.model) for run in self.local.runs if run.decision.who is Who.LOCAL]
        busy = {other.model for other in (*at_work, *self._next) if other.provider == target.provider}
        reason = self.swapping.why_not(target.provider, target.model, busy, room, time.monotonic())
        if not reason:
            self._next.add(target)
        return reason

    def quick(self, task: Task, decision: Decision) -> bool:
        """Whether a task runs at once, waiting for no model, no other machine and no lead."""
        return is_quick(decision, lead_acts=self.bench.lead.acts(task, decision))

    def start(
        self, drop: Drop, task: Task, decision: Decision, claim: Claim, now: datetime,
        work: Callable[[Bench, Run], Ended], known: Result | None = None, *, cancelled: bool = False,
    ) -> None:  # fmt: skip
        """Send a task into its lane: code and hand-offs run at once, what waits for a model or for another machine
        beside them. One whose result is `known` has ended already."""
        handler = HANDLERS.get(decision.type)
        if handler and handler.words_when and claim.attempt == 1 and not cancelled and handler.words_when(task):
            decision = self._with_words(task, decision)
        limit = task.timeout or self.time_limit(decision.type, handler.limit if handler else HANDOFF_LIMIT)
        limit += self.bench.lead.seconds(task, decision)
        folder = self.folders.open(task.id, task.raw, now)
        if handler and handler.uses_facts:
            self._known = self._known or self.facts()
        facts = self._known if handler and handler.uses_facts else {}
        run = Run(drop, task, decision, claim, now, limit, folder, facts, deadline=time.monotonic() + limit)
        if cancelled:
            run.cancelled.set()
        folder.note(f"attempt {claim.attempt}: {decision.reason}")
        if known is not None:
            self._decided.append((run, (known, 0.0)))
            return
        lane = self.code
        if task.problem is None and not cancelled and not self.quick(task, decision):
            lane = self.local if decision.who is Who.LOCAL else self.outside
        lane.start(run, lambda run: _timed(work, self.bench, run))

    def _with_words(self, task: Task, decision: Decision) -> Decision:
        """Code whose report a local model words, if one of this machine's stands ready now. It never waits for it."""
        asking = self.bench.asking
        if decision.who is not Who.CODE or task.model == "none" or self.away("local"):
            return decision
        if not asking.backends.is_local(asking.target("local").provider):
            return decision
        reason = f"{decision.reason}; {asking.target('local').model} words the report"
        return replace(decision, tier=Tier.STANDARD, who=Who.LOCAL, model="local", reason=reason)

    def collect(self) -> list[tuple[Run, Timed]]:
        """What has ended: code within a second of its start, and what took longer when it is finished."""
        self._known = {}
        self._next.clear()  # what may start in this travel has started
        beside = [timed for lane in (self.local, self.outside) for timed in lane.collect(_given_up, wait=False)]
        ended = self._decided + self.code.collect(_given_up, wait=True) + beside
        self._decided = []
        self._unsettled.update(run.number for run, _ in ended)
        return ended

    def settled(self, but_not: Collection[int] = ()) -> None:
        """What was collected is in the vault, or waits again: runs to come see the files as they lie there. What some
        runs proposed is still on its way."""
        if settled := self._unsettled - set(but_not):
            self.bench.overlay.settle(settled)
            for lane in self.lanes:
                lane.settle(settled)
            self._unsettled -= settled

    def prepare(self) -> None:
        """A task is about to come."""
        self.code.prepare()

    def withdraw(self) -> list[Run]:
        """Take back what has not begun, to be handed back."""
        return [run for lane in self.lanes for run in lane.withdraw()]

    def kill(self) -> None:
        """End all that runs, at once and with everything it started. The next `collect` returns it as waiting, so that
        it is handed back: the attempt does not count, the claim is free."""
        for lane in self.lanes:
            lane.kill()

    def close(self) -> tuple[Run, ...]:
        """Stop everything; returns the runs that had not ended, to be handed back."""
        left = self.runs
        for lane in self.lanes:
            lane.close()
        return left


def _timed(work: Callable[[Bench, Run], Ended], bench: Bench, run: Run) -> Timed:
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
