"""Names a branch: valid by git's rules, of the form asked for, and related to the title."""

from __future__ import annotations

import re
from random import Random

from agent.capability.cases import Case
from agent.models.base import Answer
from agent.text import slug

LONGEST = 60  # characters
_ACTS = (
    ("fix", "Fix the {what} that {trouble}"),
    ("fix", "The {what} {trouble}: repair it"),
    ("feature", "Add a {extra} to the {what}"),
    ("feature", "Let people {verb} the {what}"),
    ("docs", "Describe how to {verb} the {what}"),
    ("chore", "Remove the old {extra} of the {what}"),
)
_WHAT = ("login form", "invoice export", "search box", "photo gallery", "backup script", "calendar view", "mail parser")
_TROUBLE = (
    "fails on Safari",
    "forgets its settings",
    "shows the wrong currency",
    "hangs at midnight",
    "loses the cursor",
)
_EXTRA = ("dark mode", "keyboard shortcut", "progress bar", "help page", "spell checker", "sort button")
_VERB = ("rename", "print", "share", "archive", "translate", "duplicate")
_SMALL = frozenset({"the", "that", "its", "a", "to", "of", "on", "at", "how", "let", "people", "it", "fix", "add"})
# git-check-ref-format(1): what no part of a name may hold, begin or end with.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)|^[-/.@]|[/.]$")
_SCHEMA = {
    "type": "object",
    "properties": {"branch": {"type": "string", "minLength": 1, "maxLength": 200}},
    "required": ["branch"],
    "additionalProperties": False,
}


def generate(random: Random) -> Case:
    prefix, form = random.choice(_ACTS)
    title = form.format(
        what=random.choice(_WHAT), trouble=random.choice(_TROUBLE), extra=random.choice(_EXTRA),
        verb=random.choice(_VERB),
    )  # fmt: skip
    prompt = (
        f"Title of a ticket: {title}\n\nName a git branch for it: `{prefix}/` and then a few words of the title in "
        f"lower case with hyphens, at most {LONGEST} characters in all."
    )
    return Case(prompt, {"title": title, "prefix": f"{prefix}/"}, _SCHEMA, max_tokens=100)


def judge(case: Case, answer: Answer) -> str:
    name = answer.data["branch"]
    prefix = case.known["prefix"]
    if not valid(name):
        return f"{name!r} is no branch name in git"
    if not name.startswith(prefix):
        return f"{name!r} does not begin with {prefix}"
    if len(name) > LONGEST:
        return f"longer than {LONGEST} characters"
    if name != name.lower() or "_" in name:
        return f"{name!r} is not lower case with hyphens"
    wanted = set(slug(case.known["title"]).split("-")) - _SMALL
    found = set(name.removeprefix(prefix).split("-"))
    return "" if len(wanted & found) >= min(2, len(wanted)) else f"{name!r} has little to do with the title"


def valid(name: str) -> bool:
    """Whether git takes a name as one of a branch (git-check-ref-format)."""
    return bool(name) and not _FORBIDDEN.search(name) and name != "HEAD"
