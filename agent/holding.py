"""Which tasks this clone may run: what the remote says of each, and its claims among the workers here and elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from agent.claims import Claim, LocalClaims, Wanted, share
from agent.errors import CredentialsRefused, TryLater
from agent.exchange import Exchange
from agent.inbox import Drop
from agent.runner import Run
from agent.sights import AT_ONCE, Sight
from agent.vault.report import invalid_path
from agent.vault.values import Task

TURN = "its turn comes"
ELSEWHERE = "another worker has it"


@dataclass(slots=True)
class Holding:
    """One clone's hold on tasks. Without an exchange nobody else works here."""

    local: LocalClaims
    exchange: Exchange | None
    _sights: dict[str, Sight] = field(default_factory=dict)  # by path
    _why: dict[str, str] = field(default_factory=dict)  # task id → why it was not claimed
    _overdue: set[int] = field(default_factory=set)  # numbers of runs that were ended for their claim

    @property
    def state(self) -> object:
        """Everything of the remote that can make a waiting task start, looked up without starting git."""
        return self.exchange and self.exchange.sights.state

    def look(self, drop: Drop, task: Task) -> str:
        """Why a task does not start here, "" when it may."""
        if self.exchange is None:
            return ""
        sight = self._sights[drop.path] = self.exchange.sights.of(drop.path, drop.raw or b"")
        return sight.wait or (ELSEWHERE if sight.shared and self.exchange.claims.taken(task.id) else "")

    def is_another(self, task: Task) -> bool:
        """Whether a file that seems to linger after its outcome is a task of its own."""
        return self.exchange is not None and self.exchange.sights.is_another(task.path, task.revision)

    def is_told(self, task: Task) -> bool:
        """Whether another machine has reported this file as no task."""
        return self.exchange is not None and self.exchange.sights.holds(invalid_path(task))

    # -- claims ----------------------------------------------------------------------------------------------------

    def take(
        self, drops: Sequence[tuple[Drop, Task, Wanted]], ready: int, own: Collection[str] = ()
    ) -> dict[str, Claim]:
        """Claim tasks, those that others can see in one push; `ready` is how many lie in sight, and of those in `own`
        (paths) nobody is kept from work when they are claimed before they can run. The result holds what is ours;
        `why` says of the others why they wait."""
        self._why = {}
        mine = self.local.take([want for _, _, want in drops])
        if self.exchange is None:
            return mine
        shared = [
            (drop, task, want)
            for drop, task, want in drops
            if task.id in mine and self._sights.get(drop.path, Sight()).shared
        ]
        if not shared:
            return mine
        if self.exchange.sync.away_since is not None:  # `offline = "work"`: claimed when the remote is back
            return mine | {task.id: replace(mine[task.id], shared=True) for _, task, _ in shared}
        won = self._take_shared(self.exchange, shared, ready, own)
        lost = [task.id for _, task, _ in shared if task.id not in won]
        self.local.release(lost)
        return {id_: claim for id_, claim in (mine | won).items() if id_ not in lost}

    def _take_shared(
        self, exchange: Exchange, shared: Sequence[tuple[Drop, Task, Wanted]], ready: int, own: Collection[str]
    ) -> dict[str, Claim]:
        """Of the tasks that other machines can see, those whose claim on the remote is ours."""
        budget = exchange.sync.budget
        if (left := budget.wait()) > 0:
            self._why = {task.id: f"the host rations pushes: it is claimed in {left:.0f} s" for _, task, _ in shared}
            return {}
        budget.spend()
        lead = len([*takewhile(lambda task: task[0].path in own, shared)])
        most = AT_ONCE if budget.rate else min(AT_ONCE, max(lead, share(ready, budget.machines)))
        few = shared[:most]
        self._why = {task.id: TURN for _, task, _ in shared[most:]}
        try:
            if lead < len(few) and exchange.sync.others:  # what others begin with they may have claimed by now
                exchange.claims.watch([task.id for _, task, _ in few], strange=True)
            won = exchange.sights.take([want for _, _, want in few], {task.id: drop.path for drop, task, _ in few})
        except (TryLater, CredentialsRefused) as error:
            self._why |= {task.id: str(error) for _, task, _ in few}
            return {}
        told = [task.id for _, task, _ in few if task.problem and task.id in won and self.is_told(task)]
        exchange.claims.release(told)  # another machine was faster, and has let go of it
        if refusal := exchange.claims.refusal:
            self._why |= {task.id: f"the remote allows no claims: {refusal}" for _, task, _ in few}
        return {id_: exchange.claims.held[id_].claim for id_ in won if id_ not in told}

    def why(self, task: str) -> str:
        """Why a task was not claimed."""
        return self._why.get(task, ELSEWHERE)

    def over(self, task: str) -> str:
        """The last run of a schedule that has ended elsewhere, when this one could not be claimed for that; else ""."""
        return self.exchange.claims.over.get(task, "") if self.exchange else ""

    def finish(self, tasks: Iterable[str]) -> None:
        """These ended and leave nothing in the vault: their claims say so from now on."""
        tasks = list(tasks)
        self.local.release(tasks)
        if self.exchange:
            self.exchange.claims.finish(tasks)

    def release(self, tasks: Iterable[str]) -> None:
        """Give claims back, here and on the remote."""
        tasks = list(tasks)
        self.local.release(tasks)
        if self.exchange:
            self.exchange.claims.release(tasks)

    # -- while they run --------------------------------------------------------------------------------------------

    def stop_overdue(self, runs: Collection[Run]) -> None:
        """End the runs whose claim was lost, or could not be renewed in time: another machine may begin them."""
        overdue = self.exchange.claims.overdue() if self.exchange else ()
        for run in runs:
            if run.claim.shared and run.task.id in overdue:
                run.cancelled.set()
                self._overdue.add(run.number)

    def lost(self, run: Run) -> bool:
        """Whether a run that ended does not count: another worker has its task by now, or may have it."""
        ended_for_it = run.number in self._overdue
        self._overdue.discard(run.number)
        gone = self.exchange.claims.gone if self.exchange else ()
        return ended_for_it or (run.claim.shared and run.task.id in gone)
