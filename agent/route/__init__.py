"""Where a task goes and which rule says so. No model is asked for this."""

from agent.route.matrix import Matrix, load_matrix
from agent.route.rules import decide
from agent.route.types import TYPES

__all__ = ["TYPES", "Matrix", "decide", "load_matrix"]
