"""Which remote a vault is exchanged with, if any."""

from __future__ import annotations

import tomllib

from agent.errors import PersonMustAct
from agent.git.command import without_secrets
from agent.git.repository import Repository
from agent.redact import redact_tokens

CONFIRMED = "gofer.remote"  # in the clone's own git configuration, where `gofer init --remote` notes it


def choose(repository: Repository, wanted: str) -> str:
    """The name of the remote: as the machine's settings say, else `origin`; "" when there is none. A clone of Gofer's
    own source is pushed nowhere unless somebody confirmed where. PersonMustAct when the named one is not there."""
    names = repository.git.run("remote").text.split()
    if wanted:
        if wanted not in names:
            raise PersonMustAct(
                f"the remote '{wanted}' is not one of this vault's",
                where="sync.remote in this machine's config.toml",
                why=f"git knows {', '.join(names) or 'none'}",
                fix=f"git remote add {wanted} URL, or correct the setting",
            )
        return wanted
    confirmed = repository.config(CONFIRMED)
    if confirmed in names:
        return confirmed
    if "origin" not in names or is_source(repository):
        return ""
    return "origin"


def is_source(repository: Repository) -> bool:
    """Whether this is a checkout of Gofer itself, whose `origin` is the public project and no place for results."""
    try:
        said = tomllib.loads((repository.work_tree / "pyproject.toml").read_text("utf-8"))
        own = said["project"]["name"] == "gofer"
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(own) and (repository.work_tree / "agent" / "road.py").exists()


def address(repository: Repository, remote: str) -> str:
    """Where pushes go, as git resolves it. It may hold a password: never show it."""
    return repository.git.run("remote", "get-url", "--push", "--", remote).text


def shown(repository: Repository, remote: str) -> str:
    """The address as people may see it: without user, password and tokens."""
    return redact_tokens(without_secrets(address(repository, remote)))
