"""The road: from a file in `inbox/` to a report in one commit. All that Gofer does is on this screen."""

from __future__ import annotations

from datetime import datetime

from agent.desk import Desk, Ended, Tick
from agent.errors import Doubt, TaskOver, TimeUp, TryLater
from agent.runner import Run
from agent.vault.values import HandoffReason, Result, Status


def road(desk: Desk, now: datetime) -> Tick:
    """Travel once: start what may start, publish what has ended. Repeating it is always safe."""
    for drop in desk.admit(now):  # a file in inbox/, its attempt counted before a byte is parsed
        task = desk.read(drop)  # a bad file is still a task, with a problem
        if task is None:
            continue  # it only lingers: its outcome is in the vault already
        decision = desk.route(task)  # tier, type, who, and the rule that says so
        if reason := desk.not_now(drop, task, decision, now):
            desk.wait(drop, task, decision, reason)
            continue
        claim = desk.claim(drop, task)
        if claim is None:
            continue  # another worker's
        desk.start(drop, task, decision, claim, now, execute)

    ended = desk.collect()  # code has ended by now; a model's answer may come at a later tick
    desk.record(ended)  # report, hand-off, ledger line: from here on published, never run again
    desk.deliver()  # into the work tree, whole, where the person sees them
    published = desk.publish(now)  # one commit for all that is ready
    return desk.tick(published)


def execute(desk: Desk, run: Run) -> Ended:
    """Run one task to its end, whatever happens in it: this is the task border."""
    try:
        return desk.perform(run)
    except TryLater as error:
        return error  # it waits, and nothing is lost
    except Doubt as doubt:
        tried = (doubt.tried,) if doubt.tried else ()
        return Result(
            Status.HANDED_OFF, findings=(str(doubt),), handoff=HandoffReason(doubt.reason), tried=(*tried, str(doubt))
        )
    except TimeUp as error:
        return Result(
            Status.CANCELLED if run.cancelled.is_set() else Status.FAILED,
            findings=(str(error),),
            actions=("decide whether to retry: gofer retry " + run.task.id,),
        )
    except TaskOver as error:
        return Result(Status.FAILED, findings=(str(error),))
    except Exception as error:
        desk.log_defect(run, error)
        return Result(
            Status.FAILED,
            findings=(f"Gofer failed: {type(error).__name__}: {error}",),
            actions=(f"look at the run log: gofer show {run.task.id} --log",),
        )
