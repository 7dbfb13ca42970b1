"""The `answer` and `claim-handoff` types: what a lead writes into the inbox about a hand-off; and its end without.

An answer ends the task that was handed off: that task gets its final report, with the model and the cost as the
answerer states them. It counts whenever it comes, after the hand-off expired too; only the first one does.

Hand-off files are Gofer's own. What is proposed here names the bytes it replaces, so that of two answers, or two
claims, that come together the second one meets what the first one did.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from agent import frontmatter
from agent.errors import BadHeader, Refused
from agent.handlers.base import Context, Handler, Params
from agent.handlers.doors import Files
from agent.text import normal_form, utc
from agent.vault import handoff
from agent.vault.finished import as_dropped
from agent.vault.layout import HANDOFFS, TASKS, finished_task_path, handoff_path
from agent.vault.task import read_task
from agent.vault.values import Change, Closing, Decision, Result, Role, Section, Status, Task, Tier, Usage, Who

LIMIT = 128 << 10  # bytes of a hand-off: what is written at most, and room for what was added to its front matter
TASK_LIMIT = 2 << 20  # bytes of a finished task file: the largest task, and what its outcome added
SHOWN = 32_000  # characters of an answer in its report
SUFFIX = ".handoff.md"
UNKNOWN = "unknown"
LEAD = "lead"

_MODEL_WORDS = frozenset({"auto", "none", "local", "lead"})  # words of a task's `model` key that name no model


def _id(value: Any) -> Any:
    """The id in what people write: the id itself, the hand-off's file name or path, a link to it."""
    if not isinstance(value, str):
        return value
    name = value.strip().removeprefix("[[").removesuffix("]]").partition("|")[0]
    return name.rpartition("/")[2].removesuffix(".md").removesuffix(".handoff").strip()


# The names go into front matter as they are: letters, digits and a little punctuation, none of which acts there.
Name = Annotated[str, Field(pattern=r"^[\w@(][\w .,@+()&/'-]*$", max_length=80)]
HandoffId = Annotated[str, BeforeValidator(_id), Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=96)]
Count = Annotated[int, Field(ge=0, le=10**12)]
Dollars = Annotated[float, Field(ge=0, le=10**9, allow_inf_nan=False)]


class ClaimParams(Params):
    """Which hand-off, and who takes it."""

    handoff: HandoffId
    by: Name


class AnswerParams(ClaimParams):
    """Which hand-off, who answers, and what that took; what is not stated is unknown. The body is the answer."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cost_usd: Dollars | None = None


@dataclass(frozen=True, slots=True)
class Handed:
    """A hand-off as its file says now."""

    path: str
    raw: bytes
    said: Mapping[str, Any]

    @property
    def status(self) -> str:
        return str(self.said.get("status", ""))

    def amended(self, **values: str | datetime) -> Change:
        """The file with other front matter and nothing else touched."""
        new = frontmatter.amend(self.raw.decode("utf-8"), values).encode("utf-8")
        return Change(self.path, hashlib.sha256(self.raw).hexdigest(), new)

    def by(self, word: str) -> str:
        """Who answered or claimed it and when, for people: `by Ana on 2026-11-20T09:30:00Z`."""
        return f"by {self.said.get(f'{word}_by', UNKNOWN)} on {self.said.get(word, UNKNOWN)}"


def answer(ctx: Context, params: AnswerParams) -> Result:
    """End the task that was handed off with this answer."""
    try:
        return _answer(ctx, params)
    except Refused as refused:
        return _told(refused)


def claim(ctx: Context, params: ClaimParams) -> Result:
    """Say in the hand-off who works on it."""
    try:
        return _claim(ctx, params)
    except Refused as refused:
        return _told(refused)


def _told(refused: Refused) -> Result:
    """A refusal with its own remedy: running the same file again would not help."""
    again = Refused(refused.what, where=refused.where, why=refused.why)
    return Result(Status.FAILED, findings=(str(again),), actions=(refused.fix,) if refused.fix else ())


def _answer(ctx: Context, params: AnswerParams) -> Result:
    handed = find(ctx.files, params.handoff)
    if handed.status == "answered":
        raise Refused(
            f"the hand-off {params.handoff} has been answered already, {handed.by('answered')}",
            why=f"the first answer counts; this one is kept in {_own_file(ctx)}",
            fix=f"compare it with outbox/{params.handoff}.md",
        )
    text = frontmatter.read(ctx.task.raw).body.strip("\n")
    if not text.strip():
        raise Refused(
            f"the answer to {params.handoff} is empty", fix="write the answer below the header, in a new file in inbox/"
        )
    late = f", after it had expired on {utc(handed.said['expires'])}" if handed.said["expires"] <= ctx.now else ""
    findings = [f"Answered by {params.by}{late}"]
    if len(text) > SHOWN:
        findings.append(f"The answer is cut below; all {len(text):,} characters are in {_own_file(ctx)}")
    return Result(
        findings=tuple(findings),
        sections=(Section("Result", text),),
        raw=text,
        changes=(handed.amended(status="answered", answered=ctx.now, answered_by=params.by),),
        usage=(_usage(ctx.task, params),),
        closes=closing(ctx.files, handed, "answered", params.by, text),
    )


def _claim(ctx: Context, params: ClaimParams) -> Result:
    handed = find(ctx.files, params.handoff)
    title = f"the hand-off {params.handoff}"
    if handed.status == "claimed" and handed.said.get("claimed_by") == params.by:
        return Result(findings=(f"{params.by} has {title} already, since {handed.said.get('claimed', UNKNOWN)}.",))
    if handed.status in ("claimed", "answered"):
        raise Refused(
            f"{title} was {handed.status} {handed.by(handed.status)}", fix="choose one that says `status: open`"
        )
    if handed.status == "expired":
        raise Refused(
            f"{title} expired on {utc(handed.said['expires'])}",
            why="its task has ended without an answer",
            fix="an answer still counts: write it without a claim",
        )
    change = handed.amended(status="claimed", claimed=ctx.now, claimed_by=params.by)
    return Result(findings=(f"{params.by} works on {title} now.",), changes=(change,))


def expired(files: Files, now: datetime) -> Iterator[Result]:
    """The end of every task whose hand-off nobody answered in time: it has failed."""
    for path in files.list(HANDOFFS, (SUFFIX,)):
        try:
            handed = find(files, path.rpartition("/")[2].removesuffix(SUFFIX))
        except Refused:
            continue  # somebody's own file, or a broken one: nothing is known of its task
        if handed.status in ("open", "claimed") and handed.said["expires"] <= now:
            yield _expiry(files, handed, now)


def _expiry(files: Files, handed: Handed, now: datetime) -> Result:
    text = f"No answer came by {utc(handed.said['expires'])}"
    return Result(
        Status.FAILED,
        findings=(text,),
        actions=(f"answer it all the same, which still counts, or run it again: gofer retry {handed.said['id']}",),
        changes=(handed.amended(status="expired", expired=now),),
        closes=closing(files, handed, "expired", "", text),
    )


def find(files: Files, task_id: str) -> Handed:
    """The hand-off of a task. Raises Refused when there is none, or none that can be read."""
    path = handoff_path(task_id)
    try:
        raw = files.read(path, LIMIT)
        return Handed(path, raw, {**handoff.parse(raw.decode("utf-8")), "id": task_id})
    except FileNotFoundError:
        raise Refused(
            f"there is no hand-off {task_id}",
            where=path,
            why="no such file is there",
            fix="use the `id` in the front matter of a file in outbox/handoffs/",
        ) from None
    except (BadHeader, UnicodeDecodeError) as error:
        why = error.what if isinstance(error, BadHeader) else "it is not UTF-8"
        raise Refused("the hand-off cannot be read", where=path, why=why, fix="restore it: git log -- FILE") from None


def closing(files: Files, handed: Handed, decision: str, by: str, text: str) -> Closing:
    """The end of the task that was handed off, as its hand-off and its finished file tell of it."""
    said = handed.said
    task_id, reason = str(said["id"]), said["reason"]
    file, kept = _finished(files, said)
    source = str(said.get("source") or file or f"inbox/{task_id}.md")
    original = read_task(as_dropped(kept).encode(), source) if kept else None
    request = f"{said.get('request', '')}\n"
    task = replace(
        original or Task(task_id, source, task_id, request, request, UNKNOWN),
        id=task_id,
        title=str(said.get("title") or task_id),
        raw=kept or request,
        revision=_revision(kept) or (original.revision if original else UNKNOWN),
        problem=None,
    )
    word = f"{decision} by {by}" if by else decision
    route = Decision(
        Tier.COMPLEX,
        str(said.get("task_type") or "handoff"),
        Who.LEAD,
        LEAD,
        f"complex: handed off ({reason}), {word}",
        reason,
    )
    return Closing(task, route, file, decision, by, text)


def _finished(files: Files, said: Mapping[str, Any]) -> tuple[str, str]:
    """The finished file of the task and its text, "" and "" when it is gone."""
    usual = finished_task_path(said["id"], said["created"])
    stated = str(said.get("task_file", usual))
    # Anybody who can push can write a hand-off: it may name the task's own file and no other.
    path = stated if re.fullmatch(rf"{TASKS}/[0-9a-z-]+/{re.escape(said['id'])}\.md", stated) else usual
    try:
        return path, normal_form(files.read(path, TASK_LIMIT))
    except (FileNotFoundError, Refused, UnicodeDecodeError):
        return "", ""


def _revision(text: str) -> str:
    """The revision of the text that was run, as its finished file states it."""
    try:
        return str(frontmatter.read(text).values.get("revision", ""))
    except BadHeader:
        return ""


def _usage(task: Task, params: AnswerParams) -> Usage:
    return Usage(
        model=UNKNOWN if not _names_model(task) else task.model,
        provider=LEAD,
        input_tokens=params.input_tokens or 0,
        output_tokens=params.output_tokens or 0,
        thinking=task.thinking,
        cost_usd=params.cost_usd,
        estimated=params.input_tokens is None or params.output_tokens is None,
    )


def _names_model(task: Task) -> bool:
    """Whether the header names the model. A `[model:…]` in the body is a part of the answer."""
    keys = {key.strip().lower() for key in frontmatter.read(task.raw).values}
    return "model" in keys and task.model not in _MODEL_WORDS


def _own_file(ctx: Context) -> str:
    return finished_task_path(ctx.task.id, ctx.now)


ANSWER = Handler(name="answer", tier=Tier.TRIVIAL, role=Role.TASK, params=AnswerParams, run=answer, limit=30.0)
CLAIM = Handler(name="claim-handoff", tier=Tier.TRIVIAL, role=Role.TASK, params=ClaimParams, run=claim, limit=30.0)
