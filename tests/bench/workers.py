"""The two workers as real processes, and what the system says of a process tree."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.place import Vault, until

CHECKOUT = Path(__file__).resolve().parents[2]
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Worker:
    """A running worker."""

    process: subprocess.Popen[bytes]
    said: Path  # its two output streams

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def tree(self) -> list[int]:
        """Its process number and those of all that descend from it."""
        parents: dict[int, list[int]] = {}
        for entry in os.scandir("/proc"):
            if entry.name.isdigit() and (fields := _stat(int(entry.name))):
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            todo += parents.get(pid, [])
        return found

    def cpu(self) -> float:
        """Seconds of processor time of the whole tree, with those of the children that it has reaped."""
        return sum(sum(map(int, fields[11:15])) for pid in self.tree() if (fields := _stat(pid))) / TICKS

    def memory(self) -> tuple[float, int]:
        """Resident MiB of the whole tree (smaps_rollup), and how many processes that are."""
        total, tree = 0, self.tree()
        for pid in tree:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
                total += int(line.split()[1]) if line.startswith("Rss:") else 0
        return total / 1024, len(tree)


@contextmanager
def gofer(
    vault: Vault, env: Mapping[str, str] | None = None, program: Sequence[str] = ("agent",), more: Sequence[str] = ()
) -> Iterator[Worker]:
    """`gofer run` in this vault, ready: one task has gone through, so that everything is imported and started."""
    command = [sys.executable, "-m", *program, "run", "--vault", str(vault.path), *more]
    with _running(command, env or vault.place.env(), vault) as worker:
        vault.drop("warm-0")
        vault.wait_for_reports(1, 30)
        yield worker


@contextmanager
def naive(vault: Vault) -> Iterator[Worker]:
    """The naive worker in this vault, ready in the same sense."""
    command = [sys.executable, "-m", "tests.bench.naive", str(vault.path)]
    with _running(command, vault.place.env(), vault) as worker:
        until(lambda: worker.said.stat().st_size > 0, 30, "the naive worker's start", every=0.01)
        vault.drop("warm-0")
        vault.wait_for_reports(1, 30)
        yield worker


@contextmanager
def _running(command: Sequence[str], env: Mapping[str, str], vault: Vault) -> Iterator[Worker]:
    said = vault.path.with_suffix(".log")
    with said.open("wb") as log:
        process = subprocess.Popen(command, env=env, cwd=CHECKOUT, stdout=log, stderr=subprocess.STDOUT)
    worker = Worker(process, said)
    try:
        yield worker
    except TimeoutError:
        sys.stderr.write(said.read_text("utf-8", "replace")[-4000:])
        raise
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        until(lambda: process.poll() is not None, 60, "the worker's end", every=0.01)


def seconds_of(command: Sequence[str], env: Mapping[str, str]) -> float:
    """The wall time of one command."""
    began = time.perf_counter()
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - began


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []
