"""The words of a model on top of a beat's report: the facts stay code's, and no model holds a beat up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.errors import Doubt, ModelAway, TimeUp
from agent.models.base import Answer
from agent.vault.values import Result, Usage
from tests.heartbeat.world import ROOMY, World

USAGE = Usage("qwen3:8b", "ollama", input_tokens=90, output_tokens=20)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.known["disk"] = ROOMY | {"free_bytes": 50 << 20}
    return world


def beat(world: World, ask: Callable[..., Answer], **context: Any) -> Result:
    return world.beat(ask=ask, params={"wording": True}, **{"model": True, **context})


def saying(text: str, confidence: float = 0.9) -> Callable[..., Answer]:
    def ask(prompt: str, **asked: Any) -> Answer:
        assert asked["seconds"] <= 45
        assert "critical: the disk has only 50.0 MiB left" in prompt
        return Answer(text, USAGE, data={"text": text, "confidence": confidence})

    return ask


def test_the_sentences_come_first_and_every_fact_stays(world: World) -> None:
    plain = World(world.vault.parent / "plain")
    plain.known = world.known
    facts = plain.beat().findings
    result = beat(world, saying("The disk is critical:\nonly 50.0 MiB are left."))
    assert result.findings == ("In short: The disk is critical: only 50.0 MiB are left.", *facts)
    assert result.usage == (USAGE,)


@pytest.mark.parametrize(
    ("text", "confidence"),
    [("The critical disk has 51 MiB left.", 0.9), ("The disk is a bit low on room.", 0.9),
     ("It is critical: the disk.", 0.3), ("critical " * 60, 0.9), (" ", 0.9)],
)  # fmt: skip
def test_what_cannot_be_believed_is_left_out_and_still_counted(world: World, text: str, confidence: float) -> None:
    result = beat(world, saying(text, confidence))
    assert result.findings[0].startswith("critical: the disk")
    assert result.usage == (USAGE,)


@pytest.mark.parametrize("error", [ModelAway("away"), Doubt("no answer"), TimeUp("too slow")])
def test_a_model_that_fails_leaves_the_report_without_its_words(world: World, error: Exception) -> None:
    def ask(prompt: str, **asked: Any) -> Answer:
        raise error

    assert beat(world, ask).findings[0].startswith("critical: the disk")
    assert len(world.heard()) == 1, "the hook was called before any model"


def never(prompt: str, **asked: Any) -> Answer:
    pytest.fail("no model may be asked")


def test_no_model_is_asked_when_none_stands_ready_or_after_a_crash_or_for_a_quiet_beat(world: World) -> None:
    assert beat(world, never, model=False).findings[0].startswith("critical: the disk")
    world.known["disk"] = dict(ROOMY)
    assert beat(world, never, attempt=2).findings[0].startswith("resolved: the disk")
    assert beat(world, never).quiet
