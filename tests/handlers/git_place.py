"""A machine that lists one repository of its person's, with a bare remote and a colleague: all of them real git."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.config.tables import ListedRepo
from agent.files import VaultFiles
from agent.handlers.base import Context
from agent.handlers.git import HANDLER, understand
from agent.repos import ListedRepos
from agent.vault.values import Result, Task
from tests.support import git

EVERYTHING = ("fetch", "fast-forward", "branch", "add", "commit", "push", "status", "log")


def task(text: str = "", /, title: str = "t", **params: Any) -> Task:
    return Task(id="t", path="inbox/t.md", title=title, text=text, raw=text, revision="0" * 12, params=params)


def nothing() -> None:
    """A run that nobody stops."""


@dataclass
class Place:
    """`site` is the person's clone of `hub`, `other` a colleague's, `vault` the vault. All have one commit of a.txt."""

    root: Path
    allow: tuple[str, ...] = EVERYTHING
    remote: str = "origin"
    listed: dict[str, Path] = field(default_factory=dict)
    check: Callable[[], None] = nothing

    def __post_init__(self) -> None:
        self.hub, self.site, self.other, self.vault = (self.root / n for n in ("hub.git", "site", "other", "vault"))
        git(self.root, "init", "-q", "--bare", str(self.hub))
        git(self.root, "init", "-q", str(self.vault))
        git(self.root, "clone", "-q", str(self.hub), str(self.site))
        self.commit(self.site, "a.txt", "one\n")
        git(self.site, "push", "-q", "origin", "main")
        git(self.root, "clone", "-q", str(self.hub), str(self.other))
        self.listed["website"] = self.site

    def do(self, text: str = "", /, **params: Any) -> Result:
        """Understand and run a task."""
        asked = task(text, **params)
        settings = {
            name: ListedRepo(path=str(path), allow=self.allow, remote=self.remote)  # type: ignore[arg-type]
            for name, path in self.listed.items()
        }
        context = Context(
            task=asked,
            now=datetime(2026, 11, 20, tzinfo=UTC),
            files=VaultFiles(self.vault),
            ask=lambda *args, **kwargs: pytest.fail("no model is asked"),
            facts=dict,
            note=lambda line: None,
            check=self.check,
            memory=self.root / "memory",
            run_dir=self.root / "run",
            repo=ListedRepos(settings, self.vault, self.vault / ".git").of(self.check),
        )
        result = HANDLER.run(context, understand(asked))
        assert result.changes == ()
        return result

    def say(self, op: str, **params: Any) -> str:
        """All findings of one operation in the website repository."""
        return "\n".join(self.do(op=op, repo="website", **params).findings)

    def git(self, *args: str, **more: Any) -> str:
        """A git command of the person's, in the site."""
        return git(self.site, *args, **more).strip()

    def commit(self, folder: Path, path: str, text: str, message: str = "m") -> str:
        """A commit of the person's, or of the colleague's; its id."""
        self.write(folder, path, text)
        git(folder, "add", path)
        git(folder, "commit", "-q", "-m", message)
        return git(folder, "rev-parse", "HEAD").strip()

    def publish(self, path: str = "b.txt", text: str = "two\n") -> str:
        """The colleague commits and pushes."""
        commit = self.commit(self.other, path, text, f"add {path}")
        git(self.other, "push", "-q", "origin", "main")
        return commit

    @staticmethod
    def write(folder: Path, path: str, text: str) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")

    def script(self, name: str, text: str) -> Path:
        """A program of the person's."""
        path = self.root / name
        path.write_text(f"#!/bin/sh\n{text}", "utf-8")
        path.chmod(0o755)
        return path

    @property
    def at(self) -> str:
        return self.git("rev-parse", "HEAD")
