"""The row on the organizer: a plan over ten thousand notes that link to each other, in a process of its own.

    python -m tests.bench.organize FOLDER

plans there as the handler does and prints one JSON line: seconds of wall clock and CPU, peak memory, what it found.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from agent.files import VaultFiles
from agent.handlers.base import Context
from agent.handlers.organize import HANDLER, OrganizeParams
from agent.models.base import Answer
from agent.vault.values import Task
from tests.bench.place import Place
from tests.bench.rows import Row, Size
from tests.bench.workers import CHECKOUT

DAYS = 2000  # day notes among them, all but the newest 30 to be filed
LOGS = 200
SECONDS, MEBIBYTES = 5.0, 300.0
ROUNDS = 3
NOW = datetime(2026, 11, 25, 6, 0, tzinfo=UTC)
_WORDS = ("the", "plan", "for", "next", "week", "was", "moved", "because", "nobody", "had", "time", "to", "look", "at")


def plan(place: Place, size: Size) -> Iterator[Row]:
    """Nothing is cached between runs: each reads and scans every note. The first run is not told."""
    vault = place.root / "organize"
    notes = size.large
    made = _make(vault, notes)
    rounds = [_run(vault, place) for _ in range(ROUNDS + 1)][1:]
    seconds = max(run["seconds"] for run in rounds)
    memory = max(run["mebibytes"] for run in rounds)
    found = rounds[0]
    relinked = found["changes"] - 2 * found["moves"]
    yield Row(
        f"`organize` over {notes:,} notes ({made / 2**20:.0f} MiB, {found['links']:,.0f} links): the plan of "
        f"{found['moves']:,.0f} moves with {relinked:,.0f} other notes relinked, slowest of {ROUNDS} "
        f"({max(run['cpu'] for run in rounds):.1f} s of CPU), and the peak memory of the whole process",
        f"{seconds:.2f} s, {memory:.0f} MiB", "", "", f"≤ {SECONDS:g} s, ≤ {MEBIBYTES:g} MiB",
        seconds <= SECONDS and memory <= MEBIBYTES,
    )  # fmt: skip


def _run(vault: Path, place: Place) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.organize", str(vault)]
    done = subprocess.run(command, cwd=CHECKOUT, env=place.env(), capture_output=True, check=True)
    told: dict[str, float] = json.loads(done.stdout)
    return told


def _make(vault: Path, notes: int) -> int:
    """Day notes, notes in folders of a hundred, logs; ordinary lengths, four links to a note, code here and there."""
    chance, total = random.Random(7), 0
    days = min(DAYS, notes // 5)
    names = [f"note-{number:05}" for number in range(notes - days)]
    for number, name in enumerate(names):
        folder = f"memory/projects/{number // 100:03}"
        text = f'---\ntitle: {name}\ntags: [work, year/2026]\nup: "[[{chance.choice(names)}]]"\n---\n# {name}\n\n'
        text += "".join(_paragraph(chance, names, days) for _ in range(chance.randint(2, 12)))
        total += _write(vault / folder / f"{name}.md", text)
    for number in range(days):
        day = _day(number)
        text = f"# {day}\n\n- [ ] call [[{chance.choice(names)}]]\n- [x] done\n\n" + _paragraph(chance, names, days) * 3
        text += f"yesterday: [[{_day(number + 1)}]]\n"
        total += _write(vault / "memory" / "daily" / f"{day}.md", text)
    for number in range(min(LOGS, notes // 50)):
        line = "2026-01-02 03:04:05 INFO the server answered in 12 ms\n"
        total += _write(vault / "memory" / "logs" / f"server-{_day(number * 7)}.log", line * 500)
    return total


def _day(number: int) -> date:
    return NOW.date() - timedelta(days=number)


def _paragraph(chance: random.Random, names: list[str], days: int) -> str:
    words = " ".join(chance.choices(_WORDS, k=chance.randint(20, 60)))
    other, day = chance.choice(names), _day(chance.randrange(days))
    linked = chance.choice(
        [
            f"See [[{other}]]. ",
            f"See [[projects/{names.index(other) // 100:03}/{other}|that note]] and `[[no link]]`. ",
            f"On [{day}](../../daily/{day}.md) it was said. ",
            f"On [[daily/{day}#Plan|that day]]. ",
            f"```python\nprint('[[{other}]]')\n```\n",
            "",
        ]
    )
    return f"{words}\n{linked}\n\n"


def _write(path: Path, text: str) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return len(text.encode())


def _nobody(*_: object, **__: object) -> Answer:
    raise AssertionError("no model is asked")


def _measure(vault: Path) -> dict[str, float]:
    """One run of the handler, from a fresh process. Imports are not counted: a worker has them."""
    folder = vault.parent / "organize-memory"
    folder.mkdir(exist_ok=True)
    task = Task("bench", "inbox/bench.md", "bench", "", "", "0" * 12, type="organize")
    context = Context(
        task=task,
        now=NOW,
        files=VaultFiles(vault),
        ask=_nobody,
        facts=dict,
        note=lambda _: None,
        check=lambda: None,
        memory=folder,
        run_dir=folder,
    )
    began, cpu = time.perf_counter(), time.process_time()
    result = HANDLER.run(context, OrganizeParams())
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux
    moves = sum(change.after is None for change in result.changes)
    text = b"".join(path.read_bytes() for path in vault.rglob("*.md"))
    return {
        "seconds": seconds,
        "cpu": cpu,
        "mebibytes": peak,
        "moves": moves,
        "changes": len(result.changes),
        "links": text.count(b"[[") + text.count(b"]("),
    }


if __name__ == "__main__":
    print(json.dumps(_measure(Path(sys.argv[1]))))
