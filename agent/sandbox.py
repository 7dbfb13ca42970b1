"""The sandbox around registered commands: bubblewrap, where this machine has it and lets it work.

Inside, a command has namespaces of its own: it sees no other process, no network unless it may, and of the files only
the system's programs, read-only, and the folders that its table in the settings lists. What it starts ends with it.
(bwrap(1), https://github.com/containers/bubblewrap)
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from agent import process
from agent.errors import GoferError, Refused

Level = Literal["auto", "restricted", "full"]

PAGE = "docs/sandbox.md"
INSTALL = "install it: apt install bubblewrap, dnf install bubblewrap or pacman -S bubblewrap"
WITHOUT = 'to do without one, write level = "full" under [sandbox] in this machine\'s config.toml'
_PROBE = 5.0  # seconds
_BELIEVED = 60.0  # seconds for which an answer of the probe counts

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix")
# What programs read to start, to know their user and their zone, and to speak TLS. Nothing of it is a secret.
_ETC = (
    *("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "passwd", "group", "nsswitch.conf", "hosts"),
    *("localtime", "timezone", "locale.conf", "ssl/certs", "ssl/openssl.cnf", "ca-certificates", "pki/tls/certs"),
    *("pki/ca-trust", "crypto-policies", "mime.types", "protocols", "services", "java", "fonts", "os-release"),
)
_NETWORK = ("resolv.conf", "host.conf", "gai.conf")
_NAMESPACES = ("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL")


@dataclass(frozen=True, slots=True)
class Box:
    """What a command may see beside the system's programs: absolute paths, all of which are there.

    `folder` is its own, writable. `hidden` is out of sight even where it lies in a listed folder, unless it is listed
    itself.
    """

    folder: Path
    cwd: Path
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    network: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What a look for bubblewrap came to: `path` when it works, else what is wrong and what to do."""

    path: Path | None
    trouble: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Ready:
    """A command as it is to be started, and what is in force around it, for people."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    words: str
    inside: bool


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Whether and how commands are shut in here, by this machine's settings. `env` is the worker's own environment."""

    level: Level
    env: Mapping[str, str]

    @property
    def found(self) -> Found:
        return find(self.env)

    def ready(
        self, argv: Sequence[str], env: Mapping[str, str], box: Box, *, where: str, wanted: bool, must: bool
    ) -> Ready:
        """How to start a command whose first word is an absolute path. `wanted`: inside where that is possible;
        `must`: inside or not at all. `where` names its table in config.toml. Raises Refused when it must be inside and
        cannot."""
        if not (wanted or must):
            return Ready(tuple(argv), env, "none, as the settings say", False)
        found = self.found
        if found.path is None:
            if must:
                raise Refused(
                    "it may run only in a sandbox, and there is none", where=where, why=found.trouble, fix=found.fix
                )
            return Ready(tuple(argv), env, f"none: {found.trouble}", False)
        given = {**env, "HOME": "/tmp", "TMPDIR": "/tmp"}  # noqa: S108  (its own, inside)
        net = "with the network" if box.network else "without network"
        words = f"bubblewrap, {net}"
        return Ready(arguments(found.path, argv, box), given, words, True)

    def words(self, *, used: bool = True) -> str:
        """What is in force for checks, for people. When no command is there that it would be `used` for, it is looked
        up and not tried out: that takes longer than all the rest of `gofer status`."""
        if self.level == "full":
            return 'none, as sandbox.level = "full" says: checks run with the rights of the worker'
        if not used and (path := _lookup(self.env)):
            return f"bubblewrap is there ({path}); no registered command needs it yet"
        found = self.found
        if found.path:
            return f"bubblewrap works ({found.path}): checks run shut in"
        if self.level == "restricted":
            return f'none, and checks do not run, as sandbox.level = "restricted" says: {found.trouble}'
        return f"none: {found.trouble}. Checks run with the rights of the worker, within limits of memory and time"


def find(env: Mapping[str, str]) -> Found:
    """Look for bubblewrap on the worker's PATH and try it out. The answer is believed for a minute."""
    if sys.platform != "linux":
        return Found(None, "bubblewrap is for Linux only", WITHOUT)
    path = _lookup(env)
    if path is None:
        return Found(None, "bubblewrap is not there", f"{INSTALL}; {WITHOUT}")
    return _tried(path, int(time.monotonic() / _BELIEVED))


def _lookup(env: Mapping[str, str]) -> str | None:
    return shutil.which("bwrap", path=env.get("PATH", os.defpath)) if sys.platform == "linux" else None


@lru_cache(maxsize=8)
def _tried(path: str, _minute: int) -> Found:
    """Whether it can make a sandbox here: many systems forbid that to ordinary users."""
    argv = (path, *_NAMESPACES, *_system(network=False), "--", "/bin/sh", "-c", "exit 0")
    try:
        done = process.run(argv, cwd=Path("/"), stdin=b"", env={}, timeout=_PROBE, stop=lambda: False)
    except GoferError as error:
        return Found(None, f"bubblewrap does not work here ({error.what})", WITHOUT)
    if not done.code:
        return Found(Path(path))
    said = " ".join(done.stderr.decode("utf-8", "replace").split())[:200] or f"exit code {done.code}"
    fix = f"allow user namespaces to ordinary users ({PAGE} says how); {WITHOUT}"
    return Found(None, f"bubblewrap does not work here ({said})", fix)


def failed_to_start(code: int, stderr: bytes) -> str:
    """Why bubblewrap could not start the command inside, in its own words; "" when it did."""
    said = stderr.decode("utf-8", "replace").strip()
    return said.removeprefix("bwrap: ") if code == 1 and said.startswith("bwrap: ") and "\n" not in said else ""


def arguments(bwrap: Path, argv: Sequence[str], box: Box) -> tuple[str, ...]:
    """The argument list of bubblewrap for a command."""
    listed = dict.fromkeys((*_needed(Path(argv[0])), box.cwd, *box.readable), "--ro-bind")
    listed |= dict.fromkeys((*box.writable, box.folder), "--bind")
    temporary = box.folder / "tmp"
    temporary.mkdir(mode=0o700, exist_ok=True)
    mounts: dict[Path, tuple[str, ...]] = {
        path: (how, str(path), str(path)) for path, how in listed.items() if how == "--bind" or not _in_system(path)
    }
    mounts[Path("/tmp")] = ("--bind", str(temporary), "/tmp")  # noqa: S108
    for path in box.hidden:
        if path not in mounts and path.exists() and any(one in path.parents for one in listed):
            mounts[path] = ("--tmpfs", str(path)) if path.is_dir() else ("--ro-bind", os.devnull, str(path))
    for path, how in listed.items():
        outer = next((one for one in path.parents if one in mounts), None)
        if outer in listed and how in ("--ro-bind", listed[outer]):
            mounts.pop(path, None)  # in sight already; and a link in there could not be mounted over
    # A mount hides what was mounted below it before: the outer ones come first.
    ordered = [word for path in sorted(mounts, key=lambda path: len(path.parts)) for word in mounts[path]]
    net = ("--share-net",) if box.network else ()
    return (
        str(bwrap), *_NAMESPACES, *net, *_system(network=box.network), *ordered, "--chdir", str(box.cwd), "--", *argv,
    )  # fmt: skip


def _system(*, network: bool) -> Iterator[str]:
    """The system's own programs, read-only, and as little of /etc as they need."""
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), name)
        elif path.is_dir():
            yield from ("--ro-bind", name, name)
    for name in (*_ETC, *(_NETWORK if network else ())):
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    yield from ("--proc", "/proc", "--dev", "/dev")


def _in_system(path: Path) -> bool:
    return any(path.is_relative_to(name) for name in _SYSTEM)


def _needed(program: Path) -> Iterator[Path]:
    """A program that lies elsewhere than the system's own, and what it cannot run without: the interpreter that its
    first line names, and the Python environment that either belongs to."""
    for path in (program, _interpreter(program)):
        if path is None or _in_system(path):
            continue
        yield path
        for prefix in (path.parent.parent, path.resolve().parent.parent):
            home = _home_of(prefix / "pyvenv.cfg")
            if home and prefix != Path("/"):
                yield prefix
                yield from (one for one in (home.parent,) if _is_python(one))
            elif _is_python(prefix):
                yield prefix


def _interpreter(program: Path) -> Path | None:
    with program.open("rb") as file:
        line = file.readline(512)
    words = os.fsdecode(line[2:]).split() if line.startswith(b"#!") else []
    path = Path(words[0]) if words else None
    return path if path and path.is_absolute() and path.is_file() else None


def _home_of(config: Path) -> Path | None:
    """The folder of the Python that made a virtual environment, as its pyvenv.cfg says (PEP 405)."""
    try:
        lines = config.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    found = [Path(value.strip()) for key, _, value in (line.partition("=") for line in lines) if key.strip() == "home"]
    return next((path for path in found if path.is_absolute()), None)


def _is_python(prefix: Path) -> bool:
    """Whether a folder is an installed Python, with its library: never the whole system, nor a person's `~/.local`."""
    return prefix != Path("/") and not _in_system(prefix) and any(prefix.glob("lib/python3*/os.py"))
