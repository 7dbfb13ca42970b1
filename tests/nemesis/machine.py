"""A machine: a clone with a home, settings and a state folder of its own, and the worker process that serves it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.nemesis.planted import KNOWN, KNOWN_NAME, PROVIDER
from tests.remotes.proxy import Proxy
from tests.support import git, home_of

PATIENCE = 30.0  # seconds in which a worker that is asked to end must have ended
_SETTINGS = """\
[worker]
name = "{name}"
offers = [{offers}]
[watch]
settle_seconds = 0.5
settle_open_seconds = 0.1
poll_seconds = 0.2
rescan_seconds = 1.0
[tasks]
max_attempts = 50
[sync]
remote = "origin"
poll_seconds = 1.0
{provider}"""


@dataclass(frozen=True, slots=True)
class Site:
    """What the machines of a round have in common."""

    folder: Path
    code: Path  # where the package `agent` lies that is to be tried
    marker: str  # NAME=value in the environment of every process of the round
    lease: float
    surroundings: Mapping[str, str] = field(default_factory=dict)  # of every process of the round

    def environment(self, place: Path) -> dict[str, str]:
        """Of a machine in `place`; of a person's too, who runs no worker."""
        name, _, value = self.marker.partition("=")
        more = {name: value, "GOFER_LEASE_S": f"{self.lease:g}", "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
        more |= {KNOWN_NAME: KNOWN, **self.surroundings}
        return {**home_of(place, **more), "PYTHONPATH": str(self.code)}


class Machine:
    """One clone and its worker. Not thread-safe but for `frozen` and `proxy`; the enemy owns it."""

    def __init__(self, site: Site, name: str, url: str, proxy: Proxy | None, workers: int, offers: str = "") -> None:
        self.site, self.name, self.proxy, self.workers = site, name, proxy, workers
        self.folder = site.folder / name
        self.folder.mkdir()
        self.root = self.folder / "vault"
        self.env = site.environment(self.folder)
        quoted = ", ".join(f'"{word}"' for word in offers.split())
        settings = _SETTINGS.format(name=name, offers=quoted, provider=PROVIDER)
        (self.folder / "config.toml").write_text(settings, "utf-8")
        git(self.folder, "clone", "-q", url, str(self.root), env=self.env)
        self.skew, self.frozen = 0.0, False
        self._process: subprocess.Popen[bytes] | None = None
        self._log = self.folder / "worker.log"

    def __repr__(self) -> str:
        return self.name

    # -- the worker --------------------------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        if self.alive:
            return
        more = {"GOFER_CLOCK_SKEW_S": f"{self.skew:g}"} if self.skew else {}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "agent", "run", *(("--workers", str(self.workers)) if self.workers > 1 else ())],
                cwd=self.root, env={**self.env, **more}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def end(self) -> str:
        """Ask it to end and wait; a sentence when it did not do so in good order. "" also when it ran no more."""
        if self._process is None:
            return ""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            return f"the worker of {self.name} did not end within {PATIENCE:g} s of TERM"
        self._process = None
        calm = (0, -signal.SIGTERM)  # the second: before it was ready to hear of it
        return "" if code in calm else f"the worker of {self.name} ended with exit code {code}"

    def kill(self) -> None:
        """kill -9, the worker's own process alone, as the kernel would when memory is short."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def children(self) -> list[int]:
        """The process numbers of everything below the worker's own process."""
        return [] if self._process is None else list(descendants(self._process.pid))

    def freeze(self) -> None:
        """SIGSTOP for the whole tree, also for what is started meanwhile."""
        assert self._process
        self.frozen, stopped = True, set[int]()
        while left := [pid for pid in (self._process.pid, *self.children()) if pid not in stopped]:
            for pid in left:
                stopped.add(pid)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in (*self.children(), *([self._process.pid] if self._process else [])):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self.frozen = False

    def gofer(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run another verb to its end."""
        return subprocess.run(
            [sys.executable, "-m", "agent", *args], cwd=self.root, env=self.env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip

    # -- what is there -----------------------------------------------------------------------------------------------

    def state_folders(self) -> list[Path]:
        """The state folder of this clone; none before the first start."""
        return [path for path in (self.folder / "state").glob("*") if path.is_dir()]

    def last_seen(self) -> str:
        """The remote's tip as its worker last took it in."""
        for folder in self.state_folders():
            with suppress(OSError, ValueError, KeyError):
                return str(json.loads((folder / "sync.json").read_bytes())["tip"])
        return ""

    def said(self) -> str:
        """What the worker printed, over all of its lives."""
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""


def descendants(pid: int, proc: Path = Path("/proc")) -> Iterator[int]:
    """All children of a process and theirs."""
    parents: dict[int, list[int]] = {}
    for entry in proc.iterdir():
        with suppress(OSError, ValueError):
            fields = (entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
            if fields[0] not in "ZX":
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    level = [pid]
    while level:
        level = [child for parent in level for child in parents.get(parent, [])]
        yield from level
