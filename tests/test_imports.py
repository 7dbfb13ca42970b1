"""What a worker imports: nothing of a paid or embedded backend, and no HTTP, before it is asked."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("openai", "xllamacpp", "genai_prices", "httpx", "httpcore")


@pytest.mark.parametrize("module", ["agent.worker", "agent.crew.program", "agent.cli.run", "agent.checkup"])
def test_the_import_of_a_worker_brings_no_paid_or_embedded_backend(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(set({HEAVY!r}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not done.stdout.strip(), f"{module} imports {done.stdout}"
