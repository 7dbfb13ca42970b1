"""The JSON Schemas (draft 2020-12) of everything that `--json` prints, shipped with the package."""

from __future__ import annotations

import json
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from agent.errors import Usage

_SHARED = "common.json"


def verbs() -> tuple[str, ...]:
    """The names `schema` knows: a verb, or a verb with its sub-verb or flag, like `handoff-list` and `run-dry-run`."""
    names = (entry.name for entry in _folder().iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in names if name.endswith(".json") and name != _SHARED))


def schema(verb: str) -> dict[str, Any]:
    """The schema of `gofer <verb> --json`, complete in itself. One with `x-planned` belongs to a verb to come.

    Raises Usage for a name that `verbs` does not list.
    """
    if verb not in verbs():
        raise Usage(f"there is no schema called '{verb}'", fix=f"choose one of {', '.join(verbs())}")
    loaded: dict[str, Any] = _load(f"{verb}.json")
    return loaded | {"$defs": _load(_SHARED)["$defs"]}


def _load(name: str) -> Any:
    # Each file names the shared words by a relative reference; inside one document that is the document itself.
    return json.loads((_folder() / name).read_text("utf-8").replace(f'"{_SHARED}#', '"#'))


def _folder() -> Traversable:
    return resources.files("agent") / "schemas"
