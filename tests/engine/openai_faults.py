"""An OpenAI-compatible server on real sockets that does what its script says, one entry for each chat.

with Scripted(["gpt-4o"]) as server:
    server.script.append(Status(503))             # the next chat
    server.script.append(Says('{"answer": "x"}'))  # the one after
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

Json = dict[str, Any]


class Breaks(Enum):
    """How an answer goes wrong after its first word."""

    HANG = "nothing comes, not even a status"
    HANG_AFTER_THE_STATUS = "a status, a comment, who is going to speak, and no token"
    TRICKLE = "one byte at a time, and never a whole line"
    CUT_WIRE = "the connection is reset"
    ABORT = "the stream ends in good order, without a finish_reason"
    HALF_A_LINE = "the stream ends in good order, in the middle of a part"
    ENDLESS = "words without end"


@dataclass(frozen=True)
class Status:
    """An answer other than 200. `words` is the error object, or the body as it is."""

    status: int
    words: Mapping[str, Any] | str = "no"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Says:
    """A stream in two parts. `model` None: the one asked for. `parts` come before the finish_reason."""

    text: str
    reasoning: str = ""
    model: str | None = None
    reason: str = "stop"
    usage: Mapping[str, int] | None = field(default_factory=lambda: {"prompt_tokens": 150, "completion_tokens": 9})
    parts: Sequence[Json] = ()


class Scripted:
    """`models` are the ids that it lists; `listing` replaces the list by another answer."""

    def __init__(self, models: Sequence[str]) -> None:
        self.listing: Json | Status = {"object": "list", "data": [{"id": name, "object": "model"} for name in models]}
        self.script: deque[Says | Status | Breaks] = deque()
        self.requests: list[tuple[str, Json]] = []
        self.headers: list[dict[str, str]] = []
        self.closing, self.cut_off = threading.Event(), threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Mine", (_Connection,), {"owner": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Scripted:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def chats(self) -> list[Json]:
        return [body for path, body in self.requests if path == "/v1/chat/completions"]


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    owner: ClassVar[Scripted]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._note({})
        listing = self.owner.listing
        if self.path != "/v1/models":
            self._status(Status(404, "no such path"))
        elif isinstance(listing, Status):
            self._status(listing)
        else:
            self._send(200, json.dumps(listing).encode(), {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._note(body)
        step = self.owner.script.popleft()
        try:
            if isinstance(step, Status):
                self._status(step)
            elif isinstance(step, Says):
                self._says(step, body)
            else:
                self._breaks(step, body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
            self.owner.cut_off.set()

    def _note(self, body: Json) -> None:
        self.owner.requests.append((self.path, body))
        self.owner.headers.append({key.lower(): value for key, value in self.headers.items()})

    def _status(self, said: Status) -> None:
        raw = said.words if isinstance(said.words, str) else json.dumps({"error": said.words})
        self._send(said.status, raw.encode(), said.headers)

    def _send(self, status: int, raw: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(raw))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(raw)

    def _says(self, said: Says, body: Json) -> None:
        base = {"object": "chat.completion.chunk", "model": body["model"] if said.model is None else said.model}
        self._start()
        self._chunk(b": a comment keeps the connection open\n\n")
        if said.reasoning:
            self._part(base | _delta({"reasoning_content": said.reasoning}))
        self._part(base | _delta({"content": said.text}))
        for part in said.parts:
            self._part(base | part)
        self._part(base | _delta({}, said.reason))
        if said.usage is not None:
            self._part(base | {"choices": [], "usage": said.usage, "system_fingerprint": "fp_7"})
        self._chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _breaks(self, how: Breaks, body: Json) -> None:
        first = {"model": body["model"]} | _delta({"content": "word "})
        if how is Breaks.HANG:
            self.owner.closing.wait()
            raise ConnectionResetError
        self._start()
        if how is Breaks.HANG_AFTER_THE_STATUS:
            self._chunk(b": working\n\n")
            self._part({"model": body["model"]} | _delta({"role": "assistant", "content": None}))
            self.owner.closing.wait()
            raise ConnectionResetError
        self._part(first)
        while how is Breaks.TRICKLE and not self.owner.closing.wait(0.01):
            self._chunk(b" ")
        while how is Breaks.ENDLESS:
            self._part(first | _delta({"content": "word " * 10_000}))
        if how is Breaks.HALF_A_LINE:
            self._chunk(b'data: {"choices": [{"delta": {"cont')
        if how is Breaks.CUT_WIRE:
            self.close_connection = True
            return  # without the last chunk
        self.wfile.write(b"0\r\n\r\n")

    def _start(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _part(self, part: Mapping[str, Any]) -> None:
        self._chunk(b"data: " + json.dumps(part).encode() + b"\n\n")

    def _chunk(self, raw: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(raw), raw))
        self.wfile.flush()


def _delta(delta: Json, reason: str | None = None) -> Json:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
