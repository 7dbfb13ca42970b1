"""The status report: every known fact in a line, nothing invented."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.files import VaultFiles
from agent.handlers.base import Context
from agent.handlers.status import HANDLER, size_line
from agent.vault.values import Result, Status, Task


def report(folder: Path, facts: dict[str, Any]) -> Result:
    context = Context(
        task=Task("t", "inbox/t.md", "t", "", "", "0" * 12),
        now=datetime(2026, 11, 20, tzinfo=UTC),
        files=VaultFiles(folder),
        ask=lambda *args, **kwargs: pytest.fail("no model is asked"),
        facts=lambda: facts,
        note=lambda line: None,
        check=lambda: None,
        memory=folder,
        run_dir=folder,
    )
    return HANDLER.run(context, HANDLER.params())


def test_every_known_fact_has_its_line(tmp_path: Path) -> None:
    result = report(
        tmp_path,
        {
            "worker": "laptop-1",
            "queue": {"open": 3, "waiting": 1, "failed": 0},
            "recent": [
                {"task": "a-1", "title": "Weekly digest", "status": "done", "model": "qwen3:8b", "duration_s": 8.1},
                {"task": "b-2", "status": "failed"},
            ],
            "models": [{"name": "qwen3:8b", "ok": True}, {"name": "qwen3:4b", "ok": False, "detail": "not pulled"}],
            "sync": {"ahead": 2, "last_push": "2026-11-20T09:00:00Z", "problem": ""},
            "disk": {"free_bytes": 3 << 30, "total_bytes": 1 << 40},
            "handoffs": [{"id": "c-3", "title": "Review", "status": "open"}, {"id": "d-4", "status": "answered"}],
            "quiet_beats": 7,
        },
    )
    assert result.status is Status.DONE
    assert result.findings == (
        "Worker: laptop-1",
        "Queue: 3 open, 1 waiting",
        "Model qwen3:8b: ready",
        "Model qwen3:4b: away (not pulled)",
        "Sync: ahead 2, last push 2026-11-20T09:00:00Z",
        "Disk: 3.0 GiB of 1.0 TiB free",
        "Hand-offs without an answer: 1 (Review)",
        "Quiet heartbeats since the last report: 7",
    )
    (section,) = result.sections
    assert section.title == "Last 2 runs"
    assert section.text == "- Weekly digest: done (qwen3:8b, 8.1 s)\n- b-2: failed (none)"


def test_nothing_known_is_an_empty_queue_and_no_invention(tmp_path: Path) -> None:
    result = report(tmp_path, {})
    assert result.findings == ("Queue: empty",)
    assert result.sections == ()
    assert not result.quiet


def test_only_the_newest_five_runs_are_shown_in_short_lines(tmp_path: Path) -> None:
    runs = [{"task": f"t-{number}", "title": "long " * 100, "status": "done"} for number in range(50)]
    (section,) = report(tmp_path, {"recent": runs}).sections
    assert section.text.count("\n") == 4
    assert max(map(len, section.text.splitlines())) < 120


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (1 << 42, "4.0 TiB")],
)
def test_sizes_are_said_as_people_say_them(count: int, said: str) -> None:
    assert size_line(count) == said
