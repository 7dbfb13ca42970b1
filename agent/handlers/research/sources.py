"""The sources of a research task: fetched side by side, taken apart, and numbered in the order of the task."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus

from agent.errors import Doubt, GoferError, Refused, ServerAway, TimeUp
from agent.handlers.base import Context
from agent.handlers.doors import Document, Reply
from agent.handlers.material import TEXTS, matching, mentioned, must_not_leave
from agent.handlers.research.request import ResearchParams
from agent.handlers.retrying import retry_after
from agent.text import normal_form, shorten
from agent.vault.values import HandoffReason

PAGE_LIMIT = 16 << 20  # bytes of a page or a PDF
NOTE_LIMIT = 1 << 20  # bytes of a text file
MAX_TEXT = 400_000  # characters of one source that are read
AT_ONCE = 4  # pages that are fetched side by side
FETCH_SECONDS = 90.0  # for all pages together: the model waits meanwhile, and others wait for the model
SHORT_PAGE = 200  # characters; a page with less than that is perhaps behind a wall or built by scripts
_LATER = frozenset((408, 425, 429, 500, 502, 503, 504))  # answers that may be others the next time
_FILES = (*TEXTS, ".pdf")
_LOOK = 0.2  # seconds between looks at whether the run is to end


@dataclass(frozen=True, slots=True)
class Source:
    """One source that could be read. `where` is its address or path, `text` all that is read of it."""

    number: int
    where: str
    text: str
    size: int  # bytes as they came
    sha256: str
    title: str = ""
    author: str = ""
    date: str = ""


@dataclass(slots=True)
class Gathered:
    """The sources, what there is to say about reading them, and the reasons of those that could not be."""

    sources: list[Source] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[GoferError] = field(default_factory=list)

    def add(self, where: str, data: bytes, read: Document) -> None:
        """A source, unless there is nothing in it, or another one has the very same text."""
        text, digest = read.text.strip(), hashlib.sha256(data).hexdigest()
        if not text:
            why = "it holds no text: scanned, built by scripts, or behind a login"
            return self.fail(Refused("nothing could be read", where=where, why=why))
        if same := next((one for one in self.sources if one.sha256 == digest or one.text == text[:MAX_TEXT]), None):
            self.notes.append(f"{where} says the same as {same.where} to the letter, and was left out")
            return None
        self.notes += [f"{where}: {note}" for note in read.notes]
        if len(text) > MAX_TEXT:
            self.notes.append(f"{where}: only the first {MAX_TEXT:,} of its {len(text):,} characters were read")
        number = len(self.sources) + 1
        source = Source(number, where, text[:MAX_TEXT], len(data), digest, read.title, read.author, read.date)
        self.sources.append(source)
        return None

    def fail(self, error: GoferError) -> None:
        """A source that cannot be read is told, and the others are read all the same."""
        self.errors.append(error)
        self.notes.append(f"Left out: {error}")


def gather(ctx: Context, params: ResearchParams) -> Gathered:
    """All sources that can be read. Raises Doubt (needs) when the task names none, ServerAway when none could be read
    and it may help to try again, Refused when none could be read at all."""
    found = Gathered()
    named = list(dict.fromkeys([*params.urls, *_paths(ctx, params, found)]))
    if not named and not found.errors:
        raise Doubt(
            "the request names no page and no file to read",
            reason=HandoffReason.NEEDS,
            why="there is no search engine here; write whole addresses (https://…) into the request, or into `urls`",
        )
    if (more := len(named) - params.max_sources) > 0:
        found.notes.append(f"Left out: {more} more sources; `max_sources` is {params.max_sources}")
    named = named[: params.max_sources]
    replies = _fetched(ctx, [where for where in named if where in params.urls])
    for where in named:
        ctx.check()
        try:
            if where in replies:
                _add_page(ctx, found, where, replies[where])
            else:
                _add_file(ctx, found, where)
        except TimeUp:
            raise
        except GoferError as error:
            found.fail(error)
    if not found.sources:
        raise _nothing(found.errors)
    return found


def _paths(ctx: Context, params: ResearchParams, found: Gathered) -> list[str]:
    """The files that the front matter names, else the text; what `path` names and is not there is told in `found`."""
    paths: list[str] = []
    for name in params.path:
        try:
            paths += matching(ctx, name, must=True, suffixes=_FILES)
        except (Refused, FileNotFoundError, NotADirectoryError) as error:
            found.fail(error if isinstance(error, Refused) else Refused("there is no such file", where=name))
    if not params.path and not ctx.task.params.get("urls"):
        names = mentioned(ctx.task.text, _FILES)
        paths += [path for name in names for path in matching(ctx, name, must=False, suffixes=_FILES)]
    return paths


def _fetched(ctx: Context, urls: Sequence[str]) -> dict[str, Reply | GoferError]:
    """The answers, or why there is none. Raises TimeUp when the run is over."""
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="gofer-page")
    try:
        jobs: dict[str, Future[Reply]] = {url: pool.submit(ctx.web.get, url, limit=PAGE_LIMIT) for url in urls}
        for _ in range(int(FETCH_SECONDS / _LOOK)):
            if not wait(jobs.values(), timeout=_LOOK).not_done:
                break
            ctx.check()
        return {url: _outcome(url, job) for url, job in jobs.items()}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _outcome(url: str, job: Future[Reply]) -> Reply | GoferError:
    if not job.done():
        job.cancel()
        return ServerAway("the page took too long", where=url, why=f"all pages together have {FETCH_SECONDS:g} s")
    try:
        return job.result()
    except GoferError as error:
        return error


def _add_page(ctx: Context, found: Gathered, url: str, reply: Reply | GoferError) -> None:
    if isinstance(reply, GoferError):
        raise reply
    if reply.status >= 400:
        known = {status.value: status.phrase for status in HTTPStatus}
        what = f"the server answers {reply.status} {known.get(reply.status, '')}".rstrip()
        if reply.status in _LATER:
            raise ServerAway(what, where=url, retry_after=retry_after(reply.headers, ctx.now))
        raise Refused(what, where=url)
    kind, charset = _kind(reply)
    ctx.note(f"{url}: {len(reply.body):,} bytes of {kind or 'something unknown'} in {reply.seconds:.1f} s")
    if not kind:
        why = f"it is {reply.headers.get('content-type', 'of no stated type')[:80]}, neither text nor PDF"
        raise Refused("this kind of page cannot be read", where=url, why=why)
    if reply.url and _bare(reply.url) != _bare(url):
        found.notes.append(f"{url} led on to {shorten(reply.url, 300)}")
    read = _document(ctx, kind, reply.body, url, charset)
    if kind == "html" and 0 < len(read.text.strip()) < SHORT_PAGE:
        what = f"{url}: the page shows only {len(read.text.strip())} characters; there may be more behind a login"
        found.notes.append(what)
    found.add(url, reply.body, read)


def _add_file(ctx: Context, found: Gathered, path: str) -> None:
    try:
        if path.endswith(".pdf"):
            data = ctx.files.read_pdf(path, PAGE_LIMIT)
            return found.add(path, data, ctx.documents.read("pdf", data, path))
        data = ctx.files.read(path, NOTE_LIMIT)
        text = normal_form(data)
    except FileNotFoundError:
        raise Refused("the file is not there any more", where=path) from None
    except UnicodeDecodeError as error:
        raise Refused("the file is not UTF-8 text", where=path, why=str(error.reason)) from None
    must_not_leave(ctx, path, text)
    return found.add(path, data, Document(text))


def _document(ctx: Context, kind: str, data: bytes, where: str, charset: str) -> Document:
    if kind == "text":
        with suppress(UnicodeDecodeError):
            return Document(normal_form(data))
    return ctx.documents.read(kind, data, where, charset)


def _bare(url: str) -> str:
    return url.partition("#")[0].rstrip("/")


def _kind(reply: Reply) -> tuple[str, str]:
    """How an answer is to be taken apart ("" when it cannot be), and the encoding that its server names."""
    media, _, rest = reply.headers.get("content-type", "").lower().partition(";")
    charset = next((part.partition("=")[2].strip(' "') for part in rest.split(";") if "charset=" in part), "")
    charset = charset if charset.isascii() and charset.replace("-", "").replace("_", "").isalnum() else ""
    media, start = media.strip(), reply.body[:1024].lstrip()
    if media == "application/pdf" or start.startswith(b"%PDF-"):
        return "pdf", ""
    if media in ("text/html", "application/xhtml+xml") or (not media and start.startswith(b"<")):
        return "html", charset
    is_text = media.startswith("text/") or media in ("application/json", "application/xml", "application/x-ndjson")
    return ("text" if is_text or media.endswith(("+json", "+xml")) or not media else ""), charset


def _nothing(errors: Sequence[GoferError]) -> GoferError:
    """The error for a task of which no source could be read: all reasons in one sentence."""
    if len(errors) == 1:
        return errors[0]
    whys = "; ".join(_shown(errors))
    if any(isinstance(error, ServerAway) for error in errors):
        later = next(error for error in errors if isinstance(error, ServerAway))
        return ServerAway("none of the sources could be read", why=whys, retry_after=later.retry_after)
    fix = next((error.fix for error in errors if error.fix), "correct the addresses and paths of the task")
    return Refused("none of the sources could be read", why=whys, fix=fix)


def _shown(errors: Sequence[GoferError]) -> Iterator[str]:
    for error in errors[:5]:
        yield f"{error.where}: {error.what}" + (f" ({error.why})" if error.why else "")
    if len(errors) > 5:
        yield f"and {len(errors) - 5} more"
