"""What happened to the refs of a server, from its own records.

Git's reflog of a ref goes away with the ref, and a claim is removed by the push that publishes its outcome. So the
server runs a `reference-transaction` hook that keeps each transaction in a file of its own, while it holds the locks of
its refs: the order of the files is the order in which a ref moved.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ZERO = "0" * 40
CLAIMS = ("refs/gofer/claims/", "refs/heads/gofer/claims/")
RECORDER = """\
#!/bin/sh
place="$(dirname "$0")/../ledger"
cat >"$place/.$PPID-$1" && mv "$place/.$PPID-$1" "$place/$(date +%s%N)-$PPID-$1"
"""


@dataclass(frozen=True, slots=True)
class Move:
    """A ref went from one object to another; ZERO stands for "is not there"."""

    ref: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Change:
    """Moves that became true together, at about `at` (seconds, the server's clock)."""

    at: float
    moves: tuple[Move, ...]

    @property
    def claims(self) -> tuple[Move, ...]:
        """Those of claim refs."""
        return tuple(move for move in self.moves if move.ref.startswith(CLAIMS))

    def of(self, ref: str) -> Move | None:
        return next((move for move in self.moves if move.ref == ref), None)


@dataclass
class _Open:
    change: Change
    sure: bool = field(default=False)


def changes(repository: Path) -> list[Change]:
    """Every transaction that happened, in order. One whose process died between its locks and its word counts when a
    later one, or the ref itself, stands on what it wrote."""
    entries: list[_Open] = []
    waiting: dict[str, _Open] = {}
    for file in sorted((repository / "ledger").glob("[0-9]*"), key=lambda file: int(file.name.split("-")[0])):
        at, process, stage = file.name.split("-")
        if stage == "prepared":
            found = tuple(_moves(file.read_text("utf-8")))
            waiting[process] = _Open(Change(int(at) / 1e9, found))
            entries.append(waiting[process])
        elif process in waiting:
            entry = waiting.pop(process)
            if stage == "committed":
                entry.sure = True
            else:
                entries.remove(entry)
    happened = [
        entry.change for number, entry in enumerate(entries) if entry.sure or _stood(entry, entries[number + 1 :])
    ]
    return list(_with_true_values(happened))


def moves(repository: Path, prefix: str = "refs/") -> list[Move]:
    """Every move of the refs below a prefix, in order."""
    return [move for change in changes(repository) for move in change.moves if move.ref.startswith(prefix)]


def claims(
    repository: Path, objects: dict[str, str]
) -> Iterator[tuple[Change, Move, dict[str, object], dict[str, object]]]:
    """Every move of a claim ref with the claims that it left and that it reached ({} for none, or for what is no
    claim). `objects`: the commit messages by object."""
    for change in changes(repository):
        for move in change.claims:
            yield change, move, _claim(objects.get(move.old, "")), _claim(objects.get(move.new, ""))


def _moves(text: str) -> Iterator[Move]:
    for line in text.splitlines():
        old, new, ref = line.split(" ", 2)
        if ref != "HEAD":
            yield Move(ref, old, new)


def _with_true_values(happened: list[Change]) -> Iterator[Change]:
    """Git writes zeros for the old value when nobody asked for one: put in what the ref was."""
    now: dict[str, str] = {}
    for change in happened:
        true = [Move(move.ref, now.get(move.ref, move.old), move.new) for move in change.moves]
        now.update((move.ref, move.new) for move in true)
        yield Change(change.at, tuple(move for move in true if move.old != move.new))


def _stood(entry: _Open, later: list[_Open]) -> bool:
    for move in entry.change.moves:
        after = (follow.change.of(move.ref) for follow in later)
        following = next((found for found in after if found), None)
        if following and following.old == move.new:
            return True
    return False


def _claim(message: str) -> dict[str, object]:
    try:
        found = json.loads(message)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
