"""What a worker knows of itself and its vault: counted from files, for status, heartbeat and the command line."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from agent.errors import GoferError, PersonMustAct
from agent.models.base import Health
from agent.text import parse_utc, utc
from agent.vault import handoff, ledger
from agent.vault.finished import Archive
from agent.vault.layout import DECISIONS, OUTBOX
from agent.vault.values import Status

RECENT = 20  # ledger lines
UNSEEN = 100  # of those that ended badly


def recent_runs(root: Path, count: int = RECENT) -> list[dict[str, Any]]:
    """The newest ledger lines of all workers, newest first."""
    folder = root / ledger.FOLDER
    segments = sorted(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns, reverse=True)[:4]
    lines = [line for path in reversed(segments) for line in _lines(path)]
    return sorted(lines, key=lambda line: str(line.get("finished", "")))[::-1][:count]  # of one second, the last first


def _lines(segment: Path) -> list[dict[str, Any]]:
    """The runs of one segment; none of a segment that is damaged, which doctor names."""
    try:
        return [line for line in ledger.read([segment]) if "task" in line]
    except (PersonMustAct, OSError):
        return []


def outcome_of(root: Path, archive: Archive, name: str) -> Status | None:
    """What became of a task that somebody calls by its id, its file name or its title; None while it has not ended."""
    if found := archive.resolve(name):
        return found.status or Status.UNKNOWN
    wanted = name.strip().casefold()
    titled = (line for line in recent_runs(root, 10_000) if str(line.get("title", "")).strip().casefold() == wanted)
    return next((Status(line["status"]) for line in titled), None)


def handoffs(root: Path) -> list[dict[str, Any]]:
    """Every hand-off file: id, title, status, created, expires, path."""
    found = []
    for path in sorted((root / "outbox" / "handoffs").glob("*.handoff.md")):
        try:
            said = handoff.parse(path.read_text("utf-8", "replace"))
        except (GoferError, ValueError, OSError):
            continue
        keys = ("id", "title", "status", "reason", "priority", "created", "expires")
        found.append({**{key: _plain(said.get(key, "")) for key in keys}, "path": str(path.relative_to(root))})
    return found


def mailboxes(state: Path) -> list[dict[str, Any]]:
    """What is known of each mailbox that was polled here: name, unread (fetched and not acknowledged), seq, last_poll,
    problem."""
    found = []
    for path in sorted((state / "memory" / "mailbox").glob("*.json")):
        try:
            said = json.loads(path.read_text("utf-8"))
            known = said["acked"] if said["acknowledges"] else said["seq"]
            behind = [message for message in said["kept"] if known is None or message["seq"] > known]
            found.append(
                {"name": said["box"], "unread": len(behind), "seq": said["seq"], "last_poll": said["polled"],
                 "problem": said["problem"]}
            )  # fmt: skip
        except (OSError, ValueError, TypeError, KeyError):
            continue
    return found


def _plain(value: object) -> str:
    return utc(value) if isinstance(value, datetime) else str(value)


def last_day(runs: Iterable[Mapping[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """How many of these ledger lines are of the last 24 hours, by type and status; the most frequent first."""
    since = utc(now - timedelta(days=1))
    counted = Counter((str(r.get("type", "")), str(r.get("status", ""))) for r in runs if str(r["finished"]) > since)
    return [{"type": type_, "status": status, "runs": count} for (type_, status), count in counted.most_common()]


def unseen_failures(root: Path, runs: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of ledger lines, newest first, those of tasks that ended badly, and whose report nobody took out of the outbox
    and nobody decided on."""
    bad, ended = {Status.FAILED, Status.UNKNOWN, Status.NEEDS_REVIEW}, set()
    found = []
    for line in runs:
        task = str(line["task"])
        if task not in ended and line.get("status") in bad and (root / OUTBOX / f"{task}.md").exists():
            found.append(line)
        ended.add(task)
    if not found:
        return []
    decided = list((root / DECISIONS).glob("*.md"))
    return [line for line in found if not _is_decided(str(line["task"]), decided)][:UNSEEN]


def _is_decided(task: str, decided: Iterable[Path]) -> bool:
    """Whether one of these decisions is on how a task ended; one on its plan came before that."""
    mine = [path for path in decided if path.stem.endswith(f"-{task}")]
    return any(b"\napproval: " not in path.read_bytes()[:1024] for path in mine)


def asked(root: Path) -> list[str]:
    """The ids of the tasks that have asked for a tick."""
    return [path.stem for path in (root / "outbox" / "approvals").glob("*.md")]


def disk(root: Path) -> dict[str, int]:
    """Free and total bytes where a folder lies, and how many files fit there; of a file system that does not count
    them the total is 0."""
    usage, inodes = shutil.disk_usage(root), os.statvfs(root)
    return {
        "free_bytes": usage.free, "total_bytes": usage.total,
        "free_inodes": inodes.f_favail, "total_inodes": inodes.f_files,
    }  # fmt: skip


def other_disk(state: Path, root: Path) -> dict[str, int] | None:
    """The same for the state folder, None where it lies on the vault's own disk."""
    return disk(state) if os.stat(state).st_dev != os.stat(root).st_dev else None


def queue(states: Iterable[Status]) -> dict[str, int]:
    """How many tasks stand where, by status word; every word that has not ended is there, with 0 too."""
    counted = Counter(str(state) for state in states)
    words = (Status.OPEN, Status.DRAFT, Status.WAITING, Status.RUNNING, Status.INVALID)
    return {str(word): counted.get(word, 0) for word in words}


def models(health: Mapping[str, Health]) -> list[dict[str, Any]]:
    return [
        {"name": name, "provider": h.provider, "ok": h.ok, "detail": h.detail, "fix": h.fix}
        for name, h in health.items()
    ]


def stopped(root: Path) -> str:
    """The name of the file that stops every worker of this vault, "" when there is none."""
    return next((name for name in ("STOP", "STOP.md") if os.path.lexists(root / name)), "")


def age(since: str, now: datetime) -> str:
    """How long ago a UTC time was, in words."""
    try:
        seconds = (now - parse_utc(since)).total_seconds()
    except ValueError:
        return since
    for size, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {word}"
    return f"{int(max(0, seconds))} s"
