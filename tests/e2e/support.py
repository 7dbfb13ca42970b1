"""A vault, the machine around it, and real `gofer` processes in it."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from jsonschema import Draft202012Validator

from agent import frontmatter, worker
from agent.cli.main import main
from agent.config import state_dir
from agent.journal import Record
from agent.models.base import Model
from agent.newvault import make_vault
from agent.schema import schema

T = TypeVar("T")

_CAUGHT = (signal.SIGINT, signal.SIGTERM)
# Short waits, so that tests are short.
QUICK = "[watch]\nsettle_seconds = 0.4\nsettle_open_seconds = 0.05\nsettle_obsidian_seconds = 1.5\npoll_seconds = 0.1\n"


def eventually(look: Callable[[], T], seconds: float = 20.0, *, what: str = "") -> T:
    """The first true answer of `look`; fails when there is none before the deadline."""
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"still not so after {seconds:g} s: {what or look}")
        pause.wait(0.02)
    return found


def closed_port() -> int:
    """A loopback port at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class House:
    """One vault with its own settings, state folder and environment, none of them the machine's."""

    def __init__(self, folder: Path, *, settings: str = QUICK, ollama: str = "", make: bool = True) -> None:
        self.folder, self.root = folder, folder / "vault"
        self.config = folder / "config.toml"
        self.config.write_text(settings, "utf-8")
        inherited = ("PATH", "PYTHONPATH", "HOME", "LANG", "VIRTUAL_ENV", "TMPDIR", "COVERAGE_PROCESS_START")
        self.env: dict[str, str] = {
            **{name: os.environ[name] for name in inherited if name in os.environ},
            "GOFER_STATE_DIR": str(folder / "state"),
            "GOFER_CONFIG": str(self.config),
            "GOFER_OLLAMA_HOST": ollama or f"http://127.0.0.1:{closed_port()}",
            "GOFER_MODELS_DIR": str(folder / "models"),
            "NO_COLOR": "1",
            "PYTHONWARNINGS": "error",
            "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        (folder / "gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.org\n", "utf-8")
        if make:
            make_vault(self.root, self.state, schedules=False)

    @property
    def state(self) -> Path:
        return state_dir(self.root, self.env)

    # -- what a person does --------------------------------------------------------------------------------------

    def drop(self, name: str, text: str | bytes) -> Path:
        path = self.root / "inbox" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def git(self, *args: str) -> str:
        done = subprocess.run(
            ["git", *args], cwd=self.root, env=self.env, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    def gofer(
        self, *args: str, stdin: str | bytes = b"", cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one verb to its end, without a terminal, in this process: its start would take most of the time."""
        given, out, err = stdin if isinstance(stdin, bytes) else stdin.encode(), io.BytesIO(), io.BytesIO()
        before, here, handlers = dict(os.environ), Path.cwd(), {n: signal.getsignal(n) for n in _CAUGHT}
        wrapped = [io.TextIOWrapper(stream, "utf-8", write_through=True) for stream in (out, err)]
        with patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), "utf-8")):
            try:
                os.environ.clear()
                os.environ.update({**self.env, **(env or {})})
                os.chdir(cwd or self.root)
                with redirect_stdout(wrapped[0]), redirect_stderr(wrapped[1]):
                    code = main(args)
            finally:
                os.chdir(here)
                os.environ.clear()
                os.environ.update(before)
                for number, handler in handlers.items():
                    signal.signal(number, handler)
        return subprocess.CompletedProcess(args, code, out.getvalue().decode("utf-8"), err.getvalue().decode("utf-8"))

    def process(
        self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The same in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "agent", *args],
            cwd=self.root, env={**self.env, **(env or {})}, input=stdin, capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        out, err = done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
        assert "Traceback" not in err + out, err or out
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def data(self, verb: str, *args: str, shape: str = "", code: int | None = 0, stdin: str | bytes = b"") -> Any:
        """The data of `gofer <verb> … --json`, checked against its schema."""
        done = self.gofer(verb, *args, "--json", stdin=stdin)
        assert code is None or done.returncode == code, f"exit {done.returncode}: {done.stdout}{done.stderr}"
        whole = json.loads(done.stdout)
        Draft202012Validator(schema(shape or verb)).validate(whole)
        return whole["data"]

    def once(self, code: int | None = 0) -> Any:
        return self.data("run", "--once", code=code)

    def drain(self, model: Model | None = None) -> list[Record]:
        """What `run --once` does, in this process; the outcomes in their order."""
        records: list[Record] = []
        worker.drain(
            self.root, self.env, lambda: False, model=model, on_tick=lambda _, tick: records.extend(tick.published)
        )
        return records

    # -- what is there -------------------------------------------------------------------------------------------

    def reports(self) -> dict[str, str]:
        """Every report in the outbox: id → text."""
        return {path.stem: path.read_text("utf-8") for path in (self.root / "outbox").glob("*.md")}

    def report(self, slug: str) -> str | None:
        """The text of the one report whose id begins with `slug`, None while there is none."""
        found = [text for name, text in self.reports().items() if name.startswith(slug)]
        assert len(found) <= 1, f"{len(found)} reports of {slug}"
        return found[0] if found else None

    def header(self, slug: str) -> dict[str, Any]:
        text = self.report(slug)
        assert text is not None, f"no report of {slug}: {list(self.reports())}"
        return dict(frontmatter.load(frontmatter.split(text).header or ""))

    def ledger(self) -> list[dict[str, Any]]:
        files = sorted((self.root / "memory" / "ledger").glob("*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]

    def inbox(self) -> list[str]:
        found = (path.relative_to(self.root / "inbox").as_posix() for path in (self.root / "inbox").rglob("*.md"))
        return sorted(name for name in found if not name.startswith("templates/"))

    def memory(self, folder: str) -> list[Path]:
        return sorted((self.root / "memory" / folder).rglob("*.md"))

    def board(self) -> dict[str, Any]:
        try:
            found = json.loads((self.state / "board.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def waits(self, path: str) -> str:
        """Why the worker lets `inbox/<path>` wait, "" when it does not."""
        return str(self.board().get("waiting", {}).get(f"inbox/{path}", ""))

    def objects(self) -> bytes:
        """The content of every object in the repository, reachable or not."""
        done = subprocess.run(
            ["git", "cat-file", "--batch-all-objects", "--batch", "--buffer"],
            cwd=self.root, env=self.env, capture_output=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout

    @contextmanager
    def worker(self, *args: str, wrap: tuple[str, ...] = ()) -> Iterator[Worker]:
        """A `gofer run` in a process of its own; ended in good order, and without a trace of trouble."""
        running = Worker(self, args, wrap)
        try:
            yield running
        except BaseException:
            running.kill()
            raise
        running.end()


class Worker:
    """A running `gofer run`. Its words go to a file, so that no pipe can fill up."""

    def __init__(self, house: House, args: tuple[str, ...], wrap: tuple[str, ...] = ()) -> None:
        self.said = house.folder / f"worker-{time.monotonic_ns()}.log"
        with self.said.open("wb") as out:
            self.process = subprocess.Popen(
                [*wrap, sys.executable, "-m", "agent", "run", *args],
                cwd=house.root, env=house.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip
        eventually(lambda: self.process.poll() is not None or "pid" in house.board(), what="the worker is at work")
        assert self.process.poll() is None, self.text

    @property
    def text(self) -> str:
        return self.said.read_text("utf-8")

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def end(self) -> int:
        """Ask it to end, and see that it did."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        code = self.process.wait(20)
        assert "Traceback" not in self.text, self.text
        return code

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
