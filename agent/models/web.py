"""HTTP for downloads: where a redirect may lead, what a server states of a file, and a client that can be cut off."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from agent.errors import ModelAway, Refused, TimeUp
from agent.models.base import Stop

if TYPE_CHECKING:  # 0.2 s to import
    import httpx

_TICK = 0.05  # seconds between two looks at `stop`
_HOPS = 5
_GONE = (401, 403, 404, 410)
_NO_HEAD = (405, 501)
_NOTHING_LEFT = 416


@dataclass(frozen=True, slots=True)
class Found:
    """Where a file is, and what the host that was asked states of it: "" and 0 where it says nothing."""

    url: str
    sha256: str
    size: int


class Cuttable:
    """A client for one download. Redirects are not followed by itself, and no credentials are sent along."""

    def __init__(self, connect_timeout: float, silence_timeout: float, stop: Stop) -> None:
        import httpx  # noqa: PLC0415

        self._sockets: list[socket.socket] = []
        self._stop = stop
        self.client = httpx.Client(
            timeout=httpx.Timeout(silence_timeout, connect=connect_timeout),
            follow_redirects=False,
            headers={"User-Agent": "gofer"},
            event_hooks={"request": [self._follow]},
        )

    def __enter__(self) -> Cuttable:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    @contextmanager
    def within(self) -> Iterator[None]:
        """What goes wrong on the way becomes ModelAway; `stop()` ends it by TimeUp."""
        import httpx  # noqa: PLC0415

        over, stopped = threading.Event(), threading.Event()
        watcher = threading.Thread(target=self._watch, args=(over, stopped), daemon=True)
        watcher.start()
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if not stopped.is_set():
                why = str(error) or type(error).__name__
                raise ModelAway("the download broke off", why=why, fix="the same command goes on from there") from error
        finally:
            over.set()
            watcher.join()
        if stopped.is_set():
            raise TimeUp("the download was stopped")

    def _watch(self, over: threading.Event, stopped: threading.Event) -> None:
        while not over.wait(0 if not stopped.is_set() and self._stop() else _TICK):
            if stopped.is_set() or self._stop():
                stopped.set()
                for sock in tuple(self._sockets):
                    with suppress(OSError):
                        sock.shutdown(socket.SHUT_RDWR)

    def _follow(self, request: httpx.Request) -> None:
        request.extensions["trace"] = self._trace

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        # A connection that turns to TLS gets a new socket, and the first one is an empty shell.
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._sockets.append(info["return_value"].get_extra_info("socket"))


def look_up(client: httpx.Client, url: str) -> Found:
    """What the host of `url` states of the file. Raises Refused and ModelAway."""
    first = urlsplit(url).hostname
    sha256, size = "", 0
    for _ in range(_HOPS + 1):
        _allowed(url)
        if urlsplit(url).hostname != first:  # a store that only takes the one signed GET
            return Found(url, sha256, size)
        response = client.head(url, headers={"Accept-Encoding": "identity"})
        sha256 = sha256 or response.headers.get("x-linked-etag", "").strip('"')
        size = size or _count(response.headers.get("x-linked-size", ""))
        if not response.has_redirect_location:
            if response.status_code not in _NO_HEAD:
                _given(response, url)
            return Found(url, sha256, size)
        url = urljoin(url, response.headers["location"])
    raise _passed_on(url)


@contextmanager
def opened(client: httpx.Client, url: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
    """The answer to a GET after its redirects, which lead to https alone, or to this machine. Raises as `look_up`."""
    for _ in range(_HOPS + 1):
        _allowed(url)
        with client.stream("GET", url, headers=headers) as response:
            if not response.has_redirect_location:
                if response.status_code != _NOTHING_LEFT:
                    _given(response, url)
                yield response
                return
            url = urljoin(url, response.headers["location"])
    raise _passed_on(url)


def _given(response: httpx.Response, url: str) -> None:
    if response.status_code < 400:
        return
    why = f"HTTP {response.status_code}"
    if response.status_code in _GONE:
        raise ModelAway("the file is not there", where=url, why=why, fix="look at the model's page for its name")
    raise ModelAway("the server does not give the file", where=urlsplit(url).hostname or "", why=why)


def _passed_on(url: str) -> ModelAway:
    return ModelAway("the server only passes on", where=url, why=f"more than {_HOPS} redirects")


def _allowed(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise Refused("the address cannot be read", where=url, why=str(error)) from None
    if host and (parts.scheme == "https" or (parts.scheme == "http" and _is_here(host))):
        return
    raise Refused(
        "the file would come from a place that is not allowed",
        where=f"{parts.scheme}://{host}",
        why="only https proves who sends it",
        fix="give an https address: --url https://…",
    )


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0
