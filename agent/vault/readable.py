"""What keeps a file from being a task before its header is looked at: no text, too much of it, a merge conflict."""

from __future__ import annotations

import re

from agent.vault.values import Problem

MAX_BYTES = 1 << 20  # bytes of a task file
_CONFLICT = re.compile(r"^(?:<{7}|>{7}|\|{7}) |^={7}[ \t]*$", re.MULTILINE)


def unreadable(raw: bytes) -> Problem | None:
    """Why these bytes are no text that could be a task."""
    if len(raw) > MAX_BYTES:
        return Problem("the file is too big", None, "a task is at most 1 MiB", "name the data by its path instead")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Problem(
            "the file is UTF-16", None, "tasks are UTF-8 text", "save it as UTF-8", raw.decode("utf-16", "replace")
        )
    try:
        raw.decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        guess = raw.decode("cp1252", "replace").replace("\0", "\ufffd")
        return Problem("the file is not UTF-8", line, f"byte {error.start + 1} is no text", "save it as UTF-8", guess)
    if (nul := raw.find(b"\0")) >= 0:
        mended = raw.replace(b"\0", b"").decode("utf-8")
        return Problem("the file holds a NUL byte", raw.count(b"\n", 0, nul) + 1, "text has none", "delete it", mended)
    if not raw.strip().removeprefix(b"\xef\xbb\xbf").strip():
        return Problem("the file is empty", None, "there is nothing to do", "write what you want into it")
    return None


def conflicted(text: str) -> Problem | None:
    """Conflict markers in the front matter, or around it; in the body they may be what the task is about."""
    if text.startswith("<<<<<<< "):
        line = 1
    elif text.startswith("---"):
        closing = re.search(r"^---[ \t]*$", text[3:], re.MULTILINE)
        found = _CONFLICT.search(text, 0, closing.start() + 3 if closing else len(text))
        if found is None:
            return None
        line = text.count("\n", 0, found.start()) + 1
    else:
        return None
    return Problem(
        "the front matter is conflicted",
        line,
        "git's conflict markers stand in it, so two versions are mixed",
        "keep one of the two versions and delete the lines with <<<<<<<, ======= and >>>>>>>",
    )
