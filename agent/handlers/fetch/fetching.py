"""Asking the servers: all sources side by side, each with its retries, its pages and what is remembered of it.

How often one server may be asked is the business of the door. Here a transient answer (429, 5xx, none at all) is asked
for again, a little later each time, and at the moment that the server names.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from agent.errors import CredentialsRefused, GoferError, ServerAway, TaskOver, TimeUp
from agent.handlers.doors import Reply, Web
from agent.handlers.fetch.params import LINK
from agent.handlers.fetch.reading import NotJson, Reading, Row, decode, find, read
from agent.handlers.fetch.remembering import Memory, Remembered
from agent.handlers.fetch.request import STATUS_CODE
from agent.handlers.fetch.sources import Source
from agent.handlers.retrying import retry_after

AT_ONCE = 64  # sources that are asked side by side
TRIES = 4
FIRST_PAUSE = 0.5  # seconds before the second try; each one after waits twice as long
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
TIME = 60.0  # seconds for one source with its retries and pages
STEP = 0.1  # seconds between two looks at whether the run was cancelled


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of a source. `why` says why nothing could be read; else `reading` holds what was. `unchanged` is the
    time of the reading that the server says still holds (304)."""

    source: Source
    reading: Reading = field(default_factory=Reading)
    why: str = ""
    unchanged: datetime | None = None
    text: str = ""  # what was answered, word for word, where the source names no fields


class Unread(Exception):
    """This source gave nothing; the text says why."""


@dataclass(slots=True)
class Fetcher:
    """Fetches sources by the door of one run. `check` raises TimeUp when the run is over."""

    web: Web
    memory: Memory
    check: Callable[[], None]
    now: datetime
    time: float = TIME  # seconds for each source

    def all(self, sources: Sequence[Source]) -> list[Fetched]:
        """Every source, in their order, asked side by side. Raises TimeUp when the run was cancelled or is over."""
        if len(sources) == 1:
            return [self.one(sources[0])]
        with ThreadPoolExecutor(min(AT_ONCE, len(sources)), "gofer-fetch") as pool:
            return list(pool.map(self.one, sources))

    def one(self, source: Source) -> Fetched:
        """One source; what goes wrong with it is said in the result."""
        until = time.monotonic() + self.time
        try:
            return self._pages(source, until) if source.next else self._page(source, until)
        except Unread as unread:
            return Fetched(source, why=str(unread))
        except TimeUp:
            raise
        except (ServerAway, CredentialsRefused, TaskOver) as error:
            return Fetched(source, why=_told(error))

    def _page(self, source: Source, until: float) -> Fetched:
        known = self.memory.get(source) if source.fields else None
        reply = self._ask(source, source.url, known.validators if known else {}, until)
        if source.wanted == (STATUS_CODE,):
            row = Row("", {STATUS_CODE: str(reply.status)}, frozenset({STATUS_CODE}))
            return Fetched(source, Reading((row,)))
        if reply.status == 304 and known:
            return Fetched(source, Reading(known.rows), unchanged=known.at)
        try:
            reading = read(source, decode(_body(reply)))
        except NotJson as error:
            if source.fields:
                raise Unread(_no_json(reply, error)) from None
            return Fetched(source, text=_words(reply, error))
        if not source.fields:
            return Fetched(source, reading, text=reply.body.decode("utf-8-sig"))
        if not reading.troubles:
            self.memory.put(source, Remembered.of(reply.headers, reading.rows, self.now))
        return Fetched(source, reading)

    def _pages(self, source: Source, until: float) -> Fetched:
        """Page after page, as long as the server names the next one; they are read as if they were one."""
        rows: dict[str, Row] = {}
        whole = Reading()
        seen: list[str] = []
        url: str | None = source.url
        while url and len(seen) < source.max_pages:
            seen.append(url)
            reply = self._ask(source, url, {}, until)
            try:
                document = decode(_body(reply))
            except NotJson as error:
                raise Unread(f"page {len(seen)}: {_no_json(reply, error)}") from None
            reading = read(source, document)
            empty = len(seen) > 1 and not reading.rows  # a last page may hold nothing
            first = len(rows)
            for place, row in enumerate(reading.rows):
                key = row.key if source.key else str(first + place + 1)
                rows.setdefault(key, replace(row, key=key))
            troubles = () if empty else reading.troubles
            whole = replace(whole, troubles=whole.troubles + troubles, notes=whole.notes + reading.notes)
            url = _next(source, url, reply, document)
            if url in seen:
                raise Unread(f"its pages go in a circle: page {len(seen)} names an earlier one as the next")
        if url:
            whole = replace(whole, notes=(*whole.notes, f"only the first {len(seen)} pages were read"))
        if len(rows) > source.limit:
            whole = replace(whole, notes=(*whole.notes, f"only the first {source.limit} of {len(rows)} items count"))
        return Fetched(source, replace(whole, rows=tuple(rows.values())[: source.limit]))

    def _ask(self, source: Source, url: str, validators: Mapping[str, str], until: float) -> Reply:
        """One answer, asked for again while it is transient and there is time. Raises Unread when there is none."""
        headers = {"Accept": "application/json", **source.headers, **validators}
        for attempt, pause in enumerate(_pauses(), 1):
            self.check()
            wanted: float | None = None
            try:
                reply = self.web.get(url, headers=headers, secrets=source.secrets)
                if source.wanted == (STATUS_CODE,):
                    return reply
                if reply.status not in TRANSIENT:
                    return _good(reply, bool(validators))
                why = f"it answered HTTP {reply.status}"
                wanted = retry_after(reply.headers, datetime.now(UTC))
            except ServerAway as away:
                why, wanted = _told(away), away.retry_after
            wait = max(pause, wanted or 0.0)
            if attempt >= TRIES or time.monotonic() + wait > until:
                later = f", and asks to come back in {wanted:.0f} s" if wanted and wanted >= 1 else ""
                raise Unread(f"{why}{later} ({attempt} {'tries' if attempt > 1 else 'try'})")
            self._wait(wait)
        raise AssertionError("the pauses never end")

    def _wait(self, seconds: float) -> None:
        ends, nothing = time.monotonic() + seconds, threading.Event()
        while (left := ends - time.monotonic()) > 0:
            nothing.wait(min(left, STEP))
            self.check()


def _pauses() -> Iterator[float]:
    """Twice as long each time, and never the same for two who were refused together."""
    pause = FIRST_PAUSE
    while True:
        yield pause * random.uniform(0.5, 1.5)  # noqa: S311  (no secret depends on it)
        pause *= 2


def _good(reply: Reply, conditional: bool) -> Reply:
    if reply.status == 200 or (reply.status == 304 and conditional):
        return reply
    if reply.status in (401, 403):
        raise Unread(f"it refuses who we are (HTTP {reply.status}): look at the source's `headers` and their secret")
    if reply.status == 404:
        raise Unread("there is nothing at this address (HTTP 404)")
    raise Unread(f"it answered HTTP {reply.status}")


def _body(reply: Reply) -> bytes:
    if not reply.body.strip():
        raise NotJson("the answer is empty")
    return reply.body


def _no_json(reply: Reply, error: NotJson) -> str:
    kind = reply.headers.get("content-type", "").partition(";")[0].strip()
    return f"it answered no JSON{f' but {kind}' if kind and 'json' not in kind else ''}: {error}"


def _words(reply: Reply, error: NotJson) -> str:
    """The text of an answer that nobody called JSON. Raises Unread for what is no text."""
    kind = reply.headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
    if not reply.body.strip():
        raise Unread("the answer is empty")
    if "json" in kind or not (kind.startswith("text/") or kind.endswith(("xml", "csv", "yaml", "javascript"))):
        raise Unread(_no_json(reply, error))
    try:
        return reply.body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unread(f"it answered {kind} that is not UTF-8") from None


def _next(source: Source, url: str, reply: Reply, document: Any) -> str | None:
    """The address of the page that follows, None when there is none. Raises Unread for one on another server."""
    if source.next == LINK:
        found = _linked(reply.headers.get("link", ""))
    else:
        found = find(source.next, document)
        found = str(found) if isinstance(found, str | int) and not isinstance(found, bool) else None
    if not found or not found.strip():
        return None
    if source.cursor:
        return _with_query(source.url, source.cursor, found.strip())
    try:
        following = urljoin(url, found.strip())
        here, there = urlsplit(url), urlsplit(following)
    except ValueError:
        raise Unread("what it names as its next page is no address") from None
    if (here.scheme, here.netloc.lower()) != (there.scheme, there.netloc.lower()):
        raise Unread(
            f"its next page is on another server ({there.scheme}://{there.netloc[:100]}), which is not followed"
        )
    return following


def _linked(header: str) -> str | None:
    """The address with `rel="next"` in a Link header."""
    import httpx  # noqa: PLC0415  (slow to import, and most sources have no pages)

    found = httpx.Response(200, headers=[(b"link", header.encode("utf-8", "replace"))]).links
    return found.get("next", {}).get("url")


def _with_query(url: str, name: str, value: str) -> str:
    parts = urlsplit(url)
    query = [(key, old) for key, old in parse_qsl(parts.query, keep_blank_values=True) if key != name]
    return urlunsplit(parts._replace(query=urlencode([*query, (name, value)])))


def _told(error: GoferError) -> str:
    """The error in a sentence of our own: the address is said elsewhere."""
    why = f", because {error.why}" if error.why else ""
    fix = f". To fix it: {error.fix}" if error.fix else ""
    return f"{error.what}{why}{fix}"
