"""The stand-in as a process of its own, to try things by hand: `python -m tests.engine --port 11435`.

It has one tiny model, `qwen3:8b`, of random weights: real tokens without sense. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

from tests.engine.fixtures import MODEL
from tests.engine.standin import OllamaStandIn
from tests.engine.tiny_qwen3 import write_tiny_qwen3
from tests.engine.wire import Connection


def serve(port: int, model: str) -> None:
    """Answer until Ctrl-C. Port 0 is any free one; the address is printed."""
    with tempfile.TemporaryDirectory(prefix="gofer-engine-") as folder:
        server = OllamaStandIn({model: write_tiny_qwen3(Path(folder) / "tiny.gguf")})
        if port:
            server._server.server_close()
            server._server = ThreadingHTTPServer(("127.0.0.1", port), type("Mine", (Connection,), {"owner": server}))
            server._server.daemon_threads = True
            server.url = f"http://127.0.0.1:{port}"
        with server:
            print(f"{model} at {server.url}; try: GOFER_OLLAMA_HOST={server.url} gofer capability", flush=True)
            threading.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="A model server for tries by hand.")
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--model", default=MODEL)
    given = parser.parse_args()
    try:
        serve(given.port, given.model)
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
