"""What a task may name in a repository: branches, paths, messages. Judged by code before git sees any of it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.errors import Refused
from agent.files.paths import parts
from agent.gate import UNSEEN
from agent.git.command import Git, GitError
from agent.text import shorten

MAX_BRANCH = 200  # characters
MAX_PATHS = 100
MAX_MESSAGE = 16 * 1024  # characters
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


def branch_name(git: Git, name: str) -> str:
    """The name, when git itself takes it as one of a branch and it cannot be anything else. Raises Refused."""
    odd = name.startswith(("-", "+", "refs/", "@")) or UNSEEN.search(name) or len(name) > MAX_BRANCH
    try:
        said = "" if odd else git.run("check-ref-format", "--branch", name).text
    except GitError:
        said = ""
    if said != name or not name:  # git expands @{-1} and the like: then the name is not what it seems
        raise Refused(
            f"'{shorten(name, 60)}' is no name for a branch",
            fix="letters, digits, '/', '.', '_' and '-', not beginning with '-'",
        )
    return name


def commit_id(text: str) -> str:
    """The text when it is an object id, whole or shortened; "" otherwise."""
    return text if _COMMIT.fullmatch(text) else ""


def clean_paths(paths: Sequence[str]) -> list[str]:
    """Paths beneath the top of the work tree. Raises Refused for what is absolute, leads up, or into git's folder."""
    if not paths:
        raise Refused("no paths are named", fix="paths: the files, from the top of the work tree")
    if len(paths) > MAX_PATHS:
        raise Refused(f"more than {MAX_PATHS} paths are named", fix="name their folder, or split the task")
    return ["/".join(parts(path.removesuffix("/"))) for path in paths]


def clean_message(message: str) -> str:
    """The text of a commit message. Raises Refused when it is empty, too long, or holds what hides or acts."""
    text = message.strip()
    if not text:
        raise Refused("the commit message is empty", fix="say it in `message`")
    if len(text) > MAX_MESSAGE:
        raise Refused(f"the commit message is longer than {MAX_MESSAGE:,} characters")
    if UNSEEN.search(text):
        raise Refused("the commit message holds control or invisible characters", fix="take them out")
    return text + "\n"
