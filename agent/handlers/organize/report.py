"""The words of the report: what moved and by which row, which links followed, what is wrong among the notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.handlers.organize.moving import rows_of
from agent.handlers.organize.relinking import Plan
from agent.handlers.organize.rules import PAGE

SHOWN = 20  # moves
FEW = 10  # lines of any other kind


@dataclass(slots=True)
class Told:
    """Findings, capped, and all of it for the raw data."""

    findings: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)

    def add(self, summary: str, lines: Sequence[str], kind: str = "", shown: int = FEW) -> None:
        """A finding, some of its lines below it with the word `kind`, and all of them in the raw data."""
        self.findings.append(summary)
        self.findings += [f"{kind}: {line}" if kind else line for line in lines[:shown]]
        if len(lines) > shown > 0:
            self.findings.append(f"… and {len(lines) - shown:,} more, in the raw data")
        if lines:
            self.raw += [f"# {summary}", *lines, ""]


def tell_moves(told: Told, plan: Plan, *, dry: bool, unfit: int, age: str, task: str) -> None:
    """What was filed, or would be."""
    did = "Would move" if dry else "Moved"
    if plan.moves:
        told.add(f"{did} {_files(len(plan.moves))} by {PAGE}", [f"{m.old} → {m.new}" for m in plan.moves], shown=SHOWN)
        told.findings += [
            f"line {line} of {PAGE} ({moves[0].wish.rule.why or moves[0].wish.rule.when}): {_files(len(moves))}"
            for line, moves in rows_of(plan.moves).items()
        ]
    else:
        told.findings.append(f"Nothing is to be moved: no file fits a row of {PAGE} that is not filed already.")
    if plan.relinked:
        links, notes = _count(sum(plan.relinked.values()), "link"), _count(len(plan.relinked), "note")
        follow = "would follow" if dry else "follow"
        told.add(f"{links} in {notes} {follow}", [f"{path}: {count}" for path, count in plan.relinked.items()], shown=0)
    _tell_left(told, plan, dry=dry)
    if unfit:
        told.findings.append(f"{_files(unfit)} older than {age} fit no row, so they stay: add a row for them to {PAGE}")
    if dry:
        told.findings.append("Nothing was changed: this was a dry run.")
    elif plan.moves:
        told.findings.append(f"To take all of it back: gofer undo {task}")


def _tell_left(told: Told, plan: Plan, *, dry: bool) -> None:
    if plan.left:
        left = [f"{path}: {why}" for path, why in plan.left]
        told.add(f"Left where they are: {_files(len(plan.left))}", left, "left")
    if plan.later:
        told.findings.append(f"{_files(plan.later)} more wait for the next run: this was as much as one run moves")
    if plan.locked:
        would = "would lead" if dry else "now lead"
        what = f"Links that {would} nowhere, in notes that only a person changes: {_files(len(plan.locked))}"
        told.add(what, plan.locked, "not changed")
        if not dry:
            told.actions.append(f"mend the links to moved notes in {', '.join(plan.locked[:FEW])}")


def tell_orphans(told: Told, paths: Sequence[str]) -> None:
    told.add(f"Orphans, notes without links in or out: {len(paths):,}", paths, "orphan")


def tell_duplicates(told: Told, groups: Sequence[Sequence[str]]) -> None:
    count = sum(map(len, groups))
    what = f"{count:,} files in {_count(len(groups), 'group')}" if groups else "none"
    told.add(f"Duplicates, files with the same text: {what}", [" = ".join(group) for group in groups], "duplicates")


def tell_empty(told: Told, paths: Sequence[str]) -> None:
    told.add(f"Empty files: {len(paths):,}", paths, "empty")


def tell_broken(told: Told, links: Sequence[tuple[str, int, str]]) -> None:
    lines = [f"{path} line {line}: {target} is not there" for path, line, target in links]
    told.add(f"Broken links: {len(links):,}", lines, "broken")


def tell_unread(told: Told, unread: Sequence[tuple[str, str]]) -> None:
    told.add(f"Not looked through: {_files(len(unread))}", [f"{path}: {why}" for path, why in unread], "not read")


def _files(count: int) -> str:
    return _count(count, "file")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
