"""The stop switch: the file `STOP` for every machine that syncs the vault, a mark in the state folder for this clone.

Both survive a restart. While one is there a worker starts nothing, and what runs is finished; it still exchanges with
the remote, so that it sees when the switch is lifted.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from agent import facts
from agent.vault.layout import STOP_NAMES

MARK = "requests/stopped"  # beside what else is asked of the worker, whose folder it watches
NOW = "now"  # the first line of mark or file when what runs is to be killed


def stop_here(state: Path, *, now: bool) -> None:
    """Stop the worker of this clone. `now`: what runs is killed and handed back."""
    (state / MARK).parent.mkdir(parents=True, exist_ok=True)
    part = state / f"{MARK}.tmp"
    part.write_text(NOW if now else "", "utf-8")
    part.replace(state / MARK)


def go_on(state: Path) -> None:
    """Lift the switch of this clone."""
    (state / MARK).unlink(missing_ok=True)


def stop_everywhere(root: Path, when: str, *, now: bool) -> None:
    """Write the stop file. It reaches the other machines with the next exchange."""
    (root / STOP_NAMES[0]).write_text(f"{NOW if now else 'stop'}\n\nWritten by gofer stop at {when}.\n", "utf-8")


def lift_everywhere(root: Path) -> None:
    """Take the stop files away."""
    for name in STOP_NAMES:
        (root / name).unlink(missing_ok=True)


def stopped(root: Path, state: Path) -> str:
    """Why nothing starts here, in words for people; "" when nothing stops it."""
    if name := facts.stopped(root):
        return f"the file {name} stops every worker of this vault"
    if (state / MARK).exists():
        return "gofer stop was called here"
    return ""


def stopped_since(root: Path, state: Path, now: float) -> float:
    """Since when it has been so, in seconds since the epoch, as far as the files tell; `now` when nothing stops it."""
    times = [now]
    for path in (state / MARK, *(root / name for name in STOP_NAMES)):
        with suppress(OSError):
            times.append(path.lstat().st_mtime)
    return min(times)


def at_once(root: Path, state: Path) -> bool:
    """Whether what runs is to be killed."""
    for path in (state / MARK, *(root / name for name in STOP_NAMES)):
        try:
            if path.read_text("utf-8", "replace").split("\n", 1)[0].strip() == NOW:
                return True
        except OSError:
            continue
    return False
