"""What a handler is, and the narrow window through which it sees the world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from agent.handlers.checking import CheckDoor, NoChecks
from agent.handlers.doors import (
    Documents,
    Files,
    Mailbox,
    NoDocuments,
    NoPast,
    NoWeb,
    Past,
    Recipient,
    Repo,
    Web,
    no_repo,
)
from agent.models.base import Answer
from agent.redact import redact_tokens
from agent.vault.values import Result, Role, Task, Tier


class Params(BaseModel):
    """Base of every type's parameters. Unknown keys are kept out, so a typing mistake is told, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, defer_build=True)


class NoParams(Params):
    """A type without parameters."""


@dataclass(frozen=True, slots=True)
class Context:
    """All that a handler may see and do. It holds no Desk, no git, no configuration."""

    task: Task
    now: datetime
    files: Files
    ask: Callable[
        ..., Answer
    ]  # ask(prompt: str, *, schema=None, max_tokens=…, seed=0, seconds=None) → Answer; system part: prompts/<type>.md
    facts: Callable[[], Mapping[str, Any]]  # what the worker knew of itself at the start, if the type `uses_facts`
    note: Callable[[str], None]  # one line into the run's log
    check: Callable[[], None]  # raises TimeUp when the run was cancelled or its time is up; call it in loops
    memory: Path  # a private folder of this type in the state folder, kept between runs (never in the vault)
    run_dir: Path  # this run's own folder
    redact: Callable[[str], str] = redact_tokens  # without secrets: for what is put into `memory`
    leaves: bool = False  # what is asked goes to a model that is not this machine's
    opinions: int = 1  # how many samples of an answer must agree
    repo: Callable[[str, str], Repo] = no_repo  # repo(name, verb): a listed repository, when the verb is allowed there
    past: Past = NoPast()  # noqa: RUF009  (it has no state)
    web: Web = NoWeb()  # noqa: RUF009  (it has no state)
    documents: Documents = NoDocuments()  # noqa: RUF009  (it has no state)
    window: int = 8192  # tokens that the model of this run holds, question and answer together
    logs: Mapping[str, Callable[[], Iterable[str]]] = field(default_factory=dict)  # lines of listed logs
    recipients: Mapping[str, Recipient] = field(default_factory=dict)
    mailboxes: Mapping[str, Mailbox] = field(default_factory=dict)
    shared: bool = False  # other machines can see the task: an earlier attempt may have been theirs
    checks: CheckDoor = NoChecks()  # noqa: RUF009
    worker: str = ""  # who runs this; a file of which each worker has its own carries the name
    attempt: int = 1  # more than 1: an earlier run of this task, here or elsewhere, was cut off
    model: bool = False  # a model is set aside for this run; a type of code's asks one only then (`words_when`)
    alert: Callable[[str], str] | None = None  # alert(text): to this machine's alert hook; why that failed, "" when not


@dataclass(frozen=True, slots=True)
class Handler:
    """A task type: its name, who may run it, its parameters, and the one function that does it.

    `understand(task)` turns front matter and plain English into parameters and raises Doubt when that is not
    possible beyond doubt; the default validates `task.params` alone.
    """

    name: str
    tier: Tier  # trivial: code only; standard: uses the model
    role: Role
    params: type[Params]
    run: Callable[[Context, Any], Result]
    limit: float = 60.0  # seconds of wall clock
    understand: Callable[[Task], Params] | None = None
    row_decides: bool = False  # a row of the matrix brings a request here; what its run cannot read goes to the lead
    outside: bool = False  # waits for other machines: runs beside the rest, so that it never holds code up
    unmarked_waits: bool = False  # deletes, moves or sends: in an Obsidian vault it never starts from an unmarked note
    waits_when: Callable[[Task], bool] | None = None  # narrows `unmarked_waits` to some tasks of the type
    acts: bool = False  # its run itself changes something outside the vault: `approve` is then asked for before it
    by_code: Callable[[Task], bool] | None = None  # standard work that code does all the same: no model is woken
    uses_facts: bool = False  # its context's `facts` are gathered; for every other type they are empty
    words_when: Callable[[Task], bool] | None = None  # code that takes a local model's words where one stands ready

    def needs_model(self, task: Task) -> bool:
        """Whether this task wakes a model."""
        return self.tier is not Tier.TRIVIAL and not (self.by_code and self.by_code(task))

    def waits_unmarked(self, task: Task) -> bool:
        """Whether this task, in an Obsidian vault, must not start before its note is marked open."""
        return self.unmarked_waits and (self.waits_when is None or self.waits_when(task))
