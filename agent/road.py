"""The road: from a file in `inbox/` to a report in one commit. All that Gofer does is on this screen."""

from __future__ import annotations

from datetime import datetime

from agent.border import execute
from agent.desk import Desk, Tick


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
        known = intake.known(task, decision, now)  # what a person approved or rejected, or must be asked first
        workbench.start(drop, task, decision, claim, now, execute, known, cancelled=task.id in intake.cancelled)

    ended = workbench.collect()  # code has mostly ended by now; a model's answer may come at a later tick
    outlet.record(ended)  # report, hand-off, ledger line: from here on published, never run again
    outlet.deliver()  # into the work tree, whole, where the person sees them
    published = outlet.publish(now)  # one commit for all that is ready; with a remote one push, and the branch follows
    return desk.tick(published)
