"""The registry of task types: each place in it is a handler of that name, and none is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys

from agent.handlers import HANDLERS
from agent.handlers.base import Handler


def test_every_place_holds_the_handler_of_its_type() -> None:
    for name, handler in HANDLERS.items():
        assert isinstance(handler, Handler) and handler.name == name


def test_a_type_is_imported_when_it_is_first_asked_for() -> None:
    script = (
        "import sys; from agent.handlers import HANDLERS; there = lambda: 'agent.handlers.logs' in sys.modules\n"
        "print(there(), 'logs' in HANDLERS, there(), HANDLERS['logs'].name, there())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "False", "logs", "True"]
