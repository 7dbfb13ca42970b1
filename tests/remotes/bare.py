"""A bare repository that plays the host: it keeps a log of every ref and checks every object it is sent."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.remotes.hooks import Hook
from tests.remotes.ledger import RECORDER

SETTINGS = {
    "core.logAllRefUpdates": "always",
    "receive.denyDeletes": "false",
    "receive.denyNonFastForwards": "false",
    "transfer.fsckObjects": "true",
    "http.receivepack": "true",
    "daemon.receivepack": "true",
    "receive.autogc": "false",  # no process of git's own in the background, and no log that expires
    "gc.auto": "0",
}
# Runs every script of <hook>.d in turn with the same standard input; the first that fails refuses the push.
_DISPATCHER = """\
#!/bin/sh
lines=$(cat)
for script in "$(dirname "$0")/pre-receive.d"/*; do
    [ -x "$script" ] || continue
    printf '%s\\n' "$lines" | "$script" || exit 1
done
"""


@dataclass(frozen=True, slots=True)
class Bare:
    """The repository at `path`. All methods look at it from the inside, as the host's own administrator would."""

    path: Path

    def git(self, *args: str, stdin: str = "", ok: Sequence[int] = (0,)) -> str:
        """A git command in the repository; its standard output. Fails the test when the exit code is not in `ok`."""
        done = subprocess.run(
            ["git", "--git-dir", str(self.path), *args],
            input=stdin, capture_output=True, text=True, timeout=60, env=environment(), check=False,
        )  # fmt: skip
        assert done.returncode in ok, f"git {' '.join(args)} → {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def refs(self, prefix: str = "refs/") -> dict[str, str]:
        """Every ref below a prefix and the object it names."""
        said = self.git("for-each-ref", "--format=%(refname) %(objectname)", prefix)
        return dict(line.split(" ") for line in said.splitlines())

    def reflog(self, ref: str) -> list[tuple[str, str]]:
        """The moves of a ref that still exists, oldest first, as (old, new). Git removes a log with its ref: what
        happened to a ref that is gone, `ledger.moves` knows."""
        file = self.path / "logs" / ref
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        return [(old, new) for old, new, *_ in (line.split(" ") for line in lines)]

    def configure(self, key: str, value: str) -> None:
        self.git("config", key, value)

    def fsck(self) -> str:
        """What `git fsck --strict` complains of; "" when nothing. Dangling objects are fine."""
        done = subprocess.run(
            ["git", "--git-dir", str(self.path), "fsck", "--strict", "--full", "--no-dangling", "--no-progress"],
            capture_output=True, text=True, timeout=300, env=environment(), check=False,
        )  # fmt: skip
        said = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("notice: ")]
        return "\n".join(said) or (f"exit code {done.returncode}" if done.returncode else "")

    def locks(self) -> list[Path]:
        """Every `*.lock` file."""
        return sorted(self.path.rglob("*.lock"))

    # -- misbehaviour ------------------------------------------------------------------------------------------------

    def add_hook(self, hook: Hook) -> None:
        """From now on every push runs it, after those that are there. Whole or not at all, also in a running server."""
        target = self.path / "hooks" / "pre-receive.d" / hook.name
        part = target.with_name(f".{hook.name}.part")
        part.write_text(hook.script, "utf-8")
        part.chmod(0o755)
        target.with_name(f"{hook.name}.count").unlink(missing_ok=True)
        os.replace(part, target)

    def remove_hook(self, hook: Hook) -> None:
        (self.path / "hooks" / "pre-receive.d" / hook.name).unlink(missing_ok=True)

    @contextmanager
    def hooked(self, *hooks: Hook) -> Iterator[None]:
        """The hooks are in force for the block."""
        for hook in hooks:
            self.add_hook(hook)
        try:
            yield
        finally:
            for hook in hooks:
                self.remove_hook(hook)

    @contextmanager
    def without_atomic(self) -> Iterator[None]:
        """The host does not offer atomic pushes in the block."""
        self.configure("receive.advertiseAtomic", "false")
        try:
            yield
        finally:
            self.git("config", "--unset-all", "receive.advertiseAtomic", ok=(0, 5))

    def plant_lock(self, ref: str) -> Path | None:
        """Leave `<ref>.lock`, as a server process that died would. None: somebody holds it at this moment."""
        lock = self.path / f"{ref}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.open("x").close()
        except FileExistsError:
            return None
        return lock

    @contextmanager
    def locked(self, ref: str) -> Iterator[Path]:
        """A stale lock lies on a ref for the block. Fails when a live process has the lock."""
        lock = self.plant_lock(ref)
        assert lock, f"{ref} is being written"
        try:
            yield lock
        finally:
            with suppress(FileNotFoundError):
                lock.unlink()

    def claim(self, worker: str, task: str, ref: str, *, nonce: str = "feedfeedfeedfeed", lease_s: float = 900) -> str:
        """Forge a claim as another worker would make it, and put it at `ref`; its object."""
        said = f'{{"v":1,"worker":"{worker}","nonce":"{nonce}","task":"{task}","revision":"0123456789ab",'
        message = said + f'"lease_s":{lease_s:g},"attempt":1}}'
        tree = self.git("mktree").strip()
        made = self.git("-c", "user.name=x", "-c", "user.email=x@y", "commit-tree", tree, "-m", message).strip()
        self.git("update-ref", ref, made)
        return made


def make_bare(path: Path, *, ledger: bool = True) -> Bare:
    """A new bare repository with branch main and SETTINGS. `ledger`: record every move of every ref (see `ledger.py`);
    it costs the server three short shell scripts a push, so leave it away where speed is measured."""
    subprocess.run(
        ["git", "init", "-q", "--bare", "-b", "main", "--template=", str(path)],
        env=environment(), check=True, timeout=60,
    )  # fmt: skip
    bare = Bare(path)
    for key, value in SETTINGS.items():
        bare.configure(key, value)
    (path / "hooks" / "pre-receive.d").mkdir(parents=True)
    (path / "info").mkdir(exist_ok=True)
    scripts = {"pre-receive": _DISPATCHER, **({"reference-transaction": RECORDER} if ledger else {})}
    for name, text in scripts.items():
        (path / "hooks" / name).write_text(text, "utf-8")
        (path / "hooks" / name).chmod(0o755)
    if ledger:
        (path / "ledger").mkdir()
    return bare


def environment(**more: str) -> Mapping[str, str]:
    """The environment of a server's git: nothing of the person's settings, nothing inherited of git's own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    return {**kept, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C", **more}
