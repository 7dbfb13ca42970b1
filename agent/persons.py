"""What is published for the person from the work tree: tasks that wait here, ticks, the stop file, and with
`person = "all"` every other note, once it has been left alone for a while."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from agent.git.repository import Repository
from agent.publish import revision_of
from agent.remembered import Remembered
from agent.vault import approval
from agent.vault.layout import APPROVALS, INBOX, STOP_NAMES

STOP_LIMIT = 65_536  # bytes of a stop file
HELD = "it holds a secret, so it is not published: commit it yourself if others shall see it"

Files = Mapping[str, bytes | None]


class Persons:
    """The person's side of one clone. `drops()` gives the tasks that wait here, `notes()` what else is theirs; `scan`
    says which secrets a text holds."""

    def __init__(
        self, repository: Repository, remembered: Remembered, person: str,
        drops: Callable[[], Files], notes: Callable[[], Files], scan: Callable[[bytes], Sequence[str]],
    ) -> None:  # fmt: skip
        self.repository, self.remembered, self.person = repository, remembered, person
        self._drops, self._notes, self._scan = drops, notes, scan
        self._scanned: dict[str, tuple[bytes, bool]] = {}  # drops, and whether they hold a secret
        self._stop_seen: tuple[str | None, frozenset[str]] = (None, frozenset())
        self._approvals: dict[str, tuple[tuple[int, int], bytes | None]] = {}  # path → stamp, and what is answered
        self._suspects: dict[str, bytes | None] = {}  # one of them was refused: each is tried alone
        self._refused: dict[str, bytes | None] = {}

    def files(self, tip: str | None) -> dict[str, bytes | None]:
        """What may be put on top of the remote's tip: paths with their bytes, None for what was taken away."""
        files: dict[str, bytes | None] = {}
        if self.person != "off":
            files = {**(self._notes() if self.person == "all" else {}), **self._ticks(), **self._new_drops()}
        there = self.stop_there(tip)
        for name in STOP_NAMES:
            if (content := _stop(self.repository.work_tree / name)) is not None:
                files[name] = content
            elif name in there:
                files[name] = None
        return self._without_suspects(files)

    def _new_drops(self) -> dict[str, bytes | None]:
        """The drops that were not published yet: one that was, and is not there any more, has ended there. One with a
        secret is for its person alone to commit (D13)."""
        known, here = self.remembered.published, str(self.repository.work_tree)
        drops = {path: raw for path, raw in self._drops().items() if raw is not None}
        self._look_for_secrets(drops)
        return {
            path: raw
            for path, raw in drops.items()
            if not self.held(path)
            and not (path in known and known[path] == revision_of(raw))
            and os.path.exists(f"{here}/{path}")
        }

    def _ticks(self) -> dict[str, bytes]:
        """Approvals in which a box was ticked here: the worker that planned may be elsewhere."""
        found: dict[str, tuple[tuple[int, int], bytes | None]] = {}
        with suppress(OSError), os.scandir(self.repository.work_tree / APPROVALS) as entries:
            for entry in entries:
                info = entry.stat(follow_symlinks=False)
                stamp = (info.st_mtime_ns, info.st_size)
                path = f"{APPROVALS}/{entry.name}"
                known = self._approvals.get(path)
                if known and known[0] == stamp:
                    found[path] = known
                else:
                    ticked = _tick(Path(entry.path))
                    found[path] = stamp, ticked[1] if ticked else None
        self._approvals = found
        return {path: raw for path, (_, raw) in found.items() if raw is not None}

    def _look_for_secrets(self, drops: Mapping[str, bytes]) -> None:
        seen, self._scanned = self._scanned, {}
        for path, raw in drops.items():
            before = seen.get(path)
            self._scanned[path] = before if before and before[0] == raw else (raw, bool(self._scan(raw)))

    def held(self, path: str) -> str:
        """Why a drop is not published, "" when nothing speaks against it."""
        return HELD if self._scanned.get(path, (b"", False))[1] else ""

    def _without_suspects(self, files: dict[str, bytes | None]) -> dict[str, bytes | None]:
        """Without what the remote has refused, as long as it is the same, and with one suspect at most."""
        for known in (self._refused, self._suspects):
            for path in [path for path, data in known.items() if path not in files or files[path] != data]:
                del known[path]
        one = next(iter(self._suspects), None)
        out = self._refused.keys() | (self._suspects.keys() - {one})
        return {path: data for path, data in files.items() if path not in out}

    def refused(self, files: Files) -> None:
        """A push with these was refused."""
        (self._refused if len(files) == 1 else self._suspects).update(files)
        for path in self._refused:
            self._suspects.pop(path, None)

    def published(self, files: Files) -> None:
        """These are on the remote now."""
        for path in files:
            self._suspects.pop(path, None)
        there = {
            path: revision_of(data) for path, data in files.items() if data is not None and path.startswith(f"{INBOX}/")
        }
        if there:
            self.remembered.publish({**self.remembered.published, **there})

    def forget(self) -> None:
        """The branch here is where the remote's is: from here on git tells what ended. Or the history there was
        rewritten, and what was published may be gone with it."""
        if self.remembered.published:
            self.remembered.publish({})

    def stop_there(self, tip: str | None) -> frozenset[str]:
        """The stop files of the remote's tip."""
        if self._stop_seen[0] != tip:
            self._stop_seen = tip, frozenset(self.repository.blobs(tip, STOP_NAMES))
        return self._stop_seen[1]


def answered(root: Path) -> Iterator[tuple[str, approval.Asked, bytes]]:
    """The approvals in a work tree in which one box is ticked: path, what it says, its bytes."""
    with suppress(OSError), os.scandir(root / APPROVALS) as entries:
        for entry in entries:
            if ticked := _tick(Path(entry.path)):
                yield f"{APPROVALS}/{entry.name}", *ticked


def _tick(path: Path) -> tuple[approval.Asked, bytes] | None:
    """An approval with an answer; None for everything else."""
    if path.suffix != ".md" or path.is_symlink() or not path.is_file():
        return None
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    asked = approval.parse(raw)
    return (asked, raw) if asked and not asked.trouble and (asked.approved or asked.rejected) else None


def _stop(path: Path) -> bytes | None:
    try:
        return path.read_bytes()[:STOP_LIMIT] if path.is_file() and not path.is_symlink() else None
    except OSError:
        return None
