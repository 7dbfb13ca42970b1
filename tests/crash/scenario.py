"""The vault that is crashed again and again: every kind of effect once, among a person's unfinished work."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.support import Vault, make_vault, wait_for

C = TypeVar("C")

TASKS = {
    "write.md": "Write 42 to memory/answer.md\n",
    "append.md": '---\nop: append\npath: memory/log.md\ntext: "- one more line"\ntype: file\n---\n',
    "move.md": "Move memory/old.md to memory/archive/\n",
    "review.md": "Review PR #214 and leave substantive comments\n",
    "status.md": "Post a status report with the current queue and the last five runs\n",
    "broken.md": "---\npriority: hgih\n---\nWrite 1 to memory/never.md\n",
}
STAYS = "broken.md"  # an invalid file is the person's to mend
GONE = {"memory/old.md", *(f"inbox/{name}" for name in TASKS if name != STAYS)}  # what may leave the history
STAGED, EDITED, UNTRACKED = "memory/staged.md", "memory/log-of-mine.md", "memory/untracked.md"


@dataclass(frozen=True)
class End:
    """A terminal state, without what may differ between two runs: times and attempts."""

    statuses: dict[str, str]  # by task id
    outcomes: Counter[str]  # how often each is in the history
    ledger: Counter[str]
    reports: frozenset[str]
    tasks: frozenset[str]  # finished task files
    copies: int  # reports in memory
    notes: dict[str, str]
    inbox: tuple[str, ...]


def prepare(place: Path) -> Vault:
    """A vault with all the tasks (two of them committed), and a person in the middle of their work."""
    vault = make_vault(place, settle=0)  # so that all runs take the same steps
    vault.write("memory/log.md", "- first line\n")
    vault.write("memory/old.md", "old\n")
    vault.write(EDITED, "as committed\n")
    for name in ("write.md", "move.md"):
        vault.drop(name, TASKS[name])
    vault.commit("what was there before")
    vault.write(EDITED, "as edited\n")
    vault.write(UNTRACKED, "untracked\n")
    vault.write(STAGED, "staged\n")
    vault.git("add", STAGED)
    for name, text in TASKS.items():
        if not (vault.root / "inbox" / name).exists():
            vault.drop(name, text)
    return vault


def end_of(vault: Vault) -> End:
    """What the vault has come to."""
    root = vault.root
    said = vault.git(
        "log",
        "--format=%(trailers:key=Gofer-Task,valueonly,separator=%x2C)=%(trailers:key=Gofer-Status,valueonly,separator=%x2C)",
    )
    statuses: dict[str, str] = {}
    for line in said.splitlines():
        tasks, _, words = line.partition("=")
        statuses.update(zip(tasks.split(","), words.split(","), strict=True) if tasks else ())
    tasks = {p.stem for p in (root / "memory" / "tasks").rglob("*.md")}
    return End(
        statuses,
        vault.outcomes(),
        Counter(line["task"] for line in vault.ledger()),
        frozenset(vault.reports()),
        frozenset(tasks),
        sum(1 for _ in (root / "memory" / "qwen-worker").rglob("*.md")),
        {p.relative_to(root).as_posix(): p.read_text("utf-8") for p in sorted((root / "memory").rglob("*.md"))
         if not p.relative_to(root).as_posix().startswith(("memory/tasks/", "memory/qwen-worker/"))},
        tuple(vault.inbox()),
    )  # fmt: skip


def check_person(vault: Vault) -> None:
    """What the person had edited or not yet added is as it was; nothing of theirs left the history."""
    assert (vault.root / EDITED).read_text() == "as edited\n"
    assert (vault.root / UNTRACKED).read_text() == "untracked\n"
    assert (vault.root / STAGED).read_text() == "staged\n"
    assert vault.git("show", f":{EDITED}") == "as committed\n"
    assert vault.git("show", f":{STAGED}") == "staged\n"
    assert vault.git("ls-files", UNTRACKED) == ""
    gone = set(vault.git("log", "--diff-filter=D", "--no-renames", "--format=", "--name-only").split())
    assert gone <= GONE, f"deleted from history: {gone - GONE}"


def check_delivered(vault: Vault) -> None:
    """`git status` shows the person's own work and nothing of Gofer's."""
    shown = {line[3:] for line in vault.git("status", "--porcelain", "-uall").splitlines()}
    assert shown <= {STAGED, EDITED, UNTRACKED, *(f"inbox/{STAYS}",)}, shown


def check_git_is_free(vault: Vault) -> None:
    """Right after a crash: every process of Gofer's ends by itself, and no lock is left."""
    wait_for(lambda: not vault.processes(), what="the processes of a killed worker to end")
    assert [lock for lock in vault.locks() if "gofer-index" not in lock] == [], vault.locks()


def finish(vault: Vault) -> None:
    """The worker is started anew, as often as a person would: once."""
    data: dict[str, Any] = vault.run_once()
    assert data["failed"] == data["unknown"] == data["waiting"] == 0, data


def look(vault: Vault) -> End:
    """What it came to, after the invariants held."""
    check_person(vault)
    check_delivered(vault)
    vault.check()
    return end_of(vault)


def troubles(work: Callable[[C], End], cases: Iterable[C], wanted: End) -> dict[C, str]:
    """The cases that do not come to the wanted end, and what was wrong with each. Two at a time: two cores."""

    def trouble(case: C) -> str:
        try:
            end = work(case)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            return f"{type(error).__name__}: {error}"
        return "" if end == wanted else f"{end}"

    cases = list(cases)
    with ThreadPoolExecutor(max(2, min(4, os.cpu_count() or 2))) as pool:
        found = zip(cases, pool.map(trouble, cases), strict=True)
        return {case: text for case, text in found if text}
