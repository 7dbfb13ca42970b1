"""The doors that stand open to a handler, each as narrow as it can be: the vault's files, repositories, other servers,
people and mailboxes, what was before, what others wrote. Behind each of them code of its own judges every request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agent.errors import Refused
from agent.vault.actions import Action


class Files(Protocol):
    """Reading the vault, beneath its root only. Paths are vault-relative, POSIX.

    `read` raises Refused for what may not be read and FileNotFoundError for what is not there; `limit` caps
    the bytes. `list` yields paths of regular files below a folder, sorted, without hidden ones; `times` the same
    with their modification times (seconds since the epoch), in one pass, without the folders in `skip`.
    """

    def read(self, path: str, limit: int = 1 << 20) -> bytes: ...

    def read_pdf(self, path: str, limit: int) -> bytes: ...  # the one kind of file besides text, by this way alone

    def exists(self, path: str) -> bool: ...

    def list(self, folder: str, suffixes: Sequence[str] = ()) -> Sequence[str]: ...

    def times(self, folder: str, suffixes: Sequence[str] = (), skip: Sequence[str] = ()) -> Mapping[str, float]: ...

    def modified(self, path: str) -> float: ...

    def check_writable(self, path: str) -> str: ...  # the cleaned path; Refused when a task may not write it


@dataclass(frozen=True, slots=True)
class Told:
    """What was done in a repository: short plain sentences, and git's own words, bounded and without secrets."""

    findings: tuple[str, ...]
    raw: str = ""


class Repo(Protocol):
    """One of the person's repositories that this machine lists, opened for one thing to do.

    Every name and path is judged here, whoever gives it. `branch` "" is the current one, `remote` "" the configured
    one; no other remote is ever spoken to. All methods raise Refused when a rule or git forbids it, Busy when the
    person's own git is at work there, TryLater when the remote is away, CredentialsRefused when it says no to us.
    """

    def status(self) -> Told: ...

    def log(self, branch: str, count: int) -> Told: ...

    def fetch(self, remote: str) -> Told: ...

    def fast_forward(self, branch: str) -> Told: ...  # the current branch, to what was last fetched

    def branch(self, name: str, start: str) -> Told: ...  # made, not switched to; `start` "" is the current commit

    def add(self, paths: Sequence[str]) -> Told: ...

    def commit(self, paths: Sequence[str], message: str) -> Told: ...  # these paths as they stand, nothing else

    def push(self, branch: str, remote: str) -> Told: ...  # to the same name, never by force


def no_repo(name: str, verb: str) -> Repo:
    """The door to repositories where none is listed."""
    raise Refused(
        f"no repository is called '{name}' here",
        why="this machine's settings list none",
        fix=f'add [repos.<name>] with path = "/…" to this machine\'s config.toml, with {verb} in its allow',
    )


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered. `url` is where it came from after redirects; header names are lower case; `body` is
    decoded and bounded; `seconds` is how long it took."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float = 0.0


class Web(Protocol):
    """The door to other servers, opened for one run: addresses come from front matter, prompts of the vault or this
    machine's settings, never from a model.

    `secrets` maps header names to names of secrets that this machine's settings bind to hosts. `accept` lists the media
    types that count (`application/json` with its kin, `text/*`); none: every one. `limit` bounds the decoded body, in
    bytes: more is Refused, and cut off where it is an error's or answers a POST. Headers and secrets do not follow a
    redirect to another host. A GET
    waits for its turn where the host's rate asks for it, and follows redirects, each of which is judged anew; a POST
    follows none. An answer with an error status is a Reply like any other.

    Raises Refused for what a rule forbids (address, size, media type, secret), ServerAway when nothing was answered and
    trying again is safe, AnswerLost when a POST may have been taken, also when it was cut off with the run, TimeUp
    when the run was cancelled or is over. Threads of one run may use it side by side.
    """

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] = ...,
        secrets: Mapping[str, str] = ...,
        accept: Sequence[str] = (),
        limit: int = 4 << 20,
    ) -> Reply: ...

    def post(
        self,
        url: str,
        body: bytes,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] = ...,
        secrets: Mapping[str, str] = ...,
        limit: int = 1 << 20,
    ) -> Reply: ...


class NoWeb:
    """The door where none is open."""

    def get(self, url: str, **_: Any) -> Reply:
        raise Refused("no other server may be reached here", where=url)

    def post(self, url: str, body: bytes, **_: Any) -> Reply:
        raise Refused("no other server may be reached here", where=url)


class Recipient(Protocol):
    """Somebody to whom this machine's settings let messages be sent. `idempotent`: sending one twice under one key
    does no harm."""

    @property
    def aliases(self) -> Sequence[str]: ...

    @property
    def idempotent(self) -> bool: ...

    def send(self, text: str, key: str) -> Reply: ...  # raises as `Web.post` does; its `url` is the host's alone


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a mailbox; `seq` is its number, and `id` names it for good."""

    seq: int
    id: str
    sender: str
    text: str


class Mailbox(Protocol):
    """A mailbox that this machine's settings list. `tasks`: `off`, `draft` or `open`, what becomes of each message."""

    @property
    def url(self) -> str: ...

    @property
    def tasks(self) -> str: ...

    @property
    def acknowledges(self) -> bool: ...  # whether there is a way to tell it what arrived

    def messages(self, since: int | None) -> list[Message]: ...  # raises as `Web.get`, and Refused for another shape

    def acknowledge(self, seq: int) -> None: ...  # raises as `Web.post`, and Refused when it says no


class Past(Protocol):
    """What earlier tasks did to the vault's files, to take it back.

    `changes` gives a finished task's actions in their order, None when it left no journal, and raises ValueError for a
    broken one; `content` the bytes of a sha256 (hex) that git has under an id, or that were kept here, None when they
    are nowhere.
    """

    def changes(self, task: str) -> Sequence[Action] | None: ...

    def content(self, digest: str, blob: str) -> bytes | None: ...


class NoPast:
    """Where nothing was."""

    def changes(self, task: str) -> Sequence[Action] | None:
        return None

    def content(self, digest: str, blob: str) -> bytes | None:
        return None


@dataclass(frozen=True, slots=True)
class Document:
    """What a document says: its text (a page's as Markdown), what it claims of itself, and what was left unread."""

    text: str
    title: str = ""
    author: str = ""
    date: str = ""
    notes: Sequence[str] = ()


class Documents(Protocol):
    """Taking a document apart that others wrote, with limits of time and memory.

    `kind` is `html`, `pdf`, or `text` for text whose encoding is not known; `where` is its address or path, for the
    errors; `charset` is what the server said, if anything. Raises Refused with the reason when it cannot be read.
    """

    def read(self, kind: str, data: bytes, where: str, charset: str = "") -> Document: ...


class NoDocuments:
    """The door where none is open."""

    def read(self, kind: str, data: bytes, where: str, charset: str = "") -> Document:
        raise Refused("documents cannot be read here", where=where)
