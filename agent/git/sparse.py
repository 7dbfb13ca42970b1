"""Which paths a sparse checkout leaves out of the work tree (git-sparse-checkout(1))."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from agent.git.command import Git
from agent.git.repository import Repository


def left_out(repository: Repository, paths: Sequence[str]) -> frozenset[str]:
    """Those of these paths that are in the index only. Git's own matcher of ignore patterns is asked, whose syntax
    these have; where a path meets none, the nearest folder above it that meets one decides."""
    rules = repository.git_dir / "info" / "sparse-checkout"
    if not paths or not rules.exists() or repository.config("core.sparseCheckout") != "true":
        return frozenset()
    with TemporaryDirectory() as folder:  # the matcher looks whether a name is a folder, and into .gitignore files
        rule = _matches(Path(folder), rules, {name for path in paths for name in _with_folders(path)})
    return frozenset(path for path in paths if not _is_in(path, rule))


def _matches(place: Path, rules: Path, names: set[str]) -> dict[str, str]:
    """The last pattern that each name meets; nothing for those that meet none."""
    git = Git(place)
    git.run("init", "--quiet", "--template=", ".")
    for name in names:
        if name.endswith("/"):
            os.makedirs(place / name, exist_ok=True)
    said = git.run(
        "-c", f"core.excludesFile={rules}", "check-ignore", "--no-index", "--verbose", "--non-matching", "-z",
        "--stdin", stdin=b"\0".join(os.fsencode(name) for name in sorted(names)) + b"\0", ok=(0, 1),
    ).out.decode("utf-8", "surrogateescape").split("\0")  # fmt: skip
    return {name: rule for rule, name in zip(said[2::4], said[3::4], strict=False) if rule}


def _with_folders(path: str) -> list[str]:
    folders = list(PurePosixPath(path).parents)[:-1]
    return [path, *(f"{folder}/" for folder in folders)]


def _is_in(path: str, rule: dict[str, str]) -> bool:
    found = next((rule[name] for name in _with_folders(path) if name in rule), "!")
    return not found.startswith("!")
