"""Which addresses a task may reach: one table, for every form in which an address can be written.

After the IANA special-purpose registries (RFC 6890, as of 2026); an IPv6 address is judged by the IPv4 address inside
it, where it has one that a router would believe.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import NamedTuple

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Verdict(NamedTuple):
    """Why an address is not reached. `grantable`: it is, when this machine's settings name the host."""

    why: str
    grantable: bool


_METADATA = "it is a cloud's metadata service, which hands out keys"
_LINK = "it is link-local, where clouds keep their metadata services"
_PRIVATE = "it is in a private network"
_TUNNEL = "it is a tunnel to an address that nobody can judge"
_TABLE = tuple(
    (ipaddress.ip_network(network), Verdict(why, grantable))
    for network, why, grantable in (
        # The first match counts: metadata services lie inside other rows, or among public addresses.
        ("100.100.100.200/32", _METADATA, False),  # Alibaba
        ("168.63.129.16/32", _METADATA, False),  # Azure
        ("fd00:ec2::/32", _METADATA, False),  # Amazon
        ("fd20:ce::/32", _METADATA, False),  # Google
        ("fd00:42::/32", _METADATA, False),  # Scaleway
        ("169.254.0.0/16", _LINK, False),  # 169.254.169.254 and its kin
        ("fe80::/10", _LINK, False),
        ("127.0.0.0/8", "it is this machine itself", True),
        ("::1/128", "it is this machine itself", True),
        ("10.0.0.0/8", _PRIVATE, True),
        ("172.16.0.0/12", _PRIVATE, True),
        ("192.168.0.0/16", _PRIVATE, True),
        ("fc00::/7", _PRIVATE, True),
        ("100.64.0.0/10", "it is in a provider's inner network", True),
        ("198.18.0.0/15", "it is in a network for benchmarks", True),  # some VPNs answer with these for every name
        ("0.0.0.0/8", "it names no machine", False),
        ("::/128", "it names no machine", False),
        ("192.0.0.0/24", "it is reserved for protocols", False),
        ("192.88.99.0/24", _TUNNEL, False),
        ("192.0.2.0/24", "it is for documentation only", False),
        ("198.51.100.0/24", "it is for documentation only", False),
        ("203.0.113.0/24", "it is for documentation only", False),
        ("224.0.0.0/4", "it is a multicast address", False),
        ("240.0.0.0/4", "it is reserved", False),
        ("2001::/23", _TUNNEL, False),  # Teredo, ORCHID, benchmarks
        ("2001:db8::/32", "it is for documentation only", False),
        ("3fff::/20", "it is for documentation only", False),
        ("2002::/16", _TUNNEL, False),  # 6to4
        ("ff00::/8", "it is a multicast address", False),
    )
)
_GLOBAL = ipaddress.IPv6Network("2000::/3")  # all of IPv6 that was ever handed out for public use
_RESERVED = Verdict("it is reserved", False)
OWN = Verdict("it is an address of this machine itself", True)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214: the middle of an address whose end is an IPv4 address


def verdict(address: Address) -> Verdict | None:
    """Why an address may not be reached, None when it may. Looks nothing up."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return verdict(address.ipv4_mapped)
        if address in _NAT64:
            return verdict(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    for network, why in _TABLE:
        if address in network:
            return why
    if isinstance(address, ipaddress.IPv6Address):
        if address not in _GLOBAL:
            return _RESERVED
        if int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
            return Verdict(_TUNNEL, False)
    return None


def is_own(address: Address) -> bool:
    """Whether it is this machine's own, public or not: what listens here was not put up for tasks.

    That is so when packets to it would come from it. Nothing is sent: a datagram socket only chooses its route.
    """
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return ipaddress.ip_address(probe.getsockname()[0].partition("%")[0]) == address
    except OSError:
        return False
