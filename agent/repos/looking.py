"""Looking at a repository: its status and its log. Nothing is written, not even the index."""

from __future__ import annotations

import re
from collections import Counter

from agent.errors import Refused
from agent.handlers.doors import Told
from agent.repos.clone import Clone, bounded, many, short
from agent.repos.names import branch_name

MAX_COUNT = 100  # commits of a log
_TRACKING = re.compile(r"\[(?:ahead (\d+))?(?:, )?(?:behind (\d+))?(gone)?\]$")
_UNMERGED = frozenset({"DD", "AU", "UD", "UA", "DU", "AA", "UU"})


def status(clone: Clone) -> Told:
    """The branch, how it stands to its upstream as last fetched, and how many files are staged, changed, new."""
    said = clone.run(
        "status", "--porcelain=v1", "--branch", "--untracked-files=normal", "--ignore-submodules=dirty", "--no-renames"
    ).text
    first, _, rest = said.partition("\n")
    head = clone.head()
    where = f"on {_name(head.branch)}" if head.branch else "HEAD is detached"
    findings = [f"{clone.name}: {where} at {short(head.commit)}{_tracking(first)}.", f"{_counted(rest)}."]
    if doing := clone.repository.operation():
        findings.append(f"{doing[:1].upper()}{doing[1:]} is in progress.")
    return Told(tuple(findings), bounded(said))


def log(clone: Clone, branch: str, count: int) -> Told:
    """The newest commits of a branch, "" being the current one; one line each."""
    if branch:
        branch_name(clone.git, branch)
        places = (f"refs/heads/{branch}", f"refs/remotes/{clone.remote}/{branch}", f"refs/remotes/{branch}")
        commit = next((found for place in places if (found := clone.commit_of(place))), None)
        if commit is None:
            raise Refused(f"'{clone.name}' has no branch '{branch}'", fix="fetch first, or correct the name")
    else:
        head = clone.head()
        branch, commit = _name(head.branch) if head.branch else "HEAD", head.commit
        if commit is None:
            return Told((f"{clone.name}: {branch} has no commit yet.",))
    said = clone.lines(None, commit, min(count, MAX_COUNT))
    shown = said.count("\n") + bool(said)
    return Told(
        (f"{clone.name}: the last {many(shown, 'commit')} of {branch}, the newest {short(commit)}.",), bounded(said)
    )


def _name(ref: str) -> str:
    return ref.removeprefix("refs/heads/")


def _tracking(header: str) -> str:
    found = _TRACKING.search(header)
    if found is None:
        return ", level with its upstream" if "..." in header else ""
    if found[3]:
        return ", its upstream is gone"
    return "".join(f", {n} {word}" for n, word in ((found[1], "ahead"), (found[2], "behind")) if n)


def _counted(lines: str) -> str:
    kinds: Counter[str] = Counter()
    for line in lines.splitlines():
        code = line[:2]
        if code == "??":
            kinds["untracked"] += 1
        elif code in _UNMERGED:
            kinds["in conflict"] += 1
        else:
            kinds["staged"] += code[0] != " "
            kinds["changed"] += code[1:] != " "
    words = [f"{kinds[kind]} {kind}" for kind in ("staged", "changed", "untracked", "in conflict") if kinds[kind]]
    return "Files: " + ", ".join(words) if words else "The work tree is clean"
