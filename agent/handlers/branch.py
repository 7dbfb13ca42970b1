"""The `branch` type: a name for a branch, proposed by the local model from a description, judged by code.

With `repo` the branch is made there, through the same door as the `git` type's; without it the name is only told.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from agent.handlers.base import Context, Handler, Params
from agent.handlers.extract_facts import share_a_word, words
from agent.handlers.opinions import CONFIDENCE, agreed, bad_answer, sure
from agent.text import shorten
from agent.vault.prompts import quoted
from agent.vault.values import Result, Role, Section, Task, Tier

MAX_NAME = 60  # characters
MAX_TOKENS = 120
LONGEST_REQUEST = 4000  # characters
PREFIXES = ("feat", "fix", "docs", "chore", "refactor", "test")
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 120}, "confidence": CONFIDENCE},
    "required": ["name", "confidence"],
    "additionalProperties": False,
}
_NAME = re.compile(rf"(?:(?:{'|'.join(PREFIXES)})/)?[a-z0-9]+(?:-[a-z0-9]+)*")
_OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# Words that say nothing of what a branch is for.
_EMPTY = words(
    """a an and are as at be branch branches by called can cut could create do for from git i in into is it let make
    me my name named new of off on open or our please propose start suggest task that the this to up us we will with
    would you your"""
) | frozenset(PREFIXES) - {"test", "docs", "fix"}


class BranchParams(Params):
    """`repo`: a repository that this machine lists; `from`: where the branch starts there; `prefix`: its kind."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    repo: str = ""
    start: str = Field("", alias="from")
    prefix: Literal["", "feat", "fix", "docs", "chore", "refactor", "test"] = ""

    @model_validator(mode="after")
    def _fits(self) -> BranchParams:
        if self.start and not self.repo:
            raise ValueError("`from` needs `repo`")
        return self


def run(ctx: Context, params: BranchParams) -> Result:
    """A name, and with `repo` the branch. A name that fails a check goes to the lead, and nothing is made."""
    repo = ctx.repo(params.repo, "branch") if params.repo else None
    request = shorten(f"{ctx.task.title}\n{ctx.task.text}", LONGEST_REQUEST)
    wish = f"The name begins with {params.prefix}/." if params.prefix else f"A prefix is one of {', '.join(PREFIXES)}."
    prompt = "\n\n".join([quoted("What the branch is for", request), f"Name the branch. {wish}"])
    found = agreed(ctx, prompt, schema=SCHEMA, max_tokens=MAX_TOKENS, same=_name)
    confidence = sure(found, "the local model is not sure of the branch's name")
    name = found.data["name"].strip()
    if params.prefix and "/" not in name:
        name = f"{params.prefix}/{name}"
    if why := flaw_of(name) or _stranger(name, request):
        raise bad_answer(found, "the name that the local model gave the branch cannot be used", why)
    if params.prefix and not name.startswith(f"{params.prefix}/"):
        raise bad_answer(found, "the branch has another prefix than asked for", f"{params.prefix}/ was asked for")
    findings: tuple[str, ...] = (f"Branch name: `{name}`.",)
    raw = name
    if repo is not None:
        ctx.check()
        told = repo.branch(name, params.start)
        findings, raw = told.findings, told.raw or name
    return Result(
        findings=(*findings, *found.answer.notes),
        sections=(Section("Result", name),),
        raw=raw,
        usage=found.usage,
        confidence=confidence,
    )


def flaw_of(name: str) -> str:
    """Why this is no name for a branch here, or "": lower-case words of a-z and 0-9 joined by hyphens, at most one
    known prefix with its slash, 60 characters. What passes also passes `git check-ref-format --branch`."""
    if len(name) > MAX_NAME:
        return f"it is longer than {MAX_NAME} characters"
    if not _NAME.fullmatch(name):
        return f"it is not lower-case words joined by hyphens, with or without one of {', '.join(PREFIXES)} and a slash"
    if _OBJECT_ID.fullmatch(name):
        return "it looks like the id of a commit"
    return ""


def _stranger(name: str, request: str) -> str:
    """Why a name does not belong to a request: no word in common, or a number that is not in it."""
    own, theirs = words(name.rpartition("/")[2]), words(request)
    if numbers := sorted(word for word in own if word.isdigit() and word not in theirs):
        return f"the number {numbers[0]} is not in the request"
    if not share_a_word(own - _EMPTY, theirs - _EMPTY):
        return "it has no word in common with the request"
    return ""


def _name(data: Any) -> Hashable:
    return str(data["name"]).strip()


def _makes_one(task: Task) -> bool:
    return "repo" in task.params


HANDLER = Handler(
    "branch",
    Tier.STANDARD,
    Role.TASK,
    BranchParams,
    run,
    limit=600.0,
    unmarked_waits=True,
    waits_when=_makes_one,
    acts=True,
)
