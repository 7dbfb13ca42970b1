"""Plain English about one file, understood completely or not at all.

A request is cut into tokens, and the tokens must fit one of the forms to the last word. So a second errand, a
condition, a pronoun or a text that is yet to be composed is never overlooked: it fits no form, and raises Doubt. What
is to be written must stand there literally: quoted, fenced, after a colon, or as a number or a word that says itself.

Matching is linear in the text: the token pattern has no nested repetition, and each form walks the tokens once.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.handlers.file_request.forms import FORMS, Wish
from agent.handlers.file_request.order import MAX_LINE, first_line, no_order, tokens_and_text, without_courtesies
from agent.handlers.file_request.reader import NoFit, Reader
from agent.handlers.file_request.tokens import Token

__all__ = ["Wish", "read_wish"]


def read_wish(text: str) -> Wish:
    """The one operation that a request asks for. Raises Doubt (unclassified) when that is not beyond doubt."""
    line, rest = first_line(text)
    if len(line) > MAX_LINE:
        no_order("its first line is too long")
    head, given = tokens_and_text(line, rest)
    tokens = without_courtesies(head, line)
    wishes = {wish for form in FORMS if (wish := _fit(form, tokens, given))}
    if len(wishes) != 1:
        no_order("its words fit no operation completely" if not wishes else "it can be read in two ways")
    return wishes.pop()


def _fit(form: Callable[[Reader], Wish], tokens: list[Token], given: str | None) -> Wish | None:
    reader = Reader(tokens, given)
    try:
        wish = form(reader)
        reader.end()
    except NoFit:
        return None
    return wish
