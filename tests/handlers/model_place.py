"""A vault in a folder, and a way to run a type that asks a model: real files, the real gate, the real parameters."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.documents import DocumentReader
from agent.files import VaultFiles
from agent.handlers.base import Context, Handler
from agent.handlers.doors import NoWeb, Repo, Web, no_repo
from agent.models.base import Answer, Model, Request
from agent.sandbox import Sandbox
from agent.vault.params import read_params
from agent.vault.prompts import system_prompt
from agent.vault.values import Result, Task
from tests.engine.fixtures import MODEL


@dataclass
class ModelPlace:
    """`root` is the vault. `do` understands and runs a task of one type with the model that it is given."""

    root: Path
    handler: Handler
    context: int = 8192
    repo: Callable[[str, str], Repo] = no_repo
    web: Web = field(default_factory=NoWeb)
    leaves: bool = False
    notes: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)

    def write(self, path: str, text: str | bytes) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)

    def do(self, model: Model, text: str, /, opinions: int = 1, **params: Any) -> Result:
        def ask_model(
            prompt: str, *, schema: Mapping[str, Any] | None = None, max_tokens: int = 1024, seed: int = 0
        ) -> Answer:
            self.seeds.append(seed)
            system = system_prompt(lambda _: None, self.handler.name)
            return model.ask(Request(system, prompt, MODEL, "off", schema, max_tokens, self.context, seed=seed))

        title = text.strip().partition("\n")[0]
        task = Task("t-1", "inbox/t.md", title, text=text, raw=text, revision="0" * 12, params=params)
        ctx = Context(
            task=task,
            now=datetime(2026, 11, 20, tzinfo=UTC),
            files=VaultFiles(self.root),
            ask=ask_model,
            facts=dict,
            note=self.notes.append,
            check=lambda: None,
            memory=self.root,
            run_dir=self.root,
            opinions=opinions,
            repo=self.repo,
            web=self.web,
            documents=DocumentReader(lambda: None, Sandbox("auto", os.environ)),
            window=self.context,
            leaves=self.leaves,
        )
        understand = self.handler.understand
        return self.handler.run(ctx, understand(task) if understand else read_params(task, self.handler.params))
