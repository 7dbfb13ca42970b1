"""A case, a skill, and how the cases of a skill are made from a seed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from agent.errors import Usage
from agent.models.base import Answer

SYSTEM = (
    "You do small errands for a program. Do exactly what is asked and answer with the result alone: no greeting, "
    "no explanation, no thinking aloud."
)
MOST = 500  # cases of one skill
_FENCE = re.compile(r"(`{3,}|~{3,})[\w-]*\n(.*?)\n?\1", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Case:
    """One question. `known` is what its judge needs to know; the model does not see it."""

    prompt: str
    known: Mapping[str, Any]
    schema: Mapping[str, Any] | None = field(default=None)
    max_tokens: int = 200


@dataclass(frozen=True, slots=True)
class Skill:
    """One thing that a model can do. `generate` draws everything from its argument; `judge` is pure: "" when the
    answer is right, else why not."""

    name: str  # also a key of the report
    about: str
    generate: Callable[[Random], Case]
    judge: Callable[[Case, Answer], str]


def cases_of(skill: Skill, seed: int, count: int) -> tuple[Case, ...]:
    """`count` different cases, always the same for a seed; more of them begin with the fewer. Raises Usage when the
    skill has not so many."""
    random = Random(f"{seed}/{skill.name}")  # noqa: S311 - no secret: it has to come out alike on every machine
    found: dict[str, Case] = {}
    for _ in range(50 * count):
        case = skill.generate(random)
        found.setdefault(case.prompt, case)
        if len(found) == count:
            return tuple(found.values())
    raise Usage(f"the skill '{skill.name}' has no {count} different cases", fix=f"--cases {len(found)}")


def unfenced(text: str) -> str:
    """The inside of an answer that is one code fence as a whole: models like to wrap, and it is beyond doubt."""
    found = _FENCE.fullmatch(text.strip())
    return found[2] if found else text


def words_of(text: str) -> str:
    """For comparing single values: without quotes, marks and case."""
    return " ".join(text.split()).strip(" \"'`*“”‘’.").casefold()
