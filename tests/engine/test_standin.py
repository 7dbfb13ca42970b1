"""The stand-in answers what a running Ollama answered: status, headers and the names of all fields."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engine.standin import OllamaStandIn

RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("recordings.json").read_text("utf-8"))
# fmt: off
SAME = [
    "version", "tags", "load", "show_missing", "think_None", "think_True", "think_False", "think_high",
    "think_max", "think_bogus", "stream_think", "stream_nothink", "schema_think_True", "schema_think_False",
    "schema_stream_think_True", "schema_stream_think_False", "format_json", "format_bad_str", "format_empty",
    "length", "length_stream", "missing_model", "missing_stream", "no_model", "bad_name", "empty_body",
    "bad_json", "bad_method", "not_found", "keep_alive_str", "keep_alive_bad", "show", "unload",
]
# fmt: on
LONG = "word " * 6000


def shape(kind: str, body: str) -> Any:
    """The names of all fields, and the words of an error; not the values, which differ from run to run."""
    if not kind.startswith("application/"):
        return body
    parts = [json.loads(line) for line in body.splitlines()]
    # Between the first and the last part of a stream everything is alike, and how many there are is chance.
    return [names(part) for part in (parts if len(parts) < 3 else [parts[0], parts[-1]])]


def names(value: Any) -> Any:
    if isinstance(value, dict):
        keep = {"error", "done", "done_reason"}
        skip = {"context_length", "embedding_length"}  # newer servers only
        return {k: v if k in keep else names(v) for k, v in value.items() if k not in skip}
    return [names(value[-1])] if isinstance(value, list) and value else type(value).__name__


@pytest.mark.parametrize("name", SAME)
def test_the_stand_in_answers_in_the_shape_that_was_recorded(standin: OllamaStandIn, name: str) -> None:
    recorded = RECORDED[name]
    asked = recorded["request"]
    body = asked["body"]
    content = body if isinstance(body, str) or body is None else json.dumps(body)
    with httpx.Client(trust_env=False, timeout=30) as client:
        reply = client.request(asked["method"], standin.url + asked["path"], content=content)
    assert reply.status_code == recorded["status"]
    assert reply.headers.get("content-type") == recorded["content_type"]
    assert reply.headers.get("transfer-encoding") == recorded["transfer_encoding"]
    there, here = shape(recorded["content_type"], recorded["body"]), shape(recorded["content_type"], reply.text)
    if name == "show":
        there[0]["model_info"] = here[0]["model_info"] = there[0]["tensors"] = here[0]["tensors"] = None
    assert here == there


@pytest.mark.parametrize("truncate", [None, False])
@pytest.mark.parametrize("shift", [None, False])
def test_l04_a_long_prompt_is_cut_or_refused_as_recorded(
    standin: OllamaStandIn, truncate: bool | None, shift: bool | None
) -> None:
    recorded = RECORDED[f"overflow_truncate{truncate}_shift{shift}"]
    body = {"model": "qwen3:8b", "messages": [{"role": "user", "content": LONG}], "stream": False, "think": False}
    body |= {"options": {"num_predict": 5}}
    body |= {key: value for key, value in (("truncate", truncate), ("shift", shift)) if value is not None}
    with httpx.Client(trust_env=False, timeout=30) as client:
        reply = client.post(f"{standin.url}/api/chat", json=body)
    assert reply.status_code == recorded["status"]
    if reply.status_code == 200:
        assert reply.json()["prompt_eval_count"] < 4096 < len(LONG.split())
    else:
        assert reply.json()["error"][:40] == json.loads(recorded["body"])["error"][:40]
