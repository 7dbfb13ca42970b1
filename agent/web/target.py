"""A web address taken apart, once, in one strict way: what is judged is what is connected to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from agent.errors import Refused
from agent.hostnames import host_of, joined, port_of
from agent.redact import redact_tokens
from agent.text import shorten

PORTS = {"http": 80, "https": 443}
_LONGEST = 8192  # characters
_SAFE = "%/:=&?~+!$,;'@()*[]|"
_USER = re.compile(r"//[^/?#]*@")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes. `host` is in the form of `host_of`, `path` is percent-encoded, with its query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def site(self) -> str:
        """`host`, or `host:port` where the port is not the scheme's own."""
        return joined(self.host, None if self.port == PORTS[self.scheme] else self.port)

    @property
    def name(self) -> str:
        """The host as it stands in the settings when every port is meant."""
        return joined(self.host)

    @property
    def entry(self) -> str:
        """The host with its port, as it stands in the settings."""
        return joined(self.host, self.port)

    @property
    def is_address(self) -> bool:
        """Whether the host is an IP address and no name."""
        return ":" in self.host or self.host.rpartition(".")[2].isdecimal()

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.site}{self.path}"

    @property
    def shown(self) -> str:
        """For messages: without the query, which may hold a key."""
        return shown(self.url)

    def same_party(self, other: Target) -> bool:
        """Whether what is meant for one may be told to the other: the same host and port, or now by https."""
        ports = (self.port, other.port)
        return self.host == other.host and (ports[0] == ports[1] or ports == (80, 443))


def target_of(url: str) -> Target:
    """A URL taken apart. Raises Refused when it is not a plain http or https address."""
    if len(url) > _LONGEST:
        raise _refused(url, f"it is longer than {_LONGEST} characters")
    if "\\" in url or any(ord(char) < 32 or ord(char) == 127 for char in url):
        raise _refused(url, "it holds a backslash or a control character")
    try:
        parts = urlsplit(url.strip(" "))
        if parts.scheme not in PORTS:
            raise ValueError("only http and https addresses are fetched")
        if "@" in parts.netloc:
            raise ValueError("it holds a user name or a password; use a secret of this machine's config.toml instead")
        host, port = _authority(parts.netloc)
    except ValueError as error:
        raise _refused(url, str(error)) from None
    path = quote(parts.path, safe=_SAFE) or "/"
    query = f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
    return Target(parts.scheme, host, port or PORTS[parts.scheme], path + query)


def following(target: Target, location: str) -> Target:
    """Where a redirect leads. Raises Refused when it is no plain address, or leads from https to http."""
    try:
        onward = target_of(urljoin(target.url, location))
    except (Refused, ValueError) as error:
        why = error.why if isinstance(error, Refused) else "it cannot be read"
        raise Refused("the server passes on to an address that is not fetched", where=target.shown, why=why) from None
    if target.scheme == "https" and onward.scheme == "http":
        why = "anybody on the way could read and change it"
        raise Refused("the server passes on from https to plain http", where=onward.shown, why=why)
    return onward


def shown(url: str) -> str:
    """A URL for messages, whatever it is: no user, no query, no secret of a known form."""
    plain = "".join(char if char.isprintable() else "?" for char in re.split(r"[?#]", url, maxsplit=1)[0])
    return shorten(redact_tokens(_USER.sub("//", plain)), 200)


def _authority(netloc: str) -> tuple[str, int | None]:
    end = netloc.find("]") + 1 if netloc.startswith("[") else netloc.find(":")
    host, port = (netloc[:end], netloc[end:]) if end >= 0 else (netloc, "")
    if not host:
        raise ValueError("it names no host")
    if port and not port.startswith(":"):
        raise ValueError("it is no IPv6 address")
    return host_of(host), port_of(port[1:]) if port[1:] else None


def _refused(url: str, why: str) -> Refused:
    return Refused(
        "the address is not fetched", where=shown(url), why=why, fix="write it like https://example.com/path"
    )
