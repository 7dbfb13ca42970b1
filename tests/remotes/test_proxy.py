"""The bad network: each of its faults on an echo server, and with a real git."""

from __future__ import annotations

import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.remotes import Proxy, served
from tests.remotes.bare import environment
from tests.support import wait_for


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while piece := self.request.recv(4096):
            self.request.sendall(piece)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads = True, True

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections are cut here all the time."""


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with _Server(("127.0.0.1", 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        with Proxy(server.server_address) as made:
            yield made
        server.shutdown()
        thread.join()


@contextmanager
def dialled(proxy: Proxy, timeout: float = 5.0) -> Iterator[socket.socket]:
    with socket.create_connection(proxy.address, timeout=timeout) as line:
        yield line


def hear(line: socket.socket, size: int) -> bytes:
    """Up to `size` bytes; fewer when the line ends or is reset."""
    heard = b""
    try:
        while len(heard) < size and (piece := line.recv(size - len(heard))):
            heard += piece
    except ConnectionResetError:
        pass
    return heard


def echoes(proxy: Proxy, text: bytes = b"hello") -> bool:
    with dialled(proxy) as line:
        line.sendall(text)
        return hear(line, len(text)) == text


def silent(line: socket.socket) -> bool:
    line.settimeout(0.2)
    try:
        line.recv(1)
    except TimeoutError:
        return True
    finally:
        line.settimeout(5)
    return False


def test_in_fine_weather_everything_passes_and_the_end_is_told(proxy: Proxy) -> None:
    text = bytes(range(256)) * 4000
    with dialled(proxy) as line:
        sender = threading.Thread(target=line.sendall, args=(text,))
        sender.start()
        assert hear(line, len(text)) == text
        sender.join()
        line.shutdown(socket.SHUT_WR)
        assert line.recv(1) == b""
    wait_for(lambda: not proxy.connections(), what="the connection to be over")
    assert (proxy.accepted, proxy.cuts) == (1, 0)


def test_cut_after_bytes_of_the_client(proxy: Proxy) -> None:
    proxy.cut_after(up=10)
    with dialled(proxy) as line:
        line.sendall(b"x" * 9)
        assert hear(line, 9) == b"x" * 9
        line.sendall(b"yz")
        assert len(hear(line, 2)) < 2
    assert proxy.cuts == 1
    assert not echoes(proxy, b"z" * 11)  # each connection is counted by itself
    proxy.heal()
    assert echoes(proxy, b"z" * 11)


def test_cut_after_bytes_of_the_server(proxy: Proxy) -> None:
    proxy.cut_after(down=3)
    with dialled(proxy) as line:
        line.sendall(b"12345")
        assert b"123".startswith(hear(line, 5))
        wait_for(lambda: not proxy.connections(), what="the cut")
    assert proxy.cuts == 1


def test_cut_at_once(proxy: Proxy) -> None:
    proxy.cut_after(up=0)
    with suppress(ConnectionResetError), dialled(proxy) as line:  # the reset may come before connect() returns
        assert hear(line, 1) == b""
    wait_for(lambda: not proxy.connections(), what="the cut")
    assert proxy.cuts == 1


def test_a_cut_counts_from_the_switch_also_on_a_connection_that_is_open(proxy: Proxy) -> None:
    with dialled(proxy) as line:
        line.sendall(b"x" * 100)
        assert hear(line, 100) == b"x" * 100
        proxy.cut_after(up=50)
        line.sendall(b"y" * 40)
        assert hear(line, 40) == b"y" * 40
        line.sendall(b"z" * 40)
        assert len(hear(line, 40)) < 40


def test_refuse_and_heal_at_the_same_port(proxy: Proxy) -> None:
    with dialled(proxy) as open_before:
        open_before.sendall(b"a")
        assert hear(open_before, 1) == b"a"
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(proxy.address, timeout=5)
        open_before.sendall(b"b")
        assert hear(open_before, 1) == b"b"
    proxy.refuse()  # twice is as good as once
    proxy.heal()
    assert echoes(proxy)


def test_a_black_hole_holds_back_the_old_and_the_new_until_it_is_healed(proxy: Proxy) -> None:
    with dialled(proxy) as old:
        old.sendall(b"a")
        assert hear(old, 1) == b"a"
        proxy.black_hole()
        with dialled(proxy) as new:
            old.sendall(b"b")
            new.sendall(b"c")
            assert silent(old)
            assert silent(new)
            proxy.heal()
            assert hear(old, 1) == b"b"
            assert hear(new, 1) == b"c"


def test_delay(proxy: Proxy) -> None:
    proxy.delay(0.3)
    began = time.monotonic()
    assert echoes(proxy)
    assert time.monotonic() - began > 0.5  # there and back
    proxy.delay(60)
    with dialled(proxy) as line:
        line.sendall(b"hello")
        assert silent(line)
        proxy.heal()  # nobody waits out the old weather
        assert hear(line, 5) == b"hello"


def test_cut_all_resets_what_is_open_and_nothing_else(proxy: Proxy) -> None:
    with dialled(proxy) as line:
        line.sendall(b"a")
        assert hear(line, 1) == b"a"
        proxy.cut_all()
        with pytest.raises(ConnectionResetError):
            line.recv(1)
    assert echoes(proxy)


def test_a_server_that_is_not_there_is_told_by_a_reset() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        with Proxy(taken.getsockname()) as proxy, suppress(ConnectionResetError), dialled(proxy) as line:
            assert line.recv(1) == b""


@pytest.mark.parametrize("weather", ["fine", "black hole", "refuse"])
def test_close_ends_every_thread(weather: str) -> None:
    before = threading.active_count()
    with _Server(("127.0.0.1", 0), _Echo) as server, Proxy(server.server_address) as proxy, dialled(proxy) as line:
        wait_for(lambda: proxy.accepted == 1, what="the connection")
        {"fine": proxy.heal, "black hole": proxy.black_hole, "refuse": proxy.refuse}[weather]()
        line.sendall(b"x")
        proxy.close()
        assert hear(line, 1) == b""
    wait_for(lambda: threading.active_count() == before, what="the threads to end")


@pytest.mark.parametrize("transport", ["git", "http"])
def test_git_goes_through_it_and_meets_its_faults(tmp_path: Path, transport: str) -> None:
    def git(*args: str, timeout: float = 30) -> int:
        return subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *args], cwd=tmp_path, env=environment(),
            capture_output=True, timeout=timeout, check=False,
        ).returncode  # fmt: skip

    with served(tmp_path / "remote.git", transport) as remote:
        assert remote.address
        with Proxy(remote.address) as proxy:
            url = remote.through(proxy.address)
            assert git("clone", "-q", url, "a") == 0
            assert git("-C", "a", "commit", "-q", "--allow-empty", "-m", "x") == 0
            assert git("-C", "a", "push", "-q", "origin", "HEAD:main") == 0

            (tmp_path / "a" / "big.bin").write_bytes(b"".join(n.to_bytes(8, "big") for n in range(60_000)))
            git("-C", "a", "add", "-A")
            git("-C", "a", "commit", "-q", "-m", "big")
            proxy.cut_after(up=30_000)
            assert git("-C", "a", "push", "-q", "origin", "HEAD:main") != 0
            assert proxy.cuts
            proxy.refuse()
            assert git("ls-remote", url) != 0
            proxy.black_hole()
            with pytest.raises(subprocess.TimeoutExpired):
                git("ls-remote", url, timeout=0.5)
            proxy.heal()
            assert git("ls-remote", url) == 0
            before = remote.bare.refs()["refs/heads/main"]
            assert git("-C", "a", "push", "-q", "origin", "HEAD:main") == 0
            assert remote.bare.refs()["refs/heads/main"] != before
        assert remote.bare.fsck() == ""
        assert remote.bare.locks() == []
