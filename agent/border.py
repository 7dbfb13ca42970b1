"""The task border: the one place where whatever happens in a task ends, in a thread of the desk's and in a worker
process alike."""

from __future__ import annotations

from agent.bench import Bench
from agent.errors import Doubt, GoferError, TimeUp, TryLater
from agent.files.telling import disk_trouble
from agent.runner import Ended, Run
from agent.vault.values import HandoffReason, Result, Status


def execute(bench: Bench, run: Run) -> Ended:
    """Run one task to its end, whatever happens in it: this is the task border."""
    try:
        return _perform(bench, run)
    except TryLater as error:
        return error  # it waits, and nothing is lost
    except TimeUp as error:
        status = Status.CANCELLED if run.cancelled.is_set() else Status.FAILED
        retry = f"decide whether to retry: gofer retry {run.task.id}"
        actions = () if status is Status.CANCELLED else (retry,)
        return Result(status, findings=(str(error),), actions=actions, usage=tuple(run.spent))
    except GoferError as error:
        return Result(Status.FAILED, findings=(str(error),), usage=tuple(run.spent))
    except Exception as error:
        if trouble := disk_trouble(error):
            return trouble
        bench.log_defect(run, error)
        return Result(
            Status.FAILED,
            findings=(f"Gofer failed: {type(error).__name__}: {error}",),
            actions=(f"look at the run log: gofer show {run.task.id} --log",),
        )


def _perform(bench: Bench, run: Run) -> Result:
    """What a task comes to here, or one tier up when that is not beyond doubt."""
    try:
        return bench.perform(run)
    except Doubt as doubt:
        tried = (doubt.tried,) if doubt.tried else ()
        return bench.escalate(run, HandoffReason(doubt.reason), (*tried, str(doubt)), (str(doubt),))
