"""The board: what the worker is doing, for every other process of this clone to read. One small JSON file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Board:
    """Written by one worker, whole each time and only when something changed; read by `list`, `status`, `show`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last: Mapping[str, Any] | None = None

    def write(self, content: Mapping[str, Any]) -> None:
        """Show this. It is a view, not a record: it is not synced, and a lost one is simply written anew."""
        if content == self._last:
            return
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        part.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
        os.replace(part, self.path)
        self._last = content

    def read(self) -> dict[str, Any]:
        """What is shown now; empty when there is nothing, or nothing readable."""
        try:
            content = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}
