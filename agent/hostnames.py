"""Host names and addresses in the one form in which they are compared: of a URL, and in this machine's settings."""

from __future__ import annotations

import ipaddress
import re

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def host_of(text: str) -> str:
    """A host in lower case, without a dot at its end; an IPv6 address (with or without brackets) compressed.

    Raises ValueError with the reason for everything else: what some program would read as an address although it is
    not written as one (`0x7f.1`, `2130706433`, `0177.0.0.1`, by the WHATWG's rule: its last label is a number), letters
    and digits beyond ASCII, zone ids, user names.
    """
    text = text.lower()
    if ":" in text or "[" in text:
        inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
        if "%" in inner:
            raise ValueError("an address with a zone ('%') is one of a single network card")
        try:
            return str(ipaddress.IPv6Address(inner))
        except ValueError:
            raise ValueError("it is no IPv6 address") from None
    if not text.isascii():
        raise ValueError("the host has characters beyond ASCII, which can look like others; write its xn--… form")
    labels = text.removesuffix(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(".".join(labels)))
        except ValueError:
            raise ValueError("an address is four numbers from 0 to 255, without zeros in front") from None
    if len(text) > 254 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("it is no host name")
    return ".".join(labels)


def entry_of(text: str) -> tuple[str, int | None]:
    """`host` or `host:port` of the settings; an IPv6 address with a port stands in brackets. None: every port.

    Raises ValueError with the reason.
    """
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")) or text.endswith("]"):
        return host_of(text), None
    return host_of(host), port_of(port)


def port_of(text: str) -> int:
    """A port from 1 to 65535. Raises ValueError with the reason."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 0 < int(text) < 65536):
        raise ValueError("a port is a number from 1 to 65535")
    return int(text)


def joined(host: str, port: int | None = None) -> str:
    """The reverse of `entry_of`."""
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}" if port else shown
