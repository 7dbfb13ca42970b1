"""The doctor: every finding is one line, with one remedy."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agent import __version__, facts
from agent.asking import Asking
from agent.errors import GoferError
from agent.git.branch import Branch
from agent.git.command import version
from agent.git.repository import Repository
from agent.inbox import Inbox
from agent.repos import ListedRepos
from agent.survey import FULL_DISK, Survey
from agent.watch import Bell, Watcher

SYNCED = ("com~apple~clouddocs", "dropbox", "onedrive", "google drive", "icloud")


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `fix` is empty when it is ok."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


def check_up(root: Path, env: Mapping[str, str], now: datetime) -> list[Check]:
    """Look at git, settings, matrix, models, file events, disk, and every file in the inbox."""
    survey = Survey(root, env, now)
    return [
        Check("gofer", True, f"{__version__}, worker {survey.settings.worker.name}"),
        *_git(root, now),
        *_settings(survey),
        *_repos(survey),
        *_model(survey),
        *_files(survey),
        *_inbox(survey, now),
    ]


def _git(root: Path, now: datetime) -> Iterator[Check]:
    try:
        yield Check("git", True, ".".join(map(str, version())))
        repository = Repository(root)
    except GoferError as error:
        yield Check("git", False, f"{error.what}: {error.why}", error.fix)
        return
    head = repository.head()
    blocked = Branch(repository).blocked(head, now.timestamp())
    name = (head.branch or "detached").removeprefix("refs/heads/")
    if blocked:
        yield Check("branch", False, f"{name}: results wait, {blocked}", "finish it; Gofer goes on by itself then")
    else:
        yield Check("branch", True, name if head.commit else f"{name}, no commit yet")
    remote = repository.config("remote.origin.url")
    yield Check("remote", True, "origin is set; this version does not push" if remote else "none: this vault is local")
    place = str(root).lower()
    if found := next((word for word in SYNCED if word in place), ""):
        yield Check(
            "folder", False, f"the vault lies in a synced folder ({found})", "move it: git and it disturb each other"
        )
    if (root / ".stfolder").exists():
        yield Check("folder", False, "Syncthing syncs this vault", "let it ignore .git, or use git alone")
    repository.rest()


def _settings(survey: Survey) -> Iterator[Check]:
    for finding in survey.settings.findings:
        yield Check("settings", False, f"{finding.what} ({finding.where})", finding.fix)
    if not survey.settings.findings:
        yield Check("settings", True, "gofer.toml and the machine's own settings are in order")
    rows = len(survey.router.matrix().rows)
    if problem := survey.router.problem:
        yield Check("matrix", False, f"{problem.what} ({problem.where}): {problem.why}", problem.fix)
    else:
        yield Check("matrix", True, f"{rows} rows")


def _repos(survey: Survey) -> Iterator[Check]:
    try:
        door = ListedRepos(survey.settings.repos, survey.root, Repository(survey.root).common_dir)
    except GoferError:
        return  # told above
    for name, listed in sorted(survey.settings.repos.items()):
        try:
            for verb in listed.allow[:1]:
                door.open(name, verb)
            yield Check("repos", True, f"{name}: {', '.join(listed.allow) or 'nothing is allowed'}")
        except GoferError as error:
            yield Check("repos", False, f"{error.what} ({error.where}): {error.why}", error.fix)


def _model(survey: Survey) -> Iterator[Check]:
    try:
        health = Asking(survey.root, survey.settings).health()
    except GoferError as error:
        yield Check("model", False, str(error), error.fix)
        return
    yield Check("model", health.ok, health.detail, "" if health.ok else health.fix or "start Ollama: ollama serve")


def _files(survey: Survey) -> Iterator[Check]:
    watcher = Watcher([survey.root / "inbox"], Bell())
    if watcher.trouble:
        yield Check("events", False, watcher.trouble, "raise fs.inotify.max_user_watches, or live with the polling")
    else:
        yield Check("events", True, "file events arrive; the inbox is looked at anyway")
    watcher.close()
    free = facts.disk(survey.root)["free_bytes"]
    full = free < FULL_DISK
    yield Check("disk", not full, f"{free >> 20} MiB free", "make room" if full else "")
    writable = os.access(survey.state.parent if survey.state.exists() else Path.home(), os.W_OK)
    yield Check(
        "state", writable, str(survey.state), "" if writable else "set GOFER_STATE_DIR to a folder you may write"
    )
    if stop := facts.stopped(survey.root):
        yield Check("stop", False, f"the file {stop} stops every worker of this vault", f"delete {stop} to go on")


def _inbox(survey: Survey, now: datetime) -> Iterator[Check]:
    if not (survey.root / "inbox").is_dir():
        yield Check("inbox", False, "there is no folder inbox/", "gofer init makes what is missing")
        return
    items = survey.waiting()
    bad = [item for item in items if item.state == "invalid"]
    for item in bad:
        yield Check("inbox", False, f"{item.path}: {item.reason}", "mend it; its report in outbox/ shows how")
    look = Inbox(survey.root, 0.0, 0.0, lambda path, raw: False).look(0.0, now.timestamp())
    for path, why in look.ignored:
        if path.endswith(".md") or "conflict" in why:
            yield Check("inbox", True, f"{path} is left alone: {why}")
    if not bad:
        yield Check("inbox", True, f"{len(items)} tasks, every one readable")
