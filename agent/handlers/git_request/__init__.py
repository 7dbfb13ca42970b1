"""Plain English about one git command in one named repository, understood completely or not at all.

As with files (`file_request`), a request is cut into tokens, and these must fit one form to the last word. A second
errand, a condition, a pronoun, a repository that is not named: all of that fits no form, and raises Doubt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from agent.errors import Doubt
from agent.handlers.file_request.order import MAX_LINE, first_line, tokens_and_text, without_courtesies
from agent.handlers.file_request.reader import NoFit
from agent.handlers.file_request.tokens import Token, phrases, says
from agent.handlers.git_request.forms import FORMS, Wish
from agent.handlers.git_request.reader import GitReader

__all__ = ["Wish", "read_wish"]

_ASKING = phrases("what's the | what is the | how is the")


def read_wish(text: str) -> Wish:
    """The one operation that a request asks for. Raises Doubt (unclassified) when that is not beyond doubt."""
    try:
        line, rest = first_line(text)
        if len(line) > MAX_LINE:
            _no_order("its first line is too long")
        tokens, given = tokens_and_text(line, rest)
        if any(says(tokens, words) for words in _ASKING):
            line = line.rstrip("? ")  # the one question whose answer is an order's
        tokens = without_courtesies(tokens, line)
    except Doubt as doubt:
        _no_order(doubt.why)
    wishes: list[Wish] = []
    for form in FORMS:
        wish = _fit(form, tokens, given)
        if wish is not None and wish not in wishes:
            wishes.append(wish)
    if len(wishes) != 1:
        _no_order("it can be read in two ways" if wishes else "its words fit no git command completely")
    return wishes[0]


def _fit(form: Callable[[GitReader], Wish], tokens: list[Token], given: str | None) -> Wish | None:
    reader = GitReader(tokens, given)
    try:
        reader.lead()
        wish = form(reader)
        reader.end()
    except NoFit:
        return None
    return wish


def _no_order(why: str) -> NoReturn:
    raise Doubt("the request is no git command beyond doubt", reason="unclassified", why=why)
