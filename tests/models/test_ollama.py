"""The Ollama backend against a real engine, and against servers that misbehave. What every backend must do is in
`test_contract.py`."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from agent.errors import BadConfig, CredentialsRefused, Doubt, GoferError, ModelAway, Refused, TimeUp
from agent.models.base import Request
from agent.models.ollama import Ollama
from tests.engine.faults import Fault, Say
from tests.engine.fixtures import MODEL
from tests.engine.standin import OllamaStandIn

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
GOOD = Say('{"label": "simple", "ok": true}')
QUICK = 0.3  # seconds; the limit of an answer that never comes


@pytest.fixture
def ollama(standin: OllamaStandIn) -> Ollama:
    return Ollama(standin.url, connect_timeout=2, load_timeout=20)


# What is asked for, and what is sent


def test_l02_a_model_that_is_not_pulled_is_named_with_the_command_and_never_pulled(
    ollama: Ollama, standin: OllamaStandIn
) -> None:
    with pytest.raises(ModelAway) as caught:
        ollama.ask(replace(REQUEST, model="nobody-has-this:1b"))
    assert caught.value.fix == "ollama pull nobody-has-this:1b"
    health = ollama.health("nobody-has-this:1b")
    assert (health.ok, health.fix) == (False, "ollama pull nobody-has-this:1b")
    assert not [path for path, _ in standin.requests if path == "/api/pull"]


def test_l12_the_answer_names_the_digest_of_its_model(ollama: Ollama, standin: OllamaStandIn) -> None:
    assert ollama.ask(REQUEST).usage.digest == standin.digests[MODEL]


def test_every_chat_is_explicit_about_thinking_cutting_and_bounds(ollama: Ollama, standin: OllamaStandIn) -> None:
    standin.faults.append(GOOD)
    ollama.ask(ASKED)
    (chat,) = standin.chats
    assert (chat["think"], chat["truncate"], chat["shift"], chat["stream"]) == (False, False, False, True)
    assert chat["format"] == SCHEMA
    assert chat["options"] == {"temperature": 0, "seed": 0, "num_ctx": 4096, "num_predict": 200}
    assert not [path for path, _ in standin.requests if path == "/api/pull"]


def test_l16_no_key_and_no_proxy_of_the_environment_is_used(
    standin: OllamaStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("OLLAMA_API_KEY", "planted-key")
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    standin.faults.append(GOOD)
    Ollama(standin.url).ask(ASKED)
    assert "planted-key" not in str(standin.headers)


@pytest.mark.parametrize("keep, sent", [("5m", "5m"), ("-1", -1), ("300", 300)])
def test_a_bare_keep_alive_travels_as_a_number(standin: OllamaStandIn, keep: str, sent: object) -> None:
    standin.faults.append(GOOD)
    Ollama(standin.url, keep_alive=keep).ask(ASKED)
    assert standin.chats[0]["keep_alive"] == sent


def test_a_level_that_is_refused_falls_back_to_on_and_says_so(ollama: Ollama, standin: OllamaStandIn) -> None:
    standin.faults.extend([Fault.THINK_REFUSED, GOOD])
    answer = ollama.ask(replace(ASKED, thinking="low"))
    assert [chat["think"] for chat in standin.chats] == ["low", True]
    assert answer.usage.thinking == "on"
    assert answer.notes == ("thinking level 'low' was refused; used on",)


def test_a_model_that_cannot_think_answers_without_and_says_so(ollama: Ollama, standin: OllamaStandIn) -> None:
    standin.capabilities.remove("thinking")
    standin.faults.append(GOOD)
    answer = ollama.ask(replace(ASKED, thinking="high", context=8192))
    assert answer.usage.thinking == "off"
    assert answer.notes == ("thinking level 'high' was refused; used off",)


# Servers that are away, busy or slow


def test_l01_a_server_that_is_down_means_try_later() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(ModelAway, match="Ollama does not answer"):
        Ollama(host).ask(REQUEST)
    health = Ollama(host).health(MODEL)
    assert (health.ok, health.fix) == (False, "ollama serve")


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.LIMITED, Fault.BAD_GATEWAY, Fault.MEMORY, Fault.CRASH])
def test_l14_a_busy_or_failing_server_means_try_later_and_then_it_answers(
    ollama: Ollama, standin: OllamaStandIn, fault: Fault
) -> None:
    standin.faults.extend([fault, GOOD])
    with pytest.raises(ModelAway, match="busy or failing"):
        ollama.ask(ASKED)
    assert len(standin.chats) == 1
    assert ollama.ask(ASKED).data["label"] == "simple"


def test_a_server_that_wants_credentials_is_told_apart(ollama: Ollama, standin: OllamaStandIn) -> None:
    standin.faults.append(Fault.UNAUTHORIZED)
    with pytest.raises(CredentialsRefused):
        ollama.ask(ASKED)


def test_l14_a_connection_that_breaks_in_the_answer_means_try_later(ollama: Ollama, standin: OllamaStandIn) -> None:
    standin.faults.append(Fault.CUT_WIRE)
    with pytest.raises(ModelAway, match="broke"):
        ollama.ask(ASKED)


def test_l03_an_answer_that_never_begins_ends_at_its_limit(ollama: Ollama, standin: OllamaStandIn) -> None:
    standin.faults.append(Fault.HANG)
    with within(5), pytest.raises(ModelAway, match=r"longer than 0\.3 s"):
        ollama.ask(replace(ASKED, timeout=QUICK))


def test_l03_an_answer_that_trickles_ends_at_its_limit_too(ollama: Ollama, standin: OllamaStandIn) -> None:
    standin.faults.append(Fault.TRICKLE)
    with within(5), pytest.raises(Doubt) as caught:
        ollama.ask(replace(ASKED, timeout=QUICK))
    assert caught.value.reason == "failed"
    assert standin.cut_off.wait(5), "the server was left at its work"


def test_l03_loading_has_a_limit_of_its_own(standin: OllamaStandIn) -> None:
    standin.faults.append(Fault.LOAD_HANGS)
    with within(5), pytest.raises(ModelAway, match="was not loaded"):
        Ollama(standin.url, load_timeout=QUICK).ask(replace(ASKED, timeout=60, context=2048))


def test_a_model_that_is_loaded_as_wanted_is_neither_looked_for_nor_loaded_again(
    ollama: Ollama, standin: OllamaStandIn
) -> None:
    cold = ollama.ask(ASKED)
    standin.requests.clear()
    warm = ollama.ask(ASKED)
    assert [path for path, _ in standin.requests] == ["/api/ps", "/api/chat"]
    assert warm.usage.digest == cold.usage.digest
    standin.requests.clear()
    ollama.ask(replace(ASKED, context=2048))  # another context is another loading
    assert [path for path, _ in standin.requests] == ["/api/ps", "/api/chat", "/api/ps", "/api/chat"]


def test_a_stopped_run_leaves_the_server_at_once(ollama: Ollama, standin: OllamaStandIn) -> None:
    standin.faults.append(Fault.HANG)
    with within(5), pytest.raises(TimeUp):
        ollama.ask(ASKED, stop=lambda: bool(standin.chats))


def test_l01_health_of_a_server_that_takes_calls_and_says_nothing_is_told_soon() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf, within(5):
        health = Ollama(f"http://127.0.0.1:{deaf.getsockname()[1]}", connect_timeout=QUICK).health(MODEL)
    assert not health.ok


# Answers that must not count


def test_l11_an_error_inside_the_stream_fails_after_one_retry(ollama: Ollama, standin: OllamaStandIn) -> None:
    standin.faults.extend([Fault.STREAM_ERROR, Fault.STREAM_ERROR])
    with pytest.raises(Doubt, match="could be used") as caught:
        ollama.ask(ASKED)
    assert "unexpected EOF" in caught.value.tried
    assert len(standin.chats) == 2


def test_l11_a_stream_without_its_end_fails_or_is_mended_by_the_retry(ollama: Ollama, standin: OllamaStandIn) -> None:
    standin.faults.extend([Fault.ABORT, GOOD])
    assert ollama.ask(ASKED).notes == ("asked twice: the answer ended without its last part",)
    standin.faults.extend([Fault.ABORT, Fault.ABORT])
    with pytest.raises(Doubt):
        ollama.ask(ASKED)


def test_l06_an_answer_cut_by_its_bound_is_never_final(ollama: Ollama) -> None:
    with pytest.raises(Doubt) as caught:
        ollama.ask(replace(REQUEST, max_tokens=2))
    assert "longer than its limit" in caught.value.tried


BAD = {
    "l07 empty content": Say(""),
    "l07 thinking ate it all": Say("", thinking="hm " * 50, extra={"done_reason": "length"}),
    "l08 thinking in the content": Say('<think>hm</think>{"label": "simple", "ok": true}'),
    "l09 not json": Say("simple"),
    "l09 not the schema": Say('{"label": "odd", "ok": true}'),
    "l12 another model": Say(GOOD.text, extra={"model": "qwen3:0.6b"}),
    "l06 length": Say(GOOD.text, extra={"done_reason": "length"}),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_answer_is_never_an_answer(ollama: Ollama, standin: OllamaStandIn, bad: Say) -> None:
    standin.faults.extend([bad, bad])
    with pytest.raises(Doubt) as caught:
        ollama.ask(ASKED)
    assert caught.value.reason == "bad-answer"
    assert MODEL in caught.value.tried


DENSE = replace(REQUEST, prompt="Please answer this question " * 250)  # 7,000 bytes, and 1,000 tokens of the tiny model


def test_l04_a_server_that_cuts_silently_is_found_out(ollama: Ollama, standin: OllamaStandIn) -> None:
    standin.faults.append(Say("the answer", prompt_tokens=300))
    with pytest.raises(Doubt) as caught:
        ollama.ask(DENSE)
    assert caught.value.reason == "too-long"
    assert "300 tokens of a prompt of" in caught.value.tried


def test_l17_flags_that_an_old_server_ignores_are_not_trusted(ollama: Ollama, standin: OllamaStandIn) -> None:
    # Words the tiny model has no tokens for: the estimate lets them pass, and the real engine must cut them.
    standin.faults.append(Fault.IGNORES_FLAGS)
    with pytest.raises(Doubt) as caught:
        ollama.ask(replace(REQUEST, prompt="xyzzyxyzzy " * 600, max_tokens=100))
    assert caught.value.reason == "too-long"


def test_l04_a_server_that_refuses_a_long_prompt_is_believed(ollama: Ollama) -> None:
    with pytest.raises(Doubt) as caught:
        ollama.ask(replace(REQUEST, prompt="xyzzyxyzzy " * 600, max_tokens=100))
    assert caught.value.reason == "too-long"
    assert "exceed" in caught.value.tried


# Where questions go


@pytest.mark.parametrize("name", ["gpt-oss:120b-cloud", "qwen3-coder:480b-cloud", "minimax-m2:cloud"])
def test_l13_a_cloud_name_is_refused(ollama: Ollama, standin: OllamaStandIn, name: str) -> None:
    with pytest.raises(Refused, match="does not run on this machine"):
        ollama.ask(replace(REQUEST, model=name))
    assert not standin.chats


def test_l13_a_model_that_only_passes_on_is_refused_before_anything_is_sent(
    ollama: Ollama, standin: OllamaStandIn
) -> None:
    standin.remote[MODEL] = "https://ollama.com:443"
    with pytest.raises(Refused, match=r"ollama\.com"):
        ollama.ask(REQUEST)
    assert not standin.chats
    assert not ollama.health(MODEL).ok
    standin.faults.append(GOOD)
    assert Ollama(standin.url, allow_cloud=True).ask(ASKED).data["ok"] is True


def test_l13_a_reply_from_elsewhere_is_refused(ollama: Ollama, standin: OllamaStandIn) -> None:
    standin.faults.append(Say(GOOD.text, extra={"remote_host": "https://elsewhere.example"}))
    with pytest.raises(Refused, match=r"elsewhere\.example"):
        ollama.ask(ASKED)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "http://192.168.1.5:11434",
        "http://0.0.0.0:11434",
        "http://ollama.example",
        "http://localhost.example.com",
        "http://127.0.0.1@evil.example",
        "http://user:secret@127.0.0.1",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "http://127.0.0.1:99999",
        "http://127.0.0.1/?x=1",
        "http://[::1",
    ],
)
def test_l16_a_host_that_is_not_this_machine_is_refused(host: str) -> None:
    with pytest.raises(BadConfig) as caught:
        Ollama(host)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "host, url",
    [
        ("127.0.0.1", "http://127.0.0.1:11434"),
        ("localhost:8080/", "http://localhost:8080"),
        ("http://[::1]:11434", "http://[::1]:11434"),
        ("http://127.8.9.10", "http://127.8.9.10:11434"),
    ],
)
def test_a_host_on_this_machine_is_taken(host: str, url: str) -> None:
    assert Ollama(host).host == url


def test_l16_another_machine_is_taken_when_the_person_allowed_it() -> None:
    assert Ollama("https://gpu.lan", allow_remote=True).host == "https://gpu.lan"


def test_the_package_is_not_imported_before_a_question_is_asked() -> None:
    code = "import sys, agent.models.ollama as o; o.Ollama('127.0.0.1'); sys.exit('ollama' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Servers that are not Ollama


@pytest.fixture
def raw_server() -> Iterator[Callable[[bytes], str]]:
    """Starts a server that answers every connection with the same bytes; gives its address."""
    listeners: list[socket.socket] = []

    def serve(listener: socket.socket, answer: bytes) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

    def start(answer: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=serve, args=(listener, answer), daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def http(body: bytes, status: str = "200 OK", head: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{head}Connection: close\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    "answer",
    [
        http(b"<html>hello</html>"),
        http(b"[]"),
        http(b'{"models": 7}'),
        http(b'{"models": [7, {"name": null}]}'),
        http(b"\xff\xfe"),
        http(b'{"models": ' + b"[" * 50_000),
        http(b"", "302 Found", "Location: http://198.51.100.7/\r\n"),
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
    ],
)
def test_what_is_not_ollama_is_away_and_never_a_crash(raw_server: Callable[[bytes], str], answer: bytes) -> None:
    backend = Ollama(raw_server(answer))
    with pytest.raises(ModelAway):
        backend.ask(REQUEST)
    assert not backend.health(MODEL).ok


class within:
    """The block ends in time, and not by chance: a hang would run into pytest's own end instead."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> None:
        self.start = time.monotonic()

    def __exit__(self, *_: object) -> None:
        assert time.monotonic() - self.start < self.seconds


def test_every_error_says_what_to_look_at(ollama: Ollama, standin: OllamaStandIn) -> None:
    standin.faults.append(Fault.BUSY)
    with pytest.raises(GoferError) as caught:
        ollama.ask(ASKED)
    assert standin.url in str(caught.value) and "maximum pending requests" in str(caught.value)
