"""Plain English about registered checks, understood completely or not at all.

A request is a verb, the names of checks with the folder that they look at, and a wish to be told. Every word in between
must belong to a registered name, a listed value or a listed folder; "the", "suite" and the like aside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import NoReturn

from agent.errors import Doubt
from agent.handlers.checking import Registered
from agent.handlers.file_request.order import first_line
from agent.handlers.file_request.tokens import word_set

MAX_LINE = 400  # characters of a request
_CHOICES = 1000  # of values that a text may mean; where there are more, a header must say it
_SHORT = 3  # letters of a word that keeps its last s: "css"
Words = tuple[str, ...]

_COURTESY = re.compile(
    r"^(?:(?:hey|hi|hello|gofer|ok|okay|please|kindly|just|now|(?:could|can|would|will) you)\b[ ,:]*)+"
)
_VERB = re.compile(
    r"^(?:please )?(?:run|execute|start|rerun|re-run|launch|trigger|kick off|perform|verify that|verify|check that|"
    r"check whether|check if|do|does|is|are|did)\b"
)
# What may follow the names, behind "and", a comma or nothing: how to tell. Each word of it must be one of these.
_TELL = re.compile(r"(?:,|\band\b|\bthen\b|^)\s*(?:tell|report|give|let|say|show|pass|fail|is enough|how)\b.*$")
_PASSING = re.compile(r"\b(?:still |all )*(?:pass|passes|passing|passed|green|clean|ok|okay|succeed|succeeds)\b.*$")
_TELLING = word_set(
    """and or then tell report give let say show me us know whether if it they that this pass passes passed passing fail
    fails failed failing is are was were green red clean ok okay the a an result results outcome exit status code back
    still all pass/fail enough please thanks thank you how went did do it's for only just to in simple short with"""
)
_FILLER = word_set(
    "the a an my our all registered predefined check checks called named test tests suite suites testsuite"
)
_SAME = {"linter": "lint", "linters": "lint", "linting": "lint", "typechecks": "typecheck", "type-check": "typecheck"}
_PLACE = re.compile(
    r"\b(?:in|on|over|for|against|inside|of)\s+(?:the\s+)?(.+?)(?:\s+(?:repo|repository|project|folder))?$"
)
_EVERY = frozenset(
    {"all checks", "all the checks", "every check", "all registered checks", "all tests", "all the tests"}
)
_UNSURE = re.compile(r"\b(?:if|unless|when|until|after|before|except|not|don't|never|without|every|daily)\b")


@dataclass(frozen=True, slots=True)
class Wish:
    """A check to run, and the values chosen for its arguments; the others have their defaults."""

    name: str
    chosen: Mapping[str, str] = field(default_factory=dict)


def read_wishes(text: str, listed: Sequence[Registered]) -> list[Wish]:
    """The checks that a request names, in its order. Raises Doubt (unclassified), with the registered names, when that
    is not beyond doubt."""
    line, rest = first_line(text) if text.strip() else ("", "")
    words = " ".join(re.sub(r"[\"'“”‘’`]", " ", line.casefold()).split()).rstrip(" .!?")
    if rest.strip() or not words or len(words) > MAX_LINE:
        _unclear("there must be one line that names a check", listed)
    body = _body(_COURTESY.sub("", words), listed)
    if body in _EVERY:
        return [Wish(one.name) for one in listed] or _unclear("none is registered", listed)
    place = _PLACE.search(body)
    where: Words = _words(place[1].removeprefix("repos/")) if place else ()
    names = body[: place.start()] if place else body
    wishes: list[Wish] = []
    for part in re.split(r",\s*(?:and\s+)?|\s+and\s+|\s+&\s+", names.strip(" ,")):
        found = _literal(part.strip(), where, listed) or _meant(_words(part), where, listed)
        if len(found) != 1:
            why = "more than one check fits" if found else "no registered check fits"
            _unclear(f"{why} '{part.strip()}'" + (f" in '{place[1]}'" if place else ""), listed)
        wishes += [wish for wish in found if wish not in wishes]
    return wishes


def _body(words: str, listed: Sequence[Registered]) -> str:
    """What stands between the verb and the wish to be told."""
    verb = _VERB.match(words)
    body = words[verb.end() :].strip() if verb else words
    for ending in (_TELL, _PASSING):
        tail = ending.search(body)
        if (
            tail
            and tail.start()
            and all(word.strip(",.:;") in _TELLING for word in tail[0].split() if word.strip(",.:;"))
        ):
            body = body[: tail.start()].strip(" ,")
    body = re.sub(r"(?:,?\s+(?:please|thanks|thank you|now|again|for me|once more))+$", "", body)
    if _UNSURE.search(body):
        _unclear("it sets a condition", listed)
    return body


def _words(text: str) -> Words:
    """A name as its words, without what says nothing: "the unit tests", "unit-test" and "unit" are one."""
    found = re.split(r"[\s_./-]+", " ".join(_SAME.get(word, word) for word in text.casefold().split()))
    return tuple(sorted(_singular(word) for word in found if word and word not in _FILLER))


def _singular(word: str) -> str:
    return word[:-1] if len(word) > _SHORT and word.endswith("s") and not word.endswith("ss") else word


def _literal(part: str, where: Words, listed: Sequence[Registered]) -> list[Wish]:
    """The one check whose name or alias a part is to the letter: "make test" is not "make check"."""
    said = part.removeprefix("the ")
    same = [one for one in listed if said in {name.casefold() for name in (one.name, *one.aliases)}]
    there = [one for one in same if not where or where in map(_words, one.places)]
    return [Wish(there[0].name)] if len(there) == 1 else []


def _meant(words: Words, where: Words, listed: Sequence[Registered]) -> list[Wish]:
    """The checks, with values for their arguments, that these words and this place name completely."""
    said = tuple(sorted((*words, *where)))
    found = [Wish(one.name) for one in listed if said in _names(one, {})]
    if not found and not words:  # "run the tests", "run the checks of website": where there is one check
        there = [one for one in listed if where in map(_words, one.places)] if where else listed
        found = [Wish(one.name) for one in there]
    for one in listed if not found else ():
        found += [Wish(one.name, chosen) for chosen in _choices(one) if said in _names(one, chosen)]
    return found


def _choices(one: Registered) -> Iterator[Mapping[str, str]]:
    """Every choice of values, with arguments left out, as far as there are not too many."""
    options = [[(arg, ""), *((arg, value) for value in values)] for arg, values in one.args.items()]
    for pairs in islice(product(*options), _CHOICES):
        if chosen := {arg: value for arg, value in pairs if value}:
            yield chosen


def _names(one: Registered, chosen: Mapping[str, str]) -> set[Words]:
    """The words that name a check with these values completely: with its folder or without, "api with browser firefox",
    and "the firefox tests"."""
    values = [word for value in chosen.values() for word in _words(value)]
    args = [word for arg in chosen for word in _words(arg)]
    names = {_words(name) for name in (one.name, *one.aliases)} | ({()} if chosen else set())
    places: list[Words] = [(), *map(_words, one.places)]
    extras = ((), args, ["with"], [*args, "with"]) if chosen else ((),)
    return {tuple(sorted((*name, *place, *values, *extra))) for name in names for place in places for extra in extras}


def _unclear(why: str, listed: Sequence[Registered]) -> NoReturn:
    names = ", ".join(one.name for one in listed)
    known = f"this machine registers {names}" if names else "this machine registers no check ([checks] in config.toml)"
    raise Doubt("the request names no registered check beyond doubt", reason="unclassified", why=f"{why}; {known}")
