"""The wire to a server: connects to addresses that were checked, and stops when the time is up, the run is cancelled,
or more comes than can be of use.

httpcore asks for a connection and reads and writes through it; here every wait is in short steps, between which the
clock and the run are looked at. So a server that trickles, or says nothing, holds nobody up.
"""

from __future__ import annotations

import os
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import httpcore

_TICK = 0.05  # seconds between two looks at the clock and the run
_PATIENCE = 5.0  # seconds for one address, while there are others
_TRIED = 4  # addresses of a host


class Late(Exception):
    """The time of a request is up."""


class Flood(Exception):
    """More came than the answer can need: headers, interim answers or chunks without end."""


class Untrusted(Exception):
    """The server's certificate is not believed."""


class Watch:
    """What ends a request: `end` on the monotonic clock by Late, and whatever `check` raises."""

    def __init__(self, end: float, check: Callable[[], None]) -> None:
        self.end, self._check = end, check

    def look(self) -> None:
        self._check()
        if time.monotonic() >= self.end:
            raise Late


class Wire(httpcore.NetworkBackend):
    """Connects to the given addresses, whatever name it is asked for. `most`: bytes that may come in.

    `sent` says whether anything of the request may have reached the server.
    """

    def __init__(self, addresses: Sequence[str], watch: Watch, most: int) -> None:
        self._addresses, self.watch, self.most = addresses, watch, most
        self.sent = False

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failed = OSError("the host has no address")
        addresses = self._addresses[:_TRIED]
        for left, address in zip(reversed(range(len(addresses))), addresses, strict=True):
            end = min(self.watch.end, time.monotonic() + _PATIENCE) if left else self.watch.end
            try:
                return Stream(_connected(address, port, end, self.watch), self)
            except OSError as error:
                failed = error
        raise httpcore.ConnectError(failed.strerror or str(failed)) from failed


class Stream(httpcore.NetworkStream):
    """One connection, plain or with TLS."""

    def __init__(self, sock: socket.socket, wire: Wire) -> None:
        self._sock, self._wire = sock, wire
        sock.settimeout(_TICK)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            data: bytes = self._patiently(lambda: self._sock.recv(max_bytes))
        except OSError as error:
            raise httpcore.ReadError(error.strerror or str(error)) from error
        self._wire.most -= len(data)
        if self._wire.most < 0:
            raise Flood
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._wire.sent = True  # from here on nobody can say what has arrived
        rest = memoryview(buffer)
        try:
            while rest:
                rest = rest[self._patiently(lambda rest=rest: self._sock.send(rest)) :]  # type: ignore[misc]
        except OSError as error:
            raise httpcore.WriteError(error.strerror or str(error)) from error

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secure = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname, do_handshake_on_connect=False)
        stream = Stream(secure, self._wire)
        try:
            stream._patiently(secure.do_handshake)
        except ssl.SSLCertVerificationError as error:
            stream.close()
            raise Untrusted(error.verify_message) from error
        except OSError as error:
            stream.close()
            raise httpcore.ConnectError(f"no TLS: {error.strerror or error}") from error
        except BaseException:
            stream.close()
            raise
        return stream

    def close(self) -> None:
        self._sock.close()

    def get_extra_info(self, info: str) -> Any:
        return self._sock if info == "socket" and isinstance(self._sock, ssl.SSLSocket) else None

    def _patiently(self, act: Callable[[], Any]) -> Any:
        """What `act` returns, tried again for as long as it only takes its time."""
        while True:
            self._wire.watch.look()
            try:
                return act()
            except (TimeoutError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                continue


def _connected(address: str, port: int, end: float, watch: Watch) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        with suppress(BlockingIOError):  # it is under way
            sock.connect((address, port))
        with selectors.DefaultSelector() as ready:
            ready.register(sock, selectors.EVENT_WRITE)
            while not ready.select(_TICK):
                watch.look()
                if time.monotonic() >= end:
                    raise TimeoutError(0, f"{address} does not take the connection")
        if failed := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(failed, os.strerror(failed))
    except BaseException:
        sock.close()
        raise
    return sock
