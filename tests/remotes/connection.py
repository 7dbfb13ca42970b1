"""One connection through a proxy: a thread for each direction, and a way to cut both at any time."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

from tests.remotes.weather import Meter, Sky

_PIECE = 1 << 14
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close() sends RST


class Connection:
    """Between `client` and a new connection to `target`. `gone` is called once, when it is over."""

    def __init__(
        self, sky: Sky, client: socket.socket, target: tuple[str, int], gone: Callable[[Connection], None]
    ) -> None:
        self._sky, self._client, self._target, self._gone = sky, client, target, gone
        self._server = socket.socket()
        self._dead, self._lock, self._ended = threading.Event(), threading.Lock(), 0
        self._there = threading.Thread(target=self._begin, name="proxy there", daemon=True)
        self._back = threading.Thread(target=self._pump, args=(False,), name="proxy back", daemon=True)

    def start(self) -> None:
        self._there.start()

    def join(self) -> None:
        self._there.join(10)
        if self._back.ident:
            self._back.join(10)

    def cut(self, *, count: bool = False) -> None:
        """Reset both sides, also under threads that wait for them. `count`: as one that the weather cut."""
        with self._lock:
            if self._dead.is_set():
                return
            self._dead.set()
            if count:
                self._sky.count_cut()
            for end in (self._client, self._server):
                with suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RD)  # wakes our own reader; the other side learns nothing from it
                end.close()
        self._sky.poke()
        self._gone(self)

    def _begin(self) -> None:
        self._sky.wait(self._dead)
        try:
            self._server.connect(self._target)
        except OSError:
            self.cut()
            return
        with self._lock:
            if self._dead.is_set():
                return
            self._back.start()
        self._pump(True)

    def _pump(self, up: bool) -> None:
        source, sink = (self._client, self._server) if up else (self._server, self._client)
        meter = Meter(self._sky, up=up)
        try:
            while meter.room() != 0 and (piece := source.recv(_PIECE)):
                self._sky.wait(self._dead)
                room = meter.room()
                sink.sendall(piece[:room])
                meter.add(len(piece))
                if room is not None and len(piece) >= room:
                    break
            if meter.room() == 0:
                self.cut(count=True)
                return
            self._sky.wait(self._dead)
            if not self._dead.is_set():  # else the end that was read is our own, and the other side gets its reset
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            self.cut()
        self._end()

    def _end(self) -> None:
        """The direction that ends last closes the connection."""
        with self._lock:
            self._ended += 1
            if self._ended < 2 or self._dead.is_set():
                return
            self._dead.set()
            self._client.close()
            self._server.close()
        self._gone(self)
