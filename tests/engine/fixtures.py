"""The tiny model and the stand-in, built once for the whole test session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.standin import OllamaStandIn
from tests.engine.tiny_qwen3 import write_tiny_qwen3

MODEL = "qwen3:8b"


@pytest.fixture(scope="session")
def tiny_qwen3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real Qwen3 GGUF of 3 MB that knows nothing."""
    return write_tiny_qwen3(tmp_path_factory.mktemp("engine") / "tiny.gguf")


@pytest.fixture(scope="session")
def _standin(tiny_qwen3: Path) -> Iterator[OllamaStandIn]:
    with OllamaStandIn({MODEL: tiny_qwen3}) as server:
        yield server


@pytest.fixture
def standin(_standin: OllamaStandIn) -> OllamaStandIn:
    """A running stand-in that has `qwen3:8b`, with no faults and no history. What is loaded stays loaded."""
    _standin.reset()
    return _standin
