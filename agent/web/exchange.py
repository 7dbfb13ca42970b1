"""One request and its answer, on a connection of its own to addresses that were checked.

httpcore speaks HTTP here and nothing more: it follows nothing, keeps no cookies, looks at no environment variable, no
proxy and no .netrc, and decodes nothing. Importing this takes 60 ms, so it is done with the first request.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import certifi
import httpcore

from agent.errors import AnswerLost, Refused, ServerAway, TimeUp
from agent.text import shorten
from agent.web.target import Target
from agent.web.wire import Flood, Late, Untrusted, Watch, Wire

_HEAD = 256 << 10  # bytes on the wire for headers and interim answers
_PIECES = 50_000  # of a body: a chunk of one byte costs as much time as one of a thousand


@dataclass(frozen=True, slots=True)
class Call:
    """What is sent, and where: `addresses` are those of the target's host that were checked, `limit` is the size of a
    body that is of use, `seconds` how long all of it may take."""

    target: Target
    addresses: Sequence[str]
    method: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    limit: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Heard:
    """The head of an answer, and the pieces of its body as they come. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]


def trusted() -> ssl.SSLContext:
    """Whose certificates are believed: this system's authorities, and Mozilla's for systems without."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


@contextmanager
def exchanged(call: Call, tls: ssl.SSLContext | None, check: Callable[[], None]) -> Iterator[Heard]:
    """The answer, for the length of a block. Whatever breaks, in the block too, becomes ServerAway, or AnswerLost for a
    POST of which something was sent; so does TimeUp of `check` then. An answer without end is Refused,
    that of a POST lost."""
    wire = Wire(call.addresses, Watch(time.monotonic() + call.seconds, check), _HEAD)
    target = call.target
    scheme, host, path = (text.encode("ascii") for text in (target.scheme, target.host, target.path))
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in call.headers.items()]
    connection = httpcore.HTTPConnection(
        httpcore.Origin(scheme, host, target.port), ssl_context=tls, network_backend=wire
    )
    try:
        url = httpcore.URL(scheme=scheme, host=host, port=target.port, target=path)
        response = connection.handle_request(httpcore.Request(call.method, url, headers=headers, content=call.body))
        wire.most += 2 * call.limit  # chunks come with their sizes
        yield Heard(response.status, _headers(response.headers), _counted(response.iter_stream()))
    except TimeUp as error:
        if _may_be_taken(call, wire):
            raise _broken(call, wire, f"it was cut off: {error.what}") from error
        raise
    except Late as error:
        raise _broken(call, wire, f"there was no whole answer within {call.seconds:g} s") from error
    except Flood as error:
        if _may_be_taken(call, wire):
            raise _broken(call, wire, "the answer has no end") from error
        raise Refused("the answer has no end", where=target.shown, why="its size is limited") from error
    except Untrusted as error:
        fix = "look at the address, and at this machine's clock and certificates"
        raise _broken(call, wire, f"its certificate is not believed: {error}", fix) from error
    except httpcore.ConnectError as error:
        raise _broken(call, wire, str(error), "look whether it runs and is reached from here") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError, ValueError) as error:
        why = "its answer is no HTTP" if str(error).startswith("illegal") else str(error)  # h11 speaks as a server does
        raise _broken(call, wire, why or "the connection broke") from error
    finally:
        connection.close()


def _counted(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for number, piece in enumerate(pieces):
        if number >= _PIECES:
            raise Flood
        yield piece


def _may_be_taken(call: Call, wire: Wire) -> bool:
    return call.method == "POST" and wire.sent


def _broken(call: Call, wire: Wire, why: str, fix: str = "") -> ServerAway:
    why = shorten("".join(char if char.isprintable() else "?" for char in why).rstrip("."), 200)
    if _may_be_taken(call, wire):
        return AnswerLost("what was sent may have been taken, but no answer came", where=call.target.shown, why=why)
    what = "the server gave no usable answer" if wire.sent else "the server is not reached"
    return ServerAway(what, where=call.target.shown, why=why, fix=fix)


def _headers(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """One value for each name. Cookies are nobody's business here."""
    found: dict[str, str] = {}
    for name, value in ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw):
        found[name] = f"{found[name]}, {value}" if name in found else value
    found.pop("set-cookie", None)
    return found
