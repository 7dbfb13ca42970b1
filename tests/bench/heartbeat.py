"""What a heartbeat that has nothing to say costs: processor time of the desk and its worker process."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from agent.border import execute
from agent.claims import Wanted
from agent.desk import Desk
from agent.inbox import Drop
from agent.vault.task import read_task
from tests.bench.place import Place, Vault, until
from tests.bench.rows import Row, Size

FILES, NOTES = 100, 10_000
TARGET = 60.0  # ms of processor time


def quiet_beat(place: Place, size: Size) -> Iterator[Row]:
    """Scheduled beats on the road's own stations, one after the other, in a vault whose notes lie in memory/."""
    count = NOTES if size.beats > 10 else 500
    vault = _vault_with_notes(place, count)
    desk = Desk(vault.path, place.env(), workers=1)
    try:
        _beat(desk, "first")  # its process starts and imports what it needs; and it tells that no model is there
        until(lambda: bool(desk.outlet.publish(datetime.now(UTC)).records), 30, "the first report")
        before = vault.git("rev-parse", "HEAD")
        times = [_beat(desk, f"beat-{number}") for number in range(size.beats)]
        commits, quiet = vault.git("rev-parse", "HEAD") != before, desk.journal.quiet == size.beats
    finally:
        desk.close()
    whole = [sum(pair) * 1000 for pair in times]
    took = median(whole)
    yield Row(
        f"a heartbeat with nothing to say, {count:,} notes in memory/, median of {size.beats}: processor time of the "
        f"desk ({median(t[0] for t in times) * 1000:.1f} ms) and of its worker process "
        f"({median(t[1] for t in times) * 1000:.1f} ms), the longest {max(whole):.1f} ms; tokens, commits",
        f"{took:.1f} ms, 0 tokens, {int(commits)} commits", "", "", f"≤ {TARGET:g} ms, 0, 0",
        quiet and took <= TARGET and not commits,
    )  # fmt: skip


def _vault_with_notes(place: Place, count: int) -> Vault:
    vault = place.vault(FILES)
    for number in range(count):
        note = vault.path / "memory" / "notes" / f"{number // 100:03}" / f"note-{number:05}.md"
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(f"# Note {number}\n\n- [ ] something\n", "utf-8")
    (vault.path / "HEARTBEAT.md").write_text("# Watch\n\n- [ ] renew the domain (due 2999-01-01)\n", "utf-8")
    vault.git("add", "-A")
    vault.git("commit", "-q", "-m", "notes")
    return vault


def _beat(desk: Desk, name: str) -> tuple[float, float]:
    """One scheduled beat; seconds of processor time here and in the worker process."""
    here, there = time.process_time(), _spent(_worker(desk))
    raw, now = b"---\ntype: heartbeat\nevery: 30m\n---\nBeat\n", datetime.now(UTC)
    drop = Drop("inbox/schedules/beat.md", raw, (0, 0, 0, 0))
    task = replace(read_task(raw, drop.path, scheduled=True), id=name)
    decision = desk.router.route(task)
    desk.journal.begin([drop.key])
    claim = desk.claims.take([Wanted(task.id, task.revision, 1)])[task.id]
    assert claim is not None
    desk.workbench.start(drop, task, decision, claim, now, execute)
    ended = desk.workbench.collect()
    while not ended:
        ended = desk.workbench.collect()
    desk.outlet.record(ended)
    desk.outlet.deliver()
    desk.outlet.publish(now)
    return time.process_time() - here, _spent(_worker(desk)) - there


def _worker(desk: Desk) -> int | None:
    """The process that runs code, None before there is one."""
    return desk.workbench.code.posts[0].pid


def _spent(pid: int | None) -> float:
    """Seconds of processor time of a process's threads (proc_pid_schedstat: nanoseconds)."""
    if pid is None:
        return 0.0
    threads = (Path(f"/proc/{pid}/task") / name / "schedstat" for name in os.listdir(f"/proc/{pid}/task"))
    return sum(int(path.read_text("ascii").split()[0]) for path in threads) / 1e9
