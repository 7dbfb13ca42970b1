"""Small programs that stand where a lead's command line stands. The real ones are not here; these print what their
makers document."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# `claude -p --output-format json` prints one object like this one.
CLAUDE = {
    "type": "result", "subtype": "success", "is_error": False, "duration_ms": 2814, "num_turns": 1,
    "result": "Lima is the capital of Peru.\n\nIt has been since 1535.", "session_id": "0f7c", "total_cost_usd": 0.0123,
    "usage": {"input_tokens": 1200, "cache_read_input_tokens": 0, "output_tokens": 48},
    "modelUsage": {"claude-opus-4-6": {"inputTokens": 1200, "outputTokens": 48, "costUSD": 0.0123}},
}  # fmt: skip
# `codex exec --json` prints one event a line.
CODEX = [
    {"type": "thread.started", "thread_id": "7"},
    {"type": "turn.started"},
    {"type": "item.completed", "item": {"id": "0", "type": "reasoning", "text": "**Thinking about Peru**"}},
    {"type": "item.completed", "item": {"id": "1", "type": "agent_message", "text": "Lima."}},
    {"type": "turn.completed", "usage": {"input_tokens": 900, "cached_input_tokens": 0, "output_tokens": 5}},
]


def script(folder: Path, name: str, code: str) -> Path:
    """An executable Python script. `asked` is what it was given; `note(path)` keeps that for the test."""
    path = folder / name
    path.write_text(
        f"#!{sys.executable}\nimport json, os, sys, time\nasked = sys.stdin.read()\n"
        f"open({str(folder / (name + '.asked'))!r}, 'a').write(asked)\n{code}\n"
    )
    path.chmod(0o755)
    return path


def printing(folder: Path, name: str, *objects: Mapping[str, Any] | str, before: str = "", after: str = "") -> Path:
    """A script that prints these, one a line."""
    lines = [one if isinstance(one, str) else json.dumps(one) for one in objects]
    return script(folder, name, f"{before}\nfor line in {lines!r}: print(line)\n{after}")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def registered(kind: str, name: str, path: Path, **keys: object) -> str:
    """Its table in config.toml."""
    lines = [f"[{kind}.{name}]", f"argv = [{json.dumps(str(path))}]", f'sha256 = "{sha256(path)}"']
    return "\n".join([*lines, *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]) + "\n"
