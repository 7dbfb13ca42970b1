"""The scribe: turns an outcome into a record, which is every file it leaves behind."""

from __future__ import annotations

import json
import os
from collections import deque
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any

from agent import frontmatter
from agent.approving import Standing, Word
from agent.config import Settings
from agent.errors import GoferError
from agent.gate import OutputGate
from agent.handlers import HANDLERS
from agent.inbox import Drop
from agent.journal import Record
from agent.money.baseline import Baselines
from agent.text import derived_id, normal_form, revision, utc
from agent.vault import actions, decisions, handoff, layout, ledger, report
from agent.vault.values import Outcome, Problem, Role, Status, Task

HEARTBEAT = "heartbeat"
GIVEN = 1024  # names remembered: more than one travel of the road gives away
RECOUNT = 200  # files added to a folder until it is counted anew: others may add to it too


class _Taken:
    """Report names that are in use: on disk, or given away a moment ago and not yet written."""

    def __init__(self, root: Path) -> None:
        self._root, self._given = root, deque[str](maxlen=GIVEN)

    def __contains__(self, path: object) -> bool:
        taken = path in self._given or (self._root / str(path)).exists()
        if not taken:
            self._given.append(str(path))
        return taken


def ran(record: Record) -> dict[str, Any]:
    """A published outcome as `run --once --json` shows it."""
    line = json.loads(record.ledger.splitlines()[-1]) if record.ledger else {}
    return {
        "id": record.subject,
        "status": record.status,
        "tier": line.get("tier"),
        "type": line.get("type"),
        "model": line.get("model"),
        "report": next(path for path in record.files if path.startswith(f"{layout.OUTBOX}/")),
        "seconds": line.get("duration_s", 0),
        "input_tokens": line.get("input_tokens", 0),
        "output_tokens": line.get("output_tokens", 0),
    }


class Scribe:
    """Writes reports, hand-offs, finished task files and ledger lines. It only makes text; publishing is another's."""

    def __init__(
        self, root: Path, gate: OutputGate, settings: Settings, worker: str, baselines: Baselines | None = None
    ) -> None:
        """Without `baselines` nothing is compared with a paid model."""
        self.root, self.gate, self._baselines = root, gate, baselines
        self._counts: dict[str, tuple[int, int]] = {}
        self._taken = _Taken(root)
        self.handoffs = handoff.HandoffSettings(settings.lead.name, timedelta(days=settings.handoff.expires_days))
        self.reports = report.ReportSettings(
            lead=settings.lead.name, worker=worker, raw_limit=settings.tasks.raw_limit, ambiguous=_prompt_names(root)
        )

    def record(self, outcome: Outcome, drop: Drop | None, quiet: int) -> Record:
        """Every file of an outcome. `quiet` is how many checks had nothing to say since the last ledger line. Without
        a drop it is the end of an earlier task that no file in the inbox brought about."""
        if drop and outcome.status is Status.INVALID:
            return self._not_a_task(outcome, drop)
        closing, ran_task, when = outcome.result.closes, outcome.task, outcome.finished
        if closing:
            outcome = replace(outcome, task=closing.task, decision=closing.route)
        outcome = self._settled(outcome)
        task = outcome.task
        baseline = self._baselines.of_run(outcome) if self._baselines else None
        paid_on = self._baselines.paid_on(outcome) if self._baselines else None
        report_text = report.render(outcome, self.gate, replace(self.reports, baseline=baseline))
        where = self._enter(layout.memory_report_path(outcome.role, task.id, when, self._entries, self._taken))
        files = {layout.report_path(task.id): report_text, where: report_text}
        if drop:
            place = self._enter(layout.finished_task_path(ran_task.id, when, self._entries))
            files[place] = self._finished_task(ran_task, outcome, where)
            if outcome.status is Status.HANDED_OFF:
                files[layout.handoff_path(task.id)] = handoff.render(outcome, self.gate, self.handoffs, task_file=place)
        if done := actions.actions(outcome.result.changes):
            files[self._enter(layout.changes_path(ran_task.id, when, self._entries))] = actions.render(done)
        if closing:
            files[closing.file or self._enter(layout.finished_task_path(task.id, when, self._entries))] = (
                self._finished_task(task, outcome, where)
            )
            files[self._free(layout.decision_path(task.id, when))] = decisions.render(outcome, closing, self.gate)
        lines = [ledger.line(outcome, self.gate, baseline, paid_on)]
        if quiet:
            lines.insert(0, self._quiet_line(quiet, when, outcome.worker))
        clean = {text: self._clean(text) for text in set(files.values())}  # the report is among them twice
        return Record(
            key=drop.key if drop else f"{outcome.status}:{task.id}",
            task=ran_task.id,
            about=task.id if closing else "",
            status=str(outcome.status),
            worker=outcome.worker,
            claim=outcome.claim,
            attempt=outcome.attempt,
            finished=utc(when),
            source=drop.path if drop and not drop.instance else "",
            schedule=drop.path if drop and drop.instance else "",
            revision=ran_task.revision,
            files={path: clean[text] for path, text in files.items()},
            changes=outcome.result.changes,
            ledger="\n".join(lines),
        )

    def with_decision(self, record: Record, outcome: Outcome, standing: Standing) -> Record:
        """The same outcome with the decision that a person, or time, took on its plan."""
        if standing.asked is None or standing.word not in (Word.APPROVED, Word.REJECTED, Word.EXPIRED):
            return record
        path = self._free(layout.decision_path(record.task, outcome.finished))
        text = decisions.on_plan(outcome, str(standing.word), standing.asked, standing.path, self.gate)
        return replace(record, files={**record.files, path: self._clean(text)})

    def _settled(self, outcome: Outcome) -> Outcome:
        """The role of the handler; and a private task never goes to the lead: its text stays here."""
        handler = HANDLERS.get(outcome.decision.type)
        role, result = handler.role if handler else Role.TASK, outcome.result
        if result.status is Status.HANDED_OFF and outcome.task.private:
            why = "it is private, so it was not handed to the lead and its text stays here"
            result = replace(result, status=Status.NEEDS_REVIEW, findings=(*result.findings, why), handoff=None)
        check = outcome.task.verify
        if result.status is Status.DONE and check and result.verified != f"check:{check}":
            why = f"the check '{check}' did not run"
            result = replace(result, status=Status.NEEDS_REVIEW, findings=(*result.findings, why))
        return replace(outcome, role=role, result=result)

    def _not_a_task(self, outcome: Outcome, drop: Drop) -> Record:
        """One report per revision; the file stays where it is, and no copy goes to memory."""
        task = outcome.task
        text = report.render_invalid(task, self.gate, replace(self.reports, worker=outcome.worker), outcome.finished)
        return Record(
            key=drop.key,
            task=PurePosixPath(report.invalid_path(task)).stem,
            status=str(Status.INVALID),
            worker=outcome.worker,
            claim=outcome.claim,
            attempt=outcome.attempt,
            finished=utc(outcome.finished),
            files={report.invalid_path(task): self._clean(text)},
        )

    def _finished_task(self, task: Task, outcome: Outcome, where: str) -> str:
        additions = {
            "status": str(outcome.status),
            "report": f"[[{where.removesuffix('.md')}]]",
            "finished": utc(outcome.finished),
            "worker": outcome.worker,
            "revision": task.revision,
        }
        try:
            return frontmatter.amend(task.raw, additions)
        except GoferError:  # a dead letter, which nothing may parse again
            return frontmatter.dump(additions, task.raw)

    def _free(self, path: str) -> str:
        """The path, or the next one of its kind when there is a file: a second decision of the day on one task."""
        stem = path.removesuffix(".md")
        paths = (path if number == 1 else f"{stem}-{number}.md" for number in count(1))
        return next(free for free in paths if not (self.root / free).exists())

    def _quiet_line(self, count: int, when: datetime, worker: str) -> str:
        """Checks that had nothing to say reach the ledger with the next line that is written anyway."""
        line = {"v": 1, "type": HEARTBEAT, "status": "done", "quiet": count, "worker": worker, "finished": utc(when)}
        if spared := self._baselines.of_quiet(count) if self._baselines else None:
            line |= {
                "estimated": spared.estimated,
                "cost_usd": 0.0,
                "baseline_model": self.gate.value(spared.model, 200),
                "baseline_usd": spared.usd,
                "price_date": spared.dated.isoformat() if spared.dated else None,
            }
        return json.dumps(line)

    def _clean(self, text: str) -> str:
        """The last look before anything is written: what still holds a secret is withheld whole (D13)."""
        text = self.gate.redact(text)
        if found := self.gate.scan(text.encode()):
            return frontmatter.dump({"type": "withheld"}, f"Withheld: it holds a secret ({', '.join(found)}).\n")
        return text

    def _entries(self, folder: str) -> int:
        """How many files a folder holds: counted once, then our own are added, and counted anew now and then."""
        known, added = self._counts.get(folder, (0, RECOUNT))
        if added >= RECOUNT:
            known, added = _count(self.root / folder), 0
            self._counts[folder] = known, added
        return known + added

    def _enter(self, path: str) -> str:
        folder = path.rpartition("/")[0]
        known, added = self._counts.get(folder, (0, 0))
        self._counts[folder] = known, added + 1
        return path

    def unreadable(self, drop: Drop) -> Task:
        """A directory entry that cannot be read as a task at all: a link, a pipe, too many bytes."""
        name = PurePosixPath(drop.path).name
        problem = Problem(
            f"{name} cannot be read as a task: {drop.refused}", fix="put a regular text file with the request there"
        )
        key = drop.key.partition(":")[0][:12]
        return Task(derived_id(name, key), drop.path, name, "", "", key, problem=problem)

    def dead_letter(self, drop: Drop) -> Task:
        """A drop that brought the worker down too often: its bytes as they are, nothing parsed."""
        stem = PurePosixPath(drop.path).stem
        try:
            raw = normal_form(drop.raw or b"")
        except UnicodeDecodeError:
            raw = (drop.raw or b"").decode("utf-8", "replace")
        return Task(derived_id(stem, raw), drop.path, stem, "", raw, revision(raw), type="handoff")


def _prompt_names(root: Path) -> frozenset[str]:
    return frozenset(path.stem for path in (root / "prompts").glob("*.md"))


def _count(folder: Path) -> int:
    try:
        return len(os.listdir(folder))
    except OSError:
        return 0
