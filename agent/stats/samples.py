"""Samples of what a local model did: finished runs of a span, drawn so that the same week gives the same ones."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent import frontmatter
from agent.errors import GoferError
from agent.files import Beneath
from agent.stats.buckets import LEAD
from agent.stats.reading import LEDGER_LIMIT
from agent.stats.summary import Span
from agent.text import normal_form
from agent.vault.finished import Archive, as_dropped
from agent.vault.layout import LEDGER, REPORTS
from agent.vault.task import read_task

STAYS = ("local", "none")  # words of a task's `model` key: its text never leaves this machine

_SEGMENT = re.compile(r".+-(\d{4}-\d\d-\d\d)-\d+\.jsonl")
_LINK = re.compile(rf"\[\[({REPORTS}/[a-z0-9/-]+)\]\]")
_ANSWER = re.compile(r"^## Findings\n(.*?)(?=^## Action Required$)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of a local model: what was asked, and what it made of it. Both are text of others', not redacted."""

    id: str
    type: str
    model: str
    report: str  # vault-relative path
    request: str
    answer: str


def draw(root: Path, span: Span, count: int, seed: str) -> list[Sample]:
    """At most `count` samples of the span. The seed alone decides which. Private tasks are never among them, nor those
    with `model: local`, nor what cannot be read beyond doubt: then nobody knows whether it is private."""
    archive, files = Archive(root), Beneath(root)
    found: list[Sample] = []
    runs = {str(row["task"]): row for row in _local_runs(root, span)}
    for task in sorted(runs, key=lambda task: hashlib.sha256(f"{seed}:{task}".encode()).digest()):
        if len(found) == count:
            break
        if sample := _sample(archive, files, task, runs[task]):
            found.append(sample)
    return found


def _local_runs(root: Path, span: Span) -> Iterator[dict[str, Any]]:
    first, last = span.texts
    for path in sorted((root / LEDGER).glob("*.jsonl")):
        day = _SEGMENT.fullmatch(path.name)
        if not day or not first <= day[1] <= last or path.stat().st_size > LEDGER_LIMIT:
            continue
        for raw in path.read_bytes().splitlines():
            try:
                row = json.loads(raw)
            except (ValueError, RecursionError):
                continue  # `gofer stats` tells of it
            if isinstance(row, dict) and _is_local(row):
                yield row


def _is_local(row: dict[str, Any]) -> bool:
    free = row.get("provider") not in ("none", LEAD) and row.get("cost_usd") == 0
    return free and row.get("status") == "done" and isinstance(row.get("task"), str)


def _sample(archive: Archive, files: Beneath, task: str, run: dict[str, Any]) -> Sample | None:
    if "/" in task or task.startswith(".") or not (finished := archive.find(task)):
        return None
    try:
        raw = normal_form(files.read(finished.path, 2 << 20))
        link = _LINK.fullmatch(str(frontmatter.read(raw).values.get("report", "")))
        asked = read_task(as_dropped(raw, finished.revision).encode(), finished.path)
        if asked.private or asked.model in STAYS or asked.problem or not link:
            return None
        report = f"{link[1]}.md"
        answer = _ANSWER.search(frontmatter.read(normal_form(files.read(report))).body)
    except (GoferError, OSError, UnicodeDecodeError):
        return None
    if not answer:
        return None
    kind, model = str(run.get("type", "")), str(run.get("model", ""))
    return Sample(task, kind, model, report, asked.text.strip() or asked.title, answer[1].strip())
