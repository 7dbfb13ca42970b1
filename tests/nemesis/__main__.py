"""`python -m tests.nemesis`: rounds, one seed after the other, until the time is over."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.nemesis.faults import ALL
from tests.nemesis.rounds import Result, run_round
from tests.nemesis.world import HERE, Plan

SHOWN = 40  # violations of a round; violations.txt has them all


def main() -> int:
    """0 when no round violated anything; 1 with the seed and the folder of the first that did."""
    wanted = _arguments()
    end, results = time.monotonic() + wanted.seconds, list[Result]()
    seed = wanted.seed
    while not results or time.monotonic() < end:
        plan = Plan(
            seed, wanted.clones, wanted.workers, wanted.tasks, wanted.faults, wanted.over, wanted.lease,
            rewind=seed % 5 == 4 or wanted.rewind, drain=wanted.drain, code=wanted.code, only=tuple(wanted.only),
        )  # fmt: skip
        folder = Path(tempfile.mkdtemp(prefix=f"gofer-nemesis-{seed}-"))
        result = run_round(plan, folder, keep=wanted.keep)
        results.append(result)
        print(result, flush=True)
        if result.violations or wanted.verbose:
            print(*result.notes, *result.violations[:SHOWN], sep="\n")
            if len(result.violations) > SHOWN:
                print(f"and {len(result.violations) - SHOWN} more")
        if result.violations:
            print(f"\nAgain: python -m tests.nemesis --seconds 1 --seed {seed} (with the same other options)")
            print(f"Kept: {folder} (book.txt, violations.txt, remote.git, a folder for each clone with worker.log)")
            break
        seed += 1
    _summary(results)
    return 1 if any(result.violations for result in results) else 0


def _summary(results: list[Result]) -> None:
    counts = Counter(name for result in results for name in result.faults)
    tasks, seconds = sum(result.tasks for result in results), sum(result.seconds for result in results)
    violations = sum(len(result.violations) for result in results)
    print(
        f"\n{len(results)} rounds, seeds {results[0].plan.seed} to {results[-1].plan.seed}, {seconds / 60:.1f} minutes,"
        f" {tasks} tasks, {counts.total()} faults, {violations} violations"
    )
    print(", ".join(f"{name} {count}" for name, count in sorted(counts.items())))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.nemesis", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="begin no new round after this time")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; each further one takes the next")
    parser.add_argument("--clones", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2, help="worker processes on each clone")
    parser.add_argument("--tasks", type=int, default=60, help="in a round, about")
    parser.add_argument("--faults", type=int, default=6, help="in a round")
    parser.add_argument("--over", type=float, default=40, help="seconds over which the tasks are dropped")
    parser.add_argument("--lease", type=float, default=6, help="seconds (GOFER_LEASE_S)")
    parser.add_argument("--drain", type=float, default=120, help="seconds until all must be done once all is healed")
    parser.add_argument("--only", action="append", default=[], choices=sorted(ALL), help="this fault; may be repeated")
    parser.add_argument("--rewind", action="store_true", help="force-push in every round; without it every fifth seed")
    parser.add_argument("--code", type=Path, default=HERE, help="the folder that holds the package agent to be tried")
    parser.add_argument("--keep", action="store_true", help="keep the folders of good rounds, too")
    parser.add_argument("--verbose", action="store_true", help="print what happened in good rounds, too")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
