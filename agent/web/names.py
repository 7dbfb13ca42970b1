"""Names looked up, without waiting longer than a run may wait."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence

from agent.errors import ServerAway
from agent.web.target import Target

Resolve = Callable[[str, int], Sequence[str]]  # the addresses of a host; OSError when there are none

_TICK = 0.02
_SECONDS = 15.0  # the system's resolver has a patience of its own, which nobody can shorten


def system(host: str, port: int) -> list[str]:
    """What this machine's resolver says, in its order."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def addresses_of(target: Target, resolve: Resolve, check: Callable[[], None]) -> Sequence[str]:
    """The addresses of a host; an address is its own. Raises ServerAway when there are none, and what `check` raises.

    The system's call cannot be stopped: it goes on in a thread of its own when nobody waits for it any more.
    """
    if target.is_address:
        return [target.host]
    answers: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(resolve(target.host, target.port))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="gofer-names", daemon=True).start()
    end = time.monotonic() + _SECONDS
    while True:
        check()
        try:
            found = answers.get(timeout=_TICK)
        except queue.Empty:
            if time.monotonic() > end:
                raise _unknown(target, f"the name is not answered for within {_SECONDS:g} s") from None
            continue
        if isinstance(found, Exception):
            raise _unknown(target, getattr(found, "strerror", "") or str(found)) from found
        if not found:
            raise _unknown(target, "the name has no address")
        return found


def _unknown(target: Target, why: str) -> ServerAway:
    fix = "look at the spelling, and whether this machine is online"
    return ServerAway("the host is not found", where=target.shown, why=why, fix=fix)
