"""A plan as a person reads it: a sentence for each action, and in what the files will differ."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from agent.gate import clean
from agent.vault.actions import Action, actions
from agent.vault.values import Change

LINES = 40  # of one file's differences
ALL_LINES = 400  # of all of them
LINE = 200  # characters of a line

Read = Callable[[str], bytes | None]


def sentences(changes: Sequence[Change], read: Read) -> list[str]:
    """One for each action, in order. `read` gives a file as it is now."""
    new = {change.path: change.after for change in changes}
    return [_sentence(action, new.get(action.path), read) for action in actions(changes)]


def _sentence(action: Action, new: bytes | None, read: Read) -> str:
    name = code(action.path)
    if action.op == "move":
        return f"moves {name} to {code(action.to)}"
    if action.op == "delete":
        return f"deletes {name}"
    if action.before is None:
        return f"writes {name} (new, {size(new)})"
    return f"changes {name} ({size(read(action.path))} before, {size(new)} then)"


def exactly(changes: Sequence[Change]) -> str:
    """The actions to the letter, one JSON object on each line."""
    return "\n".join(compact(action.to_json()) for action in actions(changes))


def compact(data: Mapping[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def differences(changes: Sequence[Change], read: Read) -> str:
    """What is written, as a unified diff, bounded; "" when nothing is, or nothing of it is text."""
    new = {change.path: change.after or b"" for change in changes}
    lines: list[str] = []
    for action in actions(changes):
        if action.op != "write":
            continue
        shown = list(_difference(action.path, b"" if action.before is None else read(action.path), new[action.path]))
        if len(shown) > LINES:
            shown = [*shown[:LINES], f"… {len(shown) - LINES} more lines"]
        lines += shown
        if len(lines) > ALL_LINES:
            return "\n".join([*lines[:ALL_LINES], "… and more"])
    return "\n".join(lines)


def _difference(path: str, old: bytes | None, new: bytes) -> Iterator[str]:
    try:
        before, after = (old or b"").decode("utf-8").splitlines(), new.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return
    if len(before) + len(after) > 20_000:
        yield f"--- {path}: too long to be compared here"
        return
    for line in difflib.unified_diff(before, after, path, path, lineterm="", n=1):
        yield line[:LINE]


def code(text: str) -> str:
    """Something as code in a line of Markdown."""
    return "`" + " ".join(clean(text).replace("`", "'").split()) + "`"


def size(data: bytes | None) -> str:
    count = len(data or b"")
    return f"{count:,} byte{'s' * (count != 1)}"
