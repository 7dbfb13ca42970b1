"""S18: servers that send too much, too slowly, too little, or nonsense; and runs that are cut off meanwhile."""

from __future__ import annotations

import gzip
import socket
import threading
import zlib
from collections.abc import Iterator

import pytest

from agent.errors import AnswerLost, Refused, ServerAway, TimeUp
from agent.web import OpenDoor
from tests.support import wait_for
from tests.web.conftest import Opener
from tests.web.server import Say, Server, cut, say

MIB = 1 << 20


def endless(piece: bytes) -> Iterator[bytes]:
    while True:
        yield piece


def packed(length: int) -> bytes:
    """Zeros, packed a thousand to one."""
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    return b"".join([*(packer.compress(bytes(MIB)) for _ in range(length // MIB)), packer.flush()])


FLOODS = {
    "gzip bomb": say(packed(256 * MIB), headers={"Content-Encoding": "gzip"}),
    "gzip of gzip": say(gzip.compress(packed(64 * MIB)), headers={"Content-Encoding": "gzip, gzip"}),
    "brotli": say(b"\x00" * 100, headers={"Content-Encoding": "br"}),
    "zstd": say(b"\x28\xb5\x2f\xfd", headers={"Content-Encoding": "zstd"}),
    "deflate": say(zlib.compress(b"x"), headers={"Content-Encoding": "deflate"}),
    "unknown encoding": say(b"x", headers={"Content-Encoding": "a\x80b"}),
    "a body without end": Say(chunks=lambda: endless(b"x" * 65536)),
    "a body that says how long it is": say(b"x", length=10**12, stall=True),
    "chunks without end": Say(
        headers={"Transfer-Encoding": "chunked"}, chunks=lambda: endless(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    ),
    "chunks of one byte": Say(headers={"Transfer-Encoding": "chunked"}, chunks=lambda: endless(b"1\r\nx\r\n" * 1000)),
    "chunk extensions": Say(
        headers={"Transfer-Encoding": "chunked"}, chunks=lambda: endless(b"1;" + b"e" * 4000 + b"\r\nx\r\n")
    ),
    "headers without end": Say(raw=b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500_000),
    "one header without end": Say(raw=b"HTTP/1.1 200 OK\r\nX: " + b"y" * 3_000_000),
    "interim answers without end": Say(raw=b"HTTP/1.1 103 Early Hints\r\n\r\n" * 200_000),
}
NONSENSE = {
    "nothing": Say(raw=b""),
    "a reset": Say(raw=b"", reset=True),
    "a reset in the body": cut(b"half", 100, reset=True),
    "half a body": cut(b"half", 100),
    "half a chunk": Say(headers={"Transfer-Encoding": "chunked"}, body=b"10\r\nhalf"),
    "a chunk size that is none": Say(headers={"Transfer-Encoding": "chunked"}, body=b"zz\r\nhalf\r\n0\r\n\r\n"),
    "half a gzip": say(gzip.compress(b"x" * 1000)[:-9], headers={"Content-Encoding": "gzip"}),
    "no gzip at all": say(b"plain text", headers={"Content-Encoding": "gzip"}),
    "two lengths": Say(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    "a length beyond all sense": Say(raw=b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\nx"),
    "a negative length": Say(raw=b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nab"),
    "another protocol": Say(raw=b"SSH-2.0-OpenSSH_9.9\r\n"),
    "noise": Say(raw=bytes(range(256)) * 20),
    "a status that is none": Say(raw=b"HTTP/1.1 abc OK\r\n\r\n"),
    "HTTP/0.9": Say(raw=b"<html>hello</html>"),
    "half a head": Say(raw=b"HTTP/1.1 200 OK\r\nContent-"),
    "an unknown transfer encoding": Say(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
}
SLOW = {
    "no answer": Say(raw=b"", stall=True),
    "half a head and no more": Say(raw=b"HTTP/1.1 200 OK\r\nX", stall=True),
    "half a body and no more": cut(b"half", 100, stall=True),
    "a byte now and then": say(b"x" * 10_000, drip=0.02),
}


@pytest.fixture
def poster(opener: Opener, server: Server) -> OpenDoor:
    return opener(server.address, network={"hosts": {server.address: {"post": True}}})


@pytest.mark.parametrize("name", FLOODS)
def test_s18_what_is_too_much_is_refused(web: OpenDoor, server: Server, name: str) -> None:
    server.on("/", FLOODS[name])
    with pytest.raises((Refused, ServerAway)) as told:
        web.get(server.url, limit=MIB)
    assert type(told.value) is Refused or "header" in name
    assert server.url in told.value.where


def test_s18_many_members_that_hold_nothing_are_nothing(web: OpenDoor, server: Server) -> None:
    server.on("/", say(gzip.compress(b"") * 50_000, headers={"Content-Encoding": "gzip"}))
    assert web.get(server.url, limit=MIB).body == b""


def test_s18_a_bomb_is_not_unpacked_into_memory() -> None:
    """256 MiB of zeros, of which no more than the limit and a piece may be there at a time."""
    import tracemalloc

    from agent.web.body import TooLarge, read_body

    bomb = packed(256 * MIB)
    tracemalloc.start()
    with pytest.raises(TooLarge):
        read_body([bomb], {"content-encoding": "gzip"}, MIB, cut=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * MIB


@pytest.mark.parametrize("name", NONSENSE)
def test_s18_nonsense_is_no_answer(web: OpenDoor, server: Server, name: str) -> None:
    server.on("/", NONSENSE[name])
    with pytest.raises(ServerAway, match="gave no usable answer") as told:
        web.get(server.url)
    assert told.value.why
    assert told.value.why.isprintable()


@pytest.mark.parametrize("name", [name for name in NONSENSE if "gzip" not in name])
def test_s18_after_a_post_nonsense_means_that_it_may_have_been_taken(
    poster: OpenDoor, server: Server, name: str
) -> None:
    server.on("/", NONSENSE[name])
    with pytest.raises(AnswerLost, match="may have been taken"):
        poster.post(server.url, b"x")
    assert len(server.requests) == 1  # and nobody sends it a second time


@pytest.mark.parametrize("name", [name for name in FLOODS if "header" in name or "interim" in name])
def test_s18_after_a_post_a_flood_means_it_may_have_been_taken(poster: OpenDoor, server: Server, name: str) -> None:
    server.on("/", FLOODS[name])
    with pytest.raises(AnswerLost, match="may have been taken"):
        poster.post(server.url, b"x")


def test_s18_a_post_that_reached_nobody_is_no_lost_answer(opener: Opener, server: Server) -> None:
    web = opener(server.address, network={"hosts": {server.address: {"post": True}}})
    server.close()
    with pytest.raises(ServerAway, match="is not reached") as told:
        web.post(server.url, b"x")
    assert type(told.value) is ServerAway


def test_s18_an_answer_to_a_post_is_cut_where_it_is_too_long(poster: OpenDoor, server: Server) -> None:
    server.on("/", Say(201, chunks=lambda: endless(b"x" * 1000)))
    reply = poster.post(server.url, b"x", limit=5000)
    assert (reply.status, len(reply.body)) == (201, 5000)


def test_s18_more_than_the_length_that_was_claimed_is_left(web: OpenDoor, server: Server) -> None:
    server.on("/", say(b"four and more", length=4))
    assert web.get(server.url).body == b"four"


@pytest.mark.parametrize("name", SLOW)
def test_s18_a_slow_server_has_so_much_time_and_no_more(opener: Opener, server: Server, name: str) -> None:
    server.on("/", SLOW[name])
    with pytest.raises(ServerAway, match="no usable answer") as told:
        opener(server.address, seconds=0.3).get(server.url)
    assert "within 0.3 s" in told.value.why


@pytest.mark.parametrize("name", SLOW)
def test_s18_a_run_that_is_cancelled_ends_the_transfer(opener: Opener, server: Server, name: str) -> None:
    server.on("/", SLOW[name])
    cancelled, told = threading.Event(), list[BaseException]()

    def check() -> None:
        if cancelled.is_set():
            raise TimeUp("the run was cancelled")

    def fetch() -> None:
        try:
            opener(server.address, check=check, seconds=600).get(server.url)
        except BaseException as error:
            told.append(error)

    running = threading.Thread(target=fetch)
    running.start()
    wait_for(lambda: server.requests)
    cancelled.set()
    running.join(20)
    assert [type(error) for error in told] == [TimeUp]


def test_s18_a_run_that_is_cancelled_after_its_post_says_that_it_may_have_been_taken(
    opener: Opener, server: Server
) -> None:
    def check() -> None:
        if server.requests:
            raise TimeUp("the run was cancelled")

    server.on("/", SLOW["no answer"])
    web = opener(server.address, check=check, network={"hosts": {server.address: {"post": True}}})
    with pytest.raises(AnswerLost) as told:
        web.post(server.url, b"x")
    assert "the run was cancelled" in told.value.why


def test_s18_a_server_that_takes_no_connection_is_left(opener: Opener) -> None:
    with pytest.raises(ServerAway, match="is not reached") as told:
        opener("127.0.0.1:9").get("http://127.0.0.1:9/")
    assert "refused" in told.value.why.lower()
    assert told.value.where == "http://127.0.0.1:9/"


def test_s18_a_resolver_that_hangs_does_not_hold_a_cancelled_run(opener: Opener) -> None:
    asked, over = threading.Event(), threading.Event()

    def resolve(host: str, port: int) -> list[str]:
        asked.set()
        over.wait(30)
        return []

    def check() -> None:
        if asked.is_set():
            raise TimeUp("the run was cancelled")

    with pytest.raises(TimeUp):
        opener(resolve=resolve, check=check).get("http://example.com/")
    over.set()


def test_a_name_that_nobody_knows_is_told(opener: Opener) -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise OSError(8, "Name or service not known")

    with pytest.raises(ServerAway, match="the host is not found") as told:
        opener(resolve=resolve).get("http://exmaple.com/")
    assert told.value.why == "Name or service not known"


def test_s18_a_server_that_never_shakes_hands_has_so_much_time_and_no_more(opener: Opener) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ServerAway, match="is not reached") as told:
            opener(address, seconds=0.3).get(f"https://{address}/")
    assert "within 0.3 s" in told.value.why


def test_s18_a_server_that_leaves_a_connection_open_has_so_much_time_and_no_more(opener: Opener) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        place = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]  # more than its queue takes: it says nothing to the next one
        for other in waiting:
            other.setblocking(False)
            other.connect_ex(place)
        with pytest.raises(ServerAway, match="is not reached") as told:
            opener(f"127.0.0.1:{place[1]}", seconds=0.3).get(f"http://127.0.0.1:{place[1]}/")
        for other in waiting:
            other.close()
    assert "within 0.3 s" in told.value.why
