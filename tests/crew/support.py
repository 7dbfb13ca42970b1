"""A vault with a crew of real processes, and a look at what they are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import Vault, make_vault, wait_for

CHECKOUT = Path(__file__).parents[2]


def alive(pid: int) -> bool:
    """Whether a process runs; the dead that nobody has buried yet do not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@dataclass(frozen=True)
class House:
    """One vault and the place where acts leave their notes."""

    vault: Vault
    place: Path

    def act(self, name: str, act: str, *, header: str = "", type: str = "test", wanted: int = 0) -> None:
        self.vault.drop(
            f"{name}.md",
            f"---\nstatus: open\ntype: {type}\nact: {act}\nplace: {self.place}\nwanted: {wanted}\n{header}"
            f"---\n{name}\n",
        )

    def append(self, name: str, line: str, path: str = "memory/log.md") -> None:
        self.vault.drop(f"{name}.md", f'---\nstatus: open\ntype: file\nop: append\npath: {path}\ntext: "{line}"\n---\n')

    def begun(self, name: str) -> list[tuple[int, int]]:
        """The processes in which a task has begun so far, each with its grandchild (0: none)."""
        said = sorted(self.place.glob(f"{name}.*"), key=lambda path: path.stat().st_mtime_ns)
        pairs = [path.read_text().split() for path in said]
        return [(int(pid), int(grandchild)) for pid, grandchild in pairs]

    def board(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.vault.state / "board.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return found

    def states(self) -> list[str]:
        return [row["state"] for row in self.board().get("workers", [])]

    def status(self) -> list[dict[str, Any]]:
        done = self.vault.gofer("status", "--json")
        rows: list[dict[str, Any]] = json.loads(done.stdout)["data"]["workers"]
        return rows

    def ends(self) -> dict[str, tuple[str, int]]:
        """Status and attempt of every task that has ended, by the name of its file."""
        return {line["task"].rpartition("-")[0]: (line["status"], line["attempt"]) for line in self.vault.ledger()}

    def children(self, desk: int) -> list[int]:
        """The worker processes of a desk."""
        words = [line.partition(": ") for line in self.vault.processes()]
        return [int(pid) for pid, _, said in words if said.rstrip().endswith(f" {desk}")]

    @contextmanager
    def crew(self, *args: str) -> Iterator[subprocess.Popen[str]]:
        """`gofer run` with acts, ended with TERM."""
        env = {**self.vault.env, "PYTHONPATH": str(CHECKOUT), "PYTHONUNBUFFERED": "1"}
        with (self.place / "said.txt").open("a") as said:
            desk = subprocess.Popen(
                [sys.executable, "-m", "tests.crew.gofer", "run", *args], cwd=self.vault.root, env=env, text=True,
                stdout=said, stderr=said,
            )  # fmt: skip
        try:
            wait_for(lambda: self.board().get("pid") == desk.pid or desk.poll() is not None, what="the desk")
            yield desk
        finally:
            if desk.poll() is None:
                os.kill(desk.pid, signal.SIGCONT)
                desk.terminate()
                try:
                    desk.wait(30)
                except subprocess.TimeoutExpired:
                    desk.kill()
                    desk.wait()
        assert "Traceback" not in self.said(), self.said()

    def said(self) -> str:
        return (self.place / "said.txt").read_text()


def make_house(folder: Path, config: str = "", *, stop: float = 10, idle: float = 60) -> House:
    vault = make_vault(folder, config=config)
    text = (folder / "config.toml").read_text()
    limits = f"stop_seconds = {stop}\nidle_seconds = {idle}\n"
    (folder / "config.toml").write_text(text.replace("[worker]\n", f"[worker]\n{limits}"))
    place = folder / "place"
    place.mkdir()
    return House(vault, place)
