"""Opening a clone's desk: its lock, where deliveries are written, how its inbox is looked at."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from agent.board import Board
from agent.config import Settings
from agent.errors import Busy
from agent.git.repository import Repository
from agent.inbox import Inbox


def take_lock(state: Path, root: Path) -> FileLock:
    state.mkdir(parents=True, exist_ok=True)
    lock = FileLock(state / "worker.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        holder = Board(state / "board.json").read().get("pid", "unknown")
        raise Busy(
            "another worker runs in this vault",
            where=str(root),
            why=f"process {holder} holds its lock",
            fix="let it work (gofer status shows it), or end it first",
        ) from None
    return lock


def staging(repository: Repository) -> Path | None:
    """Where deliveries are written before they are moved into place. In the work tree the person's `git add` would
    stumble over them: it fails when a file that it has seen is gone a moment later."""
    if not repository.git_dir.is_relative_to(repository.work_tree):
        return None  # a linked work tree or a submodule: perhaps on another disk
    place = repository.git_dir / "gofer-files"
    place.mkdir(exist_ok=True)
    return place


def _is_committed(repository: Repository, path: str, raw: bytes) -> bool:
    """Whether HEAD holds exactly these bytes at this path: such a file is whole."""
    found = repository.info(f"HEAD:{path}")
    return found is not None and found[0] == repository.blob_id(raw)


def inbox(repository: Repository, settings: Settings, walker: str) -> Inbox:
    """The inbox with its settle times: Obsidian saves two seconds after the last key, so its vaults settle longer.
    Where others work too, each `walker` goes through it in an order of its own."""
    root, watch = repository.work_tree, settings.watch
    obsidian = (root / ".obsidian").is_dir()
    settle = watch.settle_obsidian_seconds if obsidian else watch.settle_seconds
    return Inbox(
        root, settle, watch.settle_open_seconds, lambda path, raw: _is_committed(repository, path, raw), walker
    )
