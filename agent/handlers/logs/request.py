"""What a request in plain English asks of a log, as far as code can tell: which levels, since when, how many."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.handlers.material import mentioned

_LEVELS = {
    "error": ("error", "errors", "failure", "failures", "exception", "exceptions", "crashes"),
    "warning": ("warning", "warnings"),
}
# Words that say how to speak of it, not what to look for: mining answers them all.
_PLAIN_WORDS = """
    a about all and any anything appear appeared appears are at by common count counted counts digest distinct
    each entries file files find for frequent frequently from give go group grouped highlights how in into is it
    its kind kinds last latest line lines list log logs look many me message messages most new of often on ones
    our out over overview parts pattern patterns please pull recurring repeat repeated repeating report seen show
    showed since skim summarise summarize summary tell that the their them there this through top type types
    unusual up us went were what what's which with
"""
_PLAIN = frozenset(_PLAIN_WORDS.split())
_NUMBERS = {"one": 1, "two": 2, "three": 3, "five": 5, "ten": 10, "twenty": 20}
_SPAN = re.compile(
    r"\b(?:in |of |over |for |from )?(?:the )?(?:past|last) (\d{1,4}|an?|one|two|three|24)?\s?(hours?|days?|weeks?)\b"
)
_TOP = re.compile(r"\btop (\d{1,3}|one|two|three|five|ten|twenty)\b")
_NAMED = re.compile(r"\b([a-z0-9][a-z0-9_.-]{0,60})(?:'s)? logs?\b")
_QUOTED = re.compile(r"\"([^\"\n]{1,200})\"|“([^”\n]{1,200})”")


@dataclass(frozen=True, slots=True)
class Wish:
    """`level`: this and worse ("" all); `since`: only from then on; `top`: so many patterns (0: as usual); `text`: only
    messages that hold it; `name`: what stands before "log", where no file is named; `clear`: nothing else was asked."""

    level: str = ""
    since: datetime | None = None
    until: datetime | None = None
    top: int = 0
    text: str = ""
    name: str = ""
    clear: bool = True


def read_wish(text: str, now: datetime) -> Wish:
    """The wish in the first paragraph of a request."""
    request = text.strip().partition("\n\n")[0][:2000]
    files = mentioned(request)
    for file in files:
        request = request.replace(file, " ")
    quote = _QUOTED.search(request)
    words = _QUOTED.sub(" ", request).casefold()
    since, until, words = _time(words, now)
    top = 0
    if match := _TOP.search(words):
        top, words = _NUMBERS.get(match[1]) or int(match[1]), words.replace(match[0], " ")
    name = ""
    if not files and (match := _NAMED.search(words)) and match[1] not in _PLAIN | _level_words():
        name, words = match[1], words.replace(match[0], " ")
    left = re.findall(r"[a-z0-9][a-z0-9_'.-]*[a-z0-9]|[a-z0-9]", words)
    asked = [level for level, spellings in _LEVELS.items() if set(left) & set(spellings)]
    left = [word for word in left if word not in _PLAIN and word not in _level_words()]
    level = "warning" if "warning" in asked else "error" if asked else ""
    return Wish(level, since, until, top, (quote[1] or quote[2]) if quote else "", name, not left)


def _level_words() -> frozenset[str]:
    return frozenset(word for spellings in _LEVELS.values() for word in spellings)


def _time(words: str, now: datetime) -> tuple[datetime | None, datetime | None, str]:
    """From when until when, and the words without what says so."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday, week = day - timedelta(days=1), day - timedelta(days=day.weekday())
    spans: tuple[tuple[str, datetime, datetime | None], ...] = (
        ("since yesterday", yesterday, None),
        ("yesterday's", yesterday, day),
        ("yesterday", yesterday, day),
        ("last night's", day - timedelta(hours=6), day + timedelta(hours=8)),
        ("last night", day - timedelta(hours=6), day + timedelta(hours=8)),
        ("overnight", day - timedelta(hours=6), day + timedelta(hours=8)),
        ("last week's", week - timedelta(days=7), week),
        ("this week", week, None),
        ("today's", day, None),
        ("today", day, None),
    )
    for said, since, until in spans:
        if re.search(rf"\b{said}(?![\w'])", words):
            return since, until, re.sub(rf"\b{said}(?![\w'])", " ", words)
    if match := _SPAN.search(words):
        number = 1 if match[1] in (None, "a", "an") else _NUMBERS.get(match[1]) or int(match[1])
        unit = match[2].rstrip("s")
        return now - number * timedelta(**{f"{unit}s": 1}), None, words.replace(match[0], " ")
    return None, None, words
