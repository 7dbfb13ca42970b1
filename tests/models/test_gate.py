"""The gate, with replies that nothing but the gate has looked at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import Doubt, ModelAway
from agent.models.base import Answer, Request
from agent.models.fake import FakeModel
from agent.models.gate import Reply, estimate, gated, output_limit

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
REQUEST = Request(system="You are terse.", prompt="How many?", model="qwen3:8b", schema=SCHEMA)
GOOD = Reply('{"n": 3}', "qwen3:8b", "test", "d1", input_tokens=90, output_tokens=6, context=8192)


def refused(*script: Reply, request: Request = REQUEST) -> tuple[Doubt, FakeModel]:
    model = FakeModel(*script)
    with pytest.raises(Doubt) as caught:
        model.ask(request)
    return caught.value, model


def test_a_good_reply_becomes_an_answer_with_its_data_and_usage() -> None:
    answer = FakeModel(GOOD).ask(REQUEST)
    assert answer.data == {"n": 3}
    assert (answer.usage.model, answer.usage.digest) == ("qwen3:8b", "d1")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (90, 6)


def test_the_schema_is_stated_in_the_prompt_too() -> None:
    model = FakeModel(GOOD)
    model.ask(REQUEST)
    assert '"required":["n"]' in model.history[0].prompt


BAD_TWICE = {
    "l07 empty": replace(GOOD, text=" \n"),
    "l08 thinking": replace(GOOD, text='<think>hm</think>{"n": 3}'),
    "l08 control token": replace(GOOD, text='{"n": 3}<|im_end|>'),
    "l09 no json": replace(GOOD, text="three"),
    "l09 wrong type": replace(GOOD, text='{"n": "3"}'),
    "l09 one field too many": replace(GOOD, text='{"n": 3, "m": 1}'),
    "l09 not a number": replace(GOOD, text='{"n": NaN}'),
    "l09 deep nesting": replace(GOOD, text='{"n": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    "l09 huge number": replace(GOOD, text='{"n": ' + "9" * 10_000 + "}"),
    "l06 length": replace(GOOD, reason="length"),
    "l11 unfinished": replace(GOOD, finished=False, reason=""),
    "l11 error in the stream": replace(GOOD, finished=False, error="unexpected EOF"),
    "odd reason": replace(GOOD, reason="unload"),
}


@pytest.mark.parametrize("bad", BAD_TWICE.values(), ids=BAD_TWICE.keys())
def test_a_bad_reply_gets_one_changed_retry_and_then_goes_up(bad: Reply) -> None:
    doubt, model = refused(bad, bad)
    assert doubt.reason == "bad-answer"
    assert "qwen3:8b was asked twice" in doubt.tried
    first, second = model.history
    assert second.prompt != first.prompt


@pytest.mark.parametrize("bad", BAD_TWICE.values(), ids=BAD_TWICE.keys())
def test_a_good_second_reply_counts_and_both_are_paid_for(bad: Reply) -> None:
    answer = FakeModel(bad, GOOD).ask(REQUEST)
    assert answer.data == {"n": 3}
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (180, 12)
    assert answer.notes[-1].startswith("asked twice: ")


def test_l07_the_retry_after_an_empty_answer_does_not_think_and_may_say_more() -> None:
    model = FakeModel(replace(GOOD, text=""), GOOD)
    model.ask(replace(REQUEST, thinking="high", context=16_384))
    assert [request.thinking for request in model.history] == ["high", "off"]
    assert model.history[1].max_tokens > model.history[0].max_tokens


def test_l06_a_retry_that_cannot_fit_is_not_made() -> None:
    doubt, model = refused(replace(GOOD, reason="length"), request=replace(REQUEST, max_tokens=700, context=1100))
    assert (doubt.reason, len(model.history)) == ("bad-answer", 1)


def test_l12_another_model_is_refused_without_a_retry() -> None:
    doubt, model = refused(replace(GOOD, model="qwen3:0.6b"))
    assert "'qwen3:0.6b' answered instead of 'qwen3:8b'" in doubt.tried
    assert len(model.history) == 1


LONG = replace(REQUEST, prompt="word " * 2000)


def test_l04_fewer_tokens_than_words_means_that_the_prompt_was_cut() -> None:
    doubt, model = refused(replace(GOOD, input_tokens=1024), request=LONG)
    assert (doubt.reason, len(model.history)) == ("too-long", 1)


def test_l05_a_count_above_the_window_means_that_the_prompt_was_shifted_out() -> None:
    doubt, _ = refused(replace(GOOD, input_tokens=4090, output_tokens=100, context=4096), request=LONG)
    assert doubt.reason == "too-long"


def test_l05_without_a_count_a_short_prompt_passes_and_a_long_one_does_not() -> None:
    silent = replace(GOOD, input_tokens=0)
    assert FakeModel(silent).ask(REQUEST).data == {"n": 3}
    doubt, _ = refused(silent, request=replace(LONG, context=5200))
    assert "does not say how much" in doubt.tried


@pytest.mark.parametrize("text", ["word " * 9000, "1" * 9000, "語" * 5000, "=" * 9000, "\n" * 9000])
def test_l04_a_prompt_that_cannot_fit_is_never_sent(text: str) -> None:
    doubt, model = refused(request=replace(REQUEST, prompt=text))
    assert (doubt.reason, model.history) == ("too-long", [])


def test_a_thinking_level_brings_its_share_of_the_output() -> None:
    shares = [output_limit(replace(REQUEST, thinking=level)) for level in ("off", "low", "medium", "high")]
    assert shares == sorted(set(shares))
    assert shares[0] == REQUEST.max_tokens


def test_what_the_backend_raises_passes_through() -> None:
    with pytest.raises(ModelAway):
        FakeModel(ModelAway("gone")).ask(REQUEST)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_the_estimate_is_never_below_the_words_of_a_text(text: str) -> None:
    assert estimate(text) >= len(text.split())


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=120), st.booleans(), st.sampled_from(["stop", "length", ""]))
def test_whatever_the_model_says_only_answers_of_the_schema_come_out(text: str, finished: bool, reason: str) -> None:
    reply = replace(GOOD, text=text, finished=finished, reason=reason)
    try:
        answer: Answer = gated(lambda _: reply, REQUEST)
    except Doubt:
        return
    assert finished and reason == "stop"
    assert isinstance(answer.data["n"], int | float)
