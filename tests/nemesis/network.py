"""I7: whoever is in a round speaks to nobody but the round's own addresses. Two things look, each for what the other
cannot see.

`Watch` looks at the kernel's tables five times a second: the TCP and UDP sockets (IPv4 and IPv6, in every network
namespace) that a process with the round's marker has open, in whatever state. It misses what was opened and closed
between two looks, which on a loopback interface is most of what succeeds at once, and a refused or unreachable try; an
unconnected UDP socket, whose packets go anywhere; raw sockets; and a process that has thrown the marker out of its
environment. Whatever waits for an answer, as a connection to a far host does where the answer takes long, it sees.

`Trap` is the proxy that every process of the round is told to use for all but loopback (`http_proxy` and the like).
Every program that heeds these names, as git and curl do, ends there however short its try is. It misses whoever heeds
no proxy; Gofer's own client of the model server is one.

Names are not resolved here: a question to a DNS server shows as the UDP socket that it is, if a look meets it.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from tests.nemesis.clones import processes

INTERVAL = 0.2  # seconds between two looks
LISTENING = "0A"  # linux/tcp_states.h
Address = tuple[str, int]


class Watch:
    """Looks in a thread of its own, for the block. `said` has a sentence for each stranger that was met."""

    def __init__(self, marker: str, allowed: Collection[Address], proc: Path = Path("/proc")) -> None:
        self._marker, self._allowed, self._proc = marker, frozenset(allowed), proc
        self._found: dict[tuple[str, str], str] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self.looks = 0
        self.met: set[Address] = set()  # every address that anybody was seen to speak to

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(10)

    @property
    def said(self) -> list[str]:
        return list(self._found.values())

    def _run(self) -> None:
        while not self._end.wait(INTERVAL):
            self.look()

    def look(self) -> None:
        """One look at everybody."""
        tables: dict[str, dict[str, tuple[str, Address]]] = {}
        for pid, command in processes(self._marker, self._proc).items():
            for what, address in _sockets(self._proc / str(pid), tables):
                self.met.add(address)
                if what == "listens on" or address not in self._allowed:
                    told = f"I7: process {pid} {what} {address[0]} port {address[1]}: {command}"
                    self._found.setdefault((command.partition(" --")[0], str(address)), told)
        self.looks += 1


class Trap:
    """A proxy that nobody may use, for the block."""

    def __init__(self) -> None:
        self._door = socket.create_server(("127.0.0.1", 0))
        self.address: Address = self._door.getsockname()
        self._asked: list[str] = []
        self._thread = threading.Thread(target=self._run, name="trap", daemon=True)

    def __enter__(self) -> Trap:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._thread.join(10)

    @property
    def environment(self) -> Mapping[str, str]:
        """What leads programs into it."""
        names = ("http_proxy", "https_proxy", "all_proxy")
        url, direct = f"http://127.0.0.1:{self.address[1]}", "127.0.0.1,localhost,::1"
        both = {**dict.fromkeys(names, url), "no_proxy": direct}
        return {**both, **{name.upper(): value for name, value in both.items()}}

    @property
    def said(self) -> list[str]:
        return [f"I7: the proxy was asked: {line}" for line in self._asked]

    def _run(self) -> None:
        while True:
            try:
                line, _ = self._door.accept()
            except OSError:
                return
            with line, suppress(OSError):
                line.settimeout(2)
                first = line.recv(4096).partition(b"\r\n")[0]
                self._asked.append(first.decode("utf-8", "replace"))
                line.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def _sockets(process: Path, tables: dict[str, dict[str, tuple[str, Address]]]) -> Iterator[tuple[str, Address]]:
    """What the sockets of a process are for, and their addresses. `tables`: by network namespace, filled as needed."""
    try:
        where = os.readlink(process / "ns" / "net")
        handles = [os.readlink(handle) for handle in (process / "fd").iterdir()]
    except OSError:  # it ended meanwhile
        return
    if any(handle.startswith("socket:[") for handle in handles):
        if where not in tables:
            tables[where] = {number: rest for name in _KINDS for number, rest in _table(process / "net" / name)}
        for handle in handles:
            if handle.startswith("socket:[") and (found := tables[where].get(handle[8:-1])):
                yield found


_KINDS = ("tcp", "tcp6", "udp", "udp6")


def _table(file: Path) -> Iterator[tuple[str, tuple[str, Address]]]:
    """The sockets of one kind by inode, listening and connected ones (proc_net_tcp in the kernel's documentation)."""
    with suppress(OSError):
        for line in file.read_text("ascii").splitlines()[1:]:
            fields = line.split()
            local, remote = _address(fields[1]), _address(fields[2])
            if file.name.startswith("tcp") and fields[3] == LISTENING:
                yield fields[9], ("listens on", local)
            elif remote[1]:
                yield fields[9], ("speaks to", remote)


def _address(text: str) -> Address:
    """`0100007F:0050` → 127.0.0.1 port 80: words of 32 bits in the machine's own order."""
    host, port = text.split(":")
    words = [bytes.fromhex(host[at : at + 8])[::-1] for at in range(0, len(host), 8)]
    found = ipaddress.ip_address(b"".join(words))
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found), int(port, 16)
