"""The doctor: every finding is one line, with one remedy."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from agent import __version__, facts
from agent.claims import NAMESPACES, Probed, probe, remember
from agent.config.environment import local_config_path
from agent.confining import commands
from agent.doctoring import Check, model_side
from agent.errors import GoferError
from agent.executors import Executors
from agent.git.branch import Branch
from agent.git.command import version
from agent.git.network import Network
from agent.git.repository import Head, Repository
from agent.inbox import Inbox
from agent.remotes import choose, is_source, shown
from agent.repos import ListedRepos
from agent.survey import FULL_DISK, Survey
from agent.watch import Bell, Watcher

PATIENCE = 15.0  # seconds for a remote to answer
SYNCED = ("com~apple~clouddocs", "dropbox", "onedrive", "google drive", "icloud")


def check_up(root: Path, env: Mapping[str, str], now: datetime, *, online: bool = False) -> list[Check]:
    """Look at git, settings, matrix, models, file events, disk, and every file in the inbox. `online`: talk to the
    remote too, and try out with a few pushes what it allows."""
    survey = Survey(root, env, now)
    return [
        Check("gofer", True, f"{__version__}, worker {survey.settings.worker.name}"),
        *_git(survey, now, online),
        *_settings(survey),
        *_repos(survey),
        *_alerts(survey, env),
        *commands(survey.root, survey.settings, survey.state, env),
        *model_side(survey.root, survey.settings, survey.state, env, now),
        *_files(survey),
        *_inbox(survey, now),
    ]


def _git(survey: Survey, now: datetime, online: bool) -> Iterator[Check]:
    root = survey.root
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
    yield from _remote(survey, repository, head, online)
    place = str(root).lower()
    if found := next((word for word in SYNCED if word in place), ""):
        yield Check(
            "folder", False, f"the vault lies in a synced folder ({found})", "move it: git and it disturb each other"
        )
    if (root / ".stfolder").exists():
        yield Check("folder", False, "Syncthing syncs this vault", "let it ignore .git, or use git alone")
    repository.rest()


def _remote(survey: Survey, repository: Repository, head: Head, online: bool) -> Iterator[Check]:
    try:
        name = choose(repository, survey.settings.sync.remote)
    except GoferError as error:
        yield Check("remote", False, f"{error.what}: {error.why}", error.fix)
        return
    if not name:
        source = is_source(repository) and repository.config("remote.origin.url")
        words = "origin belongs to Gofer's own source: it is never pushed to" if source else "none: this vault is local"
        yield Check("remote", True, words)
        return
    place = f"{name} ({shown(repository, name)})"
    if not online:
        yield Check("remote", True, f"{place}; gofer doctor tries it out")
        return
    with tempfile.TemporaryDirectory(prefix="gofer-doctor-") as folder:
        yield from _reached(survey, Network(repository, Path(folder) / "probe.git", name), head, place)


def _reached(survey: Survey, network: Network, head: Head, place: str) -> Iterator[Check]:
    """What the remote says to a look, and to the moves that claims need."""
    wait = "look at the network and the address; work goes on, and results wait until it answers"
    branch = head.branch or "refs/heads/main"
    upstream = network.repository.config(f"branch.{branch.removeprefix('refs/heads/')}.merge") or branch
    try:
        there = network.refs(deadline=PATIENCE)
    except GoferError as error:
        yield Check(
            "remote", False, f"{place}: {error.what}, because {error.why or 'it is too slow'}", error.fix or wait
        )
        return
    words = "is there" if upstream in there else "is not there yet"
    yield Check("remote", True, f"{place} answers; its branch {upstream.removeprefix('refs/heads/')} {words}")
    try:
        found = [probe(network, namespace) for namespace in NAMESPACES]
    except GoferError as error:
        yield Check("claims", False, f"could not be tried out: {error.what}, because {error.why}", error.fix or wait)
        return
    used = next((one for one in found if one.works), None)
    if used:
        remember(survey.state, used)
    for one in found:
        yield _claims(one, used, any(ref.startswith(one.namespace) for ref in there))


def _claims(found: Probed, used: Probed | None, inhabited: bool) -> Check:
    """One line for one namespace."""
    missing, words = ", ".join(found.missing), f" ({found.why})" if found.why else ""
    able = f"no {missing}{words}" if missing else "create, lose, move, atomic and delete work"
    said = f"{found.namespace}: {able}{'; claims live here' if found is used else ''}"
    if used is None:
        return Check("claims", False, said, f"let the remote allow to create, move and delete {found.namespace}*")
    if found is used and not found.atomic:
        fix = "git config receive.advertiseAtomic true on the server; until then an overtaken worker is not stopped"
        return Check("claims", False, said, fix)
    if found is not used and inhabited:
        fix = "run gofer doctor on the other machines too: all must use the same place"
        return Check("claims", False, f"{said}; but claims of other machines are there", fix)
    return Check("claims", True, said)


def _settings(survey: Survey) -> Iterator[Check]:
    for finding in survey.settings.findings:
        yield Check("settings", False, f"{finding.what} ({finding.where})", finding.fix)
    if not survey.settings.findings:
        own = local_config_path(survey.env)
        yield Check("settings", True, f"gofer.toml and this machine's own, {own}, are in order")
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


def _alerts(survey: Survey, env: Mapping[str, str]) -> Iterator[Check]:
    """Where critical alarms go, and whether that is there."""
    wanted = survey.settings.alerts
    if wanted.command:
        try:
            Executors(survey.settings.executors, env).ready(wanted.command)
            yield Check("alerts", True, f"critical alarms go to the command '{wanted.command}'")
        except GoferError as error:
            yield Check("alerts", False, f"{error.what}: {error.why}".rstrip(": "), error.fix)
    if wanted.forward:
        listed = wanted.forward in survey.settings.recipients
        fix = "" if listed else f"add [recipients.{wanted.forward}] to this machine's config.toml"
        what = f"critical alarms go to the recipient '{wanted.forward}'"
        yield Check("alerts", listed, what if listed else f"{what}, who is not listed", fix)


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
    items = [*survey.waiting(), *survey.schedules]
    bad = [item for item in items if item.state == "invalid"]
    for item in bad:
        yield Check("inbox", False, f"{item.path}: {item.reason}", "mend it; its report in outbox/ shows how")
    look = Inbox(survey.root, 0.0, 0.0, lambda path, raw: False).look(0.0, now.timestamp())
    for path, why in look.ignored:
        if path.endswith(".md") or "conflict" in why:
            yield Check("inbox", True, f"{path} is left alone: {why}")
    if not bad:
        yield Check("inbox", True, f"{len(items)} tasks, every one readable")
