"""The router in force: the vault's matrix, read again when it changes; the last good one while it is broken."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from agent.defaults import default_file
from agent.errors import BadConfig
from agent.handlers import HANDLERS
from agent.route.matrix import Matrix, load_matrix
from agent.route.rules import decide
from agent.vault.values import Decision, Task

MATRIX = "prompts/delegation.md"
LIMIT = 1 << 20  # bytes


class Router:
    """Decides where tasks go. `problem` is what is wrong with the vault's matrix, None when nothing is."""

    def __init__(self, root: Path, aliases: Mapping[str, str]) -> None:
        self.path, self.aliases = root / MATRIX, aliases
        self.problem: BadConfig | None = None
        self._matrix: Matrix | None = None
        self._seen: tuple[int, int] | None = (0, 0)

    def route(self, task: Task) -> Decision:
        return decide(task, self.matrix(), HANDLERS, self.aliases)

    def matrix(self) -> Matrix:
        """The matrix in force. A vault without the file uses the one that Gofer ships."""
        seen = _stamp(self.path)
        if self._matrix is None or seen != self._seen:
            self._seen = seen
            try:
                text = self.path.read_bytes()[:LIMIT].decode("utf-8") if seen else default_file(MATRIX)
                self._matrix, self.problem = load_matrix(text), None
            except BadConfig as problem:
                self.problem = problem
            except (OSError, UnicodeDecodeError) as error:
                self.problem = BadConfig("the delegation matrix cannot be read", where=MATRIX, why=str(error))
            if self._matrix is None:
                self._matrix = load_matrix(default_file(MATRIX))
        return self._matrix


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        info = os.stat(path)
    except OSError:
        return None
    return info.st_mtime_ns, info.st_size
