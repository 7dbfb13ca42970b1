"""The four ways to a bare remote that need no other machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from tests.remotes.bare import Bare, make_bare
from tests.remotes.daemon import GitDaemon
from tests.remotes.http import SmartHttp

TRANSPORTS = ("path", "file", "git", "http")


@dataclass(frozen=True, slots=True)
class Remote:
    """A bare repository and the URL that a clone knows it by."""

    transport: str
    url: str
    bare: Bare
    address: tuple[str, int] | None = None  # of the server, to put a proxy in front of it
    http: SmartHttp | None = field(default=None, repr=False)  # its switches: password, faults

    @property
    def path(self) -> Path:
        return self.bare.path

    def through(self, address: tuple[str, int]) -> str:
        """The URL of the same repository behind a proxy at `address`."""
        assert self.address, f"{self.transport} has no server"
        return self.url.replace(f":{self.address[1]}/", f":{address[1]}/", 1)


@contextmanager
def served(
    path: Path, transport: str = "path", *, password: str = "", ledger: bool = True, bare: Bare | None = None
) -> Iterator[Remote]:
    """A new bare remote at `path` (or `bare`, which is there already) for the block.

    `transport`: one of TRANSPORTS. `password`: only for http; the user is `gofer`, and the URL does not hold the two.
    Skips the test, with what to install, when git's own server is missing.
    """
    made = bare or make_bare(path, ledger=ledger)
    name = quote(made.path.name)
    if transport == "path":
        yield Remote(transport, str(made.path), made)
    elif transport == "file":
        yield Remote(transport, f"file://{quote(str(made.path))}", made)
    elif transport == "git":
        with GitDaemon(made.path.parent) as daemon:
            yield Remote(transport, f"git://127.0.0.1:{daemon.address[1]}/{name}", made, daemon.address)
    elif transport == "http":
        with SmartHttp(made.path.parent, password=password) as http:
            yield Remote(transport, f"http://127.0.0.1:{http.address[1]}/{name}", made, http.address, http)
    else:
        raise ValueError(f"no transport {transport!r}; there are {', '.join(TRANSPORTS)}")
