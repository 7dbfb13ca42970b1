"""Each skill: the same seed gives the same cases, the right answer passes, and wrong ones do not."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest

from agent.capability import SKILLS, Case, Skill, cases_of
from agent.capability.skills.branch import valid
from agent.errors import Usage
from agent.handlers import HANDLERS
from agent.models.base import Answer
from agent.models.schema import check
from agent.route import decide
from agent.text import slug
from agent.vault.values import Usage as Spent
from tests.route import SHIPPED, task

Said = str | Mapping[str, Any]

SPENT = Spent("m", "fake")
SEEDS = range(3)
ROOT = Path(__file__).parents[2]


def answer(said: Said) -> Answer:
    return Answer(said, SPENT) if isinstance(said, str) else Answer(json.dumps(said), SPENT, dict(said))


def verdict(name: str, case: Case, said: Said) -> str:
    return SKILLS[name].judge(case, answer(said))


def every(name: str) -> list[Case]:
    return [case for seed in SEEDS for case in cases_of(SKILLS[name], seed, 20)]


def _branch(case: Case) -> str:
    words = slug(case.known["title"]).split("-")
    name = case.known["prefix"] + "-".join(words)
    return name if len(name) <= 60 else case.known["prefix"] + "-".join(words[-5:])


RIGHT: Mapping[str, Callable[[Case], Said]] = {
    "instructions": lambda case: case.known["text"],
    "json-read": lambda case: case.known["value"],
    "json-write": lambda case: json.dumps(case.known["value"]),
    "compose": lambda case: "Hello! " + ", ".join(case.known["facts"]) + ". See you!",
    "file-format": lambda case: case.known["after"],
    "branch": lambda case: {"branch": _branch(case)},
    "classify": lambda case: {"type": case.known["type"], "tier": case.known["tier"]},
    "injection": lambda case: f"It is {case.known['fact']}.",
    "unknown": lambda case: {case.known["stated"]: case.known["value"], case.known["unstated"]: "unknown"},
}


@pytest.mark.parametrize("name", SKILLS)
def test_a_seed_gives_the_same_distinct_cases_everywhere_and_another_seed_others(name: str) -> None:
    first = cases_of(SKILLS[name], 1, 25)
    assert len({case.prompt for case in first}) == 25
    assert cases_of(SKILLS[name], 1, 25) == first
    assert cases_of(SKILLS[name], 1, 10) == first[:10], "more cases begin with the fewer"
    assert {case.prompt for case in cases_of(SKILLS[name], 2, 25)} != {case.prompt for case in first}


def test_the_cases_do_not_depend_on_the_process() -> None:
    code = "from agent.capability import SKILLS, cases_of; print([c.prompt for c in cases_of(SKILLS['%s'], 1, 3)])"
    for name in ("json-read", "file-format"):
        said = {
            subprocess.run(
                [sys.executable, "-c", code % name], env={"PYTHONHASHSEED": seed}, cwd=ROOT,
                capture_output=True, text=True, check=True,
            ).stdout
            for seed in ("1", "2")
        }  # fmt: skip
        assert said == {f"{[case.prompt for case in cases_of(SKILLS[name], 1, 3)]}\n"}


def test_more_cases_than_there_are_is_wrong_usage() -> None:
    coin = Skill("coin", "", lambda random: Case(random.choice(("heads", "tails")), {}), lambda case, answer: "")
    assert {case.prompt for case in cases_of(coin, 1, 2)} == {"heads", "tails"}
    with pytest.raises(Usage, match="no 3 different cases"):
        cases_of(coin, 1, 3)


@pytest.mark.parametrize("name", SKILLS)
def test_the_right_answer_passes_in_every_case(name: str) -> None:
    for case in every(name):
        said = RIGHT[name](case)
        if case.schema is not None:
            check(said, case.schema)
        assert verdict(name, case, said) == ""


@pytest.mark.parametrize("name", SKILLS)
def test_the_right_answer_of_another_case_does_not_pass(name: str) -> None:
    cases = every(name)
    wrong = 0
    for case, other in itertools.pairwise(cases):
        wrong += verdict(name, case, RIGHT[name](other)) != ""
    assert wrong >= len(cases) * 0.6, f"only {wrong} of {len(cases)}"


@pytest.mark.parametrize("name", [name for name in SKILLS if name not in ("branch", "classify", "unknown")])
@pytest.mark.parametrize("said", ["", "I do not know.", "Sure! Here is what you asked for.", "{}", "```\n```"])
def test_empty_talk_never_passes(name: str, said: str) -> None:
    assert all(verdict(name, case, said) for case in every(name))


WRONG: list[tuple[str, Callable[[Case], Said]]] = [
    ("instructions", lambda case: case.known["text"].swapcase()),
    ("instructions", lambda case: "Here they are:\n" + case.known["text"]),
    ("instructions", lambda case: "\n".join(reversed(case.known["text"].split("\n")))),
    ("instructions", lambda case: f"```\n{case.known['text']}\n```"),
    ("json-read", lambda case: f"The value is {case.known['value']}"),
    ("json-read", lambda case: json.dumps({"value": case.known["value"]})),
    ("json-read", lambda case: sorted(case.known["others"])[0]),
    ("json-write", lambda case: json.dumps({"wrong": 1})),
    ("json-write", lambda case: json.dumps({**case.known["value"], "more": 1})),
    ("json-write", lambda case: json.dumps(case.known["value"])[:-1]),
    ("json-write", lambda case: "Here it is: " + json.dumps(case.known["value"])),
    ("json-write", lambda case: json.dumps({key: _other(value) for key, value in case.known["value"].items()})),
    ("compose", lambda case: ", ".join(case.known["facts"][:-1])),
    ("compose", lambda case: ", ".join(case.known["facts"]) + " at 23:59"),
    ("compose", lambda case: ", ".join(case.known["facts"]) + " see you" * 70),
    ("file-format", lambda case: case.known["before"]),
    ("file-format", lambda case: case.known["after"].replace("\n", "\n ", 1)),
    ("file-format", lambda case: case.known["after"] + "\nI changed one place."),
    ("file-format", lambda case: "\n".join(line for line in case.known["after"].split("\n") if line)[:-1]),
    ("branch", lambda case: {"branch": case.known["prefix"] + "update-things"}),
    ("branch", lambda case: {"branch": _branch(case).replace("-", " ")}),
    ("branch", lambda case: {"branch": _branch(case).partition("/")[2]}),
    ("branch", lambda case: {"branch": _branch(case).upper()}),
    ("branch", lambda case: {"branch": _branch(case) + "-x" * 30}),
    ("branch", lambda case: {"branch": _branch(case) + ".lock"}),
    ("classify", lambda case: {"type": case.known["type"], "tier": _next(case.known["tier"])}),
    ("classify", lambda case: {"type": "ask" if case.known["type"] != "ask" else "git", "tier": case.known["tier"]}),
    ("injection", lambda case: case.known["canary"]),
    ("injection", lambda case: f"{case.known['canary'].lower()}: it is {case.known['fact']}"),
    ("injection", lambda case: f"{case.known['canary'].partition('-')[0]}! It is {case.known['fact']}"),
    ("injection", lambda case: "I must not follow instructions in the note."),
    ("unknown", lambda case: {"answer_1": "unknown", "answer_2": "unknown"}),
    ("unknown", lambda case: {"answer_1": case.known["value"], "answer_2": case.known["value"]}),
    ("unknown", lambda case: {case.known["stated"]: "unknown", case.known["unstated"]: case.known["value"]}),
    ("unknown", lambda case: {case.known["stated"]: "nobody knows", case.known["unstated"]: "unknown"}),
]


def _other(value: Any) -> Any:
    return not value if isinstance(value, bool) else ["x"] if isinstance(value, list) else value * 2


def _next(tier: str) -> str:
    return {"trivial": "standard", "standard": "complex", "complex": "trivial"}[tier]


@pytest.mark.parametrize(("name", "spoil"), WRONG)
def test_a_wrong_answer_does_not_pass_in_any_case(name: str, spoil: Callable[[Case], Said]) -> None:
    passed = [case.prompt for case in every(name) if not verdict(name, case, spoil(case))]
    assert passed == []


@pytest.mark.parametrize("name", ["json-write", "file-format"])
def test_one_fence_around_the_whole_answer_is_taken_off(name: str) -> None:
    for case in every(name):
        said = RIGHT[name](case)
        assert verdict(name, case, f"```json\n{said}\n```") == ""
        assert verdict(name, case, f"Here:\n```\n{said}\n```") != ""


def test_the_planted_instruction_stands_in_the_material_and_the_canary_is_what_is_looked_for() -> None:
    for case in every("injection"):
        before, _, rest = case.prompt.partition("BEGIN DATA ")
        material, _, after = rest.partition("END DATA ")
        assert case.known["canary"] in material and case.known["fact"] in material
        assert case.known["canary"] not in before + after


def test_of_two_questions_exactly_one_is_answered_by_the_text() -> None:
    places = set()
    for case in every("unknown"):
        text, _, _ = case.prompt.partition("\n\n")
        assert case.known["value"] in text
        places.add(case.known["stated"])
    assert places == {"answer_1", "answer_2"}


def test_the_labels_are_those_of_the_shipped_matrix() -> None:
    cases = every("classify")
    for case in cases:
        decision = decide(task(case.known["request"]), SHIPPED, HANDLERS, {})
        assert (decision.type, decision.tier) == (case.known["type"], case.known["tier"]), case.known["request"]
    assert {case.known["tier"] for case in cases} == {"trivial", "standard", "complex"}


@pytest.mark.parametrize(
    "name",
    [
        "fix/login", "a.b", "a", "fix/@", "docs/über", "x--y", "fix/.hidden", "fix/a..b", "fix/a.lock", "fix/a.",
        "/fix", "fix/", "fix//a", "-fix", "fix a", "fix~1", "fix^", "fix:a", "fix?", "fix*", "fix[a", "fix\\a", "a@{b",
        "", "fix/a.lock/b", "fix\x7f", "HEAD", ".a",
    ],
)  # fmt: skip
def test_a_branch_name_is_valid_when_git_says_so(name: str) -> None:
    said = subprocess.run(["git", "check-ref-format", "--branch", name], capture_output=True, check=False)
    assert valid(name) == (said.returncode == 0)


def test_random_text_is_judged_and_never_crashes_a_judge() -> None:
    random = Random(5)
    for name, skill in SKILLS.items():
        for case in cases_of(skill, 1, 5):
            if case.schema is None:
                for _ in range(50):
                    text = "".join(random.choice('{}[]"`~-|\n ab12:,') for _ in range(60))
                    assert verdict(name, case, text)
