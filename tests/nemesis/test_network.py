"""Both observers of the network are observed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.nemesis.network import Trap, Watch
from tests.support import wait_for

SPEAK = """
import socket, sys
kind = socket.SOCK_DGRAM if sys.argv[1] == "udp" else socket.SOCK_STREAM
family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
with socket.socket(family, kind) as line:
    if sys.argv[1] == "listen":
        line.bind((sys.argv[2], 0))
        line.listen()
    else:
        line.connect((sys.argv[2], int(sys.argv[3])))
    print("there", flush=True)
    input()
"""


@contextmanager
def speaking(marker: str, *args: object) -> Iterator[int]:
    """A process with the marker that has a socket open; its number."""
    name, _, value = marker.partition("=")
    child = subprocess.Popen(
        [sys.executable, "-c", SPEAK, *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, name: value},
    )  # fmt: skip
    assert child.stdout
    assert child.stdout.readline() == b"there\n"
    try:
        yield child.pid
    finally:
        child.communicate(b"\n", timeout=10)


@pytest.fixture
def marker() -> str:
    return f"GOFER_NEMESIS_ROUND={uuid.uuid4()}"


@pytest.mark.parametrize(("kind", "host"), [("tcp", "127.0.0.1"), ("udp", "127.0.0.1"), ("tcp", "::1")])
def test_only_who_speaks_to_a_stranger_is_told(marker: str, kind: str, host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        server = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"{host} is no address here")
    with server, Watch(marker, []) as strict:
        address = (host, server.getsockname()[1])
        mild, other = Watch(marker, [address]), Watch(f"{marker}0", [])
        with speaking(marker, kind, *address) as pid:
            wait_for(lambda: strict.said, what="the watch")
            mild.look()
            other.look()
    (line,) = strict.said
    assert line.startswith(f"I7: process {pid} speaks to {host} port {address[1]}: ")
    assert mild.said == other.said == []
    assert mild.met == {address} and other.met == set()


def test_a_connection_that_nobody_has_answered_yet_is_seen(marker: str) -> None:
    script = SPEAK.replace("line.connect(", "line.setblocking(False); line.connect_ex(")
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        with socket.create_connection(address), pytest.MonkeyPatch.context() as patch:
            patch.setitem(globals(), "SPEAK", script)
            with speaking(marker, "tcp", *address), speaking(marker, "tcp", *address):
                watch = Watch(marker, [])
                watch.look()
    assert len(watch.said) == 1 and address in watch.met  # two of one command are told once


def test_who_listens_is_told(marker: str) -> None:
    watch = Watch(marker, [("127.0.0.1", 0)])
    with speaking(marker, "listen", "127.0.0.1"):
        watch.look()
    (line,) = watch.said
    assert " listens on 127.0.0.1 port " in line


def test_who_asks_the_proxy_is_told_and_loopback_goes_without_it() -> None:
    with Trap() as trap:
        env = {**os.environ, **trap.environment}
        for url in ("http://gofer.invalid/x.git", "https://gofer.invalid/y.git", "http://127.0.0.1:9/z.git"):
            done = subprocess.run(["git", "ls-remote", url], env=env, capture_output=True, timeout=30, check=False)
            assert done.returncode != 0
        wait_for(lambda: len(trap.said) == 2, what="the trap")
    assert any("GET http://gofer.invalid/x.git" in line for line in trap.said)
    assert any("CONNECT gofer.invalid:443" in line for line in trap.said)
