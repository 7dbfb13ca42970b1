"""Follows a structured instruction: a list of words, put in order, changed and laid out as it says, to the letter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

from agent.capability.cases import Case
from agent.capability.stock import WORDS
from agent.models.base import Answer

_ORDERS: Mapping[str, Callable[[Sequence[str]], list[str]]] = {
    "in alphabetical order": sorted,
    "in reverse alphabetical order": lambda words: sorted(words, reverse=True),
    "in the order given": list,
    "in the reverse of the order given": lambda words: list(reversed(words)),
}
_CASES: Mapping[str, Callable[[str], str]] = {
    "in capital letters": str.upper,
    "in lower-case letters": str.lower,
    "with a capital first letter": str.capitalize,
}
_MARKS: Mapping[str, Callable[[int], str]] = {
    "each line beginning with '- '": lambda _: "- ",
    "each line beginning with its number and ') ', from '1) ' on": lambda number: f"{number}) ",
    "each line beginning with '> '": lambda _: "> ",
}


def generate(random: Random) -> Case:
    words = random.sample(WORDS, random.randint(3, 6))
    order, case, mark = (random.choice(list(table)) for table in (_ORDERS, _CASES, _MARKS))
    last = random.choice(("", "END", "DONE", "OVER"))
    ending = f" After them comes one more line with nothing but {last}." if last else ""
    changed = [_CASES[case](word) for word in _ORDERS[order](words)]
    lines = [f"{_MARKS[mark](number)}{word}" for number, word in enumerate(changed, 1)]
    prompt = (
        f"Words: {', '.join(words)}\n\nWrite these words {order}, one on a line, {case}, {mark}.{ending} "
        "Write nothing else."
    )
    return Case(prompt, {"text": "\n".join([*lines, *([last] if last else [])])})


def judge(case: Case, answer: Answer) -> str:
    wanted = case.known["text"].split("\n")
    found = [line.rstrip() for line in answer.text.strip().splitlines()]
    if found == wanted:
        return ""
    if len(found) != len(wanted):
        return f"{len(wanted)} lines were wanted, not {len(found)}"
    odd = next(number for number, line in enumerate(found) if line != wanted[number])
    return f"line {odd + 1} is {found[odd]!r} instead of {wanted[odd]!r}"
