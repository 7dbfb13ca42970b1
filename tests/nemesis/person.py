"""A person with a clone of their own, who also works in the trees of the workers, and never does anything unusual."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.nemesis.book import Book
from tests.nemesis.expect import Expected
from tests.nemesis.machine import Machine, Site
from tests.nemesis.tasks import Writer

BLOCKED = 20.0  # seconds for which a person's own git may be kept waiting


class Person:
    """Runs in a thread of its own: `work` until everything was asked for, or `stop` is set."""

    def __init__(self, site: Site, url: str, machines: list[Machine], book: Book, rng: random.Random) -> None:
        self.book, self.machines, self._rng, self._writer = book, machines, rng, Writer(rng)
        self.folder = site.folder / "person"
        self.folder.mkdir()
        self._env = site.environment(self.folder)
        self.away = threading.Event()  # set while the remote is not to be touched
        self._busy, self._number, self._pushing = threading.Lock(), 0, list[Expected]()
        self.clone, self.reader = self.folder / "clone", self.folder / "reader"
        for place in (self.clone, self.reader):
            self._git(self.folder, "clone", "-q", url, str(place))

    def work(self, tasks: int, seconds: float, stop: threading.Event) -> None:
        """Ask for so many tasks, about evenly over the time, and do other things in between."""
        steps: list[Callable[[], None]] = [self.push_tasks, self.push_tasks, self.drop_in_a_tree, self.edit, self.read]
        began = time.monotonic()
        while not stop.is_set() and (asked := len(self.book.asked) + len(self._pushing)) < tasks:
            if self.away.is_set():
                stop.wait(0.1)
                continue
            due = time.monotonic() - began > seconds * asked / tasks
            with self._busy:
                self._rng.choice(steps[:3] if due else steps[3:])()
            stop.wait(self._rng.uniform(0.05, 0.4))

    def pause(self) -> None:
        """Finish the step in hand and touch the remote no more, until `go_on`."""
        self.away.set()
        with self._busy:
            pass

    def go_on(self) -> None:
        self.away.clear()

    def finish(self) -> None:
        """Push what could not be pushed before, and read once more. For the end, when all is well again."""
        deadline = time.monotonic() + BLOCKED
        while self._pushing and not self._push() and time.monotonic() < deadline:
            threading.Event().wait(0.2)
        if self._pushing:
            self.book.violated(f"the person cannot push {len(self._pushing)} tasks although all is well")
        self.read()

    # -- in their own clones -----------------------------------------------------------------------------------------

    def push_tasks(self) -> None:
        """Add, commit, push one to four tasks; when the push is refused, pull --rebase and push again."""
        for _ in range(self._rng.randint(1, 3)):
            for drop in self._writer.drops():
                _write(self.clone / drop.expected.path, drop.text.encode())
                self._pushing.append(drop.expected)
        if self._rng.random() < 0.3:
            self._number += 1
            _write(self.clone / f"notes/person-{self._number}.md", b"a note\n")
        self._git(self.clone, "add", "-A")
        self._git(self.clone, "commit", "-q", "-m", "tasks and notes")
        self._push()

    def _push(self) -> bool:
        for _ in range(5):
            if self.away.is_set():
                return False
            if self._git(self.clone, "push", "-q", "origin", "HEAD:main", ok=(0, 1, 128))[0] == 0:
                self.book.committed("", self._git(self.clone, "rev-parse", "HEAD")[1].strip())
                for task in self._pushing:
                    self.book.ask(task)
                self._pushing.clear()
                return True
            # Tasks that leave a folder look like a folder that was renamed, and git would ask where new ones belong.
            still = ("-c", "merge.directoryRenames=false")
            self._git(self.clone, *still, "pull", "-q", "--rebase", "origin", "main", ok=(0, 1, 128))
        return False

    def read(self) -> None:
        """`git pull --ff-only` in a clone that nobody writes in always works (G36)."""
        code, said = self._git(self.reader, "pull", "-q", "--ff-only", "origin", "main", ok=(0, 1, 128))
        if code:
            self.book.violated(f"G36: git pull --ff-only in a clone that only reads failed: {said.strip()}")

    # -- in the trees of the workers ---------------------------------------------------------------------------------

    def drop_in_a_tree(self) -> None:
        """A task that is not committed, in the work tree of a machine."""
        machine = self._rng.choice(self.machines)
        for drop in self._writer.drops(local=True):
            self.book.ask(drop.expected)
            if drop.expected.stays:
                self.book.wrote(machine.name, drop.expected.path, drop.text.encode())
            part = machine.folder / "part"
            part.write_bytes(drop.text.encode())
            target = machine.root / drop.expected.path
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(part, target)

    def edit(self) -> None:
        """Notes of their own: some stay edited, some staged, some are committed."""
        machine = self._rng.choice(self.machines)
        if machine.frozen:
            return
        self._number += 1
        path, text = f"notes/{machine.name}-{self._number}.md", f"note {self._number}\n".encode()
        _write(machine.root / path, text)
        self.book.wrote(machine.name, path, text)
        how = self._rng.choice(("left", "staged", "staged and edited", "committed", "committed alone"))
        if how == "left" or not self._patiently(machine, "add", "--", path):
            return
        entry = self._git(machine.root, "ls-files", "--stage", "--", path, env=machine.env)[1]
        self.book.staged(machine.name, path, entry.partition("\t")[0].strip())
        if how == "staged and edited":
            _write(machine.root / path, text + b"and more\n")
            self.book.wrote(machine.name, path, text + b"and more\n")
        elif how.startswith("committed"):
            alone = ("--", path) if how == "committed alone" else ()
            self._commit(machine, self._number, alone)

    def _commit(self, machine: Machine, number: int, paths: tuple[str, ...]) -> None:
        """Commits look two minutes old: a worker leaves younger ones alone for so long."""
        when = (datetime.now(UTC) - timedelta(seconds=120)).strftime("%Y-%m-%dT%H:%M:%SZ")
        env = {**machine.env, "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        subject = f"mine {machine.name} {number}"
        if self._patiently(machine, "commit", "-q", "-m", subject, *paths, env=env):
            found = self._git(machine.root, "log", "-1", "--format=%H", f"--grep=^{subject}$", env=machine.env)[1]
            self.book.committed(machine.name, found.strip())

    def _patiently(self, machine: Machine, *args: str, env: dict[str, str] | None = None) -> bool:
        """A git command that may meet a lock for a moment, and not for long."""
        deadline, pause = time.monotonic() + BLOCKED, threading.Event()
        while True:
            code, said = self._git(machine.root, *args, ok=(0, 1, 128), env=env or machine.env)
            if code == 0:
                return True
            if machine.frozen:
                self.book.note(f"git {args[0]} in {machine.name} failed while it was frozen: {said.strip()}")
                return False
            if time.monotonic() > deadline:
                self.book.violated(f"I4: git {args[0]} in {machine.name} fails for {BLOCKED:g} s: {said.strip()}")
                return False
            pause.wait(0.1)

    def _git(
        self, folder: Path, *args: str, ok: tuple[int, ...] = (0,), env: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """A git command of the person's: its exit code and what it said."""
        done = subprocess.run(
            ["git", *args], cwd=folder, env=env or self._env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode in ok, f"git {' '.join(args)} in {folder} → {done.returncode}\n{done.stderr}"
        return done.returncode, done.stdout + (done.stderr if done.returncode else "")


def _write(path: Path, text: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
