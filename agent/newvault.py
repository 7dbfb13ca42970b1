"""Making a vault: the folders and files it starts with. Nothing that is there is overwritten."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from agent.defaults import default_file, default_files
from agent.errors import Busy, Refused, Usage
from agent.git.command import Git, version
from agent.git.repository import Repository
from agent.git.store import Store
from agent.remotes import CONFIRMED
from agent.vault.names import is_schedule

FOLDERS = ("inbox", "inbox/schedules", "outbox", "outbox/handoffs", "outbox/approvals", "memory")
OBSIDIAN = {
    ".obsidian/app.json": '{"newFileLocation": "folder", "newFileFolderPath": "inbox"}\n',
    ".obsidian/templates.json": '{"folder": "inbox/templates"}\n',
}
_URL = ("https://", "http://", "ssh://", "git://", "file://", "/", "./", "../")


@dataclass(frozen=True, slots=True)
class NewVault:
    """What `make_vault` did: the vault, the files it made, those it kept, its remote (None: it has none)."""

    path: Path
    created: tuple[str, ...]
    kept: tuple[str, ...]
    remote: str | None


def make_vault(
    folder: Path, state: Path, *, remote: str = "", obsidian: bool = False, schedules: bool = True
) -> NewVault:
    """Make `folder` a vault. A repository made here gets a first commit; in one that was there, committing the new
    files is left to the person. Without `schedules` nothing recurs in it from the start. Raises Usage for a remote that
    is no address or is another one already."""
    version()
    folder.mkdir(parents=True, exist_ok=True)
    fresh = not (folder / ".git").exists()
    if fresh:
        Git(folder).run("init", "--quiet", "--initial-branch=main", "--template=", str(folder))
    repository = Repository(folder)
    names = (name for name in default_files() if schedules or not is_schedule(name))
    wanted = {name: default_file(name) for name in names}
    wanted |= {f"{name}/.gitkeep": "" for name in FOLDERS}
    if obsidian:
        wanted |= OBSIDIAN
    created: list[str] = []
    kept: list[str] = []
    for name, text in wanted.items():
        (created if _write_new(repository.work_tree / name, text) else kept).append(name)
    address = _set_remote(repository, remote)
    if fresh and created:
        _first_commit(repository, state, {name: wanted[name].encode() for name in created})
    return NewVault(repository.work_tree, tuple(sorted(created)), tuple(sorted(kept)), address)


def _write_new(path: Path, text: str) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


def _first_commit(repository: Repository, state: Path, files: dict[str, bytes]) -> None:
    store = Store(repository, state / "objects.git")
    head = repository.head()
    commit = store.commit(None, "gofer: new vault\n", int(time.time()), dict(files))
    store.close()
    if head.branch is None:
        raise Busy("HEAD is detached in a repository that was just made", where=str(repository.git_dir))
    repository.git.run("update-ref", "-m", "gofer: new vault", head.branch, commit, repository.zero)
    repository.git.run("read-tree", commit)
    repository.rest()


def _set_remote(repository: Repository, remote: str) -> str | None:
    have = repository.config("remote.origin.url") or None
    if not remote or remote == have:
        return have
    if have:
        raise Usage(f"the vault has another remote already: {have}", fix="git remote set-url origin …")
    if not (remote.startswith(_URL) or ("@" in remote and ":" in remote and not remote.startswith("-"))):
        raise Refused(
            f"'{remote}' is not the address of a git remote", fix="https://…, ssh://…, user@host:path or a path"
        )
    repository.git.run("remote", "add", "--", "origin", remote)
    repository.git.run("config", CONFIRMED, "origin")  # somebody said so: a checkout of Gofer itself needs that
    if branch := repository.head().branch:  # so that `git pull` and `git status` know it too
        short = branch.removeprefix("refs/heads/")
        repository.git.run("config", f"branch.{short}.remote", "origin")
        repository.git.run("config", f"branch.{short}.merge", branch)
    return remote
