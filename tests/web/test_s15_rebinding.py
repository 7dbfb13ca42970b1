"""S15: a name that leads elsewhere the second time, and a certificate that is somebody else's."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator

import pytest
import trustme

from agent.errors import Refused, ServerAway
from tests.web.conftest import Opener
from tests.web.server import Server, redirect, say, serving


class Rebinding:
    """A resolver that gives another answer each time, and remembers what it was asked."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers, self.asked = list(answers), list[str]()

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.answers.pop(0)


class Secure:
    """A server with TLS for `nas.lan`, and what it was told of the name that is wanted."""

    def __init__(self, authority: trustme.CA, *names: str) -> None:
        self.wanted: list[str | None] = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.sni_callback = lambda _, name, __: self.wanted.append(name)
        authority.issue_cert(*names).configure_cert(self.context)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trust(authority: trustme.CA) -> Iterator[object]:
    def make() -> ssl.SSLContext:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        return context

    yield make


def test_s15_a_name_is_looked_up_once_and_what_was_checked_is_connected_to(opener: Opener, server: Server) -> None:
    resolve = Rebinding(["127.0.0.1"], ["169.254.169.254"])
    server.on("/", say("here"))
    assert opener(f"nas.lan:{server.port}", resolve=resolve).get(f"http://nas.lan:{server.port}/").body == b"here"
    assert resolve.asked == ["nas.lan"]
    assert server.requests[0].headers["host"] == f"nas.lan:{server.port}"


def test_s15_the_next_request_is_judged_anew(opener: Opener, server: Server) -> None:
    web = opener(f"nas.lan:{server.port}", resolve=Rebinding(["127.0.0.1"], ["169.254.169.254"]))
    assert web.get(f"http://nas.lan:{server.port}/").status == 404
    with pytest.raises(Refused, match="may not be reached") as told:
        web.get(f"http://nas.lan:{server.port}/")
    assert "169.254.169.254" in told.value.where


@pytest.mark.parametrize("other", ["10.0.0.1", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:10.0.0.1"])
def test_s15_one_forbidden_address_among_many_refuses_the_host(opener: Opener, other: str) -> None:
    for answer in (["93.184.215.14", other], [other, "93.184.215.14"]):
        with pytest.raises(Refused, match="may not be reached"):
            opener(resolve=Rebinding(answer)).get("http://example.com/")


def test_s15_a_host_that_is_not_allowed_is_judged_by_its_address(opener: Opener, server: Server) -> None:
    web = opener(server.address, resolve=Rebinding(["127.0.0.1"]))
    with pytest.raises(Refused) as told:
        web.get("http://example.com/")
    assert told.value.where == "http://example.com/ (127.0.0.1)"
    assert 'add "example.com:80" to allowed_hosts' in told.value.fix
    assert server.connections == 0


def test_s15_the_second_address_is_tried_when_the_first_does_not_answer(opener: Opener) -> None:
    with serving(host="127.0.0.3") as server:
        server.on("/", say("here"))
        web = opener(f"nas.lan:{server.port}", resolve=Rebinding(["127.0.0.2", "127.0.0.3"]))
        assert web.get(f"http://nas.lan:{server.port}/").body == b"here"


def test_s15_the_certificate_is_that_of_the_name_not_of_the_address(
    opener: Opener, authority: trustme.CA, trust: object
) -> None:
    secure = Secure(authority, "nas.lan")
    with serving(secure.context) as server:
        server.on("/", say("here"))
        web = opener(f"nas.lan:{server.port}", resolve=Rebinding(["127.0.0.1"]), trust=trust)
        assert web.get(f"https://nas.lan:{server.port}/").body == b"here"
        assert secure.wanted == ["nas.lan"]
        assert server.requests[0].headers["host"] == f"nas.lan:{server.port}"


def test_s15_a_certificate_for_another_name_is_not_believed(
    opener: Opener, authority: trustme.CA, trust: object
) -> None:
    secure = Secure(authority, "other.lan", "127.0.0.1")
    with serving(secure.context) as server:
        web = opener(f"nas.lan:{server.port}", resolve=Rebinding(["127.0.0.1"]), trust=trust)
        with pytest.raises(ServerAway, match="is not reached") as told:
            web.get(f"https://nas.lan:{server.port}/")
        assert "certificate is not believed" in told.value.why
        assert server.requests == []


def test_s15_a_certificate_of_an_unknown_authority_is_not_believed(opener: Opener, trust: object) -> None:
    secure = Secure(trustme.CA(), "nas.lan")
    with serving(secure.context) as server:
        web = opener(
            f"nas.lan:{server.port}",
            resolve=Rebinding(["127.0.0.1"], ["127.0.0.1"]),
            trust=trust,
            network={"hosts": {"nas.lan": {"post": True}}},
        )
        with pytest.raises(ServerAway):
            web.get(f"https://nas.lan:{server.port}/")
        with pytest.raises(ServerAway) as told:
            web.post(f"https://nas.lan:{server.port}/", b"secret")
        assert type(told.value) is ServerAway  # nothing of it was sent: trying again is safe
        assert server.requests == []


def test_s16_from_https_to_http_nothing_is_followed(opener: Opener, authority: trustme.CA, trust: object) -> None:
    with serving(Secure(authority, "nas.lan").context) as server, serving() as plain:
        server.on("/", redirect(f"{plain.url}/"))
        web = opener("nas.lan", plain.address, resolve=Rebinding(["127.0.0.1"]), trust=trust)
        with pytest.raises(Refused, match="from https to plain http"):
            web.get(f"https://nas.lan:{server.port}/")
        assert plain.connections == 0


def test_a_server_without_tls_is_told(opener: Opener) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        address = f"127.0.0.1:{plain.getsockname()[1]}"

        def answer() -> None:
            with plain.accept()[0] as taken:
                taken.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                taken.recv(65536)

        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(ServerAway, match="is not reached") as told:
            opener(address).get(f"https://{address}/")
        answering.join()
    assert "TLS" in told.value.why
