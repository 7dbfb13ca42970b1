"""Where the bench works: vaults of a given size in a temporary folder, the tasks dropped into them, what came of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.newvault import make_vault

FOLDER = 50  # notes in a folder of the vaults
LOOK = 0.0005  # seconds between two looks at the branch

_never = threading.Event()


def until(seen: Callable[[], bool], seconds: float, what: str, *, every: float = LOOK) -> float:
    """Wait for a condition; returns the moment it was seen (perf_counter). TimeoutError after `seconds`."""
    deadline = time.perf_counter() + seconds
    while not seen():
        if time.perf_counter() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        _never.wait(every)
    return time.perf_counter()


@dataclass(frozen=True)
class Place:
    """One folder for everything of a run: vaults, the workers' state, a home. Gone at the end."""

    root: Path

    def env(self, **more: str) -> dict[str, str]:
        """An environment in which nothing of the machine's own settings is seen, and no model is reached."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("GIT_", "GOFER_", "OLLAMA_", "XDG_"))
        }
        return {
            **kept,
            "HOME": str(self.root / "home"),
            "GOFER_STATE_DIR": str(self.root / "state"),
            "GOFER_CONFIG": str(self.root / "config.toml"),
            "GOFER_OLLAMA_HOST": "http://127.0.0.1:9",
            **more,
        }

    def prepare(self) -> None:
        home = self.root / "home"
        home.mkdir()
        (home / ".gitconfig").write_text("[user]\n\tname = Bench\n\temail = bench@localhost\n", "utf-8")
        (self.root / "config.toml").write_text('[worker]\nname = "bench"\n', "utf-8")

    def vault(self, tracked: int) -> Vault:
        """A fresh vault of so many tracked files: a copy of one that was made once. It is removed with all the rest at
        the end: for minutes after many files were deleted, ext4 makes new ones several times more slowly."""
        master, number = self.root / f"master-{tracked}", 0
        if not master.exists():
            self._make(master, tracked)
        while (copy := self.root / f"vault-{tracked}-{number}").exists():
            number += 1
        shutil.copytree(master, copy, symlinks=True)
        vault = Vault(copy, self)
        vault.git("update-index", "-q", "--refresh")
        os.sync()  # what making it left to the disk is not the worker's
        return vault

    def _make(self, folder: Path, tracked: int) -> None:
        made = make_vault(folder, self.root / "making")
        for number in range(tracked - len(made.created)):
            note = folder / "notes" / f"{number // FOLDER:03}" / f"note-{number:05}.md"
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(f"# Note {number}\n\n{'A line of an ordinary note. ' * 8}\n" * 3, "utf-8")
        vault = Vault(folder, self)
        vault.git("add", "-A")
        vault.git("commit", "-q", "-m", "notes")
        vault.git("repack", "-a", "-d", "-q")


@dataclass(frozen=True)
class Vault:
    """One vault of a bench, and the person who drops tasks into it and looks at the branch."""

    path: Path
    place: Place

    def git(self, *args: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.path), *args], env=self.place.env(), capture_output=True, text=True, check=True
        )
        return done.stdout

    def drop(self, name: str) -> None:
        """One trivial task: `type: file`, `op: write` of a note that nobody else writes."""
        text = f"---\nstatus: open\ntype: file\nop: write\npath: {note_of(name)}\n---\nThe note that {name} writes.\n"
        with (self.path / "inbox" / f"{name}.md").open("x", encoding="utf-8") as file:
            file.write(text)

    def tip(self) -> str:
        """The branch's commit, as its ref file says."""
        return (self.path / ".git" / "refs" / "heads" / "main").read_text("ascii")

    def committed(self, folder: str = "outbox") -> int:
        """How many files the branch holds in a folder."""
        return self.git("ls-tree", "-r", "--name-only", "HEAD", f"{folder}/").count(".md")

    def wait_for_reports(self, count: int, seconds: float) -> float:
        """Wait until the branch holds so many reports; returns when it moved there (perf_counter)."""
        tip, moved = "", time.perf_counter()

        def arrived() -> bool:
            nonlocal tip, moved
            if (now := self.tip()) == tip:
                return False
            tip, moved = now, time.perf_counter()
            lying = sum(1 for entry in os.scandir(self.path / "outbox") if entry.name.endswith(".md"))
            return lying >= count and self.committed() >= count

        until(arrived, seconds, f"{count} reports", every=0.002)
        return moved

    def packs(self) -> int:
        return sum(1 for entry in os.scandir(self.path / ".git" / "objects" / "pack") if entry.name.endswith(".pack"))


def note_of(name: str) -> str:
    """Where the task of this name writes: folders of a hundred, as tidy people have them."""
    stem, _, number = name.rpartition("-")
    return f"written/{stem}-{int(number) // 100:03}/{name}.md"
