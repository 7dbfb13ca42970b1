"""Smart HTTP on loopback: a threaded server that runs `git http-backend`, with a password and faults to switch on."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import unquote

from tests.remotes.bare import environment
from tests.remotes.daemon import end_group, need

USER = "gofer"
HANG = -1  # a fault: accept the request and never answer it
_CHUNK = 1 << 16


class SmartHttp:
    """Serves every repository of a folder, as http://127.0.0.1:<port>/<name>.

    Switches, to be set at any time: `password` ("" asks for none; the user is USER), `readonly` (403 to every push),
    `fault` (0 for none, an HTTP status, or HANG) for requests whose path holds `fault_in`.
    """

    def __init__(self, folder: Path, *, password: str = "") -> None:
        need("http-backend", "git")
        self.folder, self.password, self.readonly, self.fault, self.fault_in = folder, password, False, 0, ""
        self.requests: list[str] = []  # method and path of each, in the order of their arrival
        self.closed = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.site = self
        self.address: tuple[str, int] = ("127.0.0.1", self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="http", daemon=True
        )
        self._thread.start()

    def refusal(self, method: str, path: str, authorization: str) -> int:
        """The status to answer at once, HANG, or 0 to let the request through."""
        self.requests.append(f"{method} {path}")
        if self.fault and self.fault_in in path:
            return self.fault
        if self.password:
            wanted = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
            if authorization != f"Basic {wanted}":
                return 401
        return 403 if self.readonly and "receive-pack" in path else 0

    def close(self) -> None:
        """Stop listening, cut what is open, end the backends."""
        self.closed.set()
        self._server.shutdown()
        self._server.cut()
        self._server.server_close()
        self._thread.join(10)

    def __enter__(self) -> SmartHttp:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = True
    request_queue_size = 64
    site: SmartHttp

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def cut(self) -> None:
        for line in tuple(self._open):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the server's."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        site = self.server.site
        status = site.refusal(self.command, self.path, self.headers.get("Authorization", ""))
        if status == HANG:
            while not site.closed.wait(0.05) and site.fault == HANG:
                pass
            self.close_connection = True
        elif status:
            self._refuse(status)
        else:
            self._run()

    def _refuse(self, status: int) -> None:
        text = f"{status} by order of the test\n".encode()
        self.close_connection = True  # the body of the request was not read
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text)

    def _run(self) -> None:
        process = subprocess.Popen(
            ["git", "http-backend"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=environment(**self._variables()), start_new_session=True,
        )  # fmt: skip
        feeder = threading.Thread(target=self._feed, args=(process,), daemon=True)
        feeder.start()
        try:
            self._relay(process)
        finally:
            end_group(process)
            if self.close_connection:
                with suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)  # the feeder may still be waiting for the client
            feeder.join(10)

    def _variables(self) -> dict[str, str]:
        path, _, query = self.path.partition("?")
        headers = {
            "CONTENT_TYPE": "Content-Type", "CONTENT_LENGTH": "Content-Length", "GIT_PROTOCOL": "Git-Protocol",
            "HTTP_CONTENT_ENCODING": "Content-Encoding",
        }  # fmt: skip
        return {
            "GIT_PROJECT_ROOT": str(self.server.site.folder), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": unquote(path),
            "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_ADDR": self.client_address[0],
            "REMOTE_USER": USER if self.server.site.password else "",
            **{name: self.headers[header] for name, header in headers.items() if header in self.headers},
        }  # fmt: skip

    def _feed(self, process: subprocess.Popen[bytes]) -> None:
        """The body of the request to the backend, piece by piece. A compressed one goes through as it is."""
        assert process.stdin
        try:
            for piece in self._body():
                process.stdin.write(piece)
                process.stdin.flush()
        except (OSError, ValueError):
            self.close_connection = True  # one of the two is gone; what is left of the body would look like a request
            with suppress(ProcessLookupError):  # at a body that ends too early git http-backend reads on without pause
                os.killpg(process.pid, signal.SIGKILL)
        with suppress(OSError):
            process.stdin.close()

    def _body(self) -> Iterator[bytes]:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield from self._exactly(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        else:
            yield from self._exactly(int(self.headers.get("Content-Length", 0)))

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self.rfile.read1(min(size, _CHUNK))  # type: ignore[attr-defined]
            if not piece:
                raise ValueError("the client went away")
            size -= len(piece)
            yield piece

    def _relay(self, process: subprocess.Popen[bytes]) -> None:
        """The backend's answer to the client, piece by piece."""
        assert process.stdout
        status, headers = 200, []
        while line := process.stdout.readline().rstrip(b"\r\n"):
            name, _, value = line.decode("latin-1").partition(":")
            if name.lower() == "status":
                status = int(value.split()[0])
            else:
                headers.append((name, value.strip()))
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while piece := process.stdout.read1(_CHUNK):  # type: ignore[attr-defined]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
