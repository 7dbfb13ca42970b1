"""Routing: the shipped matrix, and a task from a text."""

from pathlib import Path

from agent.route import load_matrix
from agent.vault.values import Task

ROOT = Path(__file__).parents[2]
SHIPPED = load_matrix((ROOT / "prompts" / "delegation.md").read_text("utf-8"))


def task(text: str, **header: object) -> Task:
    title = text.strip().split("\n")[0].lstrip("# ")[:80]
    return Task(id="t", path="inbox/t.md", title=title, text=text, raw=text, revision="0" * 12, **header)  # type: ignore[arg-type]
