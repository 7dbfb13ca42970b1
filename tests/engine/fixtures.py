"""The tiny model and the stand-in, built once for the whole test session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import xllamacpp

from tests.engine.openai_faults import Scripted
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


@contextmanager
def llama(place: Path, *keys: str) -> Iterator[str]:
    """A real llama.cpp server (the one of llama-server) that has `qwen3:8b`, of 8,192 tokens; its /v1 address."""
    params = xllamacpp.CommonParams()
    params.model.path = str(write_tiny_qwen3(place / "tiny.gguf", context=8192))
    params.model_alias, params.api_keys = {MODEL}, list(keys)
    params.hostnames, params.port, params.ui, params.warmup = ["127.0.0.1"], 0, False, False
    params.n_ctx, params.n_parallel = 8192, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)  # runs for as long as somebody holds it
    yield f"{server.listening_address}/v1"
    del server


@pytest.fixture(scope="session")
def llama_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The /v1 address of a real llama.cpp server that has `qwen3:8b`."""
    with llama(tmp_path_factory.mktemp("llama")) as url:
        yield url


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """An OpenAI-compatible server that lists `qwen3:8b` and does what its script says."""
    with Scripted([MODEL]) as server:
        yield server
