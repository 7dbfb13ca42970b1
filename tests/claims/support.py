"""What tests of claims share: machines with a clone and a clock of their own, and a host that dies when told to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agent.claims import NAMESPACES, RemoteClaims, Wanted
from agent.git.network import Network
from agent.git.repository import Repository
from tests.remotes import Bare
from tests.support import git

LEASE = 900.0
MAIN = "refs/heads/main"


@dataclass
class Clock:
    """A clock that the test sets."""

    now: float = 10_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Machine:
    """A clone of its own, its claims, and its two clocks."""

    place: Path
    url: str
    clock: Clock = field(default_factory=Clock)
    wall: Clock = field(default_factory=lambda: Clock(1_700_000_000.0))
    namespace: str = NAMESPACES[0]

    def __post_init__(self) -> None:
        self.place.mkdir(parents=True)
        git(self.place, "init", "-q", "vault")
        git(self.vault, "remote", "add", "origin", self.url)
        (self.place / "state").mkdir()
        self.start()

    @property
    def vault(self) -> Path:
        return self.place / "vault"

    @property
    def record(self) -> Path:
        return self.place / "state" / "claims.json"

    def start(self) -> RemoteClaims:
        """A new worker process on this machine, as far as claims can tell: it knows what is on the disk."""
        self.network = Network(Repository(self.vault), self.place / "state" / "net.git", "origin")
        self.claims = RemoteClaims(
            self.network, self.record, self.place.name, lease=LEASE, clock=self.clock, wall=self.wall,
            namespace=self.namespace,
        )  # fmt: skip
        return self.claims

    def reach(self, url: str) -> None:
        """The remote is at another address by now."""
        git(self.vault, "remote", "set-url", "origin", url)

    def take(self, *tasks: str, attempt: int = 1) -> set[str]:
        """The tasks that are ours after we reached for them."""
        return set(self.claims.take([want(task, attempt) for task in tasks]))

    def outcome(self, text: str = "outcome", parent: str | None = None) -> str:
        """A commit in this machine's clone."""
        tree = git(self.vault, "mktree").strip()
        on = ("-p", parent) if parent else ()
        return git(self.vault, "commit-tree", tree, *on, "-m", text).strip()


def want(task: str, attempt: int = 1) -> Wanted:
    return Wanted(task, "0123456789ab", attempt)


def said(bare: Bare, ref: str) -> dict[str, object]:
    """What the claim at a ref of the host says."""
    found: dict[str, object] = json.loads(bare.git("show", "-s", "--format=%B", ref))
    return found


@contextmanager
def dying(bare: Bare, *, when: str = "committed") -> Iterator[None]:
    """The host's process is killed in the middle of the first ref transaction of each push: `prepared`, before it
    happens, or `committed`, when it has happened and nobody was told."""
    hook = bare.path / "hooks" / "reference-transaction"
    hook.write_text(f'#!/bin/sh\ncat >/dev/null\n[ "$1" != {when} ] || kill -9 $PPID\n', "utf-8")
    hook.chmod(0o755)
    try:
        yield
    finally:
        hook.unlink()
        for lock in bare.locks():
            lock.unlink()


def process(code: str, *args: object) -> subprocess.Popen[str]:
    """A process that runs these lines, with pipes."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
