"""What a task does to files, as an ordered list of actions: what an approval shows before, and a change journal after.

    {"op":"write","path":"a.md","before":null,"after":"<sha256>"}
    {"op":"delete","path":"a.md","before":"<sha256>"}
    {"op":"move","path":"a.md","before":"<sha256>","to":"b.md","to_before":null}

A change journal, `memory/changes/YYYY-MM/<id>.jsonl`, holds one of these on each line with `"v":1` before it, and
behind it `"blob"`: the id under which git has the content that was replaced or deleted, where it has it.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from agent.vault.layout import OWN_FOLDERS
from agent.vault.values import Change

VERSION = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_BLOB = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Action:
    """One action on one file. `before` and `after` are sha256 hex of its content, None where there is no file; a `move`
    takes it from `path` to `to`. `blob`: git's id of the content that is not there any more, "" when git has none."""

    op: str  # write, delete or move
    path: str
    before: str | None
    after: str | None = None
    to: str = ""
    blob: str = ""

    def to_json(self) -> dict[str, Any]:
        """As an approval shows it."""
        shown: dict[str, Any] = {"op": self.op, "path": self.path, "before": self.before}
        if self.op == "write":
            shown["after"] = self.after
        elif self.op == "move":
            shown |= {"to": self.to, "to_before": None}
        return shown


def actions(changes: Iterable[Change]) -> tuple[Action, ...]:
    """The actions that these changes come to, in their order, without those of Gofer's own records. A file that
    appears with the content of one that goes is that one, moved."""
    theirs = [change for change in changes if not change.path.startswith(tuple(f"{own}/" for own in OWN_FOLDERS))]
    afters = [None if change.after is None else sha256(change.after).hexdigest() for change in theirs]
    leaving: dict[str, deque[int]] = defaultdict(deque)  # content → the changes that delete it
    for number, change in enumerate(theirs):
        if change.after is None and change.before is not None:
            leaving[change.before].append(number)
    moved: set[int] = set()
    found: list[tuple[int, Action]] = []
    for number, (change, after) in enumerate(zip(theirs, afters, strict=True)):
        if after is not None and change.before is None and leaving.get(after):
            source = leaving[after].popleft()
            moved.add(source)
            found.append((number, Action("move", theirs[source].path, after, after, change.path)))
        elif after is not None:
            found.append((number, Action("write", change.path, change.before, after, blob=change.blob)))
        elif change.before is not None:
            found.append((number, Action("delete", change.path, change.before, blob=change.blob)))
    return tuple(action for number, action in found if number not in moved)


def render(done: Iterable[Action]) -> str:
    """The change journal of one task."""
    lines = [{"v": VERSION, **action.to_json(), **({"blob": action.blob} if action.blob else {})} for action in done]
    return "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)


def parse(text: str) -> tuple[Action, ...]:
    """The actions in a change journal. Raises ValueError when it is not one: anybody who can push can write it."""
    # Not `splitlines`: a name may hold what ends a line for Python and not for JSON, such as U+2028.
    return tuple(_parse(text.removesuffix("\n").split("\n"))) if text else ()


def _parse(lines: Sequence[str]) -> Iterator[Action]:
    for line in lines:
        data = json.loads(line)
        if not isinstance(data, dict) or data.get("v") != VERSION:
            raise ValueError("a line is none of this version")
        op, path, to, blob = (str(data.get(key, "")) for key in ("op", "path", "to", "blob"))
        before, after = data.get("before"), data.get("after")
        digests = [digest for digest in (before, after) if digest is not None]
        if op not in ("write", "delete", "move") or not path or bool(to) != (op == "move"):
            raise ValueError("a line holds no action")
        if not all(_SHA256.fullmatch(str(digest)) for digest in digests) or (blob and not _BLOB.fullmatch(blob)):
            raise ValueError("a line holds what is no digest")
        if (op == "write") != (after is not None) or (op != "write" and before is None):
            raise ValueError("a line lacks a digest")
        yield Action(op, path, before, before if op == "move" else after, to, blob)
