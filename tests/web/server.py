"""A web server on loopback that says what a test scripts, and remembers what it was asked.

    with serving() as server:
        server.on("/pairs", json_say({"price": 1}), busy(2), cut(b"half", length=100))   # one after the other;
        server.on("/new", lambda seen: say(seen.body))                                   # the last one stays
        make_vault(tmp_path, config=server.config)     # [network] allowed_hosts = ["127.0.0.1:PORT"]
        … f"{server.url}/pairs" …
        assert [seen.method for seen in server.seen("/pairs")] == ["GET"]

A route is a path without its query (`seen.query` has it), or `"POST /path"`; what no route fits is answered with 404.
A reply is a `Say`: status, headers and body, with what goes wrong on the way (`delay`, `length`, `drip`, `stall`,
`reset`, `raw`). Give `etag=` to a Say and a request that knows it (`If-None-Match`) gets 304. `pages()` scripts paging
by `Link: <…?page=2>; rel="next"`. `server.requests` are all requests in their order, `server.most_at_once` is how many
were being answered at the same time, `server.connections` how many were opened. `config` takes more of `[network]`.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came. Header names are lower case; `at` is of the monotonic clock."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(self.target.partition("?")[2]).items()}

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Say:
    """A reply. Seconds: `delay` before the first byte, `drip` between two bytes of the body.

    `length`: the Content-Length that is claimed, -1 for none. `stall`: after what there is to say nothing comes, and
    the connection stays open. `reset`: it is torn down hard instead. `raw`: these bytes, and no HTTP of ours.
    `chunks`: a body piece by piece, as long as it yields.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str = ""
    delay: float = 0.0
    drip: float = 0.0
    length: int | None = None
    stall: bool = False
    reset: bool = False
    raw: bytes | None = None
    chunks: Callable[[], Iterator[bytes]] | None = None


Reply = Say | Callable[[Seen], Say]


def say(body: bytes | str = b"", type_: str = "text/plain; charset=utf-8", **more: Any) -> Say:
    """A reply with a body of a media type. `more`: of Say; `headers` are added to the type's."""
    raw = body.encode() if isinstance(body, str) else body
    return Say(body=raw, headers={"Content-Type": type_, **more.pop("headers", {})}, **more)


def json_say(value: Any, **more: Any) -> Say:
    """A reply in JSON."""
    return say(json.dumps(value), "application/json", **more)


def redirect(to: str, status: int = 302) -> Say:
    """On to another address."""
    return Say(status, headers={"Location": to})


def busy(retry_after: float | str = 1, status: int = 429) -> Say:
    """Come back later: after seconds, or at a date."""
    return say("slow down", status=status, headers={"Retry-After": str(retry_after)})


def cut(body: bytes, length: int, **more: Any) -> Say:
    """A reply that breaks off: `length` bytes were promised."""
    return say(body, length=length, **more)


class Server:
    """The running server. `url` has no slash at its end; `address` is `127.0.0.1:PORT`."""

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.requests: list[Seen] = []
        self.connections = self.most_at_once = 0
        self._routes: dict[str, list[Reply]] = {}
        self._lock, self._over = threading.Lock(), threading.Event()
        self._now = 0
        self._tls = tls
        self._socket = socket.create_server((host, 0), backlog=128)
        self.port = int(self._socket.getsockname()[1])
        self.address = f"{host}:{self.port}"
        self.url = f"{'https' if tls else 'http'}://{self.address}"
        self.config = f'[network]\nallowed_hosts = ["{self.address}"]\n'
        threading.Thread(target=self._accept, daemon=True).start()

    def on(self, route: str, *replies: Reply) -> None:
        """What is said there from now on: one reply after the other, the last one again and again."""
        with self._lock:
            self._routes[route] = list(replies)

    def pages(self, path: str, pages: Sequence[Any]) -> None:
        """JSON pages that name their next one in a Link header; the first is at `path`, the others at `?page=2` …"""

        def page(seen: Seen) -> Say:
            number = int(seen.query.get("page", "1"))
            following = f'<{self.url}{path}?page={number + 1}>; rel="next"'
            return json_say(pages[number - 1], headers={"Link": following} if number < len(pages) else {})

        self.on(path, page)

    def seen(self, path: str = "") -> list[Seen]:
        """The requests for a path, or all."""
        with self._lock:
            return [seen for seen in self.requests if path in ("", seen.path)]

    def close(self) -> None:
        self._over.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    # -- one connection, one request ---------------------------------------------------------------------------------

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError, ValueError):  # whoever hangs up in the middle is what some tests are about
            sock.settimeout(30)
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
            if seen := _request(sock):
                reply = self._answer(seen)
                try:
                    self._send(sock, seen, reply)
                finally:
                    with self._lock:
                        self._now -= 1
        with suppress(OSError):
            sock.close()

    def _answer(self, seen: Seen) -> Say:
        with self._lock:
            self.requests.append(seen)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            route = next((r for r in (f"{seen.method} {seen.path}", seen.path) if r in self._routes), "")
            replies = self._routes.get(route, [say("nothing is here", status=404)])
            reply = replies.pop(0) if len(replies) > 1 else replies[0]
        try:
            return reply if isinstance(reply, Say) else reply(seen)
        except Exception as error:
            return say(f"the test's own reply failed: {error!r}", status=500)

    def _send(self, sock: socket.socket, seen: Seen, reply: Say) -> None:
        self._over.wait(reply.delay)
        if reply.raw is not None:
            sock.sendall(reply.raw)
        elif reply.etag and seen.headers.get("if-none-match") == reply.etag:
            sock.sendall(_head(Say(304, etag=reply.etag)))
        else:
            sock.sendall(_head(reply))
            if seen.method != "HEAD":
                self._body(sock, reply)
        if reply.stall:
            _until_gone(sock, self._over)
        if reply.reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _body(self, sock: socket.socket, reply: Say) -> None:
        if reply.chunks:
            for chunk in reply.chunks():
                sock.sendall(chunk)
        elif not reply.drip:
            sock.sendall(reply.body)
        else:
            for byte in reply.body:
                sock.sendall(bytes([byte]))
                if self._over.wait(reply.drip):
                    return


def _request(sock: socket.socket) -> Seen | None:
    with sock.makefile("rb") as lines:
        method, _, rest = lines.readline(65536).decode("latin-1").strip().partition(" ")
        if not rest:
            return None
        headers: dict[str, str] = {}
        while line := lines.readline(65536).decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        body = lines.read(int(headers.get("content-length", "0")))
        return Seen(method, rest.rpartition(" ")[0], headers, body, time.monotonic())


def _head(reply: Say) -> bytes:
    headers = {"Connection": "close", **reply.headers}
    if reply.etag:
        headers["ETag"] = reply.etag
    length = reply.length if reply.length is not None else (-1 if reply.chunks else len(reply.body))
    if length >= 0 and reply.status != 304 and "Transfer-Encoding" not in headers:
        headers["Content-Length"] = str(length)
    phrase = HTTPStatus(reply.status).phrase if reply.status in list(HTTPStatus) else "Something"
    lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _until_gone(sock: socket.socket, over: threading.Event) -> None:
    """Keep the connection open until the other side leaves it."""
    sock.settimeout(0.05)
    while not over.is_set():
        try:
            if not sock.recv(1024):
                return
        except TimeoutError:
            continue
        except OSError:
            return


@contextmanager
def serving(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Server]:
    """A server for the length of a block."""
    server = Server(tls, host)
    try:
        yield server
    finally:
        server.close()
