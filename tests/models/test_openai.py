"""The OpenAI-compatible backend against servers that misbehave. What every backend must do is in `test_contract.py`."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.errors import BadConfig, CredentialsRefused, Doubt, GoferError, ModelAway, TimeUp
from agent.models.base import SAMPLING, Request, never
from agent.models.line import Late, Line
from agent.models.openai import OpenAICompatible
from tests.engine.fixtures import MODEL, llama
from tests.engine.openai_faults import Breaks, Says, Scripted, Status

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"label": {"enum": ["simple", "hard"]}, "ok": {"type": "boolean"}},
    "required": ["label", "ok"],
    "additionalProperties": False,
}
ASKED = Request(
    system="Answer questions.",
    prompt="Please answer this question",
    model=MODEL,
    max_tokens=200,
    context=4096,
    schema=SCHEMA,
)
GOOD = Says('{"label": "simple", "ok": true}')
QUICK = 0.3  # seconds; the limit of an answer that never comes
KEY = "sk-planted-4d1f7c"


def backend(server: Scripted, **options: Any) -> OpenAICompatible:
    return OpenAICompatible("shop", server.url, **{"key": KEY, "connect_timeout": 2.0, **options})


class within:
    """The block ends in time, and not by chance: a hang would run into pytest's own end instead."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> None:
        self.start = time.monotonic()

    def __exit__(self, *_: object) -> None:
        assert time.monotonic() - self.start < self.seconds


# What is sent


def test_every_question_is_explicit_about_its_bounds_and_its_form(scripted: Scripted) -> None:
    scripted.script.append(GOOD)
    answer = backend(scripted).ask(ASKED)
    (chat,) = scripted.chats
    assert {key: chat[key] for key in ("model", "stream", "stream_options", "temperature", "max_tokens")} == {
        "model": MODEL,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0,
        "max_tokens": 200,
    }
    assert chat["response_format"]["json_schema"] == {"name": "answer", "schema": SCHEMA, "strict": True}
    assert [message["role"] for message in chat["messages"]] == ["system", "user"]
    assert "seed" not in chat
    assert (answer.data, answer.usage.provider, answer.usage.digest) == (
        {"label": "simple", "ok": True},
        "shop",
        "fp_7",
    )
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (150, 9)


def test_a_second_opinion_has_a_seed_and_a_temperature(scripted: Scripted) -> None:
    scripted.script.append(GOOD)
    backend(scripted).ask(replace(ASKED, seed=3))
    assert (scripted.chats[0]["seed"], scripted.chats[0]["temperature"]) == (3, SAMPLING)


TEMPLATE_OFF: dict[str, Any] = {"chat_template_kwargs": {"enable_thinking": False}}
TEMPLATE_ON: dict[str, Any] = {"chat_template_kwargs": {"enable_thinking": True}}


@pytest.mark.parametrize(
    "options, level, sent, used",
    [
        ({"local": True}, "off", TEMPLATE_OFF, "off"),
        ({"local": True}, "low", TEMPLATE_ON, "on"),
        ({}, "off", {"reasoning_effort": "none"}, "off"),
        ({}, "high", {"reasoning_effort": "high"}, "high"),
        ({"thinking": "template"}, "off", TEMPLATE_OFF, "off"),
        ({"thinking": "effort", "local": True}, "low", {"reasoning_effort": "low"}, "low"),
        ({"thinking": "none"}, "low", {}, "default"),
    ],
)
def test_the_thinking_switch_is_the_one_that_the_server_knows(
    scripted: Scripted, options: dict[str, Any], level: str, sent: dict[str, Any], used: str
) -> None:
    scripted.script.append(GOOD)
    answer = backend(scripted, **options).ask(replace(ASKED, thinking=level, context=16_384))
    switches = ("chat_template_kwargs", "reasoning_effort")
    assert {key: value for key, value in scripted.chats[0].items() if key in switches} == sent
    assert (answer.usage.thinking, answer.notes) == (used, ())


# A real llama.cpp server


@pytest.mark.parametrize("thinking", ["template", "effort", "none"])
@pytest.mark.parametrize("level", ["off", "low"])
def test_llama_server_refuses_nothing_of_a_question(llama_server: str, thinking: str, level: str) -> None:
    answer = OpenAICompatible("llama", llama_server, thinking=thinking).ask(replace(ASKED, thinking=level))
    assert (answer.notes, answer.data.keys()) == ((), {"label", "ok"})
    assert answer.usage.digest and answer.usage.output_tokens > 5


def test_l04_llama_server_refuses_what_the_estimate_let_pass(llama_server: str) -> None:
    # Words the tiny model has no tokens for: a few letters of each are one token to the estimate.
    unknown = replace(ASKED, prompt="xyzzyxyzzy " * 1200, context=8192)
    with pytest.raises(Doubt, match="exceeds the available context") as caught:
        OpenAICompatible("llama", llama_server, local=True).ask(unknown)
    assert caught.value.reason == "too-long"


def test_llama_server_with_a_key_answers_who_has_it(tmp_path: Path) -> None:
    with llama(tmp_path, KEY) as url:
        assert OpenAICompatible("llama", url, key=KEY, local=True).ask(ASKED).data["label"]
        for wrong in ("", "another"):
            with pytest.raises(CredentialsRefused):
                OpenAICompatible("llama", url, key=wrong, local=True).ask(ASKED)


# What a server refuses is asked for in another way, and told

NO_EFFORT = Status(400, {"message": "Unrecognized request argument supplied: reasoning_effort"})
NO_EFFORT_NONE = Status(400, {"message": "Unsupported value: 'none'", "param": "reasoning_effort"})
NO_TEMPLATE = Status(422, {"message": "extra field chat_template_kwargs"})
NO_SCHEMA = Status(400, {"message": "Invalid schema", "param": "response_format"})
NO_OBJECT = Status(400, {"message": "'response_format.type' must be 'text'"})
NO_BOUND = Status(400, {"message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."})
NO_TEMPERATURE = Status(400, {"message": "Unsupported value: 'temperature' does not support 0 with this model."})


def test_a_thinking_level_that_is_refused_falls_back_and_says_so(scripted: Scripted) -> None:
    scripted.script.extend([NO_EFFORT, GOOD])
    answer = backend(scripted).ask(replace(ASKED, thinking="low"))
    assert [chat.get("reasoning_effort") for chat in scripted.chats] == ["low", None]
    assert answer.usage.thinking == "default"
    assert answer.notes == ("thinking level 'low' was refused; used default",)


def test_a_model_that_always_thinks_thinks_little_else_by_its_own_default(scripted: Scripted) -> None:
    scripted.script.extend([NO_EFFORT_NONE, GOOD])
    answer = backend(scripted).ask(ASKED)
    assert (answer.usage.thinking, answer.notes) == ("low", ("thinking level 'off' was refused; used low",))
    scripted.script.extend([NO_EFFORT, NO_EFFORT, GOOD])
    assert backend(scripted).ask(ASKED).notes == ("thinking level 'off' was refused; used default",)
    assert [chat.get("reasoning_effort") for chat in scripted.chats] == ["none", "low", "none", "low", None]


def test_a_server_without_template_switches_is_asked_without(scripted: Scripted) -> None:
    scripted.script.extend([NO_TEMPLATE, GOOD])
    assert backend(scripted, local=True).ask(ASKED).usage.thinking == "default"


def test_a_form_that_is_refused_becomes_any_object_and_then_nothing(scripted: Scripted) -> None:
    scripted.script.extend([NO_SCHEMA, NO_OBJECT, GOOD])
    answer = backend(scripted).ask(ASKED)
    forms = [chat.get("response_format", {}).get("type") for chat in scripted.chats]
    assert forms == ["json_schema", "json_object", None]
    assert answer.notes == ("the form of the answer was refused as a schema; it was checked here",)


def test_l09_without_the_servers_help_the_schema_is_checked_all_the_same(scripted: Scripted) -> None:
    bad = Says('{"label": "odd", "ok": true}')
    scripted.script.extend([NO_SCHEMA, bad, NO_SCHEMA, bad])
    with pytest.raises(Doubt) as caught:
        backend(scripted).ask(ASKED)
    assert caught.value.reason == "bad-answer"


def test_newer_models_know_the_bound_by_another_name_and_no_temperature(scripted: Scripted) -> None:
    scripted.script.extend([NO_BOUND, NO_TEMPERATURE, GOOD])
    answer = backend(scripted).ask(ASKED)
    last = scripted.chats[-1]
    assert last["max_completion_tokens"] == 200 and not {"max_tokens", "temperature"} & last.keys()
    assert answer.notes == ("the temperature was refused; used the server's own",)


def test_a_refusal_that_names_nothing_to_give_up_ends_the_question(scripted: Scripted) -> None:
    scripted.script.append(Status(400, {"message": "the messages are odd"}))
    with pytest.raises(Doubt, match="the messages are odd") as caught:
        backend(scripted).ask(ASKED)
    assert (caught.value.reason, len(scripted.chats)) == ("failed", 1)


def test_a_server_that_refuses_for_ever_is_not_asked_for_ever(scripted: Scripted) -> None:
    words = "response_format reasoning_effort temperature max_completion_tokens"
    scripted.script.extend([Status(400, {"message": words})] * 50)
    with pytest.raises(Doubt):
        backend(scripted).ask(ASKED)
    assert len(scripted.chats) == 7


# Servers that are away, busy or slow


def test_l01_a_server_that_is_down_means_try_later() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        away = OpenAICompatible("shop", f"http://127.0.0.1:{unused.getsockname()[1]}/v1", key=KEY)
    with pytest.raises(ModelAway, match="'shop' does not answer"):
        away.ask(ASKED)
    health = away.health(MODEL)
    assert not health.ok and "providers.shop.url" in health.fix


def test_l01_health_of_a_server_that_takes_calls_and_says_nothing_is_told_soon() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf, within(5):
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/v1"
        health = OpenAICompatible("shop", url, connect_timeout=QUICK).health(MODEL)
    assert not health.ok and "does not answer" in health.detail


def test_l02_a_model_that_is_not_listed_is_never_asked_for(scripted: Scripted) -> None:
    with pytest.raises(ModelAway, match="'qwen3:4b' is not there") as caught:
        backend(scripted).ask(replace(ASKED, model="qwen3:4b"))
    assert MODEL in caught.value.fix and not scripted.chats


@pytest.mark.parametrize("listing", [Status(404), Status(405), {"data": []}])
def test_l02_a_server_without_a_list_is_asked_and_may_still_say_no(
    scripted: Scripted, listing: Status | dict[str, Any]
) -> None:
    scripted.listing = listing
    scripted.script.extend([GOOD, Status(404, {"message": "no such model"})])
    assert backend(scripted).health(MODEL).ok
    assert backend(scripted).ask(ASKED).data["ok"] is True
    with pytest.raises(ModelAway, match="no such model") as caught:
        backend(scripted).ask(ASKED)
    assert "/v1" in caught.value.fix


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_l14_a_busy_or_failing_server_means_try_later_and_is_asked_once(scripted: Scripted, status: int) -> None:
    scripted.script.append(Status(status, {"message": "overloaded"}, {"Retry-After": "1"}))
    with pytest.raises(ModelAway, match="overloaded"):
        backend(scripted).ask(ASKED)
    assert len(scripted.chats) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_refuses_the_key_is_told_apart_and_the_key_is_not_told(scripted: Scripted, status: int) -> None:
    refused = Status(status, {"message": f"Incorrect API key provided: {KEY}"})
    scripted.script.append(refused)
    with pytest.raises(CredentialsRefused, match=r"Incorrect API key provided: \*\*\*") as caught:
        backend(scripted).ask(ASKED)
    assert KEY not in str(caught.value)
    scripted.listing = refused
    with pytest.raises(CredentialsRefused):
        backend(scripted).ask(ASKED)
    health = backend(scripted).health(MODEL)
    assert not health.ok and KEY not in repr(health)


def test_l14_a_connection_that_breaks_in_the_answer_means_try_later(scripted: Scripted) -> None:
    scripted.script.append(Breaks.CUT_WIRE)
    with pytest.raises(ModelAway, match="broke"):
        backend(scripted).ask(ASKED)


@pytest.mark.parametrize("how", [Breaks.HANG, Breaks.HANG_AFTER_THE_STATUS])
def test_l03_an_answer_that_never_begins_ends_at_its_limit(scripted: Scripted, how: Breaks) -> None:
    scripted.script.append(how)
    with within(5), pytest.raises(ModelAway, match=r"longer than 0\.3 s"):
        backend(scripted).ask(replace(ASKED, timeout=QUICK))


def test_l03_an_answer_that_trickles_ends_at_its_limit_too(scripted: Scripted) -> None:
    scripted.script.append(Breaks.TRICKLE)
    with within(5), pytest.raises(Doubt) as caught:
        backend(scripted).ask(replace(ASKED, timeout=QUICK))
    assert caught.value.reason == "failed"
    assert scripted.cut_off.wait(5), "the server was left at its work"


def test_an_answer_without_end_is_cut_by_its_size(scripted: Scripted) -> None:
    scripted.script.append(Breaks.ENDLESS)
    with within(30), pytest.raises(ModelAway, match="no end"):
        backend(scripted).ask(replace(ASKED, timeout=20))


def test_a_stopped_run_leaves_the_server_at_once(scripted: Scripted) -> None:
    scripted.script.append(Breaks.HANG)
    with within(5), pytest.raises(TimeUp):
        backend(scripted).ask(ASKED, stop=lambda: bool(scripted.chats))


# Answers that must not count

ERRORS: list[dict[str, Any]] = [
    {"error": {"message": f"the engine died of {KEY}", "code": 502}},
    {"error": f"the engine died of {KEY}"},
    {"object": "error", "message": f"the engine died of {KEY}"},
]


@pytest.mark.parametrize("error", ERRORS)
def test_l11_an_error_inside_the_stream_fails_after_one_retry(scripted: Scripted, error: dict[str, Any]) -> None:
    scripted.script.extend([Says(GOOD.text, parts=[error])] * 2)
    with pytest.raises(Doubt) as caught:
        backend(scripted).ask(ASKED)
    assert "the engine died of ***" in caught.value.tried and KEY not in str(caught.value)
    assert len(scripted.chats) == 2


@pytest.mark.parametrize("how", [Breaks.ABORT, Breaks.HALF_A_LINE])
def test_l11_a_stream_without_its_end_fails_or_is_mended_by_the_retry(scripted: Scripted, how: Breaks) -> None:
    scripted.script.extend([how, GOOD])
    assert backend(scripted).ask(ASKED).notes == ("asked twice: the answer ended without its last part",)
    scripted.script.extend([how, how])
    with pytest.raises(Doubt):
        backend(scripted).ask(ASKED)


BAD = {
    "l07 empty content": Says(""),
    "l07 thinking ate it all": Says("", reasoning="hm " * 50, reason="length"),
    "l08 thinking in the content": Says("<think>hm</think>" + GOOD.text),
    "l09 not json": Says("simple"),
    "l09 not the schema": Says('{"label": "odd", "ok": true}'),
    "l12 another model": Says(GOOD.text, model="qwen3:0.6b"),
    "l12 another size": Says(GOOD.text, model=f"{MODEL}-70b"),
    "l12 no name": Says(GOOD.text, model=""),
    "l12 two names": Says(GOOD.text, parts=[{"model": "qwen3:0.6b"}]),
    "l06 length": replace(GOOD, reason="length"),
    "filtered": replace(GOOD, reason="content_filter"),
    "a tool": replace(GOOD, reason="tool_calls"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_answer_is_never_an_answer(scripted: Scripted, bad: Says) -> None:
    scripted.script.extend([bad, bad])
    with pytest.raises(Doubt) as caught:
        backend(scripted).ask(ASKED)
    assert caught.value.reason == "bad-answer"
    assert MODEL in caught.value.tried


def test_reasoning_is_no_part_of_the_answer(scripted: Scripted) -> None:
    scripted.script.append(replace(GOOD, reasoning="Let me see."))
    assert backend(scripted).ask(ASKED).text == GOOD.text


@pytest.mark.parametrize(
    "wanted, answered",
    [
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("openai/gpt-4o", "openai/gpt-4o-2024-08-06"),
        ("openai/gpt-4o", "gpt-4o"),
        ("gpt-4", "gpt-4-0613"),
        ("claude-sonnet-latest", "anthropic/claude-sonnet-20261022"),
    ],
)
def test_l12_a_dated_or_prefixed_name_is_the_same_model(scripted: Scripted, wanted: str, answered: str) -> None:
    scripted.listing = {"data": [{"id": wanted}]}
    scripted.script.append(replace(GOOD, model=answered))
    assert backend(scripted).ask(replace(ASKED, model=wanted)).usage.model == wanted


@pytest.mark.parametrize(
    "wanted, answered",
    [
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-4o", "gpt-4o-mini-2024-07-18"),
        ("openai/gpt-4o", "evil/gpt-4o"),
        ("gpt-4-0613", "gpt-4-1106"),
        ("gpt-4", "gpt-4o"),
    ],
)
def test_l12_a_name_that_only_looks_alike_is_another_model(scripted: Scripted, wanted: str, answered: str) -> None:
    scripted.listing = {"data": [{"id": wanted}]}
    scripted.script.append(replace(GOOD, model=answered))
    with pytest.raises(Doubt, match="answered instead"):
        backend(scripted).ask(replace(ASKED, model=wanted))


TOO_LONG = [
    {"message": "This model's maximum context length is 8192 tokens.", "code": "context_length_exceeded"},
    {"message": "request (9012 tokens) exceeds the available context size", "type": "exceed_context_size_error"},
    {"message": "max_tokens is too large: the model's maximum context length is 4096 tokens"},
    {"message": "maximum context length is 4096, with 900 for reasoning_effort and response_format"},
]


@pytest.mark.parametrize("words", TOO_LONG)
def test_l04_a_server_that_refuses_a_long_prompt_is_believed(scripted: Scripted, words: dict[str, str]) -> None:
    scripted.script.append(Status(400, words))
    with pytest.raises(Doubt) as caught:
        backend(scripted).ask(ASKED)
    assert (caught.value.reason, len(scripted.chats)) == ("too-long", 1)


@pytest.mark.parametrize("entry", [{"meta": {"n_ctx": 256}}, {"max_model_len": 256}, {"context_length": 256}])
def test_l04_what_does_not_fit_the_window_that_the_server_states_is_not_sent(
    scripted: Scripted, entry: dict[str, Any]
) -> None:
    scripted.listing = {"data": [{"id": MODEL, **entry}]}
    with pytest.raises(Doubt) as caught:
        backend(scripted).ask(ASKED)
    assert caught.value.reason == "too-long" and not scripted.chats


@pytest.mark.parametrize("usage", [{"prompt_tokens": 300, "completion_tokens": 9}, None])
def test_l04_a_server_that_cuts_silently_or_does_not_count_is_not_trusted(
    scripted: Scripted, usage: dict[str, int] | None
) -> None:
    scripted.script.append(replace(GOOD, usage=usage))
    with pytest.raises(Doubt) as caught:
        backend(scripted).ask(replace(ASKED, prompt="Please do it " * 500, context=3500))
    assert caught.value.reason == "too-long"


# Where questions and keys go


def test_l16_nothing_of_the_environment_is_used(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, "planted-value")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Planted: planted-value")
    scripted.script.append(GOOD)
    backend(scripted, key="").ask(ASKED)
    assert "planted" not in str(scripted.headers).lower()
    assert all("authorization" not in headers for headers in scripted.headers)


def test_the_key_goes_to_its_server_with_every_request(scripted: Scripted) -> None:
    scripted.script.append(GOOD)
    backend(scripted).ask(ASKED)
    assert [headers["authorization"] for headers in scripted.headers] == [f"Bearer {KEY}"] * 2


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_l16_a_server_that_sends_us_elsewhere_is_not_followed(scripted: Scripted, status: int) -> None:
    with Scripted([MODEL]) as elsewhere:
        moved = Status(status, "", {"Location": f"{elsewhere.url}/chat/completions"})
        scripted.script.append(moved)
        with pytest.raises(ModelAway, match="elsewhere"):
            backend(scripted).ask(ASKED)
        scripted.listing = replace(moved, headers={"Location": f"{elsewhere.url}/models"})
        assert not backend(scripted).health(MODEL).ok
        assert not elsewhere.requests


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8080/v1",
        "ftp://127.0.0.1/v1",
        "file:///etc/passwd",
        "http://user:secret@127.0.0.1/v1",
        "http://secret@127.0.0.1/v1",
        "http://:secret@127.0.0.1/v1",
        "http://127.0.0.1/v1?key=secret",
        "http://127.0.0.1/v1#secret",
        "http://127.0.0.1:99999/v1",
        "http://127.0.0.1:secret/v1",
        "http://user:secret/1@127.0.0.1/v1",
        "http://[::1",
        "http:///v1",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/v1\nx",
    ],
)
def test_l16_an_address_that_is_not_plain_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(BadConfig, match=r"providers\.shop\.url") as caught:
        OpenAICompatible("shop", url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY} ", f"{KEY}\r\nX-More: 1", f"{KEY}é"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_told(key: str) -> None:
    with pytest.raises(BadConfig) as caught:
        OpenAICompatible("shop", "http://127.0.0.1/v1", key=key)
    assert KEY not in str(caught.value)


def test_no_package_is_imported_before_a_question_is_asked() -> None:
    code = "import sys, agent.models.openai as o; o.OpenAICompatible('a', 'http://127.0.0.1/v1')"
    check = "sys.exit('httpx' in sys.modules or 'openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", f"{code}; {check}"], check=False).returncode == 0


# Servers that are none


@pytest.mark.parametrize(
    "listing",
    [Status(200, "<html>hello</html>"), Status(200, "[]"), Status(200, '{"data": 7}'), Status(200, "[" * 50_000)],
)
def test_what_is_no_such_server_is_away_and_never_a_crash(scripted: Scripted, listing: Status) -> None:
    scripted.listing = listing
    with pytest.raises(ModelAway, match="no answer that can be read"):
        backend(scripted).ask(ASKED)
    assert not backend(scripted).health(MODEL).ok


@pytest.mark.parametrize("body", ["<html>hello</html>", "data: 7\n\n", "data: {\n\n", 'data: {"choices": 7}\n\n', "{}"])
def test_an_answer_of_another_form_is_no_answer(scripted: Scripted, body: str) -> None:
    scripted.script.extend([Status(200, body)] * 2)
    with pytest.raises((ModelAway, Doubt)):
        backend(scripted).ask(ASKED)


def test_every_error_says_where_to_look(scripted: Scripted) -> None:
    scripted.script.append(Status(503, {"message": "loading"}))
    with pytest.raises(GoferError) as caught:
        backend(scripted).ask(ASKED)
    assert scripted.url in str(caught.value) and "loading" in str(caught.value)


# The line itself, over TLS


def test_l03_a_handshake_that_trickles_ends_at_its_limit() -> None:
    done = threading.Event()

    def trickle(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"\x16\x03\x03\x40\x00")  # a long record of the handshake is announced
            while not done.wait(0.02):
                try:
                    connection.sendall(b"\x02")
                except OSError:
                    done.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=trickle, args=(listener,), daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/v1"
        with within(5):
            health = OpenAICompatible("shop", url, connect_timeout=QUICK).health(MODEL)
        assert not health.ok
        assert done.wait(5), "the connection was not left"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh certificate of 127.0.0.1 and its key, in one file."""
    place = tmp_path_factory.mktemp("tls") / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=here", "-addext", "subjectAltName=IP:127.0.0.1"]
    try:
        subprocess.run([*command, "-keyout", place, "-out", f"{place}.crt"], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    place.write_text(place.read_text() + Path(f"{place}.crt").read_text())
    return place


@pytest.fixture
def tls_trickle(certificate: Path) -> Iterator[tuple[int, threading.Event]]:
    """A server that answers over TLS one byte at a time; its port, and whether it saw the client go."""
    gone = threading.Event()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve(listener: socket.socket) -> None:
        raw, _ = listener.accept()
        try:
            with context.wrap_socket(raw, server_side=True) as connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not gone.wait(0.02):
                    connection.sendall(b" ")
        except OSError:
            gone.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1], gone
        gone.set()


def test_l03_an_answer_that_trickles_over_tls_ends_at_its_limit(
    certificate: Path, tls_trickle: tuple[int, threading.Event]
) -> None:
    port, gone = tls_trickle
    trusting = ssl.create_default_context(cafile=f"{certificate}.crt")

    def client(**options: Any) -> httpx.Client:
        return httpx.Client(**{**options, "verify": trusting})

    url = f"https://127.0.0.1:{port}"
    with Line(url, 2.0, server="a server", client=client) as line, within(5), pytest.raises(Late):  # noqa: SIM117
        with line.within(QUICK, never):
            line.get("/models")
    assert gone.wait(5), "the connection was not left"
