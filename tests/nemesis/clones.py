"""What is left in a clone: the person's things as they were, no lock, sound objects, a `git status` without Gofer.

Pure functions over a clone. Each returns a list of sentences, one for each violation.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path

from tests.nemesis.commits import git
from tests.nemesis.expect import Mine
from tests.remotes.bare import environment


def check_clone(clone: Path, mine: Mine, *, tip: str = "", allowed: Collection[str] = ()) -> list[str]:
    """Everything. `tip`: a commit that its branch must contain by now. `allowed`: paths that `git status` may show."""
    return [
        *check_mine(clone, mine),
        *check_locks(clone / ".git"),
        *check_objects(clone),
        *check_status(clone, {*mine.files, *mine.index, *allowed}),
        *check_state(clone),
        *(check_followed(clone, tip) if tip else []),
    ]


def record(clone: Path, files: Collection[str], index: Collection[str] = ()) -> Mine:
    """What the person has now: the named files, the named index entries, every stash, the configuration."""
    entries = _index(clone)
    return Mine(
        {path: _bytes(clone / path) for path in files},
        {path: entries.get(path, "") for path in index},
        _stash(clone),
        (clone / ".git" / "config").read_bytes(),
    )


def check_mine(clone: Path, mine: Mine) -> list[str]:
    """I3: byte for byte as recorded."""
    there = {path: _bytes(clone / path) for path in mine.files}
    said = [
        f"I3: {clone}: {path} is {_short(there[path])} instead of {_short(text)}"
        for path, text in mine.files.items()
        if there[path] != text
    ]
    entries = _index(clone)
    said += [
        f"I3: {clone}: the index has {entries.get(path, '') or 'nothing'} for {path} instead of {entry or 'nothing'}"
        for path, entry in mine.index.items()
        if entries.get(path, "") != entry
    ]
    if _stash(clone) != mine.stash:
        said.append(f"I3: {clone}: the stash is {_stash(clone)} instead of {mine.stash}")
    if mine.config is not None and (clone / ".git" / "config").read_bytes() != mine.config:
        said.append(f"I3: {clone}: .git/config was changed")
    return said


def check_locks(repository: Path, planted: Collection[Path] = ()) -> list[str]:
    """I4: no lock of git's is left."""
    found = (path for path in sorted(repository.rglob("*.lock")) if path not in planted)
    return [f"I4: {path} is left" for path in found]


def check_objects(repository: Path) -> list[str]:
    """I5: `git fsck --strict`; what is dangling is fine."""
    done = subprocess.run(
        ["git", "-C", str(repository), "fsck", "--strict", "--full", "--no-dangling", "--no-progress"],
        capture_output=True, text=True, env=environment(), timeout=300, check=False,
    )  # fmt: skip
    lines = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("notice: ")]
    if done.returncode and not lines:
        lines = [f"exit code {done.returncode}"]
    return [f"I5: {repository}: {line}" for line in lines]


def check_status(clone: Path, allowed: Collection[str]) -> list[str]:
    """G36: `git status` shows nothing but what the person left."""
    said = git(clone, "--no-optional-locks", "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
    shown = [(entry[:2], entry[3:]) for entry in said.split("\0") if entry]
    return [f"G36: {clone}: git status shows {letters} {path}" for letters, path in shown if path not in allowed]


def check_state(clone: Path) -> list[str]:
    """G14: on its branch, and nothing half done."""
    words = ("MERGE_HEAD", "REBASE_HEAD", "CHERRY_PICK_HEAD", "rebase-merge", "rebase-apply")
    said = [f"G14: {clone}: {word} is left" for word in words if (clone / ".git" / word).exists()]
    head = (clone / ".git" / "HEAD").read_text("utf-8").strip()
    return said + ([] if head.startswith("ref: refs/heads/") else [f"G14: {clone}: HEAD is {head}"])


def check_followed(clone: Path, tip: str) -> list[str]:
    """The branch of the clone has come to contain a commit."""
    found = subprocess.run(
        ["git", "-C", str(clone), "merge-base", "--is-ancestor", tip, "HEAD"],
        env=environment(), capture_output=True, check=False,
    )  # fmt: skip
    here = git(clone, "rev-parse", "HEAD").strip()
    return [f"G36: {clone}: the branch is at {here[:12]} and does not contain {tip[:12]}"] if found.returncode else []


def check_survivors(marker: str, proc: Path = Path("/proc")) -> list[str]:
    """I9: no process is alive that has the marker in its environment."""
    return [f"I9: process {pid} is alive: {said}" for pid, said in processes(marker, proc).items()]


def processes(marker: str, proc: Path = Path("/proc")) -> Mapping[int, str]:
    """The command lines of living processes with the marker (`NAME=value`) in their environment, without our own."""
    found = {}
    for entry in proc.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if marker.encode() not in (entry / "environ").read_bytes().split(b"\0"):
                continue
            dead = (entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()[0] in "ZX"
            said = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        except OSError:
            continue
        if not dead:
            found[int(entry.name)] = said
    return found


def _index(clone: Path) -> dict[str, str]:
    said = git(clone, "ls-files", "--stage", "-z")
    return {path: entry for entry, path in (row.split("\t", 1) for row in said.split("\0") if row)}


def _stash(clone: Path) -> tuple[str, ...]:
    return tuple(git(clone, "stash", "list", "--format=%H").split())


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _short(text: bytes | None) -> str:
    return "not there" if text is None else repr(text[:60])
