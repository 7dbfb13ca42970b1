"""A look at the vault from outside the worker: what lies there, what it would do, what needs a person.

It takes no lock, starts no git and writes nothing, so that it answers at once while a worker runs, and without one.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from agent import facts
from agent.admission import Situation, is_draft, not_now, with_parameters
from agent.approving import ASKED, NO_ANSWER, Approvals
from agent.board import Board
from agent.config import Settings, load_settings, state_dir
from agent.gate import OutputGate
from agent.handlers import HANDLERS
from agent.identity import identify
from agent.inbox import Drop, Inbox, Look
from agent.models.backends import EMBEDDED, OLLAMA, undefined
from agent.models.shelf import find_model
from agent.past import Past
from agent.rehearsing import Rehearsal
from agent.route.router import Router
from agent.route.types import KNOWN_TYPES
from agent.sandbox import Sandbox
from agent.schedules import Schedules
from agent.text import parse_utc
from agent.vault.finished import Archive
from agent.vault.handoff import ends_soon
from agent.vault.layout import approval_path, invalid_report_path
from agent.vault.names import is_schedule
from agent.vault.task import read_task
from agent.vault.values import Status, Task

FULL_DISK = 200 << 20  # bytes left
OLD = 86400.0


@dataclass(frozen=True, slots=True)
class Item:
    """One row of `gofer list`."""

    id: str
    title: str
    state: str
    type: str
    tier: str
    priority: str
    path: str | None
    report: str | None
    reason: str | None


class Survey:
    """One vault as it lies there now."""

    def __init__(self, root: Path, env: Mapping[str, str], now: datetime) -> None:
        self.root, self.env, self.now = root, env, now
        self.settings: Settings = load_settings(root, env)
        self.state = state_dir(root, env)
        self.board = Board(self.state / "board.json").read()
        self.archive = Archive(root)
        self.router = Router(root, self.settings.names)
        self.approvals = Approvals(root, self.state, OutputGate(secrets=self.settings.secret_values))

    @property
    def working(self) -> bool:
        """Whether a worker runs in this clone now."""
        pid = self.board.get("pid")
        try:
            os.kill(int(pid), 0)  # type: ignore[arg-type]
        except (TypeError, ValueError, ProcessLookupError):
            return False
        except PermissionError:
            return True
        return True

    def workers(self) -> list[dict[str, Any]]:
        """The workers of this clone as the board shows them; those of a worker that was killed have stopped."""
        rows = [{**row, "local": True} for row in self.board.get("workers", [])]
        return rows if self.working else [{**row, "state": "STOPPED", "task": None, "pid": None} for row in rows]

    def waiting(self) -> list[Item]:
        """What lies in the inbox, the most urgent first."""
        look, running = self._look, self._running
        said = self.board.get("waiting", {}) if self.working else {}
        items = []
        for path in (*look.ready, *look.settling):
            if is_schedule(path):
                continue
            try:
                raw = (self.root / path).read_bytes()
            except OSError:
                continue  # taken by a worker since
            identity = identify(read_task(raw, path, types=KNOWN_TYPES), self.root, self.archive, {})
            if not identity.left_over:
                task = with_parameters(identity.task)
                items.append(self._item(task, path in running, str(said.get(path, ""))))
        items += [
            Item(
                _refused_id(drop), drop.path, str(Status.INVALID), "auto", "auto", "normal", drop.path, None,
                drop.refused,
            )
            for drop in look.refused
        ]  # fmt: skip
        return items

    @cached_property
    def _look(self) -> Look:
        inbox = Inbox(self.root, 0.0, 0.0, lambda path, raw: False)
        return inbox.look(time.monotonic(), self.now.timestamp())

    @property
    def _running(self) -> frozenset[str]:
        return frozenset(run["path"] for run in self.board.get("running", [])) if self.working else frozenset()

    @cached_property
    def _schedules(self) -> Schedules:
        """The schedules that lie there, with what the worker remembers of them."""
        hours = (self.settings.active_hours, self.settings.vault_active_hours)
        found = Schedules(self.state / "schedules.json", hours, lambda run: False, writes=False)
        for path in (*self._look.schedules, *filter(is_schedule, self._look.settling)):
            try:
                raw = (self.root / path).read_bytes()
            except OSError:
                continue
            task = read_task(raw, path, types=KNOWN_TYPES)
            found.learn(Drop(path, raw, (0, 0, 0, 0)), with_parameters(task))
        return found

    @cached_property
    def schedules(self) -> list[Item]:
        """Every schedule, with when it runs next and how its last run here ended; by name."""
        said = self.board.get("waiting", {}) if self.working else {}
        items = []
        for known, row in self._schedules.rows(self.now, self._running, drafts=True):
            item = self._item(replace(known.task, id=row["name"]), row["path"] in self._running, "")
            if row["problem"] and row["next"] is None:
                item = replace(item, state=str(Status.INVALID), reason=row["problem"])
            elif item.state in (Status.OPEN, Status.WAITING):
                waits = str(said.get(row["path"], "")) or self._next_run(row["next"])
                if row["overdue_s"] and not self.working:
                    due = self.now - timedelta(seconds=row["overdue_s"])
                    waits = f"was due {due:%Y-%m-%d %H:%M} UTC, and no worker runs here (gofer run); {waits}"
                last = self._schedules.last(known)
                item = replace(item, state=str(Status.WAITING), reason=waits + (f"; last: {last}" if last else ""))
            items.append(item)
        return items

    def held(self) -> list[Item]:
        """The schedules of which a run is due and waits: for a model, a tick, another task."""
        said = self.board.get("waiting", {}) if self.working else {}
        return [item for item in self.schedules if item.state == Status.WAITING and item.path in said]

    def unattended(self) -> list[dict[str, str]]:
        """The schedules that a worker of this clone looked after, and that do not run because none is there."""
        late = {} if self.working else self._schedules.unattended(self.now)
        return [_problem(f"{said}: no worker runs here", path, "gofer run") for path, said in late.items()]

    def due(self) -> list[Item]:
        """The runs of schedules that are at work now, by their ids."""
        runs = {run["path"]: run["id"] for run in self.board.get("running", [])} if self.working else {}
        return [replace(item, id=runs[item.path]) for item in self.schedules if item.path in runs]

    def _next_run(self, next_: str) -> str:
        minutes = max(0, int((parse_utc(next_) - self.now).total_seconds()) // 60)
        days, hours = minutes // 1440, minutes // 60
        short = f"{minutes} min" if minutes else "less than a minute"
        wait = short if not hours else f"{hours} h {minutes % 60} min" if hours < 48 else f"{days} days"
        return f"next run {next_[:16].replace('T', ' ')} UTC (in {wait})"

    def _item(self, task: Task, running: bool, said: str) -> Item:
        decision = self.router.route(task)
        situation = Situation(
            HANDLERS,
            self.settings.worker.offers,
            (self.root / ".obsidian").is_dir(),
            partial(facts.outcome_of, self.root, self.archive),
            self._away,
            partial(self.approvals.why_waits, now=self.now),
        )
        reason = said or not_now(task, decision, situation, self.now, committed=False, told=True)
        state = Status.OPEN
        if is_draft(task, reason):
            state = Status.DRAFT
        elif task.problem is not None:
            state = Status.INVALID
        elif running:
            state, reason = Status.RUNNING, ""
        elif reason:
            state = Status.WAITING
        return Item(
            task.id, task.title, str(state), decision.type, str(decision.tier), str(task.priority), task.path, None,
            reason or None,
        )  # fmt: skip

    @cached_property
    def _server_away(self) -> str:
        """Why the model server cannot answer, as far as that can be seen at once; a worker here knows better."""
        return "" if self.working else next((m["detail"] for m in self.models() if not m["ok"]), "")

    def _away(self, model: str) -> str:
        """Why a model cannot answer, as far as that can be seen here: of a named one only a worker knows."""
        named = undefined(model, self.settings)
        return named or (self._server_away if model in ("local", "auto") else "")

    def rehearsal(self) -> list[dict[str, Any]]:
        """The data of `run --dry-run --json`: what would go where, why it waits, and what code would change."""
        rows: list[dict[str, Any]] = []
        past = Past(self.root, self.state)
        rehearsal = Rehearsal(self.root, past, self.now)
        for item in self.waiting():
            if item.state == Status.INVALID or item.path is None:
                none = dict.fromkeys(("tier", "type", "who", "model"))
                rows.append({"id": item.id, "title": item.title, "path": item.path, "state": item.state, **none,
                             "reason": item.reason or "", "waits": item.reason or "", "plan": None})  # fmt: skip
                continue
            task = read_task((self.root / item.path).read_bytes(), item.path, types=KNOWN_TYPES)
            decision = self.router.route(task)
            rows.append({
                "id": item.id, "title": item.title, "path": item.path, "state": item.state,
                "tier": str(decision.tier), "type": decision.type, "who": str(decision.who),
                "model": decision.model, "reason": decision.reason, "waits": item.reason or "",
                "plan": rehearsal.plan(task, decision),
            })  # fmt: skip
        past.rest()
        return rows

    def ended(self, count: int = facts.RECENT) -> Iterator[Item]:
        """What was handed off or ended lately, newest first; each task once, as it stands now."""
        seen: set[str] = set()
        for line in facts.recent_runs(self.root, count):
            if (task := str(line["task"])) in seen:
                continue  # handed off before it was answered
            seen.add(task)
            found = self.archive.find(str(line["task"]))
            report = f"outbox/{line['task']}.md"
            yield Item(
                str(line["task"]), str(line.get("title", "")), str(line.get("status", "")), str(line.get("type", "")),
                str(line.get("tier", "")), "normal", found.path if found else None,
                report if (self.root / report).exists() else None, line.get("reason"),
            )  # fmt: skip

    def queue(self, items: list[Item]) -> dict[str, int]:
        counts = facts.queue(Status(item.state) for item in items)
        open_handoffs = [h for h in facts.handoffs(self.root) if h["status"] in ("open", "claimed")]
        return {**counts, "handed-off": len(open_handoffs)}

    def models(self) -> list[dict[str, Any]]:
        """Who answers for `local`: what the worker found out; without one, the first in the order of choice that
        seems to be there, as far as that can be seen at once."""
        known: list[dict[str, Any]] = self.board.get("models", []) if self.working else []
        if known:
            return [{"provider": "ollama", **model} for model in known]
        seen = [one for name in self.settings.backends.order if (one := self._glance(name))]
        return [next((one for one in seen if one["ok"]), seen[0])] if seen else []

    def _glance(self, provider: str) -> dict[str, Any] | None:
        """A backend as it looks from here: a model file that is there, a port at which somebody listens. None for one
        that has nothing to do with `local`."""
        if provider == EMBEDDED:
            path = find_model(self.settings.embedded.path, self.env)
            if path is None:
                return None
            detail = f"{path} is {'there; gofer doctor looks into it' if path.exists() else 'not there'}"
            return {"name": path.stem, "provider": provider, "ok": path.exists(), "detail": detail, "fix": ""}
        listed = self.settings.providers.get(provider)
        if provider != OLLAMA and (listed is None or not listed.model):
            return None
        url, name = (listed.url, listed.model) if listed else (self.settings.ollama.host, self.settings.model.name)
        host = urlsplit(url)
        what = "Ollama" if provider == OLLAMA else f"the server '{provider}'"
        port = host.port or (443 if host.scheme == "https" else 80)
        try:
            socket.create_connection((host.hostname or "127.0.0.1", port), timeout=0.3).close()
        except OSError as error:
            detail, fix = f"{what} does not answer at {url} ({error.strerror or error})", "start it"
            fix = "ollama serve" if provider == OLLAMA else fix
            return {"name": name, "provider": provider, "ok": False, "detail": detail, "fix": fix}
        detail = f"a server answers at {url}; gofer doctor asks it for the model"
        return {"name": name, "provider": provider, "ok": True, "detail": detail, "fix": ""}

    @property
    def sandbox(self) -> Sandbox:
        """The sandbox around checks, as this machine's settings wish it."""
        return Sandbox(self.settings.sandbox.level, self.env)

    @property
    def shuts_in(self) -> bool:
        """Whether a command is registered that belongs into the sandbox."""
        return bool(self.settings.checks) or any(one.sandbox for one in self.settings.executors.values())

    def problems(self, items: list[Item], *, elsewhere: bool = False) -> list[dict[str, str]]:
        """What needs a person, each with where and one thing to do. `elsewhere`: another machine has a worker."""
        found = [_problem(f.what, f.where, f.fix) for f in self.settings.findings]
        self.router.matrix()
        if problem := self.router.problem:
            found.append(_problem(problem.what, problem.where, problem.fix or problem.why))
        for item in items:
            if item.state == Status.INVALID:
                found.append(
                    _problem(item.reason or "not a task", item.path or "", "mend the file; its report says how")
                )
        if (stuck := str(self.board.get("stuck", ""))) and self.working:
            found.append(_problem(f"{self.board.get('owed', 0)} results wait to be committed", stuck, "gofer doctor"))
        if (trouble := str(self.board.get("trouble", ""))) and self.working:
            found.append(_problem(trouble, str(self.root / "inbox"), "gofer doctor"))
        for path, late in (self.board.get("late") or {}).items() if self.working else ():
            found.append(_problem(late, path, "gofer list says why it waits"))
        if facts.disk(self.root)["free_bytes"] < FULL_DISK:
            found.append(_problem("the disk is nearly full", str(self.root), "make room"))
        closed = self.settings.sandbox.level == "restricted" and self.settings.checks
        if closed and (none := self.sandbox.found).path is None:
            found.append(_problem(f"checks cannot run: {none.trouble}", "sandbox.level in config.toml", none.fix))
        found += self._handoffs()
        asked = [item for item in items if item.reason and item.reason.startswith(ASKED)]
        found += [
            _problem(f"{item.id} waits for your tick", approval_path(item.id), f"tick it, or: gofer approve {item.id}")
            for item in asked
        ]
        broken = [item for item in items if item.reason and f" {NO_ANSWER}: " in item.reason]
        found += [_broken(item) for item in broken]
        ready = [item for item in items if item.state == Status.OPEN]
        if ready and not self.working:
            what = f"{counted(len(ready), 'task')} ready and no worker runs here"
            fix = "gofer sync, and a worker of another machine takes it; or gofer run" if elsewhere else "gofer run"
            found.append(_problem(what, str(self.root), fix))
        return found

    def _handoffs(self) -> Iterator[dict[str, str]]:
        """The hand-offs that nobody has answered, and that end soon or have."""
        for handed in facts.handoffs(self.root):
            if handed["status"] not in ("open", "claimed"):
                continue
            created, expires = parse_utc(handed["created"]), parse_utc(handed["expires"])
            left, age = (expires - self.now).total_seconds(), (self.now - created).total_seconds()
            if left <= 0:
                said = f"hand-off {handed['id']} expired unanswered"
                yield _problem(said, handed["path"], "answer it, or retry")
            elif ends_soon(left, age):
                said = f"hand-off {handed['id']} expires in {int(left // 3600)} h without an answer"
                yield _problem(said, handed["path"], f"gofer handoff show {handed['id']}")


def stop_problem(stop: str, since: float, now: datetime) -> dict[str, str] | None:
    """A vault that has been stopped for so long that somebody may have forgotten it. No heartbeat can tell that."""
    days = int((now.timestamp() - since) // OLD)
    if not stop or days < 1:
        return None
    return _problem(f"nothing has started for {days} day{'s' * (days != 1)}, heartbeats neither", stop, "gofer resume")


def counted(count: int, what: str) -> str:
    """`1 task is`, `2 tasks are`."""
    return f"{count} {what} is" if count == 1 else f"{count} {what}s are"


def _refused_id(drop: Drop) -> str:
    """The name of the report on what cannot be read at all."""
    return PurePosixPath(invalid_report_path(PurePosixPath(drop.path).stem, drop.key)).stem


def _broken(item: Item) -> dict[str, str]:
    """A task whose approval is no answer, as a problem."""
    what, _, fix = str(item.reason).partition("; ")
    return _problem(what, str(item.path), fix)


def _problem(what: str, where: str, fix: str) -> dict[str, str]:
    return {"what": what, "where": where, "fix": fix}
