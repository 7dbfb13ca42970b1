"""A vault, a state folder and a clock in which beats happen, and what the worker of that vault knows of itself.

Lists, hand-offs, the ledger and reports are real files, read as the desk reads them; what a test cannot bring about
(a full disk, a remote that has been away for days) is told as the desk would tell it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent import facts, frontmatter, selfview
from agent.config.tables import Money
from agent.config.values import Settings
from agent.files import VaultFiles
from agent.gate import OutputGate
from agent.handlers.base import Context
from agent.handlers.heartbeat import HANDLER
from agent.models.base import Health
from agent.paying import Purse
from agent.text import utc
from agent.vault import handoff, ledger, report
from agent.vault.report import ReportSettings
from agent.vault.values import Priority, Result, Status, Task
from tests.vault.samples import TASK, code_run, lead_run

START = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
STEP = timedelta(minutes=5)
GATE = OutputGate()
ROOMY = {"free_bytes": 1 << 38, "total_bytes": 1 << 40, "free_inodes": 1 << 22, "total_inodes": 1 << 25}


class World:
    """`hook` is what was given to the alert hook, in order; `hook_fails` why it fails."""

    def __init__(self, folder: Path) -> None:
        self.vault, self.state = folder / "vault", folder / "state" / "this"
        self.memory = folder / "state" / "this" / "memory" / "heartbeat"
        self.vault.mkdir(parents=True)
        self.memory.mkdir(parents=True)
        self.now, self.number = START, 0
        self.known: dict[str, Any] = {
            "disk": dict(ROOMY), "state_disk": None, "sync": {"waiting": 0, "problem": ""}, "tasks": [], "workers": [],
            "neighbours": [], "schedules": [], "mailboxes": [], "inbox": "", "queue": {},
        }  # fmt: skip
        self.models = {"qwen3:8b": Health(True, "ollama", "ready")}
        self.caps = Money(per_task_usd=1, per_day_usd=10, per_month_usd=0)
        self.hook: list[str] = []
        self.hook_fails = ""
        self.published: list[str] = []
        self.reports: list[Result] = []

    # -- what can be brought about -----------------------------------------------------------------------------------

    def put(self, path: str, text: str, age: timedelta = timedelta(hours=1)) -> Path:
        """A note, saved so long ago."""
        place = self.vault / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")
        when = (self.now - age).timestamp()
        os.utime(place, (when, when))
        return place

    def note(self, line: str, path: str = "HEARTBEAT.md") -> Callable[[], None]:
        """One more line of a list, saved long ago; returns what takes it out again."""
        place = self.vault / path
        before = place.read_text("utf-8") if place.exists() else "# List\n\n"
        self.put(path, before + line + "\n", timedelta(days=1))
        return lambda: self.put(path, place.read_text("utf-8").replace(line + "\n", ""), timedelta(days=1)) and None

    def handed(self, name: str, age: timedelta, life: timedelta, priority: str, status: str) -> Path:
        """A hand-off file as the scribe writes it."""
        task = replace(TASK, id=name, title=f"Title of {name}", priority=Priority(priority))
        outcome = replace(lead_run(task=task), finished=self.now - age)
        text = handoff.render(outcome, GATE, handoff.HandoffSettings(lifetime=life))
        return self.put(f"outbox/handoffs/{name}.handoff.md", frontmatter.amend(text, {"status": status}))

    def ended(self, name: str, status: Status) -> Path:
        """A finished run: its ledger line, and its report in the outbox."""
        outcome = code_run(task=replace(TASK, id=name, title=f"Title of {name}"), status=status)
        outcome = replace(outcome, started=self.now - timedelta(hours=1), finished=self.now - timedelta(minutes=59))
        book = self.vault / "memory" / "ledger" / "w1-2026-11-20-01.jsonl"
        book.parent.mkdir(parents=True, exist_ok=True)
        with book.open("a", encoding="utf-8") as lines:
            lines.write(ledger.line(outcome, GATE) + "\n")
        return self.put(f"outbox/{name}.md", report.render(outcome, GATE, ReportSettings()))

    def spend(self, usd: float) -> None:
        """What paid models took today, in the real account."""
        purse = Purse(Settings(money=Money(per_task_usd=100, per_day_usd=100, per_month_usd=100)), self.state)
        purse.settle(purse.reserve("t", usd, budget=None, now=self.now), usd)

    # -- beats -------------------------------------------------------------------------------------------------------

    def facts(self) -> dict[str, Any]:
        runs = facts.recent_runs(self.vault, 10_000)
        near = [{**row, "seen": row["seen"] or utc(self.now)} for row in self.known["neighbours"]]
        return {
            **self.known,
            "neighbours": near,
            "recent": [*({"task": name, "status": "done"} for name in self.published), *runs][: facts.RECENT],
            "failed": facts.unseen_failures(self.vault, runs),
            "handoffs": facts.handoffs(self.vault),
            "models": facts.models(self.models),
            "money": selfview.money(Settings(money=self.caps), self.state, self.now),
        }

    def beat(self, *, scheduled: bool = True, published: bool = True, step: timedelta = STEP, **context: Any) -> Result:
        """The next beat, some time later."""
        self.number += 1
        self.now += step
        name = f"beat-{self.number}"
        params = HANDLER.params.model_validate(context.pop("params", {}))
        result = HANDLER.run(
            Context(**{
                "task": Task(name, "inbox/x.md", "beat", "", "", "0" * 12, type="heartbeat", scheduled=scheduled),
                "now": self.now, "files": VaultFiles(self.vault), "ask": None, "facts": self.facts,
                "note": lambda line: None, "check": lambda: None, "memory": self.memory, "run_dir": self.memory,
                "worker": "w1", "alert": self.called, **context,
            }),
            params,
        )  # fmt: skip
        if published and not result.quiet:
            self.published.insert(0, name)
            self.reports.append(result)
        return result

    def called(self, text: str) -> str:
        """The alert hook."""
        self.hook.append(text)
        return self.hook_fails

    def heard(self) -> list[str]:
        """What the hook was told since it was asked last: `word: text [id]` each."""
        lines = [line for text in self.hook for line in text.splitlines()[1:]]
        self.hook.clear()
        return lines

    def ago(self, span: timedelta) -> str:
        return utc(self.now - span)


def alarms(result: Result) -> list[str]:
    """What a beat says is new: the whole lines, also those that its findings have no room for."""
    return [line for line in result.raw.splitlines() if line.startswith(("critical: ", "warning: ", "notice: "))]
