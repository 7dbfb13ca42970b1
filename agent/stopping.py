"""The stop switch: the file `STOP` for every machine that syncs the vault, a mark in the state folder for this clone.

Both survive a restart. While one is there a worker starts nothing, and what runs is finished; it still exchanges with
the remote, so that it sees when the switch is lifted.
"""

from __future__ import annotations

from pathlib import Path

from agent import facts

MARK = "stopped"
NOW = "now"  # the mark's text when what runs is to be killed


def stop_here(state: Path, *, now: bool) -> None:
    """Stop the worker of this clone. `now`: what runs is killed and handed back."""
    state.mkdir(parents=True, exist_ok=True)
    part = state / f"{MARK}.new"
    part.write_text(NOW if now else "", "utf-8")
    part.replace(state / MARK)


def go_on(state: Path) -> None:
    """Lift the switch of this clone."""
    (state / MARK).unlink(missing_ok=True)


def stopped(root: Path, state: Path) -> str:
    """Why nothing starts here, in words for people; "" when nothing stops it."""
    if name := facts.stopped(root):
        return f"the file {name} stops every worker of this vault"
    if (state / MARK).exists():
        return "gofer stop was called here"
    return ""


def at_once(state: Path) -> bool:
    """Whether what runs is to be killed."""
    try:
        return (state / MARK).read_text("utf-8") == NOW
    except OSError:
        return False
