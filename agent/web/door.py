"""The door to other servers (`agent.handlers.doors.Web`), as handlers use it: each request judged, paced, bounded."""

from __future__ import annotations

import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from agent.config.tables import Network
from agent.errors import Refused
from agent.handlers.doors import Reply
from agent.text import shorten
from agent.web.body import NotAsked, TooLarge, accepted, media_type, read_body
from agent.web.names import Resolve, addresses_of, system
from agent.web.pace import Pace
from agent.web.policy import Policy
from agent.web.target import Target, following, shown, target_of

if TYPE_CHECKING:
    from agent.web.exchange import Heard

REQUEST = 30.0  # seconds
HOPS = 5  # redirects
_REDIRECTS = (301, 302, 303, 307, 308)
_NO_BODY = (204, 205, 304)
_ERROR_BODY = 64 << 10  # bytes of an error's body that are of use
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_OURS = ("host", "connection", "content-length", "transfer-encoding", "accept-encoding", "te", "trailer", "upgrade",
         "expect", "keep-alive", "proxy-authorization", "proxy-connection")  # fmt: skip
_MOST_HEADERS = 50
_LONGEST_HEADER = 8192


class Door:
    """What all requests of a process share. `pace` is the folder of the rates, one for all workers of this machine;
    `resolve` looks names up; `trust` makes the TLS context, with the first request that needs one; `seconds` is what
    one request may take, from the connection to the last byte of its answer."""

    def __init__(
        self,
        network: Network,
        env: Mapping[str, str],
        pace: Path,
        *,
        resolve: Resolve = system,
        trust: Callable[[], ssl.SSLContext] | None = None,
        seconds: float = REQUEST,
    ) -> None:
        self.policy, self.pace, self.resolve = Policy(network, env), Pace(pace), resolve
        self.seconds, self._trust = seconds, trust
        self._tls: ssl.SSLContext | None = None
        self._lock = threading.Lock()

    def opened(self, check: Callable[[], None], deadline: float = float("inf")) -> OpenDoor:
        """The door for one run. `check` raises TimeUp when it is cancelled or over; `deadline`: when that will be, on
        the monotonic clock."""
        return OpenDoor(self, self.policy, check, deadline)

    def tls(self, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        """The TLS context, made once: it reads all certificates."""
        with self._lock:
            self._tls = self._tls or (self._trust or make)()
            return self._tls


@dataclass(frozen=True, slots=True)
class _Order:
    """What the caller asked for. `party`: whom its own headers and secrets are meant for."""

    method: str
    party: Target
    headers: Mapping[str, str]
    secrets: Mapping[str, str]
    accept: Sequence[str]
    limit: int
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class OpenDoor:
    """The door for one run; its threads may use it side by side."""

    door: Door
    policy: Policy
    check: Callable[[], None] = field(repr=False)
    deadline: float = float("inf")

    def granted(self, *urls: str) -> OpenDoor:
        """This door, for one handler whose own settings on this machine name these URLs: their hosts may be reached
        at these ports although they are private, and posted to."""
        return replace(self, policy=self.policy.granting(urls))

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        accept: Sequence[str] = (),
        limit: int = 4 << 20,
    ) -> Reply:
        """As `agent.handlers.doors.Web` says."""
        target = target_of(url)
        order = _Order("GET", target, _fit(headers or {}, url), secrets or {}, accept, limit)
        began = time.monotonic()
        for _ in range(HOPS + 1):
            reply = self._ask(order, target)
            if reply.status not in _REDIRECTS or "location" not in reply.headers:
                return replace(reply, seconds=time.monotonic() - began)
            target = following(target, reply.headers["location"])
        raise Refused("the server only passes on", where=target.shown, why=f"more than {HOPS} redirects")

    def post(
        self,
        url: str,
        body: bytes,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        limit: int = 1 << 20,
    ) -> Reply:
        """As `agent.handlers.doors.Web` says. What an answer holds beyond `limit` is left: it was taken anyway."""
        target = target_of(url)
        own = _fit({**(headers or {}), "Content-Type": content_type}, url)
        began = time.monotonic()
        reply = self._ask(_Order("POST", target, own, secrets or {}, (), limit, body), target)
        return replace(reply, seconds=time.monotonic() - began)

    def _ask(self, order: _Order, target: Target) -> Reply:
        """One request to one server, which may pass on. Nothing is connected to before all of it was judged."""
        self.check()
        self.policy.check(target, order.method)
        addresses = self.policy.reachable(target, addresses_of(target, self.door.resolve, self.check))
        sent = self._headers(order, target, addresses)
        rate, patience = self.policy.per_minute(target), self.deadline - time.monotonic()
        self.door.pace.wait(target.entry, rate, patience=patience, check=self.check, where=target.shown)

        from agent.web import exchange  # noqa: PLC0415  (60 ms, and most workers never fetch)

        tls = self.door.tls(exchange.trusted) if target.scheme == "https" else None
        call = exchange.Call(target, addresses, order.method, sent, order.body, order.limit, self.door.seconds)
        with exchange.exchanged(call, tls, self.check) as heard:
            passes_on = order.method == "GET" and heard.status in _REDIRECTS
            return Reply(target.url, heard.status, heard.headers, b"" if passes_on else _body(order, target, heard))

    def _headers(self, order: _Order, target: Target, addresses: Sequence[str]) -> dict[str, str]:
        """What goes along: ours, and to the party that they are meant for the caller's own, and secrets."""
        sent = {
            "Host": target.site,
            "User-Agent": "gofer",
            "Accept": ", ".join(order.accept) or "*/*",
            "Accept-Encoding": "gzip",
            "Connection": "close",
        }
        if order.method == "POST":
            sent["Content-Length"] = str(len(order.body))
        if order.party.same_party(target):
            secrets = {name: self.policy.secret(secret, target, addresses) for name, secret in order.secrets.items()}
            sent = _over(_over(sent, order.headers), _fit(secrets, target.url))
        return sent


def _body(order: _Order, target: Target, heard: Heard) -> bytes:
    """The body of an answer; of an error, and of what was sent to, as much as there is room for."""
    good = heard.status < 400 and order.method == "GET"
    type_ = media_type(heard.headers)
    if good and heard.status not in _NO_BODY and not accepted(type_, order.accept):
        why = f"it is {shorten(type_, 60) or 'of no stated type'}, and {' or '.join(order.accept)} was asked for"
        raise Refused("the answer is of another kind", where=target.shown, why=why)
    limit = order.limit if heard.status < 400 else min(order.limit, _ERROR_BODY)
    try:
        return read_body(heard.chunks, heard.headers, limit, cut=not good)
    except TooLarge:
        raise Refused("the answer is too large", where=target.shown, why=f"it has more than {limit:,} bytes") from None
    except NotAsked as error:
        if not good:
            return b""
        why = f"it comes as '{shorten(str(error), 40)}', and only gzip was asked for"
        raise Refused("the answer is encoded in a way that is not read", where=target.shown, why=why) from None


def _over(below: Mapping[str, str], above: Mapping[str, str]) -> dict[str, str]:
    """Both, and of a name that is in both, in whatever case, the one above."""
    names = {name.lower() for name in above}
    return {name: value for name, value in below.items() if name.lower() not in names} | dict(above)


def _fit(headers: Mapping[str, str], url: str) -> Mapping[str, str]:
    """Headers that say nothing else than they seem to. Raises Refused otherwise; a value is never shown."""
    if len(headers) > _MOST_HEADERS:
        raise Refused("the request has too many headers", where=shown(url), why=f"at most {_MOST_HEADERS} are sent")
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or name.lower() in _OURS:
            why = "it is no header's name" if name.lower() not in _OURS else "it is Gofer's own to set"
            raise Refused(f"the header '{shorten(name, 40)}' is not sent", where=shown(url), why=why)
        if len(value) > _LONGEST_HEADER or not (value.isascii() and value.isprintable()):
            why = "its value is too long, or holds a line break or characters beyond ASCII"
            raise Refused(f"the header '{name}' is not sent", where=shown(url), why=why)
    return headers
