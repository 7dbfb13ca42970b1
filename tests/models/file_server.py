"""A real HTTP server on the loopback that serves one file, and does wrong what it is told to."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer:
    """Serves `content` at every path, as Hugging Face does: with its sha256 stated and with Range.

    `stated`: the checksum it states (None: none). `cuts`: after how many bytes each of the next answers breaks off.
    `redirect`: where everything is passed on to. `silent`: says nothing after so many bytes, until it is closed.
    """

    def __init__(self, content: bytes) -> None:
        self.cuts: list[int] = []
        self.redirect = ""
        self.silent: int | None = None
        self.ranges = True
        self.seen: list[tuple[str, str]] = []  # method, and the range that was asked for
        self.reached, self.closing = threading.Event(), threading.Event()
        self.put(content)
        handler = type("Mine", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def put(self, content: bytes) -> None:
        self.content, self.sha256 = content, hashlib.sha256(content).hexdigest()
        self.stated: str | None = self.sha256

    def __enter__(self) -> FileServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def gets(self) -> list[str]:
        return [asked for method, asked in self.seen if method == "GET"]


class _Handler(BaseHTTPRequestHandler):
    owner: FileServer

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        owner, content = self.owner, self.owner.content
        asked = self.headers.get("Range", "")
        owner.seen.append((self.command, asked))
        if owner.redirect:
            self.send_response(302)
            self.send_header("Location", owner.redirect)
            self._linked()
            self.end_headers()
            return
        start = 0
        etag = f'"{owner.sha256}"'
        if owner.ranges and (wanted := re.fullmatch(r"bytes=(\d+)-", asked)):
            start = int(wanted[1]) if self.headers.get("If-Range", etag) == etag else 0
        if start > len(content) or (start and start == len(content)):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self._linked()
        self.end_headers()
        if body:
            self._send(content[start:])

    def _linked(self) -> None:
        if self.owner.stated is not None:
            self.send_header("X-Linked-Etag", f'"{self.owner.stated}"')

    def _send(self, content: bytes) -> None:
        owner = self.owner
        if owner.silent is not None:
            self.wfile.write(content[: owner.silent])
            self.wfile.flush()
            owner.reached.set()
            owner.closing.wait(30)
            return
        if owner.cuts:
            self.wfile.write(content[: owner.cuts.pop(0)])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            return
        self.wfile.write(content)
