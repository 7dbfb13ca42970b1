"""What can be seen of the remote from outside a worker: who works on other machines, and how far this clone is behind.

One short fetch of the presence refs into a repository of its own, remembered for a while, so that `status --watch` does
not ask a host every two seconds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.errors import CredentialsRefused, GoferError
from agent.git.command import GitError
from agent.git.history import History
from agent.git.network import Network
from agent.git.repository import Repository, mtime
from agent.presence import is_alive, recall, watch
from agent.remotes import choose
from agent.text import utc

PATIENCE = 5.0  # seconds for an answer of the remote
KEPT = 15.0  # seconds for which an answer is believed


@dataclass(frozen=True, slots=True)
class Neighbours:
    """`workers` as `status --json` shows them, without those of this clone; `sync` as far as it is seen from here, None
    without a remote."""

    workers: tuple[Mapping[str, Any], ...] = ()
    sync: Mapping[str, Any] | None = None


def look(root: Path, state: Path, wanted: str, own: str, now: datetime) -> Neighbours:
    """Look at the remote of a vault. `wanted` is the remote that the settings name, `own` this clone's name."""
    repository = Repository(root)
    try:
        remote = choose(repository, wanted)
        if not remote:
            return Neighbours()
        away = _refresh(repository, state, remote)
        network = Network(repository, state / "status.git", remote)
        workers = tuple(
            {k: w[k] for k in ("name", "state", "task", "since", "seen", "offers")} | {"local": False}
            for w in recall(network)
            if w["clone"] != own and (w["state"] == "STOPPED" or is_alive(w, now))
        )
        return Neighbours(workers, _sync(repository, state, remote, away, now))
    except GoferError:
        return Neighbours()
    finally:
        repository.rest()


def _refresh(repository: Repository, state: Path, remote: str) -> GoferError | None:
    """Ask the remote, unless it was asked a moment ago; why it does not answer."""
    stamp = state / "status.git" / "asked"
    if time.time() - mtime(stamp) / 1e9 < KEPT:
        return None
    network = Network(repository, state / "status.git", remote)
    try:
        watch(network, PATIENCE)
    except GoferError as error:
        return error
    stamp.touch()
    return None


def _sync(
    repository: Repository, state: Path, remote: str, away: GoferError | None, now: datetime
) -> Mapping[str, Any]:
    """How the branch here stands to the remote's as it was last seen."""
    head = repository.head()
    short = (head.branch or "").removeprefix("refs/heads/")
    upstream = repository.config(f"branch.{short}.merge").removeprefix("refs/heads/") if short else ""
    tip = repository.info(f"refs/remotes/{remote}/{upstream or short}")
    ahead = behind = 0
    if tip and head.commit:
        try:
            relation = History(repository, state / "merge.git").relation(head.commit, tip[0])
            ahead, behind = relation.ahead, relation.behind
        except GitError:
            pass  # a shallow clone may lack what lies between
    word = "diverged" if ahead and behind else "ahead" if ahead else "behind" if behind else "ok"
    refused = isinstance(away, CredentialsRefused)
    return {
        "state": "offline" if away else word, "remote": remote, "branch": upstream or short or None, "ahead": ahead,
        "behind": behind, "since": utc(now) if away else None,
        "reason": f"{'refused' if refused else 'offline'}: {away}" if away else None,
    }  # fmt: skip
