"""Asking before acting: a plan that waits for a person's tick, and what becomes of it.

The worker keeps the plan in its state folder; the file in `outbox/approvals/` is its picture. A tick counts for exactly
what is shown: before acting every file is looked at again, and a plan that does not fit any more is made anew.
What acts while it runs (a push, a message) cannot be planned by running it: there the task itself is what is shown.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from agent.errors import GoferError
from agent.files import Beneath
from agent.gate import OutputGate
from agent.handlers import HANDLERS
from agent.journal import Record
from agent.plans import Plan, Plans
from agent.runner import Run
from agent.text import normal_form, utc
from agent.vault import approval, plan
from agent.vault.actions import actions
from agent.vault.layout import APPROVALS, approval_path
from agent.vault.params import read_params
from agent.vault.values import Change, Decision, Result, Status, Task, Usage, Who

DAYS = 7  # until an approval expires
LARGEST = 64 << 20  # bytes of an approval file, and of a file that is looked at again
TEXT = 64 << 10  # characters of a request that are shown
PLANNED = frozenset({Status.DONE, Status.NEEDS_REVIEW})  # results that act
NO_ANSWER = "is no answer"
ASKED = "waits for your tick in "


class Word(StrEnum):
    """How an approval stands."""

    NONE = "none"  # nothing was asked yet, or what was asked is void
    OPEN = "open"
    BROKEN = "broken"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Standing:
    """How the approval of one task stands. `raw` is the file, None when there is none here; `plan` the worker's own."""

    word: Word
    path: str
    raw: bytes | None = None
    asked: approval.Asked | None = None
    plan: Plan | None = None
    why: str = ""

    @property
    def digest(self) -> str:
        return self.asked.plan if self.asked else ""


class Approvals:
    """The approvals of one vault. `owed` are the records that are not published yet, by key; without them it only
    looks."""

    def __init__(
        self, root: Path, state: Path, gate: OutputGate, owed: Callable[[], Mapping[str, Record]] = dict
    ) -> None:
        self.root, self.gate, self._owed = root, gate, owed
        self._files, self._plans = Beneath(root), Plans(state / "approvals")

    @property
    def state(self) -> object:
        """Everything whose change may let a waiting task start."""
        try:
            with os.scandir(self.root / APPROVALS) as entries:
                files = tuple(sorted((e.name, e.stat().st_mtime_ns, e.stat().st_size) for e in entries))
        except OSError:
            files = ()
        return files, tuple(key for key in self._owed() if key.startswith("approval:"))

    # -- before a run ----------------------------------------------------------------------------------------------

    def standing(self, task: Task, now: datetime) -> Standing:
        """How the approval of a task stands."""
        path = approval_path(task.id)
        raw = self._read(path)
        own = self._plans.read(task.id)
        own = own if own and own.revision == task.revision else None
        asking = self._owed().get(_key(task))
        if asking and (raw is None or _sha(raw) == asking.changes[0].before):
            return Standing(Word.OPEN, path, raw, plan=own)  # the question is on its way, what lies here is older
        if raw is None:
            return Standing(Word.NONE, path, plan=own)
        asked = approval.parse(raw)
        if asked is None:
            return Standing(Word.BROKEN, path, raw, plan=own, why="its front matter cannot be read")
        if (asked.id, asked.revision) != (task.id, task.revision):
            return Standing(Word.NONE, path, raw)  # it was asked for another text
        trouble = asked.trouble
        if not trouble and own and asked.blank != own.text:
            if asked.plan == own.digest:
                trouble = "more than a box was changed in it"
            else:
                own = None  # another worker has asked anew
        word = Word.OPEN
        if now >= asked.expires:
            word = Word.EXPIRED
        elif trouble:
            word = Word.BROKEN
        elif asked.approved or asked.rejected:
            word = Word.APPROVED if asked.approved else Word.REJECTED
        return Standing(word, path, raw, asked, own, trouble)

    def why_waits(self, task: Task, decision: Decision, now: datetime) -> str | None:
        """Why a task that asks first waits; "" when what it does is decided, None when it has to run for that."""
        found = self.standing(task, now)
        if found.word is Word.OPEN:
            return f"{ASKED}{found.path}"
        if found.word is Word.BROKEN:
            return f"{found.path} {NO_ANSWER}: {found.why}; put it back, or delete it to be asked anew"
        if found.word is Word.APPROVED and not found.plan and not self._plans_again(decision):
            return f"approved; {found.asked.worker if found.asked else 'another worker'} carries it out, who planned it"
        return None if found.word is Word.NONE or (found.word is Word.APPROVED and not found.plan) else ""

    def known(self, task: Task, decision: Decision, now: datetime) -> Result | None:
        """What a task comes to without running: its approved plan, its refusal, or the question. None: it runs."""
        if not task.approve or task.problem is not None:
            return None
        found = self.standing(task, now)
        spent: tuple[Usage, ...] = found.plan.result.usage if found.plan and found.plan.result else ()
        if found.word is Word.REJECTED and found.asked:
            why = f": {self.gate.line(found.asked.why, 300)}" if found.asked.why else ""
            return Result(Status.CANCELLED, findings=(f"Rejected in {found.path}{why}",), usage=spent)
        if found.word is Word.EXPIRED and found.asked:
            what = f"Nobody approved it by {utc(found.asked.expires)}, so nothing was done"
            return Result(Status.FAILED, findings=(what,), actions=(f"ask anew: gofer retry {task.id}",), usage=spent)
        if _acts(decision):
            asks = found.word is Word.NONE or found.digest != self._digest_of_task(task, decision)
            return Result(Status.WAITING) if asks and self._body_of_task(task, decision) else None
        if found.word is Word.APPROVED and found.plan and found.plan.result and self._fits(found.plan.result):
            return found.plan.result
        return None

    def _plans_again(self, decision: Decision) -> bool:
        """Whether any worker can make the plan again: code does the same on the same files."""
        return _acts(decision) or decision.who is Who.CODE

    def _fits(self, result: Result) -> bool:
        return all(_sha(self._read(change.path)) == change.before for change in result.changes)

    # -- after it --------------------------------------------------------------------------------------------------

    def ask(self, run: Run, result: Result, worker: str, now: datetime) -> Record | None:
        """The record of the question, when what a run proposes must be approved first; None when it may be done."""
        task, asks = run.task, result.status is Status.WAITING
        if not task.approve or result.closes or not (asks or result.status in PLANNED):
            return None
        if not asks and (_acts(run.decision) or not actions(result.changes)):
            return None  # it was approved before it ran, or changes nothing
        body = self._body_of_task(task, run.decision) if asks else self._body(result)
        digest, found = approval.digest(body), self.standing(task, now)
        if found.word is Word.APPROVED and (digest == found.digest or (found.plan and found.plan.result == result)):
            return None
        header: dict[str, str | datetime] = {
            "id": task.id,
            "title": self.gate.value(task.title, 200),
            "task_revision": task.revision,
            "plan": digest,
            "from": worker,
            "created": now,
            "expires": now + timedelta(days=DAYS),
        }
        text = approval.render(header, task.title, body, self.gate)
        text = normal_form(text.encode())
        spent = found.plan.result.usage if found.plan and found.plan.result and not asks else ()
        kept = None if asks else replace(result, usage=(*spent, *result.usage))
        self._plans.write(task.id, Plan(task.revision, digest, text, kept))
        return Record(
            key=_key(task),
            task=task.id,
            status=str(Status.WAITING),
            worker=worker,
            claim=run.claim.nonce,
            attempt=run.claim.attempt,
            finished=utc(now),
            revision=task.revision,
            changes=(Change(found.path, _sha(found.raw), text.encode()),),
            shared=run.claim.shared,
        )

    def decided(self, task: Task, result: Result, now: datetime) -> tuple[Standing | None, Result, tuple[Change, ...]]:
        """How the approval of a task that ends stood, its result with that told, and what takes the file away."""
        if not task.approve:
            return None, result, ()
        found = self.standing(task, now)
        raw = found.raw
        if raw is None and (owed := self._owed().get(_key(task))):
            raw = owed.changes[0].after
        if found.word is Word.APPROVED and result.status is not Status.CANCELLED:
            told = f"Approved in {found.path}, plan {found.digest[:12]}"
            result = replace(result, findings=(*result.findings, told))
        gone = () if raw is None else (Change(found.path, _sha(raw), None),)
        return found, result, gone

    @staticmethod
    def key(task: Task) -> str:
        """The key of the question's record."""
        return _key(task)

    def forget(self, task: str) -> None:
        """The task has ended."""
        self._plans.forget(task)

    # -- what is shown ---------------------------------------------------------------------------------------------

    def _body(self, result: Result) -> str:
        shown = plan.sentences(result.changes, self._read)
        return approval.body(
            shown, plan.differences(result.changes, self._read), plan.exactly(result.changes), self.gate
        )

    def _digest_of_task(self, task: Task, decision: Decision) -> str:
        return approval.digest(self._body_of_task(task, decision))

    def _body_of_task(self, task: Task, decision: Decision) -> str:
        """The plan of a task that acts while it runs; "" when it is not clear what it would do: then it does not."""
        handler, to_lead = HANDLERS.get(decision.type), decision.who is Who.LEAD or decision.type not in HANDLERS
        params: dict[str, object] = dict(task.params)
        if handler and not to_lead:
            try:
                known = handler.understand(task) if handler.understand else read_params(task, handler.params)
            except GoferError:
                return ""
            params = known.model_dump(mode="json", exclude_defaults=True)
        text = task.text.strip()[:TEXT]
        action = {"op": "handoff" if to_lead else decision.type, "params": params, "text": text}
        what = "hands the task to the lead" if to_lead else f"runs this {plan.code(decision.type)} task"
        lines = [f"{what}; what that does outside the vault cannot be taken back"]
        lines += [f"{self.gate.line(name, 80)}: {self.gate.line(str(value), 200)}" for name, value in params.items()]
        return approval.body(lines, text, plan.compact(action), self.gate)

    def _read(self, path: str) -> bytes | None:
        with suppress(FileNotFoundError, GoferError):
            return self._files.read(path, LARGEST)
        return None


def _acts(decision: Decision) -> bool:
    """Whether a run acts by itself, beside what it proposes: then it is asked for before it runs."""
    handler = HANDLERS.get(decision.type)
    return decision.who is Who.LEAD or handler is None or handler.outside or handler.acts


def _key(task: Task) -> str:
    return f"approval:{task.id}"


def _sha(data: bytes | None) -> str | None:
    return None if data is None else sha256(data).hexdigest()
