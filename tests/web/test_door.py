"""What the door brings from a server that means well."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime

import pytest

from agent.errors import Refused, ServerAway
from agent.handlers.retrying import retry_after
from agent.web import OpenDoor
from tests.web.conftest import Opener
from tests.web.server import Say, Server, busy, json_say, redirect, say


def test_a_get_brings_status_headers_and_body(web: OpenDoor, server: Server) -> None:
    server.on("/pairs", json_say({"price": 1}, headers={"X-Page": "1"}))
    reply = web.get(f"{server.url}/pairs?q=a b", headers={"X-Mine": "yes"}, accept=["application/json"])
    assert (reply.status, reply.body, reply.headers["x-page"]) == (200, b'{"price": 1}', "1")
    assert reply.url == f"{server.url}/pairs?q=a%20b"
    assert reply.seconds > 0
    seen = server.requests[0]
    assert seen.target == "/pairs?q=a%20b"
    assert seen.headers["host"] == server.address
    assert (seen.headers["x-mine"], seen.headers["accept"]) == ("yes", "application/json")


def test_an_error_status_is_a_reply_whatever_its_type(web: OpenDoor, server: Server) -> None:
    server.on("/x", say("<h1>no</h1>", "text/html", status=503, headers={"Retry-After": "7"}))
    reply = web.get(f"{server.url}/x", accept=["application/json"])
    assert (reply.status, reply.body) == (503, b"<h1>no</h1>")
    assert retry_after(reply.headers, datetime.now(UTC)) == 7.0


def test_the_body_of_an_error_is_cut_and_not_refused(web: OpenDoor, server: Server) -> None:
    server.on("/x", say(b"x" * 100_000, status=500))
    assert len(web.get(f"{server.url}/x", limit=1000).body) == 1000


def test_what_is_no_http_is_called_so(web: OpenDoor, server: Server) -> None:
    server.on("/x", Say(raw=b"\x00\xff" * 100))
    with pytest.raises(ServerAway, match="its answer is no HTTP"):
        web.get(f"{server.url}/x")


def test_gzip_is_decoded_with_all_its_members(web: OpenDoor, server: Server) -> None:
    packed = gzip.compress(b"one ") + gzip.compress(b"two")
    server.on("/x", say(packed, headers={"Content-Encoding": "gzip"}))
    assert web.get(f"{server.url}/x").body == b"one two"


def test_what_is_unchanged_is_304_without_a_body(web: OpenDoor, server: Server) -> None:
    server.on("/x", json_say([], etag='"a"'))
    assert web.get(f"{server.url}/x").headers["etag"] == '"a"'
    reply = web.get(f"{server.url}/x", headers={"If-None-Match": '"a"'}, accept=["application/json"])
    assert (reply.status, reply.body) == (304, b"")


def test_json_of_a_kind_of_its_own_counts_as_json(web: OpenDoor, server: Server) -> None:
    server.on("/x", say("{}", "application/vnd.github+json"))
    assert web.get(f"{server.url}/x", accept=["application/json"]).body == b"{}"


@pytest.mark.parametrize("type_", ["text/html", "", "application/json-seq", "image/json"])
def test_another_media_type_is_refused_before_the_body_is_read(web: OpenDoor, server: Server, type_: str) -> None:
    server.on("/x", say(b"", type_, length=100, stall=True))  # whoever waits for the body waits for ever
    with pytest.raises(Refused, match="of another kind") as told:
        web.get(f"{server.url}/x", accept=["application/json"])
    assert "application/json was asked for" in told.value.why


def test_a_post_sends_its_body_once(opener: Opener, server: Server) -> None:
    web = opener(server.address, network={"hosts": {server.address: {"post": True}}})
    server.on("POST /in", lambda seen: say(seen.body, status=201))
    reply = web.post(f"{server.url}/in", b'{"a":1}', headers={"Idempotency-Key": "k"})
    assert (reply.status, reply.body) == (201, b'{"a":1}')
    assert [seen.method for seen in server.requests] == ["POST"]
    assert server.requests[0].headers["content-type"] == "application/json"
    assert server.requests[0].headers["idempotency-key"] == "k"


def test_a_post_follows_no_redirect(opener: Opener, server: Server) -> None:
    web = opener(server.address, network={"hosts": {"127.0.0.1": {"post": True}}})
    server.on("/in", redirect("/other", 307))
    assert web.post(f"{server.url}/in", b"x").status == 307
    assert len(server.requests) == 1


def test_nothing_is_posted_where_this_machine_does_not_say_so(web: OpenDoor, server: Server) -> None:
    with pytest.raises(Refused, match="nothing may be sent to this host") as told:
        web.post(f"{server.url}/in", b"x")
    assert f'[network.hosts."{server.address}"] with post = true' in told.value.fix
    assert server.connections == 0


def test_what_a_setting_of_this_machine_names_is_granted_to_one_caller(opener: Opener, server: Server) -> None:
    web = opener()
    server.on("/in", say("taken"))
    assert web.granted(f"{server.url}/box").post(f"{server.url}/in", b"x").body == b"taken"
    with pytest.raises(Refused):
        web.get(f"{server.url}/in")


def test_a_blocked_host_is_not_reached(opener: Opener, server: Server) -> None:
    web = opener(server.address, network={"hosts": {"127.0.0.1": {"blocked": True}}})
    with pytest.raises(Refused, match="block the host"):
        web.get(server.url)
    assert server.connections == 0


@pytest.mark.parametrize(
    "headers",
    [{"Host": "x"}, {"X": "a\r\nB: c"}, {"X\n": "a"}, {"Content-Length": "1"}, {"X": "ü"}, {"": "x"}, {"a b": "c"}],
)
def test_headers_that_would_change_the_message_are_refused(web: OpenDoor, headers: dict[str, str]) -> None:
    with pytest.raises(Refused, match="is not sent"):
        web.get("http://127.0.0.1:1/", headers=headers)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), ("0", 0.0), ("99999999999999", 86_400.0), ("Thu, 26 Nov 2026 00:01:00 GMT", 60.0), ("-1", None),
     ("Wed, 25 Nov 2026 00:00:00 GMT", 0.0), ("soon", None), ("", None), ("9 9 9 9", None)],
)  # fmt: skip
def test_when_to_come_back_is_read_as_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}, datetime(2026, 11, 26, tzinfo=UTC)) == seconds


def test_a_busy_server_is_a_reply(web: OpenDoor, server: Server) -> None:
    server.on("/x", busy(3), Say(204))
    assert [web.get(f"{server.url}/x").status for _ in range(2)] == [429, 204]
