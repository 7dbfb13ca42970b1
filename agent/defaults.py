"""The files that a new vault starts with. There is one copy of each: this repository's own.

A wheel carries them in `agent/_defaults/`; in a checkout they are read from its top level.
"""

from __future__ import annotations

from pathlib import Path

from agent.errors import Usage

_PACKAGE = Path(__file__).parent
_TOP_LEVEL = ("gofer.toml", "AGENTS.md")
_FOLDERS = ("prompts", "prompts/sources", "inbox/templates", "inbox/schedules")


def default_files() -> tuple[str, ...]:
    """The vault-relative names of all of them: `gofer.toml`, `AGENTS.md`, and the `*.md` of `prompts`,
    `prompts/sources`, `inbox/templates` and `inbox/schedules`."""
    root = _root()
    found = [f"{folder}/{path.name}" for folder in _FOLDERS for path in sorted((root / folder).glob("*.md"))]
    return (*_TOP_LEVEL, *found)


def default_file(name: str) -> str:
    """The text of one of them. Raises Usage for a name that `default_files` does not list."""
    if name not in default_files():
        raise Usage(f"Gofer ships no file called '{name}'", fix=f"choose one of {', '.join(default_files())}")
    return (_root() / name).read_text("utf-8")


def _root() -> Path:
    packed = _PACKAGE / "_defaults"
    return packed if packed.is_dir() else _PACKAGE.parent
