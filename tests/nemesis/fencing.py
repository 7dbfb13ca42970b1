"""Who held which claim when, from the server's own record; and that nobody published what another held.

The record is what `tests.remotes.ledger` writes: the reflogs of claim refs, kept although git removes a log with its
ref.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.nemesis.commits import Commit, Outcome, git, log
from tests.nemesis.expect import Expectations, claim_ref
from tests.remotes.ledger import CLAIMS, ZERO, Change, changes

BRANCH = "refs/heads/main"
# The server's clock is read before a move is visible to anybody, so a watcher counts from a little later.
SLACK_S = 0.05


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim ref pointed at."""

    worker: str = ""
    nonce: str = ""
    task: str = ""
    lease_s: float = 0.0


def check_claims(repository: Path, expected: Expectations) -> list[str]:
    """G09, G10, Q04: every change of holder was due, and every outcome came from the one who held the claim."""
    happened = changes(repository)
    held = _claims(repository, happened)
    return [
        *_check_form(happened, held),
        *_check_holders(happened, held, expected),
        *_check_outcomes(repository, happened, held, expected),
        *_check_left(happened, held, expected),
    ]


def _check_form(happened: list[Change], held: dict[str, Claim]) -> Iterator[str]:
    for change in happened:
        for move in change.claims:
            claim = held.get(move.new)
            if move.new != ZERO and (
                claim is None or not claim.nonce or not move.ref.endswith(claim_ref(claim.task, ""))
            ):
                yield f"claims: {move.ref} was set to {move.new[:12]}, which is no claim of its task: {claim}"


def _check_holders(happened: list[Change], held: dict[str, Claim], expected: Expectations) -> Iterator[str]:
    since: dict[str, float] = {}
    for change in happened:
        for move in change.claims:
            old, new = held.get(move.old, Claim()), held.get(move.new, Claim())
            if ZERO not in (move.old, move.new) and old.nonce != new.nonce and new.worker not in expected.thieves:
                rested = change.at - since[move.ref]
                same = expected.machine(old.worker) == expected.machine(new.worker)
                if not same and rested < old.lease_s - SLACK_S:
                    what = f"claims: {new.worker} took {old.task} from {old.worker} {rested:.2f} s after it had moved"
                    yield f"{what}, and its lease is {old.lease_s:g} s"
            since[move.ref] = change.at


def _check_outcomes(
    repository: Path, happened: list[Change], held: dict[str, Claim], expected: Expectations
) -> Iterator[str]:
    everything = {commit.oid: commit for commit in log(repository, BRANCH)}
    local = {task.id for task in expected.tasks if task.local}
    now: dict[str, str] = {}
    nonces: dict[str, set[str]] = defaultdict(set)
    for change in happened:
        before = dict(now)
        now.update({move.ref: move.new for move in change.claims})
        moved = change.of(BRANCH)
        if not moved or moved.new == ZERO:
            continue
        for commit in _arrived(repository, moved.old, moved.new, everything):
            del everything[commit.oid]  # what a force-push took away and put back has arrived once
            for outcome in commit.outcomes:
                if outcome.status == "invalid":
                    continue
                nonces[outcome.claim].add(outcome.worker)
                yield from _published(change, before, held, commit, outcome, outcome.task in local)
    for nonce, workers in nonces.items():
        if len(workers) > 1 and nonce != "none":
            yield f"claims: the claim {nonce} was published by {' and '.join(sorted(workers))}"


def _published(
    change: Change, before: dict[str, str], held: dict[str, Claim], commit: Commit, outcome: Outcome, local: bool
) -> Iterator[str]:
    """What is wrong with one outcome that arrived with a change of the branch."""
    refs = [claim_ref(outcome.task, namespace) for namespace in CLAIMS]
    ref = next((ref for ref in refs if before.get(ref, ZERO) != ZERO), "")
    what = f"claims: {outcome.worker} published {outcome.task} in {commit.short}"
    if not ref:
        if not local:
            yield f"{what} and held no claim on the server"
        return
    claim, move = held.get(before[ref], Claim()), change.of(ref)
    whose = outcome.worker == claim.worker or outcome.worker.startswith(f"{claim.worker}-")  # a worker of that clone
    if not whose or claim.nonce != outcome.claim:
        yield f"{what} under claim {outcome.claim}, while {claim.worker} held it under {claim.nonce}"
    if move is None or move.new != ZERO:
        yield f"{what} and the same push did not remove the claim"


def _check_left(happened: list[Change], held: dict[str, Claim], expected: Expectations) -> Iterator[str]:
    now = {move.ref: move.new for change in happened for move in change.claims}
    for oid in now.values():
        claim = held.get(oid, Claim())
        if oid != ZERO and claim.task in expected.by_id:
            yield f"claims: a claim of {claim.task} by {claim.worker} is left on the server"


def _arrived(repository: Path, old: str, new: str, known: dict[str, Commit]) -> list[Commit]:
    """The commits that a move of the branch brought. Those that are no part of the history any more (the branch was
    moved back by force) are left out."""
    span = [new] if old == ZERO else [new, f"^{old}"]
    return [known[oid] for oid in git(repository, "rev-list", "--reverse", *span).split() if oid in known]


def _claims(repository: Path, happened: list[Change]) -> dict[str, Claim]:
    """Every claim that a ref ever pointed at and that is still readable."""
    found: dict[str, Claim] = {}
    for oid in {oid for change in happened for move in change.claims for oid in (move.old, move.new)} - {ZERO}:
        try:
            said = json.loads(git(repository, "cat-file", "commit", oid).partition("\n\n")[2])
            found[oid] = Claim(said["worker"], said["nonce"], said["task"], float(said["lease_s"]))
        except (AssertionError, ValueError, KeyError, TypeError):
            continue
    return found
