"""Everything of one round: the remote, the machines with a bad network each, the person, and what was written down."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.nemesis import clones
from tests.nemesis.book import Book
from tests.nemesis.expect import Mine
from tests.nemesis.machine import Machine, Site
from tests.nemesis.network import Address, Trap, Watch
from tests.nemesis.person import Person
from tests.nemesis.planted import ACTIVE_NOTE, KEYS_NOTE
from tests.nemesis.tasks import OFFERED, SHARED
from tests.remotes import Bare, Proxy, Remote, served
from tests.support import CLOSED_PORT, git

NAMES = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel")
HERE = Path(__file__).parents[2]
MODEL: Address = ("127.0.0.1", int(CLOSED_PORT.rpartition(":")[2]))  # where the round's Ollama would be; none is there


@dataclass(frozen=True, slots=True)
class Plan:
    """What a round is to be. Everything that is decided at random is decided by `seed`; time is not."""

    seed: int
    clones: int = 4
    workers: int = 2
    tasks: int = 60
    faults: int = 6
    seconds: float = 40.0  # over which the tasks are dropped
    lease: float = 6.0
    rewind: bool = False  # the branch on the remote is moved back by force
    drain: float = 120.0  # seconds until everything must be done once all is healed
    code: Path = HERE  # where the package `agent` lies
    only: tuple[str, ...] = ()  # names of faults; empty: all

    @property
    def transport(self) -> str:
        return ("git", "http")[self.seed % 2]


@dataclass(slots=True)
class World:
    """The living round, as faults see it."""

    plan: Plan
    rng: random.Random
    remote: Remote
    machines: list[Machine]
    person: Person
    book: Book
    marker: str
    folder: Path
    watch: Watch
    trap: Trap
    first: dict[str, Mine] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)
    began: float = field(default_factory=time.monotonic)

    @property
    def bare(self) -> Bare:
        return self.remote.bare

    def pause(self, least: float, most: float | None = None) -> None:
        """Let time pass between two deeds; over at once when the round is to end."""
        self.stop.wait(least if most is None else self.rng.uniform(least, most))

    def machine(self) -> Machine:
        return self.rng.choice(self.machines)

    def note(self, sentence: str) -> None:
        self.book.note(f"{time.monotonic() - self.began:6.1f} s  {sentence}")


@contextmanager
def world(plan: Plan, folder: Path) -> Iterator[World]:
    """Build all of it; at the end nothing of it is alive, whatever happened."""
    rng, marker = random.Random(plan.seed), f"GOFER_NEMESIS_ROUND={uuid.uuid4()}"
    with ExitStack() as stack:
        trap = stack.enter_context(Trap())
        site = Site(folder, plan.code, marker, plan.lease, trap.environment)
        remote = stack.enter_context(served(folder / "remote.git", plan.transport))
        _found(site, remote)
        machines = []
        for number, name in enumerate(NAMES[: plan.clones]):
            assert remote.address
            proxy = stack.enter_context(Proxy(remote.address))
            url = remote.through(proxy.address)
            machines.append(Machine(site, name, url, proxy, plan.workers, "" if number else OFFERED))
        book = Book()
        person = Person(site, str(remote.path), machines, book, random.Random(plan.seed + 1))
        watch = stack.enter_context(Watch(marker, [MODEL, *(machine.proxy.address for machine in machines)]))
        made = World(plan, rng, remote, machines, person, book, marker, folder, watch, trap)
        for machine in machines:
            made.first[machine.name] = _mess(machine)
        try:
            yield made
        finally:
            made.stop.set()
            for pid in clones.processes(marker):
                subprocess.run(["kill", "-KILL", str(pid)], capture_output=True, check=False)


def _found(site: Site, remote: Remote) -> None:
    """The first vault, made by `gofer init` and pushed by its person."""
    place = site.folder / "founder"
    place.mkdir()
    env = site.environment(place)
    done = subprocess.run(
        [sys.executable, "-m", "agent", "init", "vault"], cwd=place, env=env, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    vault = place / "vault"
    assert (vault / "inbox").is_dir(), done.stdout + done.stderr
    for path in SHARED:
        (vault / path).parent.mkdir(exist_ok=True)
        (vault / path).write_text("# Shared\n" if path == SHARED[0] else "", "utf-8")  # an empty file is a case
    for path, text in (KEYS_NOTE, ACTIVE_NOTE):
        (vault / path).write_text(text, "utf-8")
    git(vault, "add", "-A", env=env)
    git(vault, "commit", "-q", "--allow-empty", "-m", "a vault", env=env)
    git(vault, "push", "-q", remote.url, "HEAD:main", env=env)


def _mess(machine: Machine) -> Mine:
    """What a person has in a work tree before anything begins: a stash, something staged, edited and untracked."""
    notes = machine.root / "notes"
    notes.mkdir(exist_ok=True)
    tracked = "prompts/SOUL.md"
    before = (machine.root / tracked).read_bytes()
    (machine.root / tracked).write_bytes(before + b"stashed\n")
    git(machine.root, "stash", "push", "-q", env=machine.env)
    (machine.root / tracked).write_bytes(before + b"edited\n")
    own = [f"notes/{machine.name}-{word}.md" for word in ("staged", "untracked")]
    for path in own:
        (machine.root / path).write_text(f"{path}\n", "utf-8")
    git(machine.root, "add", "--", own[0], env=machine.env)
    return clones.record(machine.root, (tracked, *own), (tracked, own[0]))
