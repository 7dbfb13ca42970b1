"""S14, S20: no form of any address gets a task to where it must not be."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.errors import Refused
from agent.hostnames import entry_of, host_of, joined
from agent.web.addresses import is_own, verdict
from agent.web.target import shown, target_of
from tests.web.conftest import Opener

NEVER = (
    "169.254.169.254", "169.254.170.2", "169.254.0.23", "100.100.100.200", "168.63.129.16", "192.0.0.192",
    "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:42::42", "fe80::a9fe:a9fe",
    "0.0.0.0", "0.1.2.3", "255.255.255.255", "224.0.0.1", "239.255.255.250", "240.0.0.1", "192.0.2.1", "198.51.100.7",
    "203.0.113.9", "192.88.99.1", "::", "ff02::1", "ff0e::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1", "fec0::1",
    "64:ff9b:1::a9fe:a9fe", "::7f00:1", "::ffff:0:127.0.0.1", "4000::1",
)  # fmt: skip
GRANTABLE = (
    "127.0.0.1", "127.1.2.3", "::1", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1",
    "100.64.0.1", "100.127.255.255", "198.18.0.1", "198.19.255.255", "fc00::1", "fd12:3456::1",
)  # fmt: skip
PUBLIC = ("93.184.215.14", "1.1.1.1", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "11.0.0.1",
          "192.0.1.1", "198.17.255.255", "223.255.255.255", "2606:4700::1111", "2a00:1450::1",
          "64:ff9b::1.1.1.1")  # fmt: skip

octets = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
forbidden_v4 = st.sampled_from([text for text in (*NEVER, *GRANTABLE) if "." in text and ":" not in text]).map(
    ipaddress.IPv4Address
)


@pytest.mark.parametrize("text", NEVER)
def test_s14_some_addresses_are_never_reached_whatever_the_settings_say(text: str) -> None:
    found = verdict(ipaddress.ip_address(text))
    assert found
    assert not found.grantable


@pytest.mark.parametrize("text", GRANTABLE)
def test_s14_private_addresses_are_reached_only_when_the_settings_name_them(text: str) -> None:
    found = verdict(ipaddress.ip_address(text))
    assert found
    assert found.grantable


@pytest.mark.parametrize("text", PUBLIC)
def test_s14_public_addresses_are_reached(text: str) -> None:
    assert verdict(ipaddress.ip_address(text)) is None


def dressed(address: ipaddress.IPv4Address) -> dict[str, ipaddress.IPv6Address]:
    """An IPv4 address in every IPv6 form that some router, relay or system would take it out of again."""
    number = int(address)
    return {
        "mapped": ipaddress.IPv6Address(0xFFFF << 32 | number),
        "compatible": ipaddress.IPv6Address(number),
        "translated": ipaddress.IPv6Address(0xFFFF << 48 | number),
        "nat64": ipaddress.IPv6Address(0x64FF9B << 96 | number),
        "nat64 local": ipaddress.IPv6Address(0x64FF9B0001 << 80 | number),
        "6to4": ipaddress.IPv6Address(0x2002 << 112 | number << 80 | 1),
        "teredo": ipaddress.IPv6Address(0x20010000 << 96 | 0x01020304 << 64 | number ^ 0xFFFFFFFF),
        "isatap": ipaddress.IPv6Address(0x2606470000000000 << 64 | 0x5EFE << 32 | number),
        "isatap global": ipaddress.IPv6Address(0x2606470000000000 << 64 | 0x02005EFE << 32 | number),
    }


@given(forbidden_v4)
def test_s14_a_forbidden_address_is_forbidden_in_every_dress(address: ipaddress.IPv4Address) -> None:
    assert [form for form, worn in dressed(address).items() if verdict(worn) is None] == []


@given(octets)
def test_s14_metadata_is_not_grantable_in_any_dress(address: ipaddress.IPv4Address) -> None:
    plain = verdict(address)
    if plain and not plain.grantable and address != ipaddress.IPv4Address(1):  # ::1 is the loopback address
        assert [form for form, worn in dressed(address).items() if (verdict(worn) or plain).grantable] == []


@given(octets | st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address))
@example(ipaddress.IPv6Address("::1.2.3.4"))
def test_s14_what_is_reached_is_public_by_another_table_too(address: ipaddress.IPv4Address) -> None:
    if verdict(address) is None:
        inside = getattr(address, "ipv4_mapped", None) or address
        assert inside.is_global
        assert not inside.is_multicast


@given(octets)
@example(ipaddress.IPv4Address("127.0.0.1"))
def test_s14_an_address_has_one_spelling(address: ipaddress.IPv4Address) -> None:
    a, b, c, d = address.packed
    for odd in (str(int(address)), hex(int(address)), f"0{a:o}.{b}.{c}.{d}", f"{a}.{int(address) & 0xFFFFFF}",
                f"{a:#x}.{b:#x}.{c:#x}.{d:#x}", f"{a}.{b}.{c << 8 | d}", f"0{address}", f"{a}.{b}.{c}.0{d:o}",
                f"{a}.{b}.{c}.{d:#x}", f"{address}."):  # fmt: skip
        try:
            assert host_of(odd) == str(address) == odd.rstrip(".")
        except ValueError:
            assert odd != str(address)


@given(st.from_regex(r"[0-9a-fx.]{1,24}", fullmatch=True))
@example("0x7f.1")
@example("127.1")
@example("0177.0.0.1")
@example("2130706433")
@example("0x7f000001")
@example("127.0.0.1.")
@example("0xx")
def test_s14_what_the_system_reads_as_an_address_is_refused_or_means_the_same(text: str) -> None:
    try:
        host = host_of(text)
    except ValueError:
        return
    try:
        read = socket.inet_ntoa(socket.inet_aton(text))
    except OSError:
        return
    assert host == read


@pytest.mark.parametrize(
    "url",
    [
        "http://0x7f.1/", "http://2130706433/", "http://0177.0.0.1/", "http://127.1/", "http://0x7f000001/",
        "http://１２７.0.0.1/", "http://127。0。0。1/", "http://①②⑦.0.0.1/", "http://bücher.example/", "http://аpple.com/",
        "http://127.0.0.1%2f@example.com/", "http://user@example.com/", "http://user:pw@example.com/", "http://@h/",
        "http://example.com\\@127.0.0.1/", "http:\\\\127.0.0.1/", "http://exa\tmple.com/",
        "http://example.com/\r\nX: y",
        "http://example.com/\0", "http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/", "http://[::1/", "http://::1/",
        "http://[::1]x/", "http://[v1.x]/", "http://h:99999/", "http://h:0/", "http://h:-1/", "http://h:8 0/",
        "http://h:８０/", "ftp://h/", "file:///etc/passwd", "gopher://h/", "javascript:alert(1)", "data:text/plain,x",
        "http:///path", "http:example.com", "//example.com/", "example.com", "", "http://", "http://a..b/", "http://-a/",
        "http://a b/", "http://%31%32%37.0.0.1/", "http://h/" + "a" * 9000, "http://" + "a." * 130 + "b/", "unix:/x",
        "http://1.2.3.4.5/", "http://256.1.1.1/", "http://example.0x1/", "http://example.1/", "ws://h/",
    ],
)  # fmt: skip
def test_s14_addresses_that_are_written_oddly_are_refused(url: str) -> None:
    with pytest.raises(Refused):
        target_of(url)


@given(st.text(max_size=60) | st.text("htp:/@[]\\%.?#0127x ", max_size=40).map("http://".__add__))
def test_s14_any_text_is_refused_or_taken_apart_as_the_standard_says(text: str) -> None:
    try:
        target = target_of(text)
    except Refused:
        return
    again = target_of(target.url)
    assert again == target
    assert target.path.isascii()
    assert " " not in target.path
    assert host_of(target.host) == target.host


@pytest.mark.parametrize(
    ("url", "entry", "path"),
    [
        ("HTTP://Example.COM", "example.com:80", "/"),
        ("https://example.com./a?b=c#d", "example.com:443", "/a?b=c"),
        ("http://[2606:4700:0::1111]:8080/", "[2606:4700::1111]:8080", "/"),
        ("http://example.com:/ä ö?ü=%20", "example.com:80", "/%C3%A4%20%C3%B6?%C3%BC=%20"),
        ("http://xn--bcher-kva.example/", "xn--bcher-kva.example:80", "/"),
        ("http://a_b.example?x", "a_b.example:80", "/?x"),
    ],
)
def test_what_means_the_same_is_one_target(url: str, entry: str, path: str) -> None:
    target = target_of(url)
    assert (target.entry, target.path) == (entry, path)


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("nas.lan", ("nas.lan", None)), ("NAS.lan.:8080", ("nas.lan", 8080)), ("10.0.0.1", ("10.0.0.1", None)),
        ("::1", ("::1", None)), ("[::1]", ("::1", None)), ("[0:0::1]:80", ("::1", 80)),
    ],
)  # fmt: skip
def test_hosts_of_the_settings_have_one_form(text: str, entry: tuple[str, int | None]) -> None:
    assert entry_of(text) == entry
    assert entry_of(joined(*entry)) == entry


@pytest.mark.parametrize(
    "text", ["", "*", "*.lan", "http://nas.lan", "nas.lan/x", "nas.lan:", "10.0.0.0/8", "a:b", "127.1"]
)
def test_hosts_of_the_settings_are_exact(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        entry_of(text)


def test_a_message_shows_no_password_and_no_query() -> None:
    told = shown("http://ada:geheim@h/p?token=abc#x")
    assert told == "http://h/p"
    with pytest.raises(Refused) as refused:
        target_of("https://ada:geheim@example.com/?key=12345678")
    assert "geheim" not in str(refused.value)
    assert "12345678" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:11434/api/tags", "http://localhost:5432/", "http://[::1]:6379/", "http://[::ffff:127.0.0.1]:80/",
        "http://0.0.0.0:8080/", "http://127.0.0.2/", "http://10.0.0.1/", "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/latest/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::1]/",
    ],
)  # fmt: skip
def test_s20_nothing_of_this_machine_or_its_network_is_reached_by_default(opener: Opener, url: str) -> None:
    web = opener(resolve=lambda host, port: ["127.0.0.1"])
    with pytest.raises(Refused):
        web.get(url)
    with pytest.raises(Refused):
        web.get(url.replace("http://", "https://"))


def test_s20_an_address_of_this_machine_itself_is_known_whatever_the_table_says() -> None:
    assert is_own(ipaddress.ip_address("127.0.0.1"))
    assert not is_own(ipaddress.ip_address("127.0.0.2"))  # it answers here, but not as that


def test_s20_a_port_that_was_not_named_stays_closed(opener: Opener) -> None:
    web = opener("127.0.0.1:8080", "example.com:9000", resolve=lambda host, port: ["127.0.0.1"])
    with pytest.raises(Refused, match="may not be reached") as told:
        web.get("http://127.0.0.1:8443/")
    assert 'add "127.0.0.1:8443" to allowed_hosts in [network]' in told.value.fix
    with pytest.raises(Refused, match="may not be reached") as told:
        web.get("http://127.0.0.1:11434/")
    assert told.value.why == "it is this machine itself"
    with pytest.raises(Refused, match="the port is not reached"):
        web.get("http://example.com:25/")


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "::ffff:169.254.169.254"])
def test_s14_metadata_stays_closed_when_the_host_is_allowed(opener: Opener, address: str) -> None:
    web = opener("cloud.lan", joined(address), resolve=lambda host, port: [address])
    for host in ("cloud.lan", joined(address)):
        with pytest.raises(Refused, match="may not be reached") as told:
            web.get(f"http://{host}/latest/meta-data/")
        assert told.value.fix == ""
