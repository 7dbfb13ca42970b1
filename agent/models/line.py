"""The line to an Ollama server: the one door for its HTTP, with limits that hold however slowly it answers.

A read timeout starts anew with every byte, so a server that trickles could hold a run for ever. Here a watcher shuts
the socket down when the time is up or the run is stopped, and whatever was blocked on it returns.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agent.errors import BadConfig, ModelAway, TimeUp
from agent.models.base import Stop

if TYPE_CHECKING:  # 0.2 s to import, and most commands never talk to a model
    import httpx
    import ollama

_TICK = 0.05  # seconds between two looks at the clock and at `stop`
_LARGEST_STREAM = 8 << 20  # bytes on the wire; 4,096 tokens come to about 0.5 MiB
_LARGEST_ERROR = 64 << 10


def checked_host(host: str, *, allow_remote: bool) -> str:
    """The base URL in full, with a port. Raises BadConfig when it is no plain address, or another machine's.

    Nothing in the environment is looked at: where questions go is decided by who calls.
    """
    url = host.strip().rstrip("/")
    url = url if "://" in url else f"http://{url}"
    fix = "set ollama.host in this machine's config.toml, for example http://127.0.0.1:11434"
    try:
        parts = urlsplit(url)
        name, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise BadConfig("the model server's address cannot be read", where=host, why=str(error), fix=fix) from None
    if parts.scheme not in ("http", "https") or not name or parts.username or parts.query or parts.fragment:
        raise BadConfig("the model server's address is not a plain http address", where=parts.hostname or "", fix=fix)
    if not allow_remote and not _is_loopback(name):
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
    """A client of one server, for one question. Nothing but `host` decides where it goes and what it sends along."""

    def __init__(self, host: str, connect_timeout: float) -> None:
        import httpx  # noqa: PLC0415
        import ollama  # noqa: PLC0415

        self.host = host
        self._sockets: list[socket.socket] = []
        self.client: ollama.Client = ollama.Client(
            host,
            timeout=httpx.Timeout(None, connect=connect_timeout),
            follow_redirects=False,
            trust_env=False,  # no proxy, no .netrc: the question must not pass by anybody else
            verify=host.startswith("https:"),  # reading the certificates costs 20 ms that plain http does not need
            event_hooks={"request": [self._follow]},
        )
        self._http: httpx.Client = self.client._client  # the package offers no other way to send its own fields
        self._http.headers.pop("authorization", None)  # the package sends OLLAMA_API_KEY to every host

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
        import ollama  # noqa: PLC0415

        over = threading.Event()
        cut: list[Exception] = []
        watcher = threading.Thread(target=self._watch, args=(time.monotonic() + seconds, stop, over, cut), daemon=True)
        watcher.start()
        try:
            yield
        except ollama.ResponseError as error:
            raise ServerSaid(error.status_code, error.error) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            if not cut:
                raise self._away(error) from error
        except (ValueError, RecursionError) as error:
            if not cut:
                raise ModelAway(
                    "what answers is not Ollama", where=self.host, why=str(error).partition("\n")[0][:200]
                ) from error
        finally:
            over.set()
            watcher.join()
        if cut:
            raise cut[0]

    def models(self, path: str) -> list[dict[str, Any]]:
        """The `models` of `/api/tags` or `/api/ps`, raw: the package's own types drop `remote_host`."""
        try:
            listed = self.client._request(dict, "GET", path)["models"]
        except (TypeError, KeyError):
            listed = None
        if not isinstance(listed, list):
            raise ValueError(f"{path} names no models")
        return [one for one in listed if isinstance(one, dict)]

    def stream(self, path: str, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The objects of a streamed answer, one for each line. Ends where the server ends, finished or not."""
        with self._http.stream("POST", path, json=body) as response:
            if response.status_code != 200:
                raise ServerSaid(response.status_code, _words(response))
            rest, size = b"", 0
            for chunk in response.iter_bytes():
                size += len(chunk)
                if size > _LARGEST_STREAM:
                    raise ValueError("the answer has no end")
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (_object(line) for line in lines if line.strip())
            if rest.strip():
                yield _object(rest)

    def _watch(self, end: float, stop: Stop, over: threading.Event, cut: list[Exception]) -> None:
        while not over.wait(_TICK):
            if not cut and stop():
                cut.append(TimeUp("the run was stopped while the model worked"))
            elif not cut and time.monotonic() >= end:
                cut.append(Late())
            if cut:  # again at every tick: a connection may have been made since
                for sock in tuple(self._sockets):
                    with suppress(OSError):
                        sock.shutdown(socket.SHUT_RDWR)

    def _follow(self, request: httpx.Request) -> None:
        request.extensions["trace"] = self._trace

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            self._sockets.append(info["return_value"].get_extra_info("socket"))

    def _away(self, error: Exception) -> ModelAway:
        why = str(error) or type(error).__name__
        if "connect" in type(error).__name__.lower() or isinstance(error, ConnectionError):
            return ModelAway("Ollama does not answer", where=self.host, why=why.partition(". ")[0], fix="ollama serve")
        return ModelAway("the connection to Ollama broke", where=self.host, why=why)


def _object(line: bytes) -> dict[str, Any]:
    part = json.loads(line)
    if not isinstance(part, dict):
        raise ValueError("a line of the answer is not an object")
    return part


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
        if isinstance(said, dict) and isinstance(said.get("error"), str):
            return str(said["error"])
    return text[:500]
