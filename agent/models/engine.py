"""A model that llama.cpp has loaded in this process, and the way to ask it.

xllamacpp starts llama.cpp's own server and always listens. Here it listens on a socket in a folder that nobody but
this user can enter, and questions go through that socket: a connection that closes stops the work even while the
prompt is still being read, which a call of `handle_chat_completions` cannot.
"""

from __future__ import annotations

import http.client
import importlib
import json
import secrets
import shutil
import socket
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from agent.errors import ModelAway, TimeUp
from agent.models.base import Stop

_TICK = 0.05  # seconds between two looks at the clock and at `stop`
_BATCH = 128  # tokens of a prompt between two looks of the engine at its connections
_LARGEST_STREAM = 8 << 20  # bytes of an answer's events
_LONGEST_PLACE = 80  # characters; the address of a socket holds 104 on macOS and 108 on Linux
_QUIET = -1  # below the level of errors: a library must not write into the output of the command


class Late(Exception):
    """The time of `Engine.within` is up."""


class Said(Exception):
    """The engine answered with something else than 200: the status, and its own words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"HTTP {status}: {words}")
        self.status, self.words = status, words


class Engine:
    """`path` loaded with `context` tokens; `threads` 0 means as many as there are cores. `window` is the real context.

    Loading holds Python's lock (xllamacpp 2026.10), so no time limit can interrupt it: whoever calls has the file
    in the system's memory first, and the rest is a matter of seconds. Raises ImportError, and RuntimeError when
    llama.cpp refuses the file or gets no memory.
    """

    def __init__(self, path: Path, name: str, context: int, threads: int) -> None:
        xllamacpp: Any = importlib.import_module("xllamacpp")  # 100 MB, and it has no types

        self.context = context
        folder = _private_folder()
        self._tidy = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)  # at the latest when Python ends
        self._socket, self._key = f"{folder}/s.sock", secrets.token_hex(16)
        self._sockets: list[socket.socket] = []
        params = xllamacpp.CommonParams()
        params.model.path, params.model_alias = str(path), {name}
        params.hostnames, params.port, params.api_keys = [self._socket], 0, [self._key]
        params.ui, params.warmup, params.endpoint_slots, params.verbosity = False, False, True, _QUIET
        params.n_ctx, params.n_parallel, params.ctx_shift = context, 1, False
        params.n_batch = params.n_ubatch = _BATCH
        params.n_threads_http = 2
        # A worker process may have 4 GiB of its own. The mapped file is not counted; weights that are repacked for
        # this processor would be a second copy that is, and the cache of prompts alone may take 8 GiB.
        params.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_MMAP
        params.no_extra_bufts, params.cache_ram_mib, params.n_ctx_checkpoints = True, 0, 0
        if threads:
            params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        try:
            self._server: Any = xllamacpp.Server(params)
            self.window = self._real_window()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the memory back."""
        self._server = None
        self._tidy()

    @contextmanager
    def within(self, seconds: float, stop: Stop) -> Iterator[None]:
        """What is asked inside ends within `seconds`, by Late; or when `stop()`, by TimeUp. A broken connection is
        ModelAway."""
        over = threading.Event()
        cut: list[Exception] = []
        watcher = threading.Thread(target=self._watch, args=(time.monotonic() + seconds, stop, over, cut), daemon=True)
        watcher.start()
        try:
            yield
        except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
            if not cut:
                why = str(error)[:200] or type(error).__name__
                raise ModelAway("the connection to llama.cpp broke", why=why) from error
        finally:
            over.set()
            watcher.join()
            self._sockets.clear()
        if cut:
            raise cut[0]

    def stream(self, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The events of a streamed answer, `{}` for its proper end. Raises Said."""
        connection = _Connection(self._socket, self._sockets)
        try:
            response = self._send(connection, "POST", "/v1/chat/completions", json.dumps(body))
            if response.status != 200:
                raise Said(response.status, _words(response.read(_LARGEST_STREAM)))
            size = 0
            for line in iter(response.readline, b""):
                size += len(line)
                if size > _LARGEST_STREAM:
                    raise ValueError("the answer has no end")
                field, _, value = line.partition(b":")
                if field not in (b"data", b"error"):
                    continue
                if value.strip() == b"[DONE]":
                    yield {}
                    return
                event = json.loads(value)
                yield event if field == b"data" else {"error": event}
        finally:
            connection.close()

    def _send(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: str | None = None
    ) -> http.client.HTTPResponse:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json", "Connection": "close"}
        connection.request(method, path, body.encode() if body else None, headers)
        return connection.getresponse()

    def _real_window(self) -> int:
        """The model's own limit can lie below the size asked for.

        Asked through the engine's queue, so that its loop is certain to run from here on: an engine that is closed
        before it runs waits for its own end for ever (xllamacpp 2026.10).
        """
        connection = _Connection(self._socket, [])
        try:
            response = self._send(connection, "GET", "/slots")
            told = json.loads(response.read(_LARGEST_STREAM))
            return min(int(told[0]["n_ctx"]), self.context)
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
            raise RuntimeError(f"the engine does not state its window: {error}") from error
        finally:
            connection.close()

    def _watch(self, end: float, stop: Stop, over: threading.Event, cut: list[Exception]) -> None:
        pause = 0.0  # the first look is at once
        while not over.wait(pause):
            left = end - time.monotonic()
            if not cut and stop():
                cut.append(TimeUp("the run was stopped while the model worked"))
            elif not cut and left <= 0:
                cut.append(Late())
            pause = _TICK if cut else min(_TICK, max(left, 0.0))
            if cut:  # again at every tick: a connection may have been made since
                for sock in tuple(self._sockets):
                    with suppress(OSError):
                        sock.shutdown(socket.SHUT_RDWR)


class _Connection(http.client.HTTPConnection):
    def __init__(self, place: str, sockets: list[socket.socket]) -> None:
        super().__init__("localhost")
        self._place, self._sockets = place, sockets

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self._sockets.append(self.sock)
        self.sock.connect(self._place)


def _private_folder() -> str:
    """A folder that only this user can enter, with a short name."""
    place = tempfile.gettempdir()
    return tempfile.mkdtemp(prefix="gofer-engine-", dir=place if len(place) < _LONGEST_PLACE else "/tmp")  # noqa: S108


def _words(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace").strip()
    with suppress(ValueError, RecursionError, KeyError, TypeError):
        return str(json.loads(text)["error"]["message"])
    return text[:500]
