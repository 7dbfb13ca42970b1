"""The values of the claim contract."""

from __future__ import annotations

from dataclasses import dataclass

from agent.vault.schedule import instance_of

NAMESPACES = ("refs/gofer/claims/", "refs/heads/gofer/claims/")  # the second where a host allows no other


@dataclass(frozen=True, slots=True)
class Wanted:
    """A task that somebody wants to run: its id, the revision they saw, and which attempt it would be."""

    task: str
    revision: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A task held by one worker. The nonce is new for every claim; it stands in the outcome's commit. `shared`: other
    machines can see the task, so its outcome counts only once it is on the remote."""

    task: str
    nonce: str
    attempt: int
    shared: bool = False


def name_of(task: str) -> str:
    """What the ref of a claim is called after: the task, or for a run of a schedule the schedule. So at most one of its
    runs is at work, and the ref says up to which of them they have ended."""
    run = instance_of(task)
    return f"{run[0]}/" if run else task  # no id of a task holds a slash


def share(tasks: int, workers: int) -> int:
    """How many of the tasks in sight one of so many workers claims at once: a third of its part, so that the last ones
    are not all claimed by everybody."""
    return max(1, tasks // (3 * max(1, workers)))
