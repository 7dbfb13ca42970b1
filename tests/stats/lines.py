"""Ledger lines for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LINE: dict[str, Any] = {
    "v": 1, "task": "a-1a2b3c4d", "title": "A", "type": "ask", "role": "task", "tier": "standard", "status": "done",
    "worker": "w1", "model": "qwen3:8b", "provider": "ollama", "thinking": "off", "input_tokens": 100,
    "output_tokens": 20, "estimated": False, "cost_usd": 0.0, "baseline_model": "opus", "baseline_usd": 0.5,
    "price_date": "2026-11-01", "started": "2026-11-20T09:29:52Z", "finished": "2026-11-20T09:30:00Z",
    "duration_s": 1.5, "attempt": 1, "route": "standard", "reason": None,
}  # fmt: skip
LEAD = {"provider": "lead", "model": "opus", "tier": "complex", "cost_usd": 0.25, "baseline_usd": 0.25}
CODE = {
    "provider": "none", "model": "none", "tier": "trivial", "input_tokens": 0, "output_tokens": 0, "cost_usd": 0.0,
    "baseline_usd": None, "baseline_model": None, "price_date": None,
}  # fmt: skip
BEAT = {**CODE, "type": "heartbeat", "role": "heartbeat"}
AWAY = {"status": "handed-off", "reason": "low-confidence"}


def line(**changed: Any) -> str:
    return json.dumps({**LINE, **changed}) + "\n"


def quiet(count: int, **changed: Any) -> str:
    row = {"v": 1, "type": "heartbeat", "status": "done", "quiet": count, "worker": "w1"}
    return json.dumps({**row, "finished": "2026-11-20T10:00:00Z", **changed}) + "\n"


def segment(root: Path, text: str, name: str = "w1-2026-11-20-01.jsonl") -> Path:
    path = root / "memory" / "ledger" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path
