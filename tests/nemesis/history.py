"""What the server's history says: each task ended once, nothing was lost, done twice or deleted.

Pure functions over a bare repository. Each returns a list of sentences, one for each violation.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.nemesis.commits import Commit, Tree, ancestors, deletions, log
from tests.nemesis.expect import HANDED_OFF, INVALID, Expectations, Expected
from tests.remotes.ledger import ZERO, changes

# What Gofer may take away: the tasks that it did, its own tray, and the STOP that it wrote itself.
OWN = ("outbox/", "STOP")


def check_history(repository: Path, expected: Expectations, branch: str = "refs/heads/main") -> list[str]:
    """I1, I2, and the half of I3 that is history: everything that one look at the branch can tell."""
    commits, tree = log(repository, branch), Tree(repository, branch)
    return [
        *check_outcomes(commits, expected),
        *check_files(tree, commits, expected),
        *check_tokens(tree, expected),
        *check_deletions(repository, commits, expected),
        *check_commits(commits, expected),
        *check_rewinds(repository, expected, branch),
    ]


def check_outcomes(commits: list[Commit], expected: Expectations) -> list[str]:
    """I1: by the trailers of the commits, each task has one outcome, with one of the words that it may have."""
    found = defaultdict(list)
    for commit in commits:
        for outcome in commit.outcomes:
            found[outcome.task].append((outcome, commit))
    said = []
    for task in expected.tasks:
        outcomes = found.pop(task.id, [])
        told = ", ".join(f"{outcome.status} by {outcome.worker} in {commit.short}" for outcome, commit in outcomes)
        if not task.ends and outcomes:
            said.append(f"I1: {task.id} may not run and has an outcome: {told}")
        elif task.ends and not outcomes:
            said.append(f"I1: {task.id} ({task.path}) is lost: no commit has its outcome")
        elif len(outcomes) > 1 + (task.id in expected.redone):
            said.append(f"I1: {task.id} was done {len(outcomes)} times: {told}")
        elif outcomes and outcomes[0][0].status not in task.ends:
            said.append(f"I1: {task.id} ended in another word than {'/'.join(sorted(task.ends))}: {told}")
    for name, outcomes in found.items():
        said.append(f"I1: {name} has an outcome in {outcomes[0][1].short} and nobody asked for it")
    return said


def check_files(tree: Tree, commits: list[Commit], expected: Expectations) -> list[str]:
    """I1: one report in the outbox and in memory, one finished task, one ledger line; the inbox file gone, or there."""
    reports = Counter(_value(tree.text(path), "task") for path in tree.below("memory/qwen-worker/"))
    finished = Counter(path.rpartition("/")[2].removesuffix(".md") for path in tree.below("memory/tasks/"))
    lines = Counter(_ledger(tree))
    tried = {outcome.task for commit in commits for outcome in commit.outcomes}
    said = []
    for task in expected.tasks:
        there = task.path in tree
        if there != task.stays and not (task.local and task.stays) and task.path not in expected.vanished:
            said.append(f"I1: {task.path} {'is not' if task.stays else 'is still'} in the inbox ({task.id})")
        if task.id in tried:
            said.extend(
                f"I1: {task.id}: {problem}" for problem in _kept(tree, task, expected, reports, finished, lines)
            )
    return said


def _kept(
    tree: Tree, task: Expected, expected: Expectations, reports: Counter[str], finished: Counter[str],
    lines: Counter[str],
) -> Iterator[str]:  # fmt: skip
    once = 0 if task.ends == INVALID else 1
    twice = once * (1 + (task.id in expected.redone))
    for what, count in (("reports in memory", reports), ("files in memory/tasks", finished), ("ledger lines", lines)):
        if not once <= count[task.id] <= twice:
            yield f"{count[task.id]} {what} instead of {once}"
    report = f"outbox/{task.id}.md"
    if report not in tree:
        yield f"no {report}"
    elif (status := _value(tree.text(report), "status")) not in task.ends:
        yield f"{report} says {status!r}"
    if task.ends == HANDED_OFF and f"outbox/handoffs/{task.id}.handoff.md" not in tree:
        yield "no hand-off"


def check_tokens(tree: Tree, expected: Expectations) -> list[str]:
    """I2: every line that a task had to add is there as often as tasks had to add it."""
    lines = {file: Counter(tree.text(file).splitlines()) for file, _ in expected.tokens() if file in tree}
    return [
        f"I2: {token} is {lines[file][token] if file in lines else 0} times in {file} instead of {count.stop - 1}"
        for (file, token), count in expected.tokens().items()
        if (lines[file][token] if file in lines else 0) not in count
    ]


def check_deletions(repository: Path, commits: list[Commit], expected: Expectations) -> list[str]:
    """I3: a commit of Gofer's deletes the tasks whose outcomes are in it or before it, what is in its tray, no more."""
    ended: set[str] = set()
    said = []
    for commit in commits:
        ended |= {outcome.task for outcome in commit.outcomes if outcome.status != "invalid"}
        if not commit.by_gofer:
            continue
        mine = {task.path for task in expected.tasks if task.id in ended} | expected.vanished
        for path in deletions(repository, commit):
            if path not in mine and not path.startswith(OWN):
                said.append(f"I3: {commit.short} ({commit.subject}) deletes {path}")
    return said


def check_commits(commits: list[Commit], expected: Expectations) -> list[str]:
    """I3: every commit that the person made is part of the history."""
    there = {commit.oid for commit in commits}
    return [f"I3: the person's commit {oid[:12]} is not in the history" for oid in sorted(expected.commits - there)]


def check_rewinds(repository: Path, expected: Expectations, branch: str = "refs/heads/main") -> list[str]:
    """G19: nobody but us ever moved the branch to something that does not contain what it was; needs the ledger."""
    moved = (change.of(branch) for change in changes(repository))
    return [
        f"G19: {branch} was moved from {move.old[:12]} to {move.new[:12]}, which does not contain it"
        for move in moved
        if move and move.old != ZERO and (move.old, move.new) not in expected.rewinds
        if move.new == ZERO or move.old not in ancestors(repository, move.new)
    ]


def _ledger(tree: Tree) -> Iterator[str]:
    for path in tree.below("memory/ledger/"):
        for line in tree.text(path).splitlines():
            yield str(json.loads(line)["task"])


def _value(text: str, key: str) -> str:
    """A value of a front matter that Gofer wrote; "" when it has none."""
    header = text.split("\n---\n")[0].splitlines()
    return next((line.partition(": ")[2].strip('"') for line in header if line.startswith(f"{key}: ")), "")
