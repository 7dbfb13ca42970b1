"""Finds type and tier of a request: the labels are those of prompts/delegation.md."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from agent.capability.cases import Case
from agent.capability.stock import CITIES, PEOPLE, THINGS, WORDS
from agent.models.base import Answer

_TYPES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    # type → (tier, what it is, requests)
    "file": (
        "trivial",
        "read, write, append to, move or delete one text file",
        (
            'Append "{word}" to memory/{thing}.md',
            "Move memory/{word}.md to memory/archive/",
            "Read memory/{word}.md",
            'Write "{thing}" to memory/{word}.txt',
        ),
    ),
    "git": (
        "trivial",
        "one plain git command in a repository",
        ("git pull in {word}", "git status in {word}", "Fetch the {word} repo", "git fetch origin in {word}"),
    ),
    "status": (
        "trivial",
        "what the worker itself does and has in its queue",
        ("Post a status report of the {word} worker", "Show the queue of the {word} worker"),
    ),
    "summarize": (
        "standard",
        "a shorter text of a text",
        (
            "Summarize memory/{word}.md in three bullets",
            "Condense the notes in memory/{word}.md into one paragraph",
            "Sum up the minutes of the {word} meeting in five lines",
        ),
    ),
    "compose": (
        "standard",
        "a short message to somebody, all facts given",
        (
            "Tell {person} that the {thing} arrive on Friday",
            "Write a short message to {person} that the train to {city} is late",
            "Remind {person} about the {thing}",
        ),
    ),
    "ask": (
        "standard",
        "a short question about well-known facts or words",
        ("What is {number} × {digit}?", "What is the plural of {word}?", "What is the capital of the land of {city}?"),
    ),
    "handoff": (
        "complex",
        "whatever needs judgement: design, code, reviews, plans, opinions, causes",
        (
            "Review the {word} pull request and leave substantive comments",
            "Design an architecture for the {word} service",
            "Find the root cause of the {word} crashes",
            "Refactor the {word} parser and add tests",
            "Should we move the {thing} team to {city}?",
        ),
    ),
}
_TABLE = "\n".join(f"- {name} (tier {tier}): {about}" for name, (tier, about, _) in _TYPES.items())
_SCHEMA = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": list(_TYPES)},
        "tier": {"type": "string", "enum": ["trivial", "standard", "complex"]},
    },
    "required": ["type", "tier"],
    "additionalProperties": False,
}


def generate(random: Random) -> Case:
    tier = random.choice(("trivial", "standard", "complex"))
    name = random.choice([name for name, (its, _, _) in _TYPES.items() if its == tier])
    request = random.choice(_TYPES[name][2]).format(
        word=random.choice(WORDS), thing=random.choice(THINGS), person=random.choice(PEOPLE),
        city=random.choice(CITIES), number=random.randint(11, 99), digit=random.randint(2, 9),
    )  # fmt: skip
    prompt = (
        f"Types of tasks:\n{_TABLE}\n\ntrivial: code does it. standard: a small model does it. complex: it needs a "
        f"mind.\n\nOf which type and tier is this request?\n{request}"
    )
    return Case(prompt, {"type": name, "tier": tier, "request": request}, _SCHEMA, max_tokens=60)


def judge(case: Case, answer: Answer) -> str:
    wrong = [f"{key} {answer.data[key]} instead of {case.known[key]}" for key in ("type", "tier")
             if answer.data[key] != case.known[key]]  # fmt: skip
    return ", ".join(wrong)
