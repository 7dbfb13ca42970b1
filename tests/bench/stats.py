"""The row on `gofer stats`: a million ledger lines, the real command in a process of its own, twice."""

from __future__ import annotations

import random
import resource
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from agent.vault.layout import ledger_path
from tests.bench import workers
from tests.bench.place import Place
from tests.bench.rows import Row, Size

SEGMENT = 64 * 1024  # bytes: what a worker writes before it begins a new file
DAYS = 365
TODAY = date(2026, 11, 25)
TARGET = 0.5  # seconds
CALLS = 5

# type, role, tier, provider, model, cost, baseline, what came of it
_KINDS = (
    ("heartbeat", "heartbeat", "trivial", "none", "none", "0.0", "null"),
    ("file", "organization", "trivial", "none", "none", "0.0", "null"),
    ("status", "data", "trivial", "none", "none", "0.0", "0.004"),
    ("summarize", "research", "standard", "ollama", "qwen3:8b", "0.0", "0.00816"),
    ("ask", "task", "standard", "ollama", "qwen3:8b", "0.0", "0.0031"),
    ("ask", "task", "complex", "lead", "claude-opus-4-6", "0.0123", "0.0123"),
    ("handoff", "task", "complex", "lead", "unknown", "null", "null"),
)
_ENDS = ("done",) * 16 + ("failed", "needs-review", "handed-off", "unknown")


def second_call(place: Place, size: Size) -> Iterator[Row]:
    vault = place.vault(size.small)
    count = 1_000_000 if size.rounds > 1 else 10_000
    files = write_ledger(vault.path, count)
    command = [sys.executable, "-m", "agent", "stats", "--json", "--vault", str(vault.path), "--days", str(DAYS)]
    first = workers.seconds_of(command, place.env())
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    second = min(workers.seconds_of(command, place.env()) for _ in range(CALLS))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / CALLS
    yield Row(
        f"`gofer stats --json --days {DAYS}` over {count:,} ledger lines in {files:,} files: the second call, the best "
        f"of {CALLS} ({worked:.3f} s of a core each; the first call: {first:.1f} s)",
        f"{second:.3f} s", "", f"1/{first / second:.0f} of the first", f"≤ {TARGET:g} s", second <= TARGET,
    )  # fmt: skip


def write_ledger(root: Path, count: int) -> int:
    """So many lines in segments as a worker writes them, spread over a year; returns the number of files."""
    dice, files, written = random.Random(1), 0, 0
    (root / "memory" / "ledger").mkdir(parents=True, exist_ok=True)
    for back in range(DAYS):
        day, number = TODAY - timedelta(days=DAYS - 1 - back), 1
        lines: list[str] = []
        length = 0
        for serial in range(count * back // DAYS, count * (back + 1) // DAYS):
            line = _line(dice, day, serial)
            if length + len(line) > SEGMENT:
                (root / ledger_path("bench", day, number)).write_text("".join(lines), "ascii")
                lines, length, number, files = [], 0, number + 1, files + 1
            lines.append(line)
            length += len(line)
            written += 1
        (root / ledger_path("bench", day, number)).write_text("".join(lines), "ascii")
        files += 1
    assert written == count
    return files


def _line(dice: random.Random, day: date, serial: int) -> str:
    kind, role, tier, provider, model, cost, baseline = dice.choice(_KINDS)
    status = dice.choice(_ENDS)
    taken, given = (dice.randrange(100, 4000), dice.randrange(20, 800)) if provider != "none" else (0, 0)
    reason = '"low-confidence"' if status == "handed-off" else "null"
    return (
        f'{{"v":1,"task":"task-{serial:08x}","title":"A task of the bench, number {serial}","type":"{kind}",'
        f'"role":"{role}","tier":"{tier}","status":"{status}","worker":"bench","model":"{model}",'
        f'"provider":"{provider}","thinking":"off","input_tokens":{taken},"output_tokens":{given},"estimated":false,'
        f'"cost_usd":{cost},"baseline_model":"claude-opus-4-6","baseline_usd":{baseline},"price_date":"2026-11-01",'
        f'"started":"{day}T09:29:52Z","finished":"{day}T09:30:00Z","duration_s":8.1,"attempt":1,'
        f'"route":"{tier}: delegation.md row 14","reason":{reason}}}\n'
    )
