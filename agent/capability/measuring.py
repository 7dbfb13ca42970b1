"""Asking a model all cases of some skills, and counting."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.capability.cases import Case, Skill, cases_of
from agent.capability.score import Score
from agent.errors import Doubt, TimeUp, TryLater
from agent.models.base import Answer
from agent.vault.values import Usage

Ask = Callable[[str, Mapping[str, Any] | None, int], Answer]  # prompt, schema, most tokens


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one skill. `failures` are the reasons, one a failed case; seconds and tokens are sums."""

    skill: str
    score: Score
    failures: tuple[str, ...]
    seconds: float
    input_tokens: int
    output_tokens: int

    def typical(self, count: int = 2) -> list[str]:
        """The most frequent reasons, with how often when more than once."""
        common = Counter(self.failures).most_common(count)
        return [f"{reason} ({times} times)" if times > 1 else reason for reason, times in common]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found out. `usage` is the last call's, None when nothing answered. `stopped`: why it ended early, None
    when every case was asked."""

    found: tuple[Found, ...]
    usage: Usage | None
    stopped: TryLater | TimeUp | None


def measure(
    ask: Ask,
    skills: Sequence[Skill],
    *,
    seed: int,
    count: int,
    told: Callable[[str, int, int], None] = lambda skill, done, count: None,
) -> Measured:
    """Ask `count` cases of each skill. A Doubt of the gate's is a failed case; a model that is away (TryLater), or a
    stop (TimeUp), ends it, and what was done is kept. Other errors pass through. `told` hears of every case to come.
    """
    found: list[Found] = []
    last: Usage | None = None
    for skill in skills:
        failures: list[str] = []
        used: list[Usage] = []
        done, began, stopped = 0, time.monotonic(), None
        for case in cases_of(skill, seed, count):
            told(skill.name, done, count)
            try:
                why, usage = _asked(ask, skill, case)
            except (TryLater, TimeUp) as error:
                stopped = error
                break
            done += 1
            used.extend(usage)
            failures.extend([why] if why else [])
        seconds = time.monotonic() - began
        tokens_in, tokens_out = sum(u.input_tokens for u in used), sum(u.output_tokens for u in used)
        last = used[-1] if used else last
        if done:
            score = Score(done - len(failures), done)
            found.append(Found(skill.name, score, tuple(failures), seconds, tokens_in, tokens_out))
        if stopped:
            return Measured(tuple(found), last, stopped)
    return Measured(tuple(found), last, None)


def _asked(ask: Ask, skill: Skill, case: Case) -> tuple[str, tuple[Usage, ...]]:
    """Why the answer is wrong ("" when it is right), and what it took."""
    try:
        answer = ask(case.prompt, case.schema, case.max_tokens)
    except Doubt as doubt:
        return doubt.why or doubt.what, doubt.usage
    return skill.judge(case, answer), (answer.usage,)
