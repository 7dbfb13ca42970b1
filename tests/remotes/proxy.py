"""A bad network on loopback: a TCP proxy with faults that can be switched while connections are open."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType

from tests.remotes.connection import Connection
from tests.remotes.weather import FINE, Sky, Weather


class Proxy:
    """Listens at `address` and passes everything on to `target`, or not. Each switch replaces the one before.

        proxy.cut_after(up=100)   each connection is reset in both ways once the client has sent 100 bytes (0: at once);
        proxy.cut_after(down=9)   … once the server has sent 9. Each connection counts from the moment of the switch
        proxy.refuse()            new connections are refused; those that are open go on
        proxy.black_hole()        new connections are accepted, and nothing passes, on no connection, until heal()
        proxy.delay(0.2)          every piece takes so many seconds longer, each way
        proxy.cut_all()           resets every connection that is open; the weather stays as it is
        proxy.heal()              fine weather; what a black hole held back is passed on

    `accepted` counts connections, `cuts` those that `cut_after` has cut. The switches are for one thread.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.target, self.accepted = target, 0
        self._sky, self._lock, self._open = Sky(), threading.Lock(), set[Connection]()
        self._keeper = _bound(0)  # never listens: keeps the port ours while new connections are refused
        self.address: tuple[str, int] = self._keeper.getsockname()
        self._listen()

    @property
    def cuts(self) -> int:
        return self._sky.cuts

    def cut_after(self, *, up: int | None = None, down: int | None = None) -> None:
        self._switch(Weather(cut_up=up, cut_down=down))

    def black_hole(self) -> None:
        self._switch(Weather(silent=True))

    def delay(self, seconds: float) -> None:
        self._switch(Weather(delay=seconds))

    def heal(self) -> None:
        self._switch(FINE)

    def refuse(self) -> None:
        self._sky.switch(FINE)
        self._stop_listening()

    def cut_all(self) -> None:
        for connection in self.connections():
            connection.cut()

    def connections(self) -> list[Connection]:
        """Those that are open."""
        with self._lock:
            return list(self._open)

    def close(self) -> None:
        """Cut everything and give the port back."""
        self._sky.close()
        self._stop_listening()
        for connection in self.connections():
            connection.cut()
            connection.join()
        self._keeper.close()

    def _switch(self, weather: Weather) -> None:
        self._sky.switch(weather)
        if self._door is None:
            self._listen()

    def _listen(self) -> None:
        door = _bound(self.address[1])
        door.listen(64)
        door.settimeout(0.5)
        self._door: socket.socket | None = door
        self._acceptor = threading.Thread(target=self._accept, args=(door,), name="proxy", daemon=True)
        self._acceptor.start()

    def _stop_listening(self) -> None:
        if self._door is not None:
            with suppress(OSError):
                self._door.shutdown(socket.SHUT_RDWR)  # wakes accept() on Linux; elsewhere its timeout does
            self._door.close()
            self._acceptor.join(10)
            self._door = None

    def _accept(self, door: socket.socket) -> None:
        while True:
            try:
                client, _ = door.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            client.setblocking(True)
            connection = Connection(self._sky, client, self.target, self._forget)
            with self._lock:
                self.accepted += 1
                self._open.add(connection)
            connection.start()

    def _forget(self, connection: Connection) -> None:
        with self._lock:
            self._open.discard(connection)

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(("127.0.0.1", port))
    return made
