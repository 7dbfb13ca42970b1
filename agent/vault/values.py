"""The frozen values that travel along the road, and the one set of status words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Status(StrEnum):
    """Where a task stands. The same word in files, JSON, the log and the ledger."""

    DRAFT = "draft"  # the person is still writing it, or it waits for their word
    OPEN = "open"  # ready to be picked up
    WAITING = "waiting"  # not now: not due, a dependency, the model away
    RUNNING = "running"  # claimed by a worker
    HANDED_OFF = "handed-off"  # reported, and open until the lead answers or it expires
    DONE = "done"
    NEEDS_REVIEW = "needs-review"  # there is a result that a person must look at
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"  # an effect may or may not have happened
    INVALID = "invalid"  # a file that cannot be a task


FINAL = frozenset({Status.DONE, Status.NEEDS_REVIEW, Status.FAILED, Status.CANCELLED, Status.UNKNOWN})
OUTCOMES = FINAL | {Status.HANDED_OFF}  # what a report can say


class Tier(StrEnum):
    """How much mind a task needs."""

    TRIVIAL = "trivial"  # code, no model
    STANDARD = "standard"  # the local model
    COMPLEX = "complex"  # the lead


class Who(StrEnum):
    """Who does it."""

    CODE = "code"
    LOCAL = "local"
    LEAD = "lead"


class Priority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 is served first."""
        return ("critical", "high", "normal", "low").index(self.value)


class Role(StrEnum):
    """The role a report belongs to; it decides the folder in memory."""

    HEARTBEAT = "heartbeat"
    DATA = "data"
    ORGANIZATION = "organization"
    RESEARCH = "research"
    TASK = "task"

    @property
    def folder(self) -> str:
        return {
            "heartbeat": "heartbeat-reports",
            "data": "data-reports",
            "organization": "organization-reports",
            "research": "research-drafts",
            "task": "task-reports",
        }[self.value]


class HandoffReason(StrEnum):
    """Why a task went to the lead."""

    COMPLEX = "complex"
    ASKED = "asked"
    LOW_CONFIDENCE = "low-confidence"
    BAD_ANSWER = "bad-answer"
    FAILED = "failed"
    TOO_LONG = "too-long"
    UNCLASSIFIED = "unclassified"
    BUDGET = "budget"
    NEEDS = "needs"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file cannot be a task: the line (from 1, or None for the whole file), what, why, the mended file."""

    what: str
    line: int | None = None
    why: str = ""
    fix: str = ""
    corrected: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One errand as its file states it. A bad file is still a Task, with a `problem`."""

    id: str
    path: str  # vault-relative, POSIX
    title: str
    text: str  # the request: the body without [model:…] and [thinking:…] tags
    raw: str  # the whole file in normal form
    revision: str
    type: str = "auto"
    model: str = "auto"
    priority: Priority = Priority.NORMAL
    thinking: str = "off"
    thinking_said: bool = False  # the task itself says so; else an alias of its model may
    tier: str = "auto"
    status: Status = Status.OPEN
    marked_open: bool = False  # the file itself says `status: open`
    explicit_id: bool = False
    not_before: datetime | None = None
    due: datetime | None = None
    after: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    timeout: float | None = None  # seconds
    budget_usd: float | None = None
    private: bool = False
    verify: str = ""
    approve: bool = False
    every: str = ""
    cron: str = ""
    missed: str = "once"
    active_hours: str = ""
    timezone: str = ""
    jitter: float = 0.0  # seconds
    params: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))  # str or list[str] values
    scheduled: bool = False  # an instance of a schedule, not a drop of a person's
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a task goes and which rule says so."""

    tier: Tier
    type: str
    who: Who
    model: str  # "none" for code, an alias or provider/name otherwise
    reason: str  # for people: "standard: delegation.md row 14 'summar*' → local"
    handoff_reason: HandoffReason | None = None  # set exactly when who is lead


@dataclass(frozen=True, slots=True)
class Change:
    """One file of the vault that a task changes. `after` None deletes it; `before` is the sha256 hex of what
    was read, None when the file must not exist. Handlers only propose changes; the road applies them."""

    path: str
    before: str | None
    after: bytes | None
    blob: str = ""  # git's id of the content that it replaces, where git has it; filled in when the run has ended


@dataclass(frozen=True, slots=True)
class Usage:
    """What a model call cost in tokens. `model` is the one that answered."""

    model: str
    provider: str
    digest: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    thinking: str = "off"
    cost_usd: float | None = None  # where it is stated with the answer; None: as the provider's prices say
    estimated: bool = False  # nobody stated the counts


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings. Every cell is text from outside, and is made inert when it is written."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A line of numbers over time, drawn by Mermaid. Words are reduced to plain letters and digits when it is written,
    and a chart with fewer than two numbers, or with one that cannot be drawn, is left out."""

    title: str
    unit: str
    times: tuple[datetime, ...]
    values: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A named part of a report between Findings and Action Required: `## Result`, `## Sources`. Its text comes first,
    then its table, then its chart."""

    title: str
    text: str
    table: Table | None = None
    chart: Chart | None = None


@dataclass(frozen=True, slots=True)
class Closing:
    """The end of an earlier task that was handed off. Report, ledger line and decision of a run that closes one are
    about that task, under its id."""

    task: Task  # as it was dropped; `raw` is its finished file as it is now
    route: Decision
    file: str  # the finished file, "" when there is none
    decision: str  # answered or expired
    by: str  # who decided
    text: str  # the answer, or the reason


@dataclass(frozen=True, slots=True)
class Result:
    """What a handler found out and proposes. It never says how it was published."""

    status: Status = Status.DONE
    findings: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()  # each completes "<lead> to …": "review the plan"; empty: "No action needed"
    sections: tuple[Section, ...] = ()
    raw: str = ""
    changes: tuple[Change, ...] = ()
    usage: tuple[Usage, ...] = ()
    confidence: float | None = None
    verified: str = "none"
    quiet: bool = False  # a scheduled check with nothing to say: no report, no commit
    handoff: HandoffReason | None = None  # set when the task goes to the lead, with status handed-off
    tried: tuple[str, ...] = ()  # what was tried before, for the hand-off
    closes: Closing | None = None  # the run ends another task, and this is that one's result


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished run: everything a report, a hand-off and a ledger line are made of."""

    task: Task
    decision: Decision
    result: Result
    worker: str
    started: datetime
    finished: datetime
    attempt: int = 1
    claim: str = ""  # the claim's nonce
    role: Role = Role.TASK  # of the handler that ran; it decides the folder in memory

    @property
    def status(self) -> Status:
        return self.result.status

    @property
    def seconds(self) -> float:
        return max(0.0, (self.finished - self.started).total_seconds())

    @property
    def handoff_reason(self) -> HandoffReason:
        """Why it is the lead's: what the run found out comes before what the routing knew."""
        return self.result.handoff or self.decision.handoff_reason or HandoffReason.COMPLEX
