"""HTTP as Ollama speaks it: lengths, chunks, one JSON object a line, and errors that come too late for a status."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from threading import Event
from typing import Any, ClassVar, Protocol

Json = dict[str, Any]
Answer = Json | Iterator[Json]


class ApiError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Owner(Protocol):
    """What a connection needs of the server behind it."""

    routes: Mapping[str, tuple[str, Callable[[Json], Answer] | None]]  # path: method, endpoint
    requests: list[tuple[str, Json]]
    headers: list[Mapping[str, str]]
    closing: Event
    cut_off: Event


class Connection(BaseHTTPRequestHandler):
    """One connection. An empty part of a stream is the sign to trickle from then on."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # like Ollama; else every second reply on a connection takes 40 ms
    owner: ClassVar[Owner]

    def do_GET(self) -> None:
        self._route("GET")

    def do_POST(self) -> None:
        self._route("POST")

    def log_message(self, *_: object) -> None:
        pass

    def _route(self, method: str) -> None:
        owner, path = self.owner, self.path.partition("?")[0]
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            if path not in owner.routes:
                return self._send(404, b"404 page not found", "text/plain")
            wanted, endpoint = owner.routes[path]
            if wanted != method:
                return self._send(405, b"405 method not allowed", "text/plain")
            if endpoint is None:
                return self._send(200, b"Ollama is running", "text/plain; charset=utf-8")
            body = _body(raw) if method == "POST" else {}
            owner.requests.append((path, body))
            owner.headers.append(dict(self.headers))
            answer = endpoint(body)
            if isinstance(answer, dict):
                return self._json(200, answer, chunked=path == "/api/show")
            return self._stream(answer)
        except ApiError as error:
            self._json(error.status, {"error": str(error)})
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
            owner.cut_off.set()

    def _send(self, status: int, data: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _json(self, status: int, data: Json, *, chunked: bool = False) -> None:
        kind, raw = "application/json; charset=utf-8", json.dumps(data).encode()
        if not chunked:
            return self._send(status, raw, kind)
        self._start_chunks(kind)
        return self._chunk(raw, end=True)

    def _start_chunks(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, raw: bytes, *, end: bool = False) -> None:
        self.wfile.write(b"%x\r\n%s\r\n%s" % (len(raw), raw, b"0\r\n\r\n" if end else b""))
        self.wfile.flush()

    def _stream(self, parts: Iterator[Json]) -> None:
        first = next(parts)  # an error before the first part still gets a status of its own
        self._start_chunks("application/x-ndjson")
        self._chunk(json.dumps(first).encode() + b"\n")
        try:
            for part in parts:
                if not part:
                    self._trickle()
                self._chunk(json.dumps(part).encode() + b"\n")
        except ApiError as error:
            self._chunk(json.dumps({"error": str(error)}).encode() + b"\n")  # too late for a status, like Ollama
        self.wfile.write(b"0\r\n\r\n")

    def _trickle(self) -> None:
        while not self.owner.closing.wait(0.01):
            self._chunk(b" ")
        raise ConnectionResetError


def _body(raw: bytes) -> Json:
    if not raw:
        raise ApiError(400, "missing request body")
    try:
        body = json.loads(raw)
    except ValueError:
        raise ApiError(400, "unexpected EOF") from None
    if not isinstance(body, dict):
        raise ApiError(400, "json: cannot unmarshal")
    return body
