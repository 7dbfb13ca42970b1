"""The road: from a file in `inbox/` to a report in one commit. All that Gofer does is on this screen."""

from __future__ import annotations

from datetime import datetime

from agent.desk import Desk, Tick
from agent.errors import Doubt, GoferError, TimeUp, TryLater
from agent.files.telling import disk_trouble
from agent.runner import Run
from agent.vault.values import HandoffReason, Result, Status
from agent.workbench import Ended, Workbench


def road(desk: Desk, now: datetime) -> Tick:
    """Travel once: start what may start, publish what has ended. Repeating it is always safe."""
    intake, workbench, outlet = desk.intake, desk.workbench, desk.outlet
    for drop in intake.admit(now, workbench.runs):  # a file in inbox/, its attempt counted before a byte is parsed
        task = intake.read(drop)  # a bad file is still a task, with a problem
        if task is None:
            continue  # it only lingers: its outcome is in the vault already
        decision = desk.router.route(task)  # tier, type, who, and the rule that says so
        if reason := intake.not_now(drop, task, decision, now):
            intake.wait(drop, task, decision, reason)
            continue
        intake.want(drop, task, decision)
    for drop, task, decision, claim in intake.claim():  # in one push; what another worker holds is not among them
        workbench.start(drop, task, decision, claim, now, execute, cancelled=task.id in intake.cancelled)

    ended = workbench.collect()  # code has ended by now; a model's answer may come at a later tick
    outlet.record(ended)  # report, hand-off, ledger line: from here on published, never run again
    outlet.deliver()  # into the work tree, whole, where the person sees them
    published = outlet.publish(now)  # one commit for all that is ready
    return desk.tick(published)


def execute(workbench: Workbench, run: Run) -> Ended:
    """Run one task to its end, whatever happens in it: this is the task border."""
    try:
        return workbench.perform(run)
    except TryLater as error:
        return error  # it waits, and nothing is lost
    except Doubt as doubt:
        tried = (doubt.tried,) if doubt.tried else ()
        return Result(
            Status.HANDED_OFF,
            findings=(str(doubt),),
            handoff=HandoffReason(doubt.reason),
            tried=(*tried, str(doubt)),
            usage=tuple(run.spent),
        )
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
        workbench.log_defect(run, error)
        return Result(
            Status.FAILED,
            findings=(f"Gofer failed: {type(error).__name__}: {error}",),
            actions=(f"look at the run log: gofer show {run.task.id} --log",),
        )
