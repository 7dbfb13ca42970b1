"""The approval file: what will be done, shown to a person, with two boxes to tick. Text only; nothing touches a disk.

`plan` in its front matter is the sha256 of the normal form of everything from the line `## What will be done` on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from agent import frontmatter
from agent.errors import BadHeader
from agent.gate import OutputGate
from agent.text import normal_form, parse_utc

VERSION = 1
BEGINS = "## What will be done\n"
APPROVE, REJECT = "- [ ] Approve\n", "- [ ] Reject\n"
TITLE_LIMIT = 200  # characters
WHY_LIMIT = 300  # characters of a reason

# Obsidian's Tasks plugin writes the day behind a box that is ticked.
_DAY = r"(?: ✅ [0-9]{4}-[0-9]{2}-[0-9]{2})?[ \t]*"
_BOXES = re.compile(rf"^- \[([ xX])\] Approve{_DAY}\n- \[([ xX])\] Reject([^\n]*?){_DAY}\n\n\Z", re.M)


@dataclass(frozen=True, slots=True)
class Asked:
    """An approval file as it stands now. `approved` and `rejected` are its boxes; `trouble` says why it is no answer
    whatever is ticked."""

    id: str
    revision: str
    plan: str
    worker: str
    expires: datetime
    approved: bool
    rejected: bool
    why: str
    blank: str  # the file with both boxes empty, in normal form
    trouble: str = ""


def digest(body: str) -> str:
    """The digest of a plan: of everything from `## What will be done` on."""
    return sha256(normal_form(body.encode()).encode()).hexdigest()


def body(lines: Sequence[str], differences: str, exactly: str, gate: OutputGate) -> str:
    """The plan as it is shown: a line for each action, what files will differ in, and the actions to the letter."""
    parts = [BEGINS + "".join(f"- {line}\n" for line in lines)]
    if differences:
        parts.append(gate.fence(differences, 1 << 20) + "\n")
    parts.append(f"## Exactly\n{gate.fence(exactly, 64 << 20)}\n")
    return "\n".join(parts)


def render(
    header: Mapping[str, str | datetime], title: str, plan: str, gate: OutputGate
) -> str:  # the front matter's other keys come from the caller
    """The whole file, unticked. `plan` is the text of `body`."""
    shown = gate.line(title, TITLE_LIMIT)
    known = {"type": "approval", "approval_version": VERSION, **header}
    return frontmatter.dump(known, f"# Approve: {shown}\n{APPROVE}{REJECT}\n{plan}")


def parse(raw: bytes) -> Asked | None:
    """What a file in `outbox/approvals/` says; None when it is no approval of a version that is known here."""
    try:
        text = normal_form(raw)
        said = frontmatter.read(text).values
        if said.get("type") != "approval" or str(said.get("approval_version")) != str(VERSION):
            return None
        expires = parse_utc(str(said.get("expires")))
    except (UnicodeDecodeError, BadHeader, ValueError):
        return None
    head, begins, rest = text.partition("\n" + BEGINS)
    plan, head = BEGINS + rest, head + "\n"
    boxes = _BOXES.search(head)
    trouble, approved, rejected, why, blank = "", False, False, "", text
    if not begins or boxes is None:
        trouble = "the two boxes are not where they were"
    else:
        approved, rejected, why = boxes[1] != " ", boxes[2] != " ", boxes[3].strip(" :,-")
        blank = head[: boxes.start()] + APPROVE + REJECT + "\n" + plan
        if boxes[3] and not rejected:
            trouble = "there is text behind a box that is not ticked"
        elif approved and rejected:
            trouble = "both boxes are ticked"
        elif digest(plan) != str(said.get("plan")):
            trouble = "the plan in it was changed"
    return Asked(
        str(said.get("id")), str(said.get("task_revision")), str(said.get("plan")), str(said.get("from")), expires,
        approved, rejected, why[:WHY_LIMIT], blank, trouble,
    )  # fmt: skip


def ticked(blank: str, *, reject: str | None = None) -> str:
    """The file with one box ticked: Approve, or Reject with the reason."""
    if reject is None:
        return blank.replace("\n" + APPROVE, "\n- [x] Approve\n", 1)
    why = " ".join(reject.split())[:WHY_LIMIT]
    return blank.replace("\n" + REJECT, f"\n- [x] Reject {why}".rstrip() + "\n", 1)
