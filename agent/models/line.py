"""The line to a model server: the one door for its HTTP, with limits that hold however slowly it answers.

A read timeout starts anew with every byte, so a server that trickles could hold a run for ever. Here a watcher shuts
the socket down when the time is up or the run is stopped, and whatever was blocked on it returns.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agent.errors import BadConfig, ModelAway, TimeUp, Unasked
from agent.models.base import Stop

if TYPE_CHECKING:  # 0.2 s to import, and most commands never talk to a model
    import httpx

_TICK = 0.05  # seconds between two looks at the clock and at `stop`
_LARGEST = 8 << 20  # bytes on the wire; 4,096 tokens come to about 0.5 MiB, the longest list of models to 1 MiB
_LARGEST_ERROR = 64 << 10
_MOST_TOKENS = 10**9
_STOPPED = "the run was stopped while the model worked"


def checked_url(url: str, *, fix: str) -> str:
    """The base URL without a slash at its end. Raises BadConfig when it is no plain http address; names no password."""
    try:
        parts = urlsplit(url)
        name, _ = parts.hostname or "", parts.port
    except ValueError:  # its words may be a part of a password
        raise BadConfig("the model server's address cannot be read", fix=fix) from None
    plain = parts.scheme in ("http", "https") and name and parts.username is None and parts.password is None
    if not plain or parts.query or parts.fragment or not url.isprintable() or " " in url:
        raise BadConfig("the model server's address is not a plain http address", where=name, fix=fix)
    return url.rstrip("/")


def checked_host(host: str, *, allow_remote: bool) -> str:
    """Ollama's base URL in full, with a port. Raises BadConfig when it is no plain address, or another machine's.

    Nothing in the environment is looked at: where questions go is decided by who calls.
    """
    url = host.strip().rstrip("/")
    fix = "set ollama.host in this machine's config.toml, for example http://127.0.0.1:11434"
    url = checked_url(url if "://" in url else f"http://{url}", fix=fix)
    parts = urlsplit(url)
    if not allow_remote and not _is_loopback(parts.hostname or ""):
        why = "it is another machine, and the text of tasks would leave this one"
        raise BadConfig("the model server is not on this machine", where=url, why=why, fix=fix)
    port = "" if parts.port or parts.scheme == "https" else ":11434"
    return f"{url}{port}" if not parts.path else url


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower().rstrip(".") == "localhost"


class Late(Exception):
    """The time of `Line.within` is up."""


class ServerSaid(Exception):
    """The server answered with something else than 200: the status, and its own words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"HTTP {status}: {words}")
        self.status, self.words = status, words


class Line:
    """A client of one server, for one question. Nothing but `url` decides where it goes and what it sends along.

    `server` and `fix` are for messages: what should answer, and how to start it. `key` goes along with every request,
    and is struck out of all that the server says. `client` makes the HTTP client from httpx's own options.
    """

    def __init__(
        self,
        url: str,
        connect_timeout: float,
        *,
        server: str,
        fix: str = "",
        key: str = "",
        client: Callable[..., httpx.Client] | None = None,
    ) -> None:
        import httpx  # noqa: PLC0415

        self.url, self._server, self._fix, self._key = url, server, fix, key
        self._sockets: list[socket.socket] = []
        self._http = (client or httpx.Client)(
            base_url=url,
            timeout=httpx.Timeout(None, connect=connect_timeout),
            follow_redirects=False,
            trust_env=False,  # no proxy, no .netrc: the question must not pass by anybody else
            verify=url.startswith("https:"),  # reading the certificates costs 20 ms that plain http does not need
            event_hooks={"request": [self._follow]},
        )
        self._http.headers.pop("authorization", None)
        if key:
            self._http.headers["authorization"] = f"Bearer {key}"

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    @contextmanager
    def within(self, seconds: float, stop: Stop) -> Iterator[None]:
        """What is asked inside ends within `seconds`, by Late; or when `stop()`, by TimeUp.

        Everything that can go wrong on the way becomes ModelAway, an answer other than 200 ServerSaid.
        """
        import httpx  # noqa: PLC0415

        if stop():  # the watcher would look a tick too late for a quick answer
            raise TimeUp(_STOPPED)
        over = threading.Event()
        cut: list[Exception] = []
        watcher = threading.Thread(target=self._watch, args=(time.monotonic() + seconds, stop, over, cut), daemon=True)
        watcher.start()
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            if not cut:
                raise self._away(error) from error
        except (ValueError, RecursionError) as error:
            if not cut:
                why = self.without_key(str(error)).partition("\n")[0][:200]
                raise ModelAway(f"{self._server} gave no answer that can be read", where=self.url, why=why) from error
        finally:
            over.set()
            watcher.join()
        if cut:
            raise cut[0]

    def get(self, path: str) -> Any:
        """What the server answers there, as JSON."""
        with self._http.stream("GET", path) as response:
            self._must_be_200(response)
            return json.loads(b"".join(_bounded(response)))

    def lines(self, path: str, body: Mapping[str, Any]) -> Iterator[bytes]:
        """The lines of a streamed answer, without their ends. Ends where the server ends, finished or not."""
        with self._http.stream("POST", path, json=body) as response:
            self._must_be_200(response)
            rest = b""
            for chunk in _bounded(response):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from lines
            yield rest

    def _must_be_200(self, response: httpx.Response) -> None:
        if response.status_code != 200:
            raise ServerSaid(response.status_code, self.without_key(_words(response)))

    def without_key(self, text: str) -> str:
        """Words of the server's, fit for a message: a refusal may quote the key."""
        return text.replace(self._key, "***") if self._key else text

    def _watch(self, end: float, stop: Stop, over: threading.Event, cut: list[Exception]) -> None:
        while not over.wait(_TICK):
            if not cut and stop():
                cut.append(TimeUp(_STOPPED))
            elif not cut and time.monotonic() >= end:
                cut.append(Late())
            if cut:  # again at every tick: a connection may have been made since
                for sock in tuple(self._sockets):
                    with suppress(OSError):
                        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # TLS' own would change what the reader holds

    def _follow(self, request: httpx.Request) -> None:
        request.extensions["trace"] = self._trace

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        match event:
            case "connection.connect_tcp.complete":
                self._sockets.append(info["return_value"].get_extra_info("socket"))
            case "connection.start_tls.started":  # the handshake takes the descriptor away from the plain socket
                self._sockets.append(self._sockets[-1].dup())
            case "connection.start_tls.complete":
                self._sockets.pop().close()  # a second descriptor would keep the connection open when it is left
                self._sockets.append(info["return_value"].get_extra_info("socket"))
            case "connection.start_tls.failed":
                self._sockets.pop().close()

    def _away(self, error: Exception) -> ModelAway:
        why = self.without_key(str(error)) or type(error).__name__
        if "connect" in type(error).__name__.lower() or isinstance(error, ConnectionError):
            what = f"{self._server} does not answer"
            kind = Unasked if type(error).__name__.startswith("Connect") else ModelAway
            return kind(what, where=self.url, why=why.partition(". ")[0], fix=self._fix)
        return ModelAway(f"the connection to {self._server} broke", where=self.url, why=why)


def json_object(raw: bytes) -> dict[str, Any]:
    """One part of a streamed answer. Raises ValueError when it is no JSON object."""
    part = json.loads(raw)
    if not isinstance(part, dict):
        raise ValueError("a part of the answer is not an object")
    return part


def count(value: object) -> int:
    """A number of tokens that a server states; 0 when it is none, or more than any model could make."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MOST_TOKENS else 0


def _bounded(response: httpx.Response) -> Iterator[bytes]:
    size = 0
    for chunk in response.iter_bytes():
        size += len(chunk)
        if size > _LARGEST:
            raise ValueError("the answer has no end")
        yield chunk


def _words(response: httpx.Response) -> str:
    """The reason that an error reply gives, in its own words."""
    raw = b""
    for chunk in response.iter_bytes():
        raw += chunk
        if len(raw) > _LARGEST_ERROR:
            break
    text = raw.decode("utf-8", "replace").strip()
    with suppress(ValueError, RecursionError):
        said = json.loads(text)
        if isinstance(said, dict) and (words := error_words(said)):
            return words
    return text


def error_words(said: Mapping[str, Any]) -> str:
    """What an error object says: a text (Ollama), or a message with a type, a code and the field it is about."""
    error = said.get("error")
    if not isinstance(error, dict):
        return str(error or "")
    marks = [str(error[key]) for key in ("type", "code", "param") if error.get(key)]
    return " ".join([str(error.get("message") or "no reason given"), *([f"({', '.join(marks)})"] if marks else [])])
