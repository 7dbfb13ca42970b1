"""The pages for users show tasks that run: each example is a task of a type that is built, and its parameters fit."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from agent.admission import with_parameters
from agent.config.values import LocalConfig
from agent.handlers import HANDLERS
from agent.route.types import KNOWN_TYPES
from agent.vault.task import read_task

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted((DOCS / "errands").glob("*.md"))
_BLOCK = re.compile(r"^(`{3,})(\w+)\n(.*?)^\1$", re.S | re.M)


def blocks(page: Path, language: str) -> list[str]:
    return [text for _, name, text in _BLOCK.findall(page.read_text("utf-8")) if name == language]


def test_there_are_pages() -> None:
    assert len(PAGES) >= 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_example_task_can_run(page: Path) -> None:
    for text in blocks(page, "markdown"):
        if not text.startswith("---\n") or re.match(r"---\ntype: (approval|report|handoff)$", text, re.M):
            continue
        folder = "inbox/schedules" if re.search(r"^(every|cron):", text, re.M) else "inbox"
        task = with_parameters(read_task(text.encode(), f"{folder}/example.md", types=KNOWN_TYPES))
        assert task.problem is None, f"{task.problem}\n{text}"
        assert task.type == "auto" or task.type in HANDLERS, text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_example_of_settings_is_one(page: Path) -> None:
    for text in blocks(page, "toml"):
        whole = text.replace('"…"', f'"{"0" * 64}"')  # where a person puts a digest of their own
        LocalConfig.model_validate(tomllib.loads(whole))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", _BLOCK.sub("", page.read_text("utf-8")))
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        assert "://" in target or (page.parent / target).exists(), target
