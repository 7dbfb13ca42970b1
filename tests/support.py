"""What tests of whole vaults share: a vault in a folder, its person, and workers as real processes."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from agent.config import state_dir
from agent.newvault import make_vault as make_files
from tests.nursery import Nursery

T = TypeVar("T")

CLOSED_PORT = "http://127.0.0.1:9"  # discard: nobody listens there
GOFER = (sys.executable, "-m", "agent")
STRACE = shutil.which("strace")
BWRAP = shutil.which("bwrap")
_GITCONFIG = """\
[user]
    name = Ada
    email = ada@example.org
[init]
    defaultBranch = main
[advice]
    detachedHead = false
[protocol "file"]
    allow = always
"""


def wait_for(condition: Callable[[], T], *, seconds: float = 15.0, what: str = "") -> T:
    """The first true value of `condition`; fails the test when there is none within `seconds`."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain for {what or condition.__name__}")
        pause.wait(0.01)
    return found


def git(
    folder: Path, *args: str, ok: Sequence[int] = (0,), stdin: str = "", env: Mapping[str, str] | None = None
) -> str:
    """A git command of the person's; its standard output. Fails the test when the exit code is not in `ok`."""
    done = subprocess.run(
        ["git", *args], cwd=folder, input=stdin, capture_output=True, text=True, timeout=60, env=env, check=False
    )
    assert done.returncode in ok, f"git {' '.join(args)} → {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


@dataclass(frozen=True, slots=True)
class Vault:
    """A vault with its own home, settings and state folder, so that nothing touches the machine."""

    root: Path
    env: dict[str, str]

    @property
    def state(self) -> Path:
        """The state folder of the worker of this clone."""
        return state_dir(self.root, self.env)

    def drop(self, name: str, text: str) -> Path:
        """Put a file into the inbox, whole."""
        return self.write(f"inbox/{name}", text)

    def write(self, path: str, text: str) -> Path:
        """Put a file into the work tree, whole: written elsewhere, then renamed, as careful programs do."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        part = self.root.parent / f"part-{os.getpid()}-{threading.get_ident()}"
        part.write_text(text, "utf-8")
        os.replace(part, target)
        return target

    def git(self, *args: str, ok: Sequence[int] = (0,), stdin: str = "") -> str:
        """A git command of the person's, in this vault."""
        return git(self.root, *args, ok=ok, stdin=stdin, env=self.env)

    def commit(self, message: str = "notes", *, when: str = "") -> str:
        """The person adds and commits all there is; the new commit. `when`: its date; a fresh one is left alone for a
        minute."""
        self.git("add", "-A")
        dated = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when} if when else {}
        git(self.root, "commit", "-q", "--allow-empty", "-m", message, env={**self.env, **dated})
        return self.git("rev-parse", "HEAD").strip()

    def gofer(self, *args: str, timeout: float = 60, **env: str) -> subprocess.CompletedProcess[str]:
        """Run one verb as a process. `env` is added to its environment."""
        return _nursery().run(list(args), self.root, {**self.env, **env}, timeout)

    def run_once(self, *, ok: Sequence[int] = (0, 1), **env: str) -> dict[str, Any]:
        """`gofer run --once --json`: its data. Fails the test when the exit code is not in `ok`."""
        done = self.gofer("run", "--once", "--json", **env)
        assert done.returncode in ok, f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        data: dict[str, Any] = json.loads(done.stdout)["data"]
        return data

    @contextmanager
    def worker(self, **env: str) -> Iterator[subprocess.Popen[str]]:
        """`gofer run` in the background, ended with TERM at the end of the block."""
        process = subprocess.Popen(
            [*GOFER, "run"], cwd=self.root, env={**self.env, "PYTHONUNBUFFERED": "1", **env}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert process.stdout
        try:
            assert process.stdout.readline().startswith("Working in"), process.communicate(timeout=10)
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            process.stdout.close()

    # -- what there is to see afterwards -----------------------------------------------------------------------------

    def outcomes(self, revision: str = "HEAD") -> Counter[str]:
        """How often each task has an outcome in the history of `revision`, by the trailers of the commits."""
        if not self.git("rev-parse", "-q", "--verify", revision, ok=(0, 1)):
            return Counter()
        said = self.git("log", "--format=%(trailers:key=Gofer-Task,valueonly)", revision)
        return Counter(line for line in said.splitlines() if line)

    def subjects(self) -> list[str]:
        """The first lines of all commit messages, newest first."""
        return self.git("log", "--format=%s").splitlines()

    def tracked(self, folder: str = "", revision: str = "HEAD") -> list[str]:
        """The paths that a commit holds below a folder."""
        listed = self.git("ls-tree", "-r", "-z", "--name-only", revision, "--", *([folder] if folder else []))
        return [path for path in listed.split("\0") if path]

    def inbox(self) -> list[str]:
        """The names of the files in the inbox, templates and hidden ones left out."""
        return sorted(p.name for p in (self.root / "inbox").glob("*") if p.is_file() and not p.name.startswith("."))

    def reports(self) -> dict[str, str]:
        """The reports in the outbox by task id."""
        return {p.stem: p.read_text("utf-8") for p in sorted((self.root / "outbox").glob("*.md"))}

    def ledger(self) -> list[dict[str, Any]]:
        """All ledger lines of the work tree."""
        files = sorted((self.root / "memory" / "ledger").glob("*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]

    def locks(self) -> list[str]:
        """What blocks a person's git, and what Gofer may leave beside their index only while it works."""
        places = {
            Path(self.git("rev-parse", "--path-format=absolute", f).strip()) for f in ("--git-dir", "--git-common-dir")
        }
        return sorted(
            str(p) for place in places for p in place.rglob("*") if p.suffix == ".lock" or p.name == "gofer-index"
        )

    def litter(self) -> list[str]:
        """Temporary files in the work tree, and Gofer's own beside the repository."""
        return sorted(str(p) for pattern in (".gofer-*", ".git/gofer-*") for p in self.root.rglob(pattern))

    def processes(self) -> list[str]:
        """The command lines of living processes that name this vault's folder or its state folder."""
        return processes_of(self.root.parent)

    def check(self) -> None:
        """What holds after any fault: no lock, no litter, no process, sound objects, a status without Gofer."""
        wait_for(lambda: not self.processes(), what=f"processes to end: {self.processes()}")
        assert self.locks() == []
        assert self.litter() == []
        assert self.git("fsck", "--strict", "--no-dangling", "--full") == ""


@cache
def _nursery() -> Nursery:
    folder = tempfile.TemporaryDirectory(prefix="gofer-nursery-")
    nursery = Nursery(Path(folder.name))
    atexit.register(folder.cleanup)
    atexit.register(nursery.close)
    return nursery


def processes_of(place: Path) -> list[str]:
    """The command lines of living processes that name a folder, or work in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            said = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            where = os.readlink(entry / "cwd")
            dead = (entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
        if not dead and (f"{place}/" in said + "/" or f"{where}/".startswith(f"{place}/")):
            found.append(f"{entry.name}: {said}")
    return found


def home_of(place: Path, **env: str) -> dict[str, str]:
    """An environment with a home of its own: the person's git settings, Gofer's settings and state."""
    home = place / "home"
    home.mkdir(parents=True, exist_ok=True)
    (home / ".gitconfig").write_text(_GITCONFIG, "utf-8")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "GOFER_", "XDG_", "OLLAMA_"))}
    return {
        **kept,
        "HOME": str(home),
        "GIT_EDITOR": "true",
        "GOFER_STATE_DIR": str(place / "state"),
        "GOFER_CONFIG": str(place / "config.toml"),
        "GOFER_OLLAMA_HOST": CLOSED_PORT,
        **env,
    }


def make_vault(place: Path, *, config: str = "", settle: float = 0.05, remote: str = "") -> Vault:
    """A new vault in `place/vault`, its first commit made. `config` is added to the machine's own settings."""
    env = home_of(place)
    (place / "config.toml").write_text(
        f"[worker]\nname = 'w1'\n[watch]\nsettle_seconds = {settle}\nsettle_open_seconds = {settle}\n{config}", "utf-8"
    )
    vault = Vault(place / "vault", env)
    make_files(vault.root, vault.state, remote=remote, schedules=False)
    return vault


def clone(vault: Vault, place: Path, *args: str) -> Vault:
    """Another machine's clone of a vault, with a home of its own."""
    other = Vault(place / "vault", home_of(place))
    (place / "config.toml").write_text(
        (Path(vault.env["GOFER_CONFIG"])).read_text("utf-8").replace("w1", "w2"), "utf-8"
    )
    git(place, "clone", "-q", *args, str(vault.root), str(other.root), env=other.env)
    return other


def snapshot(folder: Path, *, skip: Sequence[str] = ()) -> dict[str, bytes]:
    """Every file below a folder with its bytes; links as what they point to. `skip` are prefixes of paths."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name.startswith(tuple(skip)):
            continue
        if path.is_symlink():
            found[name] = b"-> " + os.fsencode(os.readlink(path))
        elif path.is_file():
            found[name] = path.read_bytes()
    return found
