"""Moving the person's branch without ever getting in their way.

The order is what keeps their commits safe: everything is prepared beforehand; then, with `index.lock` held for
well under a millisecond, the new index is renamed into place; then the branch moves by compare-and-swap. The
other order loses data: `git commit` reads HEAD, then the index, and locks only later, so a branch that moved
before the index makes the person's next commit delete what Gofer added.

`index.lock` is a hard link to the prepared index. So it appears whole, it can be told from anybody else's lock
(same inode), and a guard process removes it when Gofer is killed at the wrong moment.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent import crash
from agent.errors import Busy
from agent.git.command import Git, end
from agent.git.repository import Head, Repository, mtime

QUIET = 0.3  # seconds since anybody else changed index or HEAD
PATIENCE = 5.0  # seconds to wait for such a moment, then go on anyway
ABANDONED = 1.0  # seconds: an empty lock that is older belongs to nobody
FATAL = 128  # git's exit code when it gives up by itself; above it a shell tells of a signal
EDITOR_AGE = 120.0  # seconds: a commit message older than this was abandoned
SEARCHED = 20 << 20  # bytes looked through for names; beyond that asking git is faster
_GUARD = 'while read -r _; do :; done; [ "$1" -ef "$2" ] && rm -f "$1"; rm -f "$2"'


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index shall hold for one path: `new` is a blob id, or None to remove it. With `only_if` the entry is
    only touched while it is one of these (None stands for "no entry"): anything else was staged by the person.
    `hidden`: a sparse checkout leaves the file out of the work tree."""

    new: str | None
    only_if: frozenset[str | None] | None = None
    mode: str = "100644"
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class NewIndex:
    """An index that was prepared from the one that looked like this, None when there was none."""

    before: os.stat_result | None


class Branch:
    """The branch that HEAD names, together with the person's index."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self._index, self._lock = repository.index, repository.git_dir / "index.lock"
        self._prepared = repository.git_dir / "gofer-index"
        self._nowhere = repository.git_dir / "gofer-nowhere"
        self._prepared_lock = repository.git_dir / "gofer-index.lock"  # git's own, while it writes the prepared one
        self._guard: subprocess.Popen[bytes] | None = None
        self._mover: subprocess.Popen[bytes] | None = None
        self._own: tuple[int, int] = (0, 0)  # what our own last write left behind: index time, ref time
        self._restless_since: float | None = None

    def blocked(self, head: Head, now: float) -> str | None:
        """Why the branch may not be moved now, in words for people; None when it may. `now`: seconds since 1970."""
        if head.branch is None:
            return "HEAD is detached: git switch to your branch"
        if doing := self.repository.operation():
            return f"{doing} is in progress: finish it or abort it"
        if self._lock.exists():
            return "another git command holds index.lock"
        if self._message_open(head.branch, now):
            return "a commit message is being written"
        return None

    def restless(self, head: Head, now: float) -> bool:
        """Whether somebody else changed index or HEAD within the last 0.3 s (for 5 s at most)."""
        ref = self.repository.newest_ref_time(head.branch or "")
        seen = (mtime(self._index), ref)
        newest = max(t for t, own in zip(seen, self._own, strict=True) if t != own) if seen != self._own else 0
        if now - newest / 1e9 >= QUIET:
            self._restless_since = None
            return False
        self._restless_since = self._restless_since or now
        if now - self._restless_since > PATIENCE:
            self._restless_since = None
            return False
        return True

    def _message_open(self, branch: str, now: float) -> bool:
        message, ref = mtime(self.repository.git_dir / "COMMIT_EDITMSG"), self.repository.newest_ref_time(branch)
        return bool(ref) and message > ref and now - message / 1e9 < EDITOR_AGE

    def await_others(self) -> None:
        """Wait until no other git command works on the index, for a second at most. `git add` fails when a file that
        it has listed is gone a moment later, so files are removed while none is at it."""
        pause, deadline = threading.Event(), time.monotonic() + 1
        while self._lock.exists() and time.monotonic() < deadline:
            pause.wait(0.002)

    def track(self, ref: str, commit: str) -> None:
        """Note where the remote's branch is, as a push or fetch of the person's own would. A hint: when somebody
        else holds that ref it is noted the next time."""
        found = self.repository.info(ref)
        if found is None or found[0] != commit:
            with contextlib.suppress(Busy):
                self._move(Head(ref, found[0] if found else None), commit)

    def staged(self, paths: Collection[str]) -> dict[str, str | None]:
        """The blobs that the person's index holds for these paths now; "conflict" where it holds several."""
        if not self._index.exists():
            return {}
        try:
            shutil.copyfile(self._index, self._prepared)
            return self._staged({path: Entry(None, frozenset()) for path in paths})
        finally:
            self._prepared.unlink(missing_ok=True)

    def prepare(self, entries: Mapping[str, Entry]) -> NewIndex | None:
        """Write the person's index, with these entries, beside the one in force; None when it need not change."""
        try:
            return self._prepare(entries)
        except BaseException:
            self._discard()
            raise

    def advance(self, head: Head, commit: str, index: NewIndex | None) -> None:
        """Let the prepared index and the branch follow from `head` to `commit`. Raises Busy, with nothing changed on
        the branch, when somebody else was faster: build anew on what is there now."""
        assert head.branch is not None
        if index:
            self._swap(head, index.before)
        crash.step("index swapped, branch not moved")
        if head.commit != commit:
            self._move(head, commit)
        self._own = (mtime(self._index), self.repository.newest_ref_time(head.branch))

    # -- the index ---------------------------------------------------------------------------------------------

    def _prepare(self, entries: Mapping[str, Entry]) -> NewIndex | None:
        self._discard()
        before: os.stat_result | None = None
        with contextlib.suppress(FileNotFoundError):
            before = os.stat(self._index)
            shutil.copyfile(self._index, self._prepared)
            os.chmod(self._prepared, before.st_mode & 0o777)
        if before is None and self.repository.head().commit is not None:
            return None  # a clone without a checkout: an index of ours alone would delete all the rest
        staged = self._staged(entries) if before else {}
        lines = []
        for path, entry in entries.items():
            have = staged.get(path)
            if entry.only_if is not None and (have == entry.new or have not in entry.only_if):
                continue
            lines.append(f"{entry.mode} {entry.new}\t{path}" if entry.new else f"0 {self.repository.zero}\t{path}")
        if not lines:
            self._prepared.unlink(missing_ok=True)
            return None
        self._update(["update-index", "-z", "--index-info"], lines)
        if hidden := [path for path, entry in entries.items() if entry.hidden]:
            self._update(["update-index", "-z", "--skip-worktree", "--stdin"], hidden)
        if before:  # git tells an edit in the second of its `git add` by the time of the index: it must not get younger
            os.utime(self._prepared, ns=(before.st_atime_ns, before.st_mtime_ns))
        return NewIndex(before)

    def _update(self, command: Sequence[str], lines: Sequence[str]) -> None:
        """Write entries, in sight of no work tree: git would look at files that were edited in the second of
        their `git add`, and run the person's filters for it. A sparse index is written in full: into one that stays
        sparse git 2.39 does not take entries of folders that it has only as a whole."""
        self._nowhere.mkdir(exist_ok=True)
        try:
            Git(self._nowhere, self.repository.git_dir).run(
                "-c", "index.sparse=false", *command,
                stdin="\0".join(lines).encode("utf-8", "surrogateescape") + b"\0",
                env={"GIT_WORK_TREE": str(self._nowhere), "GIT_INDEX_FILE": str(self._prepared)},
            )  # fmt: skip
        finally:
            self._nowhere.rmdir()

    def _staged(self, entries: Mapping[str, Entry]) -> dict[str, str | None]:
        """The blob that the prepared copy holds for each path whose entry depends on it. Reading the index takes a
        process, so first look whether its bytes hold any of the names at all (versions 2 and 3 store names whole)."""
        data = self._prepared.read_bytes()
        plain = data[4:8] in (b"\0\0\0\2", b"\0\0\0\3") and not any(self.repository.git_dir.glob("sharedindex.*"))
        plain = plain and len(data) * len(entries) < SEARCHED and b"sdir" not in data  # a sparse index: whole folders
        asked = [path for path, entry in entries.items() if entry.only_if is not None]
        names = [path for path in asked if not plain or path.encode() + b"\0" in data]
        if not names:
            return {}
        listing = self.repository.git.run(
            "--literal-pathspecs", "ls-files", "--stage", "-z", "--", *names[:1000],
            env={"GIT_INDEX_FILE": str(self._prepared)},
        ) if len(names) <= 1000 else self.repository.git.run(
            "ls-files", "--stage", "-z", env={"GIT_INDEX_FILE": str(self._prepared)}
        )  # fmt: skip
        staged: dict[str, str | None] = {}
        for record in listing.out.decode("utf-8", "surrogateescape").split("\0"):
            if record:
                meta, path = record.split("\t", 1)
                _mode, blob, stage = meta.split(" ")
                staged[path] = blob if stage == "0" else "conflict"
        return staged

    def _swap(self, head: Head, before: os.stat_result | None) -> None:
        self._watch_over()
        _sync_file(self._prepared)
        try:
            os.link(self._prepared, self._lock)
        except FileExistsError:
            self._prepared.unlink(missing_ok=True)
            raise Busy("another git command holds index.lock", where=str(self._lock)) from None
        crash.step("index.lock held")
        try:
            if _identity(self._index) != (before and _key(before)) or self.repository.head() != head:
                raise Busy("index or HEAD changed while the commit was built", where=str(self.repository.git_dir))
            os.rename(self._lock, self._index)
        except BaseException:
            self._lock.unlink(missing_ok=True)
            raise
        finally:
            self._prepared.unlink(missing_ok=True)

    def _watch_over(self) -> None:
        """Start the guard: a shell that waits for our end and then removes our lock, if it is still there."""
        if self._guard is None or self._guard.poll() is not None:
            self._guard = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD, "gofer-guard", str(self._lock), str(self._prepared)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    # -- the branch --------------------------------------------------------------------------------------------

    def _move(self, head: Head, commit: str) -> None:
        """Compare-and-swap the branch from head to commit; Busy when it is somewhere else by now."""
        old = head.commit or self.repository.zero
        for fresh in (False, True):
            mover = self._mover
            if mover is None or mover.poll() is not None or fresh:
                self.rest()
                mover = self._mover = self.repository.git.start(
                    "update-ref", "-m", "gofer: outcome", "--create-reflog", "--stdin"
                )
            assert mover.stdin and mover.stdout
            with contextlib.suppress(BrokenPipeError):
                mover.stdin.write(f"start\nupdate {head.branch} {commit} {old}\ncommit\n".encode())
                mover.stdin.flush()
                if mover.stdout.readline() == b"start: ok\n" and mover.stdout.readline() == b"commit: ok\n":
                    return
            self.rest()
            if mover.returncode < 0 or mover.returncode > FATAL:
                self._unlock(head, commit)
            found = self.repository.info(head.branch or "")
            if found and found[0] == commit:
                return
            if (found[0] if found else None) != head.commit:
                break
        raise Busy("the branch moved, or its lock is held", where=head.branch or "")

    def _unlock(self, head: Head, commit: str) -> None:
        """Remove what a killed `update-ref` of ours left: a lock that names our commit, or an empty one that
        nobody touches for a second (a living git fills or removes its own within milliseconds)."""
        for lock in (self.repository.common_dir / f"{head.branch}.lock", self.repository.git_dir / "HEAD.lock"):
            with contextlib.suppress(FileNotFoundError):
                pause = threading.Event()
                while not (said := lock.read_text("ascii", "replace").strip()) and _age(lock) < ABANDONED:
                    pause.wait(0.02)
                if said in ("", commit):
                    lock.unlink()

    def repair(self, commit: str = "") -> None:
        """At start: remove what an earlier worker of ours left behind when it was killed. `commit` is what that
        worker was about to put on the branch, "" when nothing was under way."""
        if _identity(self._prepared) is not None and _inode(self._prepared) == _inode(self._lock):
            self._lock.unlink(missing_ok=True)
        self._discard()
        if commit:
            self._unlock(self.repository.head(), commit)

    def _discard(self) -> None:
        """Forget the prepared index, and the lock that a killed `update-index` of ours left beside it."""
        with contextlib.suppress(OSError):
            self._nowhere.rmdir()
        self._prepared_lock.unlink(missing_ok=True)
        self._prepared.unlink(missing_ok=True)

    def rest(self) -> None:
        """End the long-lived `update-ref`; the next move starts a new one."""
        if self._mover is not None:
            end(self._mover)
            self._mover = None

    def close(self) -> None:
        self.rest()
        if self._guard is not None:
            end(self._guard)
            self._guard = None


def _key(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        return _key(os.stat(path))
    except FileNotFoundError:
        return None


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino


def _age(path: Path) -> float:
    return abs(time.time() - os.stat(path).st_mtime)


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
