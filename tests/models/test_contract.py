"""What every backend does, on every engine that is at hand.

With GOFER_OLLAMA_HOST set, it also runs on that Ollama, through both its protocols, with GOFER_TEST_MODEL (default
qwen3:8b).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent.errors import Doubt, ModelAway, TimeUp
from agent.models.base import Model, Request
from agent.models.ollama import Ollama
from agent.models.openai import OpenAICompatible
from tests.engine.fixtures import MODEL

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"label": {"enum": ["simple", "hard"]}, "ok": {"type": "boolean"}},
    "required": ["label", "ok"],
    "additionalProperties": False,
}
REQUEST = Request(
    system="Answer questions.", prompt="Please answer this question", model=MODEL, max_tokens=200, context=4096
)
ASKED = replace(REQUEST, schema=SCHEMA)

Made = tuple[Model, str]  # a backend, and a model that it has
OLLAMA_HOST = os.environ.get("GOFER_OLLAMA_HOST", "")  # read now: the guards of the tests take it away
OLLAMA_MODEL = os.environ.get("GOFER_TEST_MODEL", MODEL)


def _ollama_on_the_stand_in(request: pytest.FixtureRequest) -> Made:
    return Ollama(request.getfixturevalue("standin").url), MODEL


def _openai_on_llama_server(request: pytest.FixtureRequest) -> Made:
    return OpenAICompatible("llama", request.getfixturevalue("llama_server"), local=True), MODEL


def _real_ollama(_: pytest.FixtureRequest) -> Made:
    return Ollama(OLLAMA_HOST, allow_remote=True), OLLAMA_MODEL


def _openai_on_real_ollama(_: pytest.FixtureRequest) -> Made:
    url = OLLAMA_HOST if "://" in OLLAMA_HOST else f"http://{OLLAMA_HOST}"
    return OpenAICompatible("ollama-v1", f"{url.rstrip('/')}/v1", thinking="effort"), OLLAMA_MODEL


backends: list[tuple[str, Callable[[pytest.FixtureRequest], Made]]] = [
    ("ollama on the stand-in", _ollama_on_the_stand_in),
    ("openai on llama-server", _openai_on_llama_server),
]
if OLLAMA_HOST:
    backends += [("ollama", _real_ollama), ("openai on ollama", _openai_on_real_ollama)]


@pytest.fixture(params=[factory for _, factory in backends], ids=[name for name, _ in backends])
def working(request: pytest.FixtureRequest) -> Made:
    made: Made = request.param(request)
    return made


def test_a_question_with_a_schema_gets_data_of_that_schema(working: Made) -> None:
    backend, model = working
    answer = backend.ask(replace(ASKED, model=model))
    assert answer.data.keys() == {"label", "ok"}
    assert answer.usage.model == model
    assert answer.usage.provider == backend.provider
    assert answer.usage.input_tokens > 20
    assert 0 < answer.usage.output_tokens <= 200


def test_a_question_without_a_schema_gets_text(working: Made) -> None:
    backend, model = working
    answer = backend.ask(replace(REQUEST, model=model))
    assert answer.text and answer.data is None


def test_a_second_opinion_is_an_answer_too(working: Made) -> None:
    backend, model = working
    assert backend.ask(replace(ASKED, model=model, seed=7)).data["label"] in ("simple", "hard")


@pytest.mark.parametrize("level", ["off", "low", "medium", "high"])
def test_l08_no_thinking_is_in_the_answer_at_any_level(working: Made, level: str) -> None:
    backend, model = working
    answer = backend.ask(replace(REQUEST, model=model, thinking=level, context=8192 if level == "high" else 4096))
    assert "<think>" not in answer.text and "Okay so this person" not in answer.text
    assert (answer.usage.thinking == "off") == (level == "off")


def test_health_names_the_models_that_are_there(working: Made) -> None:
    backend, model = working
    health = backend.health(model)
    assert health.ok and model in health.models and health.provider == backend.provider


def test_l02_a_model_that_is_not_there_means_try_later_and_says_what_to_do(working: Made) -> None:
    backend, _ = working
    with pytest.raises(ModelAway, match="nobody-has-this:1b") as caught:
        backend.ask(replace(REQUEST, model="nobody-has-this:1b"))
    assert "nobody-has-this:1b" in caught.value.fix
    health = backend.health("nobody-has-this:1b")
    assert not health.ok and "nobody-has-this:1b" in health.fix


def test_l04_a_prompt_that_is_too_long_is_doubted_and_not_cut(working: Made) -> None:
    backend, model = working
    with pytest.raises(Doubt) as caught:
        backend.ask(replace(REQUEST, model=model, prompt="word " * 4000))
    assert caught.value.reason == "too-long"


def test_l06_an_answer_cut_by_its_bound_is_never_final(working: Made) -> None:
    backend, model = working
    with pytest.raises(Doubt, match="could be used") as caught:
        backend.ask(replace(REQUEST, model=model, max_tokens=2))
    assert caught.value.reason == "bad-answer"
    assert len(caught.value.usage) == 2


def test_a_run_that_is_stopped_gets_no_answer(working: Made) -> None:
    backend, model = working
    with pytest.raises(TimeUp):
        backend.ask(replace(REQUEST, model=model), stop=lambda: True)
