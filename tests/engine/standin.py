"""Ollama's HTTP protocol in front of llama.cpp (xllamacpp, in this process).

Real tokens, real grammars, real streaming: only the protocol is ours. What a healthy server answers was compared with
a running Ollama (`recordings.json`, `test_standin.py`). `faults` scripts what it would rarely do, one entry a chat:

    with OllamaStandIn({"qwen3:8b": path}) as server:
        server.faults.append(Fault.BUSY)              # the next chat: 503
        server.faults.append(Say('{"answer": "x"}'))  # the one after: this text, without the engine
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path

import httpx
import xllamacpp

from tests.engine.faults import CRASH_ERROR, Fault, Say
from tests.engine.wire import Answer, ApiError, Connection, Json

OPTIONS = {
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "seed": "seed",
    "stop": "stop",
    "num_predict": "max_tokens",
    "repeat_penalty": "repeat_penalty",
}
THINK = (None, True, False, "low", "medium", "high", "max")
CONTEXT_ERROR = (
    "the prompt is longer than the context length currently available to the model; shorten the prompt, "
    "adjust the context length in settings, or use a model with a longer context length"
)
_NAME = re.compile(r"[\w./-]+(?::[\w.-]+)?")
_DURATION = re.compile(r"-?(?:\d+(?:\.\d+)?(?:ns|us|ms|s|m|h))+")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


class OllamaStandIn:
    """`models` maps full names to GGUF files. `remote` names models that only pass questions on, with their host."""

    def __init__(
        self, models: Mapping[str, Path], *, thinking: bool = True, remote: Mapping[str, str] | None = None
    ) -> None:
        self.models, self.remote = dict(models), dict(remote or {})
        self.capabilities = ["completion", *(["thinking"] if thinking else [])]
        self.digests = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in self.models.items()}
        self.faults: deque[Fault | Say] = deque()
        self.requests: list[tuple[str, Json]] = []
        self.headers: list[Mapping[str, str]] = []
        self.default_context = 4096
        self.routes: Mapping[str, tuple[str, Callable[[Json], Answer] | None]] = {
            "/": ("GET", None),
            "/api/version": ("GET", self.version),
            "/api/tags": ("GET", self.tags),
            "/api/ps": ("GET", self.ps),
            "/api/show": ("POST", self.show),
            "/api/chat": ("POST", self.chat),
        }
        self.closing = threading.Event()
        self.cut_off = threading.Event()  # a client went away in the middle of an answer
        self._loaded: dict[str, _Loaded] = {}
        self._lock = threading.Lock()
        self._engine = httpx.Client(timeout=60, trust_env=False)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Mine", (Connection,), {"owner": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> OllamaStandIn:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._loaded.clear()
        self._engine.close()

    def reset(self) -> None:
        """As after the start, but what is loaded stays loaded."""
        self.faults.clear()
        self.requests.clear()
        self.headers.clear()
        self.remote.clear()
        self.cut_off.clear()
        if "thinking" not in self.capabilities:
            self.capabilities.append("thinking")

    @property
    def chats(self) -> list[Json]:
        """The bodies of the questions, without those that only load or unload."""
        return [body for path, body in self.requests if path == "/api/chat" and body.get("messages")]

    # One function for every endpoint

    def version(self, _: Json) -> Json:
        return {"version": "0.0.0-standin"}

    def tags(self, _: Json) -> Json:
        return {
            "models": [
                {**self._entry(name), "modified_at": now(), "capabilities": self.capabilities} for name in self.models
            ]
        }

    def ps(self, _: Json) -> Json:
        return {
            "models": [
                {
                    **self._entry(name),
                    "expires_at": loaded.expires.isoformat(),
                    "size_vram": 0,
                    "context_length": loaded.context,
                }
                for name, loaded in self._loaded.items()
                if loaded.expires > datetime.now(UTC)
            ]
        }

    def show(self, body: Json) -> Json:
        name = self._find(body)
        return {
            "modelfile": "",
            "parameters": "",
            "template": "",
            "details": self._details(),
            "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 4096},
            "tensors": [],
            "capabilities": self.capabilities,
            "modified_at": now(),
            **({"remote_host": self.remote[name]} if name in self.remote else {}),
        }

    def chat(self, body: Json) -> Answer:
        start = time.perf_counter_ns()
        name, think, form = self._find(body), body.get("think"), body.get("format")
        messages, options = body.get("messages") or [], body.get("options") or {}
        keep = _seconds(body.get("keep_alive", "5m"))
        if think not in THINK:
            raise ApiError(
                400, f'invalid think value: "{think}" (must be "high", "medium", "low", "max", true, or false)'
            )
        if think and "thinking" not in self.capabilities:
            raise ApiError(400, f'"{body["model"]}" does not support thinking')
        if isinstance(form, str) and form not in ("", "json"):
            raise ApiError(500, f'invalid format: "\\"{form}\\""; expected "json" or a valid JSON Schema object')
        base = {"model": body["model"], "created_at": now(), "message": {"role": "assistant", "content": ""}}
        if not messages and keep == 0:
            self._loaded.pop(name, None)
            return {**base, "done": True, "done_reason": "unload"}
        fault = self._next_fault(loading=not messages)
        if fault in (Fault.HANG, Fault.LOAD_HANGS):
            self.closing.wait()
            raise ApiError(503, "closed")
        if isinstance(fault, Fault) and isinstance(fault.value, tuple):
            raise ApiError(*fault.value)
        server = self._load(name, int(options.get("num_ctx", self.default_context)), keep)
        loaded = time.perf_counter_ns()
        if not messages:
            return {**base, "done": True, "done_reason": "load"}
        if isinstance(fault, Say):
            return _whole(_scripted(fault, body, base), body)
        if fault is Fault.IGNORES_FLAGS:
            body = {key: value for key, value in body.items() if key not in ("truncate", "shift")}
        parts = self._generate(server, _openai(body, messages, options), body, base, (start, loaded), fault)
        return _whole(parts, body)

    # What they are made of

    def _next_fault(self, *, loading: bool) -> Fault | Say | None:
        """A load takes only the faults of a load, so that a script reads as one entry a question."""
        if not self.faults or loading != (self.faults[0] is Fault.LOAD_HANGS):
            return None
        return self.faults.popleft()

    def _entry(self, name: str) -> Json:
        size = self.models[name].stat().st_size
        entry = {"name": name, "model": name, "size": size, "digest": self.digests[name], "details": self._details()}
        return {**entry, "remote_host": self.remote[name]} if name in self.remote else entry

    @staticmethod
    def _details() -> Json:
        return {
            "parent_model": "",
            "format": "gguf",
            "family": "qwen3",
            "families": ["qwen3"],
            "parameter_size": "728K",
            "quantization_level": "F32",
        }

    def _find(self, body: Json) -> str:
        name = str(body.get("model") or "")
        if not name:
            raise ApiError(400, "model is required")
        if not _NAME.fullmatch(name):
            raise ApiError(400, "invalid model name")
        full = name if ":" in name else f"{name}:latest"
        if full not in self.models:
            raise ApiError(404, f"model '{name}' not found")
        return full

    def _load(self, name: str, context: int, keep: float) -> xllamacpp.Server:
        with self._lock:
            have = self._loaded.get(name)
            if have is None or have.context != context:  # another context reloads the model, as in Ollama
                self._loaded.pop(name, None)
                params = xllamacpp.CommonParams()
                params.model.path, params.model_alias = str(self.models[name]), {name}
                params.hostnames, params.port, params.ui, params.warmup = ["127.0.0.1"], 0, False, False
                params.n_ctx, params.n_parallel = context, 1
                params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
                have = _Loaded(context, xllamacpp.Server(params), datetime.now(UTC))
            expires = datetime.now(UTC) + timedelta(seconds=keep if keep >= 0 else 1e9)
            self._loaded[name] = _Loaded(context, have.server, expires)
            return have.server

    def _generate(
        self,
        server: xllamacpp.Server,
        question: Json,
        body: Json,
        base: Json,
        clock: tuple[int, int],
        fault: Fault | None,
    ) -> Iterator[Json]:
        for _ in range(8):
            url = f"{server.listening_address}/v1/chat/completions"
            with self._engine.stream("POST", url, json=question) as reply:
                if reply.status_code < 400:
                    yield from _relay(reply, base, clock, fault)
                    return
                text = reply.read().decode()
                error = json.loads(text).get("error", {})
                if error.get("type") != "exceed_context_size_error" or body.get("truncate") is False:
                    raise ApiError(reply.status_code, text)
                if body.get("shift") is False:
                    raise ApiError(400, CONTEXT_ERROR)
                longest = max(question["messages"], key=lambda message: len(message["content"]))
                keep = error["n_ctx"] // 2 / error["n_prompt_tokens"]  # the front is cut silently, as in Ollama
                longest["content"] = longest["content"][-int(len(longest["content"]) * keep) :]
        raise ApiError(500, "prompt could not be truncated")


@dataclass(frozen=True)
class _Loaded:
    context: int
    server: xllamacpp.Server
    expires: datetime


def _seconds(keep: object) -> float:
    """Go's durations, and bare numbers of seconds."""
    if isinstance(keep, int | float):
        return float(keep)
    if not isinstance(keep, str) or not _DURATION.fullmatch(keep):
        raise ApiError(400, f'time: invalid duration "{keep}"')
    sign = -1 if keep.startswith("-") else 1
    return sign * sum(float(n) * _SECONDS[unit] for n, unit in re.findall(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)", keep))


def _openai(body: Json, messages: Sequence[Json], options: Json) -> Json:
    """The same question in the words of llama.cpp's own server."""
    think, form = body.get("think"), body.get("format")
    question: Json = {
        "messages": [{"role": message["role"], "content": message["content"]} for message in messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        "chat_template_kwargs": {"enable_thinking": think is None or bool(think)},
        **{OPTIONS[key]: value for key, value in options.items() if key in OPTIONS},
    }
    if isinstance(form, dict):
        question["response_format"] = {"type": "json_schema", "json_schema": {"name": "format", "schema": form}}
    elif form == "json":
        question["response_format"] = {"type": "json_object"}
    return question


def _relay(reply: httpx.Response, base: Json, clock: tuple[int, int], fault: Fault | None) -> Iterator[Json]:
    """llama.cpp's stream as Ollama's, with the fault at its place."""
    reason, sent = "stop", 0
    start, loaded = clock
    for line in reply.iter_lines():
        if not line.startswith("data: ") or line == "data: [DONE]":
            continue
        event = json.loads(line[6:])
        if "error" in event or fault is Fault.CRASH:
            raise ApiError(500, json.dumps(event["error"]) if "error" in event else CRASH_ERROR)
        for choice in event.get("choices", []):
            delta = choice["delta"]
            reason = choice["finish_reason"] or reason
            message = {"role": "assistant", "content": delta.get("content") or ""}
            if delta.get("reasoning_content"):
                message["thinking"] = delta["reasoning_content"]
            if message["content"] or "thinking" in message:
                yield {**base, "created_at": now(), "message": message, "done": False}
                sent += 1
        if sent >= 2 and fault is Fault.STREAM_ERROR:
            raise ApiError(500, CRASH_ERROR)
        if sent >= 2 and fault is Fault.CUT_WIRE:
            raise ConnectionResetError
        if sent >= 2 and fault is Fault.TRICKLE:
            yield {}
        if sent >= 2 and fault is Fault.ABORT:
            return
        if (timings := event.get("timings")) and event.get("usage"):
            yield {
                **base,
                "created_at": now(),
                "done": True,
                "done_reason": "length" if reason == "length" else "stop",
                "total_duration": time.perf_counter_ns() - start,
                "load_duration": loaded - start,
                "prompt_eval_count": timings["cache_n"] + timings["prompt_n"],
                "prompt_eval_duration": int(timings["prompt_ms"] * 1e6),
                "eval_count": timings["predicted_n"],
                "eval_duration": int(timings["predicted_ms"] * 1e6),
            }


def _scripted(say: Say, body: Json, base: Json) -> Iterator[Json]:
    asked = sum(len(message["content"]) for message in body["messages"])
    message = {"role": "assistant", "content": say.text, **({"thinking": say.thinking} if say.thinking else {})}
    yield {**base, "message": message, "done": False, **{k: v for k, v in say.extra.items() if k == "model"}}
    yield {
        **base,
        "done": True,
        "done_reason": "stop",
        "total_duration": 1,
        "load_duration": 1,
        "prompt_eval_count": asked // 4 + 8 if say.prompt_tokens is None else say.prompt_tokens,
        "prompt_eval_duration": 1,
        "eval_count": len(say.text + say.thinking) // 4 + 1,
        "eval_duration": 1,
        **say.extra,
    }


def _whole(parts: Iterator[Json], body: Json) -> Answer:
    """The stream, or its sum when none was asked for."""
    if body.get("stream", True):
        return parts
    text, thought, last = "", "", {}
    for last in parts:
        text, thought = text + last["message"]["content"], thought + last["message"].get("thinking", "")
    message = {"role": "assistant", "content": text, **({"thinking": thought} if thought else {})}
    return {**last, "message": message}
