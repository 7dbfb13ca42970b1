"""Plain English for the organizer: "Tidy memory/daily", "Archive old logs", "Find orphaned notes in memory/projects".

A request is understood when every word of it is; else it is left to somebody with a mind. Nothing here ever deletes, so
neither "purge" nor "clean out" is understood.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from agent.errors import Doubt
from agent.handlers.organize.params import MOVING

_POLITE = re.compile(
    r"^(?:please|kindly|could you|can you|would you|hey|gofer|now)[ ,]+|[ ,]+(?:please|thanks|thank you)$"
)
_NEXT = re.compile(r"(?:[.!;\n]+\s+|[,;]?\s+and\s+(?:then\s+)?|,\s+(?:then\s+)?)(?=[a-z])")
_PATH = r"(?:\"[^\"\n]+\"|`[^`\n]+`|[\w.-]+/[\w./-]*)"
_PLACE = re.compile(
    rf"\s?(?:(?:in|of|from|under|below|within|inside)\s+)?(?:the\s+|my\s+)?(?:folder\s+)?"
    rf"(?:(?P<path>{_PATH})|(?P<vault>(?:whole\s+)?vault)|(?P<memory>memory))(?:\s+folder)?(?=\s|$)"
)
_AGE = re.compile(
    r"\s?(?:that (?:are|is) |which (?:are|is) )?older than (?P<age>(?:\d{1,4}|a|an|one|two|three|four|five|six|ten)"
    r" (?:day|week|month|year)s?)(?=\s|$)"
)
_FIND = r"(?:find|list|show|show me|locate|look for|check for|search for|report|which|are there|tell me|name)"
_THING = r"(?:notes?|files?|pages?|ones)"
_NO_LINKS = (
    rf"(?:orphan(?:ed|s)?(?: {_THING})?|unlinked {_THING}|{_THING} (?:that )?nothing links to"
    rf"|{_THING} (?:(?:that )?(?:have|has) no|without) (?:any )?(?:back)?links"
    r"(?: in or out| to them| pointing (?:at|to) them)?)"
)
_KINDS = {
    "orphans": _NO_LINKS,
    "duplicates": rf"(?:duplicates?(?: {_THING})?|duplicated? {_THING}|{_THING} that are duplicates)",
    "empty": rf"empty {_THING}",
    "broken": r"(?:broken|dead) (?:wiki ?)?links?",
    "summary": r"what (?:changed|happened) today",
}
_LOOK = {
    kind: re.compile(rf"(?:{_FIND} )?(?:all |any |the |my |every ){{0,2}}{words}") for kind, words in _KINDS.items()
}
_WHAT = r"(?P<what>daily notes?|day notes?|notes?|files?|logs?|log files?|everything|it)"
_TIDY = re.compile(
    rf"(?:tidy|clean|organi[sz]e|straighten|declutter)(?: up)?(?: (?:all |the |my ){{0,2}}(?:old )?{_WHAT})?"
    r"|do (?:the |a |my )?(?:daily )?(?:tidy-up|clean-?up|tidying)"
    r"|(?:file|sort) (?:the |my |all ){0,2}(?:daily |day )?notes"
)
_ARCHIVE = re.compile(
    rf"(?:archive|move|file)(?: (?:all |the |my ){{0,2}}(?P<old>old |older )?{_WHAT})?"
    r"(?P<to> (?:in)?to (?:the |an )?archive)?"
)
_LOGS = ("*.log", "**/logs/**")
_DAILY = "memory/daily"


def read_request(text: str) -> dict[str, Any]:
    """The parameters that a request means, by their names. Raises Doubt when that is not beyond doubt."""
    words = _plain(text)
    if not words:
        return {}
    found: dict[str, Any] = {"only": []}
    for clause in _NEXT.split(words):
        _clause(clause.strip(" .!?"), found)
    if sum(part in MOVING for part in found["only"]) > 1:
        _doubt("it wants files moved in two ways, and the one may not be meant where the other is")
    found["only"] = list(dict.fromkeys(found["only"]))
    return found


def _plain(text: str) -> str:
    """The request in small letters, without its title and its courtesies."""
    lines = text.strip().split("\n")
    if lines[0].startswith("# ") and any(line.strip() for line in lines[1:]):
        lines = lines[1:]
    words = "\n".join(lines).strip().removeprefix("# ").strip()
    if len(words) > 400:
        _doubt("it is long")
    words = re.sub(r"[ \t]+", " ", words.casefold().replace("’", "'")).strip(" .!?")
    while (bare := _POLITE.sub("", words).strip(" .!?")) != words:
        words = bare
    return words


def _clause(clause: str, found: dict[str, Any]) -> None:
    clause = _take_age(_take_place(clause, found), found)
    for kind, pattern in _LOOK.items():
        if pattern.fullmatch(clause):
            found["only"].append(kind)
            return
    if match := _TIDY.fullmatch(clause):
        found["only"].append("file")
        _what(match["what"] or "", found)
        return
    match = _ARCHIVE.fullmatch(clause)
    if not match or (clause.startswith(("move", "file")) and not match["to"]) or not (match["what"] or "path" in found):
        _doubt(f"'{clause}' is not understood")
    if not (match["old"] or "older_than" in found):
        _doubt("it does not say how old what is archived must be: the rules have ages of their own")
    found["only"].append("archive")
    _what(match["what"] or "", found)


def _what(what: str, found: dict[str, Any]) -> None:
    if "log" in what:
        found["match"] = list(_LOGS)
    elif what.startswith(("daily", "day")):
        if found.get("path", _DAILY) != _DAILY:
            _doubt("it names two places")
        found["path"] = _DAILY


def _take_place(clause: str, found: dict[str, Any]) -> str:
    match = _PLACE.search(clause)
    if not match:
        return clause
    said = (match["path"] or "").strip('"`').strip("/")
    place = "/" if match["vault"] else said or "memory"
    if found.get("path", place) != place or _PLACE.search(clause, match.end()):
        _doubt("it names two places")
    if any(letter in place for letter in "*?[]{}<>|"):
        _doubt("it names a pattern")
    found["path"] = place
    return " ".join(f"{clause[: match.start()]} {clause[match.end() :]}".split())


def _take_age(clause: str, found: dict[str, Any]) -> str:
    match = _AGE.search(clause)
    if not match:
        return clause
    if found.get("older_than", match["age"]) != match["age"]:
        _doubt("it names two ages")
    found["older_than"] = match["age"]
    return " ".join(f"{clause[: match.start()]} {clause[match.end() :]}".split())


def _doubt(why: str) -> NoReturn:
    raise Doubt("the request is no organizing beyond doubt", reason="unclassified", why=why)
