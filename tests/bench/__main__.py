"""`python -m tests.bench [--only NAME …] [--quick]`: measure, print the table, leave nothing behind.

Both workers are real processes in fresh vaults of the same files, on the same file system, in turn. The task is
`type: file`, `op: write` of a note of its own: the least that changes anything. The naive worker does the same write,
one report and one commit per task; Gofer also syncs to the disk, keeps the finished task and a second report, and
writes the ledger. Nothing is asserted: a row that misses its target says so.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import asking, fetching, heartbeat, logs, many, organize, stats
from tests.bench.machine import described
from tests.bench.place import Place
from tests.bench.rows import QUICK, Row, Size
from tests.bench.rows import ROWS as ONE

ROWS = {
    **ONE, "claims": many.claims, "contested": many.contested, "drain": many.drain, "polls": many.polls,
    "budget": many.budget, "retired": many.retired, "own": asking.own, "slots": asking.slots,
    "stats": stats.second_call, "logs": logs.rate, "fetch": fetching.fifty, "heartbeat": heartbeat.quiet_beat,
    "organize": organize.plan,
}  # fmt: skip

HEADINGS = Row("measure", "Gofer", "naive", "ratio", "target", True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="What Gofer costs, measured.")
    parser.add_argument("--only", action="append", choices=ROWS, help="only this row; may be given again")
    parser.add_argument("--quick", action="store_true", help="small numbers: shows that it works, measures nothing")
    asked = parser.parse_args()
    size = QUICK if asked.quick else Size()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="gofer-bench-") as folder:
        print(f"Gofer bench, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC" + (" (quick: no measurement)" * asked.quick))
        for line in described(Path(folder)):
            print(f"  {line}")
        print(f"\n{_line(HEADINGS)} met |\n|---|---|---|---|---|---|", flush=True)
        place = Place(Path(folder))
        place.prepare()
        for name in asked.only or ROWS:
            for row in ROWS[name](place, size):
                print(f"{_line(row)} {'yes' if row.met else 'NO'} |", flush=True)
    print(
        f"\nAll in {time.perf_counter() - began:.0f} s. Rates are medians of {size.rounds} rounds in turn; the naive "
    )
    print(f"worker is given {size.naive_small} and {size.naive_large} tasks in the two bursts, and counts by its rate.")


def _line(row: Row) -> str:
    return f"| {row.what} | {row.gofer} | {row.naive} | {row.ratio} | {row.target} |"


if __name__ == "__main__":
    main()
