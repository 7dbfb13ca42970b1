"""The rows of the bench. Each measures something of a running worker, and the naive one beside it where it can."""

from __future__ import annotations

import json
import signal
import stat
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from statistics import median

from tests.bench import workers
from tests.bench.place import Place, Vault, note_of, until

SETTLE = 0.5  # seconds: what a file that says `status: open` must be still; the default of gofer.toml


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int = 3
    burst: int = 1000
    naive_small: int = 100  # the naive worker is slow: fewer tasks, given as a rate
    naive_large: int = 20
    drops: int = 40
    outcomes: int = 5000
    flood: int = 20_000
    idle: float = 60.0
    starts: int = 11
    small: int = 1000  # tracked files of the two vaults
    large: int = 10_000
    claims: int = 2000
    naive_claims: int = 60
    contested: int = 1300  # by eight: more than ten thousand contested claims
    shared: int = 400
    naive_shared: int = 60
    rationed: int = 100
    retired: int = 10_000
    questions: int = 60
    slotted: int = 100
    beats: int = 50


QUICK = Size(1, 60, 10, 4, 4, 300, 400, 3.0, 3, 100, 400, 100, 6, 100, 20, 4, 6, 200, 6, 8, 3)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    gofer: str
    naive: str
    ratio: str
    target: str
    met: bool


Rate = tuple[float, float]  # tasks per second from the first drop to the last commit, and without the settle time
_rates: dict[int, tuple[Rate, float]] = {}  # tracked files → medians of Gofer's and the naive one's


def burst_small(place: Place, size: Size) -> Iterator[Row]:
    (whole, beyond), naive = _bursts(place, size, size.small, size.naive_small)
    yield Row(
        f"burst of {size.burst:,} trivial tasks, {size.small:,} tracked files: tasks/s from the first drop to the last "
        f"commit ({beyond:.0f} without the {SETTLE:g} s that a drop must settle)",
        f"{whole:.0f}/s", f"{naive:.1f}/s", f"{whole / naive:.1f} ×", "≥ 15 ×", whole >= 15 * naive,
    )  # fmt: skip


def burst_large(place: Place, size: Size) -> Iterator[Row]:
    (whole, beyond), naive = _bursts(place, size, size.large, size.naive_large)
    (before, _), _ = _bursts(place, size, size.small, size.naive_small)
    yield Row(
        f"the same burst, {size.large:,} tracked files ({beyond:.0f} without the settle time)",
        f"{whole:.0f}/s", f"{naive:.1f}/s", f"{whole / naive:.1f} ×", "≥ 30 ×", whole >= 30 * naive,
    )  # fmt: skip
    yield Row(
        f"… against Gofer's own rate at {size.small:,}",
        f"{whole:.0f}/s", f"({before:.0f}/s)", f"{whole / before:.2f} ×", "≥ 0.7 ×", whole >= 0.7 * before,
    )  # fmt: skip


def _bursts(place: Place, size: Size, tracked: int, few: int) -> tuple[Rate, float]:
    """Rounds in turn, each worker in a fresh vault of its own every time."""
    if tracked not in _rates:
        ours: list[Rate] = []
        theirs: list[float] = []
        for _ in range(size.rounds):
            with workers.naive(vault := place.vault(tracked)):
                theirs.append(few / _burst(vault, few))
            with workers.gofer(vault := place.vault(tracked)):
                seconds = _burst(vault, size.burst)
                ours.append((size.burst / seconds, size.burst / (seconds - SETTLE)))
        _rates[tracked] = (median(rate[0] for rate in ours), median(rate[1] for rate in ours)), median(theirs)
    return _rates[tracked]


def _burst(vault: Vault, count: int) -> float:
    """Seconds from the first drop until the branch holds the last outcome."""
    began = time.perf_counter()
    for number in range(count):
        vault.drop(f"burst-{number}")
    return vault.wait_for_reports(count + 1, 600) - began


def latency(place: Place, size: Size) -> Iterator[Row]:
    """One drop at a time, to each worker in turn; both run all the while."""
    with workers.gofer(one := place.vault(size.small)), workers.naive(other := place.vault(size.small)):
        ours: list[float] = []
        theirs: list[float] = []
        for number in range(size.drops):
            theirs.append(_drop_and_wait(other, f"drop-{number}"))
            ours.append(_drop_and_wait(one, f"drop-{number}") - SETTLE)
    gofer, naive = median(ours), median(theirs)
    yield Row(
        f"drop → committed beyond the settle time, p50 of {size.drops}, {size.small:,} tracked files "
        f"(p90 {_percentile(ours, 90) * 1000:.1f} and {_percentile(theirs, 90) * 1000:.1f} ms)",
        f"{gofer * 1000:.1f} ms", f"{naive * 1000:.1f} ms", f"{gofer / naive:.2f} ×", "≤ 0.25 ×",
        gofer <= 0.25 * naive,
    )  # fmt: skip


def _drop_and_wait(vault: Vault, name: str) -> float:
    """Seconds from a drop until the branch moved."""
    before = vault.tip()
    began = time.perf_counter()
    vault.drop(name)
    took = until(lambda: vault.tip() != before, 30, name) - began
    until(lambda: not (vault.path / "inbox" / f"{name}.md").exists(), 30, f"{name} leaves the inbox")
    return took


def one_by_one(place: Place, size: Size) -> Iterator[Row]:
    """Each outcome in a commit of its own: the next task is dropped when the one before is committed. So that this
    ends before tomorrow the worker's settle time is 1 ms here; a stopwatch in the worker times the commits."""
    times, config = place.root / "times.txt", place.root / "at-once.toml"
    config.write_text('[worker]\nname = "bench"\n\n[watch]\nsettle_open_seconds = 0.001\n', "utf-8")
    env = place.env(GOFER_CONFIG=str(config), GOFER_BENCH_TIMES=str(times))
    drops: list[float] = []
    most = 0
    with workers.gofer(vault := place.vault(size.small), env, ("tests.bench.stopwatch",)):
        for number in range(size.outcomes):
            drops.append(_drop_and_wait(vault, f"one-{number}"))
            most = max(most, vault.packs())
    commits = [float(line) for line in times.read_text("ascii").splitlines()[1:]]
    few = min(100, size.outcomes // 3)
    first, last = median(commits[:few]), median(commits[-few:])
    yield Row(
        f"median commit with index update, the last {few} of {size.outcomes:,} outcomes one by one, against the first "
        f"{few} (drop → committed {median(drops[:few]) * 1000:.1f} → {median(drops[-few:]) * 1000:.1f} ms, the longest "
        f"{max(drops) * 1000:.0f} ms; at most {most} packs)",
        f"{last * 1000:.1f} ms", f"({first * 1000:.1f} ms)", f"{last / first:.2f} ×", "≤ 2 ×", last <= 2 * first,
    )  # fmt: skip


def flood(place: Place, size: Size) -> Iterator[Row]:
    """Drops while the worker is stopped: what the watcher missed, the scan sees."""
    with workers.gofer(vault := place.vault(size.small)) as worker:
        worker.signal(signal.SIGSTOP)
        for number in range(size.flood):
            vault.drop(f"flood-{number}")
        began = time.perf_counter()
        worker.signal(signal.SIGCONT)
        seconds = vault.wait_for_reports(size.flood + 1, 1800) - began
        memory, _ = worker.memory()
        once = _each_once(vault, size.flood)
    yield Row(
        f"{size.flood:,} files dropped while the worker is stopped, then let go: {seconds:.0f} s, "
        f"{size.flood / seconds:.0f}/s, {memory:.0f} MiB at the end",
        f"{once:,} once", "", "", "all, each once", once == size.flood,
    )  # fmt: skip


def _each_once(vault: Vault, count: int) -> int:
    """How many tasks have one ledger line, one trailer in the history, one finished file, and the note they wrote."""
    lines: Counter[str] = Counter()
    for segment in sorted((vault.path / "memory" / "ledger").glob("*.jsonl")):
        lines.update(_name(json.loads(line)["task"]) for line in segment.read_text("utf-8").splitlines())
    log = vault.git("log", "--format=%(trailers:key=Gofer-Task,valueonly)").split()
    trailers = Counter(_name(task) for task in log)
    finished = Counter(_name(path.stem) for path in (vault.path / "memory" / "tasks").rglob("*.md"))
    names = [f"flood-{number}" for number in range(count)]
    return sum(
        lines[name] == trailers[name] == finished[name] == 1 and (vault.path / note_of(name)).is_file()
        for name in names
    )


def _name(task: str) -> str:
    """The file name that an id was derived from."""
    return "-".join(task.split("-")[:2])


def idle(place: Place, size: Size) -> Iterator[Row]:
    """A worker that has worked and has nothing to do. Its git is a script that logs each start and goes on as git."""
    log, path = place.root / "git-starts.txt", place.root / "bin"
    path.mkdir()
    wrapper = path / "git"
    wrapper.write_text(f'#!/bin/sh\necho "$*" >> "{log}"\nexec "{which("git")}" "$@"\n', "utf-8")
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    env = place.env()
    env = place.env(PATH=f"{path}:{env['PATH']}")
    with workers.gofer(vault := place.vault(size.small), env) as worker:
        _burst(vault, 100)
        quiet_since = time.perf_counter() + 5
        until(lambda: time.perf_counter() > quiet_since, 10, "the last work of a busy worker", every=0.1)
        tip, starts, cpu, began = vault.tip(), _size(log), worker.cpu(), time.perf_counter()
        over = began + size.idle
        until(lambda: time.perf_counter() > over, size.idle + 5, "an idle minute", every=0.5)
        share = (worker.cpu() - cpu) / (time.perf_counter() - began) * 100
        commits, started = vault.tip() != tip, _size(log) - starts
        memory, processes = worker.memory()
    yield Row(
        f"idle for {size.idle:g} s after 101 tasks: git processes started (logged by a wrapper on PATH), commits, "
        f"share of a core, memory of the {processes} processes",
        f"{started} git, {int(commits)} commits, {share:.2f} %, {memory:.0f} MiB", "", "",
        "0, 0, < 0.5 %, < 90 MiB", not started and not commits and share < 0.5 and memory < 90,
    )  # fmt: skip


def _size(log: Path) -> int:
    return len(log.read_text("utf-8").splitlines())


def starts(place: Place, size: Size) -> Iterator[Row]:
    """The console script, in turn with a bare interpreter, in a vault in which a worker runs."""
    script = Path(sys.executable).with_name("gofer")
    program = [str(script)] if script.exists() else [sys.executable, "-m", "agent"]
    with workers.gofer(vault := place.vault(size.small)):
        commands = {
            "--help": [*program, "--help"],
            "status": [*program, "status", "--vault", str(vault.path)],
            "python": [sys.executable, "-c", "pass"],
        }
        times: Mapping[str, list[float]] = {name: [] for name in commands}
        for _ in range(size.starts):
            for name, command in commands.items():
                times[name].append(workers.seconds_of(command, place.env()))
    bare = median(times["python"])
    for name, target in (("--help", 0.15), ("status", 0.4)):
        took = median(times[name])
        yield Row(
            f"`gofer {name}`, median of {size.starts} (a bare python: {bare:.3f} s)",
            f"{took:.3f} s", "", "", f"≤ {target:g} s", took <= target,
        )  # fmt: skip


def _percentile(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


ROWS: Mapping[str, Callable[[Place, Size], Iterator[Row]]] = {
    "burst": burst_small,
    "latency": latency,
    "large": burst_large,
    "one-by-one": one_by_one,
    "flood": flood,
    "idle": idle,
    "starts": starts,
}
