"""The outlet: from runs that ended to records that are owed, delivered and published."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from agent.approving import ASKED
from agent.errors import Crashed, TryLater
from agent.exchange import Exchange
from agent.files.overlay import OverlayFiles
from agent.handlers.answer import expired
from agent.intake import CANCEL, Intake
from agent.journal import Journal, Record
from agent.publish import Published, Publisher
from agent.records import HEARTBEAT, Scribe
from agent.runner import Run, Timed
from agent.text import utc
from agent.vault.layout import LEDGER, approval_path
from agent.vault.values import Outcome, Result, Status, Task

QUIET = "done, nothing to say"  # how the last run of a schedule ended


@dataclass(slots=True)
class Outlet:
    """One worker's outlet. What it owes is in the journal; nothing else is needed to go on after a crash."""

    worker: str
    journal: Journal
    intake: Intake
    scribe: Scribe
    publisher: Publisher
    overlay: OverlayFiles
    settled: Callable[[Collection[int]], None]  # what ended is in the work tree, or waits again, but for these runs
    exchange: Exchange | None = None
    stuck: str = ""  # why what is owed is not published
    blocked: bool = False  # it waits for a person: trying again at once will not help
    _run_of: dict[str, int] = field(default_factory=dict)  # key of what is owed → the run that it came from

    def record(self, ended: Sequence[tuple[Run, Timed]]) -> None:
        """Turn what ended into records and owe them, durably: from here on they are published, never run again."""
        records: list[Record] = []
        for run, (end, seconds) in ended:
            if self.intake.holding.lost(run):
                run.folder.close("another worker has it by now: this run does not count")
                self.intake.put_back(run, "another worker took it over")
            elif isinstance(end, Crashed):
                run.folder.close(f"crashed: {end}")
                self.intake.crashed(run)
            elif isinstance(end, TryLater):
                run.folder.close(f"waits: {end}")
                self.intake.put_back(run, str(end))
            elif end.quiet and run.task.scheduled:
                run.folder.close("ended: nothing to say")
                self.intake.give_back(run.drop.key)
                self.intake.schedules.ran(run.task.id, QUIET, utc(run.started + timedelta(seconds=seconds)))
                self.intake.holding.finish([run.task.id])
                if run.decision.type == HEARTBEAT:
                    self.journal.count_quiet(1)
                self.intake.more = True  # the next run of it may be due by now
            elif asked := self.intake.approvals.ask(run, end, run.worker or self.worker, _finished(run, seconds)):
                run.folder.close("planned: it waits for a tick")
                self._wait_for_tick(run)
                records.append(asked)
            else:
                records.append(self._record(run, end, seconds, 0 if records else self.journal.quiet))
        try:
            self.journal.owe(records)
        except TryLater as error:
            for run, _ in ended:
                self.intake.put_back(run, str(error))
            raise
        self.intake.ended(record.key for record in records)
        if records and self.journal.quiet:
            self.journal.count_quiet(0)

    def _wait_for_tick(self, run: Run) -> None:
        """The question is on its way. Where others can see the task, nobody else takes it before it is there."""
        self.intake.wait(run.drop, run.task, run.decision, f"{ASKED}{approval_path(run.task.id)}")
        if not run.claim.shared:
            self.intake.holding.release([run.task.id])

    def _record(self, run: Run, result: Result, seconds: float, quiet: int) -> Record:
        finished = _finished(run, seconds)
        if run.task.approve:
            self._drop_question(run.task)
        standing, result, gone = self.intake.approvals.decided(run.task, result, finished)
        outcome = Outcome(
            run.task, run.decision, result, run.worker or self.worker, run.started, finished, run.claim.attempt,
            run.claim.nonce,
        )  # fmt: skip
        record = replace(self.scribe.record(outcome, run.drop, quiet), shared=run.claim.shared)
        if standing:
            record = self.scribe.with_decision(record, outcome, standing)
        record = replace(record, changes=(*record.changes, *gone))
        self._run_of[record.key] = run.number
        run.folder.keep("result.md", next(iter(record.files.values())))
        run.folder.close(f"ended: {record.status}")
        return record

    def _drop_question(self, task: Task) -> None:
        """What was to be asked, and is neither here nor on the remote, need not be asked any more."""
        key = self.intake.approvals.key(task)
        if key in self.journal.owed and key not in self.journal.placed | self.journal.pushing | self.journal.pushed:
            self.journal.drop([key])

    def expire(self, now: datetime) -> None:
        """Owe the end of what was handed off and not answered in time."""
        records = []
        for result in expired(self.overlay, now):
            if end := result.closes:
                outcome = Outcome(end.task, end.route, result, self.worker, now, now)
                records.append(self.scribe.record(outcome, None, 0))
        self.journal.owe(records)

    def deliver(self) -> None:
        """Put what is owed into the work tree. What no longer fits what a person wrote meanwhile runs again."""
        records = [record for key, record in self.journal.owed.items() if key not in self.journal.placed]
        here = [record for record in records if self.exchange is None or self.exchange.goes_here(record)]
        misfits = self.publisher.deliver(here) if here else []
        self.journal.back(record.key for record in misfits)
        self._again(misfits)
        self._settle_runs()

    def _settle_runs(self) -> None:
        """What goes over the remote is not in the work tree yet, but later tasks must see it; the rest is there."""
        here_now = self.journal.placed if self.exchange else self.journal.owed.keys()
        self._run_of = {k: n for k, n in self._run_of.items() if k in self.journal.owed and k not in here_now}
        self.settled(self._run_of.values())

    def _again(self, records: Sequence[Record]) -> None:
        """These no longer fit what a person wrote meanwhile, or another machine published: their tasks run again."""
        if records:
            self._settle_runs()
            self.intake.holding.local.release(record.task for record in records)
            self.intake.more = True

    def folders_owed(self) -> set[str]:
        """The folders that what is owed goes to: where a killed worker may have left half a delivery."""
        records = self.journal.owed.values()
        paths = {path for record in records for path in (*record.files, *(change.path for change in record.changes))}
        return {path.rpartition("/")[0] for path in paths} | ({LEDGER} if paths else set())

    def publish(self, now: datetime) -> Published:
        """One commit for all that is owed, when the person's repository can take it."""
        published = self.exchange.publish(now) if self.exchange else self.publisher.publish(now)
        self._again(published.unfit)
        self.journal.tell(record.key for record in published.records if record.status == Status.INVALID)
        self.intake.holding.local.release(record.task for record in published.records)
        for record in published.records:
            if record.status != Status.WAITING:
                self.intake.approvals.forget(record.task)
                self.intake.schedules.ran(record.task, record.status, record.finished)
            if record.task in self.intake.cancelled:
                self.intake.requests.done(CANCEL, record.task)
        self.stuck, self.blocked = published.waiting, bool(published.waiting) and not published.soon
        return published


def _finished(run: Run, seconds: float) -> datetime:
    return run.started + timedelta(seconds=seconds)
