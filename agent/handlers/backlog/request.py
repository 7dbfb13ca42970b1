"""What a request in plain English asks of a backlog, as far as code can tell."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.handlers.material import mentioned

_STATES = {
    "open": (
        "open",
        "unchecked",
        "unfinished",
        "undone",
        "outstanding",
        "pending",
        "remaining",
        "todo",
        "todos",
        "to-dos",
    ),
    "done": ("done", "finished", "closed", "completed", "checked"),
}
# Words that say how to speak of it, not which items: the report answers them all.
_PLAIN_WORDS = """
    a all and are assigned at backlog backlogs board boxes by counts count do does each entries entry everything
    for from get give group grouped have has heading headings how i in is it item items its list lists many me
    mention mentions my number of on our out overview owner owners owned parse per please print pull read report
    section sections show still summary tagged task tasks tell that the their them there these they this to
    under us we what what's which with without no nobody
"""
_PLAIN = frozenset(_PLAIN_WORDS.split())
_QUOTED = re.compile(r"\"([^\"\n]{1,120})\"|“([^”\n]{1,120})”")
_NAMED_SECTION = re.compile(r"\b(?:in|of|under|from|section) (?:the )?([A-Z][\w &/-]{0,60}?) (?:section|heading)\b")
_OWNER = re.compile(
    r"(?:\bassigned to|\bowned by|\bowner is|\bof owner|\bdoes) @?([A-Za-z][\w.-]{0,60})\b"
    r"|(?:^|\s)@([A-Za-z][\w.-]{0,60})"
)
_TAG = re.compile(r"(?:^|\s)#([A-Za-z][\w/-]{0,60})")
_PRIORITY = re.compile(r"\b(P[0-4])\b")
_MENTION = re.compile(r"\bmention(?:s|ing)? (?:the |a )?([\w-]{2,60})\b")
_NO_OWNER = re.compile(r"\b(?:no|without an?|have no|has no) owner\b")
_FILE = "BACKLOG.md"


@dataclass(frozen=True, slots=True)
class Wish:
    """Which items; "" and False ask for nothing. `clear`: nothing else was asked."""

    path: str = _FILE
    state: str = ""
    section: str = ""
    owner: str = ""
    tag: str = ""
    priority: str = ""
    text: str = ""
    overdue: bool = False
    unowned: bool = False
    clear: bool = True


def read_wish(text: str) -> Wish:
    """The wish in the first paragraph of a request."""
    request = text.strip().partition("\n\n")[0][:2000]
    paths = [path for path in mentioned(request) if path.endswith((".md", ".txt"))]
    for path in paths:
        request = request.replace(path, " ")
    found: dict[str, str] = {}

    def take(name: str, pattern: re.Pattern[str]) -> None:
        nonlocal request
        if match := pattern.search(request):
            found[name] = next(group for group in match.groups() if group)
            request = request[: match.start()] + " " + request[match.end() :]

    unowned = bool(_NO_OWNER.search(request))
    request = _NO_OWNER.sub(" ", request)
    take("section", _QUOTED)
    if "section" not in found:
        take("section", _NAMED_SECTION)
    for name, pattern in (("tag", _TAG), ("owner", _OWNER), ("priority", _PRIORITY), ("text", _MENTION)):
        take(name, pattern)
    words = [word.removesuffix("'s") for word in re.findall(r"[\w'-]+", request.casefold())]
    states = [state for state, spellings in _STATES.items() if set(words) & set(spellings)]
    known = _PLAIN.union(*_STATES.values(), ("overdue", "late"))
    return Wish(
        paths[0] if paths else _FILE,
        state=states[0] if len(states) == 1 else "",
        overdue=bool({"overdue", "late"} & set(words)),
        unowned=unowned,
        clear=all(word in known for word in words) and len(paths) <= 1,
        **found,
    )
