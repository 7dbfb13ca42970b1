"""S16, S17: where a redirect may lead, who learns what on the way, and what the environment has no say in."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config import load_settings
from agent.errors import Refused
from agent.web import Door, OpenDoor
from agent.web.target import target_of
from tests.web.conftest import Opener
from tests.web.server import Server, redirect, say, serving

TOKEN = "t0ken-of-the-test"


def secretly(server: Server, *more: str, **fields: object) -> dict[str, object]:
    """Settings with a secret for a server."""
    bound = {"env": "T", "hosts": [server.address, *more], "prefix": "Bearer ", **fields}
    return {"secrets": {"api": bound}}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(web: OpenDoor, server: Server, status: int) -> None:
    server.on("/a", redirect("b?x=1", status))
    server.on("/b", say("there"))
    reply = web.get(f"{server.url}/a")
    assert (reply.url, reply.body) == (f"{server.url}/b?x=1", b"there")


@pytest.mark.parametrize(
    "to",
    [
        "http://169.254.169.254/latest/", "http://127.0.0.1:11434/", "http://10.0.0.1/", "http://[::1]/", "http://0x7f.1/",
        "file:///etc/passwd", "ftp://example.com/", "gopher://127.0.0.1/", "//10.0.0.1/", "http://a:b@127.0.0.1/",
        "javascript:alert(1)", "http://127.0.0.1:0/", "\\\\10.0.0.1\\", "http://2130706433/", "http://[::ffff:10.0.0.1]/",
    ],
)  # fmt: skip
def test_s16_a_redirect_is_judged_like_an_address_of_the_task(web: OpenDoor, server: Server, to: str) -> None:
    server.on("/", redirect(to))
    with pytest.raises(Refused):
        web.get(server.url)
    assert len(server.requests) == 1


def test_s16_a_name_behind_a_redirect_is_looked_up_and_judged(opener: Opener, server: Server) -> None:
    web = opener(server.address, resolve=lambda host, port: ["10.1.2.3"])
    server.on("/", redirect("http://inner.example.com/"))
    with pytest.raises(Refused) as told:
        web.get(server.url)
    assert "10.1.2.3" in told.value.where


def test_s16_five_redirects_are_followed_and_not_six(web: OpenDoor, server: Server) -> None:
    server.on("/5", say("there"))
    for number in range(5):
        server.on(f"/{number}", redirect(f"/{number + 1}"))
    assert web.get(f"{server.url}/0").body == b"there"
    server.on("/5", redirect("/6"))
    with pytest.raises(Refused, match="only passes on"):
        web.get(f"{server.url}/0")
    assert server.seen("/6") == []


def test_s16_a_circle_ends(web: OpenDoor, server: Server) -> None:
    server.on("/", redirect("/"))
    with pytest.raises(Refused, match="only passes on"):
        web.get(server.url)


def test_s16_another_host_learns_no_secret_and_no_header(opener: Opener, server: Server) -> None:
    with serving() as other:
        web = opener(server.address, other.address, env={"T": TOKEN}, network=secretly(server, other.address))
        server.on("/a", redirect("/b"))
        server.on("/b", redirect(f"{other.url}/c"))
        web.get(f"{server.url}/a", headers={"X-Own": "1", "Cookie": "c"}, secrets={"Authorization": "api"})
        for seen in server.requests:
            assert seen.headers["authorization"] == f"Bearer {TOKEN}"
            assert seen.headers["x-own"] == "1"
        assert [seen.path for seen in other.requests] == ["/c"]
        assert other.requests[0].headers.keys() == {"host", "user-agent", "accept", "accept-encoding", "connection"}


def test_s16_a_secret_goes_to_its_hosts_only(opener: Opener, server: Server) -> None:
    with serving() as other:
        web = opener(server.address, other.address, env={"T": TOKEN}, network=secretly(server))
        with pytest.raises(Refused, match="'api' is not for this host") as told:
            web.get(other.url, secrets={"Authorization": "api"})
        assert TOKEN not in str(told.value)
        assert other.connections == 0


def test_s16_a_secret_wins_over_a_header_of_the_same_name(opener: Opener, server: Server) -> None:
    web = opener(server.address, network=secretly(server, value="from-the-file", prefix=""))
    web.get(server.url, headers={"authorization": "mine"}, secrets={"Authorization": "api"})
    assert server.requests[0].headers["authorization"] == "from-the-file"


def test_s16_a_secret_does_not_cross_a_network_in_plain_text(opener: Opener) -> None:
    policy = opener(network={"secrets": {"api": {"value": TOKEN, "hosts": ["api.example.com"]}}}).policy
    plain, safe = (target_of(f"{scheme}://api.example.com/") for scheme in ("http", "https"))
    with pytest.raises(Refused, match="not sent over plain http"):
        policy.secret("api", plain, ["93.184.215.14"])
    assert policy.secret("api", safe, ["93.184.215.14"]) == TOKEN
    assert policy.secret("api", plain, ["10.0.0.1"]) == TOKEN


@pytest.mark.parametrize(
    ("fields", "env", "words"),
    [
        ({}, {}, "is empty"),
        ({"value": "a\r\nX: b"}, {}, "does not fit into a header"),
        ({"value": "schlüssel"}, {}, "does not fit into a header"),
    ],
)
def test_a_secret_that_cannot_be_sent_is_told_without_its_value(
    opener: Opener, server: Server, fields: dict[str, object], env: dict[str, str], words: str
) -> None:
    web = opener(server.address, env=env, network=secretly(server, **fields))
    with pytest.raises(Refused, match=words) as told:
        web.get(server.url, secrets={"X-Key": "api"})
    assert "schlüssel" not in str(told.value)
    assert server.connections == 0


def test_a_secret_of_the_settings_is_kept_out_of_all_that_is_written(tmp_path: Path, opener: Opener) -> None:
    (tmp_path / "config.toml").write_text(
        f'[network.secrets.a]\nenv = "WEATHER_LOGIN"\nhosts = ["a.example"]\n'
        f'[network.secrets.b]\nvalue = "{TOKEN}"\nhosts = ["b.example"]\n'
    )
    env = {"GOFER_CONFIG": str(tmp_path / "config.toml"), "WEATHER_LOGIN": "rain-and-wind"}
    settings = load_settings(tmp_path, env)
    assert settings.secret_values == ("rain-and-wind", TOKEN)
    web = Door(settings.network, env, tmp_path / "rates").opened(lambda: None)
    assert web.policy.secret("b", target_of("https://b.example/"), []) == TOKEN
    for secret in settings.secret_values:
        assert secret not in repr(settings) + repr(web) + repr(web.door) + repr(web.policy)


def test_a_secret_that_is_not_there_says_how_to_make_it(web: OpenDoor, server: Server) -> None:
    with pytest.raises(Refused, match="has no secret 'github'") as told:
        web.get(server.url, secrets={"Authorization": "github"})
    assert "[network.secrets.github]" in told.value.fix


def test_s17_no_proxy_no_netrc_and_no_cookie(
    web: OpenDoor, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ada password geheim\ndefault login x password y\n")
    (tmp_path / ".netrc").chmod(0o600)
    with serving() as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        server.on("/", say("x", headers={"Set-Cookie": "session=1; Path=/"}))
        replies = [web.get(server.url), web.get(server.url)]
        assert proxy.connections == 0
    assert all("set-cookie" not in reply.headers for reply in replies)
    for seen in server.requests:
        assert not seen.headers.keys() & {"authorization", "cookie", "proxy-authorization"}
