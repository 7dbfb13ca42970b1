"""From a request to its order: the tokens of the line that says what to do, and the text that is given with it."""

from __future__ import annotations

from typing import NoReturn

from agent.errors import Doubt
from agent.handlers.file_request.tokens import Token, phrases, says, tokenise, word_set

MAX_LINE = 4000  # characters of the line that says what to do

# What a colon announces when it describes a text instead of giving it: "write to a.md: a short story about …".
_TO_COMPOSE = word_set(
    """story stories poem haiku essay article summary summaries list table report plan draft description explanation
    overview analysis review code function script program module class test tests email letter message reply post
    answer answers result results output translation version outline introduction comparison notes list content
    contents documentation paragraph sentence joke jokes ideas date time number sum"""
)
_DESCRIBING = word_set("a an the some all every my your one two three five ten short long what how why")

_POLITE_START = phrases(
    """could you | can you | would you | will you | i want you to | i need you to | i'd like you to |
    please | kindly | just | go ahead and | hey | hi | hello | gofer | ok | okay | now | quickly"""
)
_POLITE_END = phrases("please | thanks | thank you | cheers | for me | now")


def no_order(why: str) -> NoReturn:
    """Raise Doubt, which leaves the request to somebody with a mind."""
    raise Doubt("the request is no file operation beyond doubt", reason="unclassified", why=why)


def first_line(text: str) -> tuple[str, str]:
    """The line that says what to do, and everything below it. A heading above it is a title, unless it is all."""
    lines = text.strip().split("\n")
    if lines[0].startswith("# ") and any(line.strip() for line in lines[1:]):
        title = lines[0].casefold().split()
        if {"if", "unless", "when", "not", "don't", "never", "after", "before", "until", "every"} & set(title):
            no_order("its heading sets a condition")
        lines = "\n".join(lines[1:]).strip().split("\n")
    first = lines[0].strip().removeprefix("# ").removeprefix("- ").removeprefix("[ ] ")
    return first, "\n".join(lines[1:])


def tokens_and_text(line: str, rest: str) -> tuple[list[Token], str | None]:
    """The tokens of the order, and the text that was given after its colon or in a fence below it (None: none)."""
    tokens: list[Token] = []
    for token, end in tokenise(line):
        if token.kind == "colon" and [before.text.casefold() for before in tokens] not in (["gofer"], ["hey", "gofer"]):
            return tokens, _given(line[end:], rest)
        tokens.append(token)
    if not rest.strip():
        return tokens, None
    if not rest.strip().startswith(("```", "~~~")):
        no_order("there is more text below the order, which no colon announces")
    return tokens, _unfenced(rest.strip())


def _given(inline: str, rest: str) -> str:
    """The literal text after a colon: the rest of the line and all lines below, one fence or one pair of quotes off."""
    text = f"{inline.strip()}\n{rest}".strip("\n").rstrip() if inline.strip() else rest.strip("\n").rstrip()
    if not text.strip():
        no_order("nothing follows the colon")
    if text.lstrip().startswith(("```", "~~~")):
        return _unfenced(text.strip())
    if "\n" not in text:
        if len(text) > 1 and (text[0], text[-1]) in {('"', '"'), ("“", "”"), ("`", "`")} and text[0] not in text[1:-1]:
            return text[1:-1]
        words = [word.strip(".,;:!?()").casefold() for word in text.split()[:6]]
        if words[0] in _TO_COMPOSE or (words[0] in _DESCRIBING and _TO_COMPOSE.intersection(words)):
            no_order("what follows the colon may describe a text instead of being it; put it in quotes if it is")
    return text


def _unfenced(text: str) -> str:
    """The inside of a text that is exactly one fenced block."""
    lines = text.split("\n")
    mark = lines[0][: len(lines[0]) - len(lines[0].lstrip(lines[0][0]))]
    ends = [number for number, line in enumerate(lines[1:], 1) if line.strip() and not line.strip().strip(mark[0])]
    ends = [number for number in ends if len(lines[number].strip()) >= len(mark)]
    if not ends or ends[0] != len(lines) - 1:
        no_order("there is something after the fenced text, or its fence is not closed")
    return "\n".join(lines[1:-1])


def without_courtesies(tokens: list[Token], line: str) -> list[Token]:
    """The tokens without polite words around them and without the sentence's final mark."""
    start = 0
    asked = False
    moved = True
    while moved:
        moved = False
        for words in _POLITE_START:
            if says(tokens[start:], words):
                start += len(words)
                asked = asked or words[-1] == "you"
                moved = True
        while moved and tokens[start : start + 1] and tokens[start].kind in ("comma", "colon"):
            start += 1
    if line.rstrip().endswith("?") and not asked:
        no_order("it is a question")
    tokens = _unmarked(tokens[start:])
    moved = True
    while moved:
        moved = False
        for words in _POLITE_END:
            if len(tokens) > len(words) and says(tokens[-len(words) :], words):
                tokens, moved = _unmarked(tokens[: -len(words)]), True
    return tokens


def _unmarked(tokens: list[Token]) -> list[Token]:
    while tokens and (tokens[-1].kind == "comma" or (tokens[-1].kind == "word" and not tokens[-1].text.strip(".!?;"))):
        tokens = tokens[:-1]
    if tokens and tokens[-1].kind == "word":
        tokens = [*tokens[:-1], Token("word", tokens[-1].text.rstrip(".!?;"))]
    return tokens
