"""What a handler is, and the narrow window through which it sees the world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from agent.errors import Refused
from agent.handlers.checking import CheckDoor, NoChecks
from agent.models.base import Answer
from agent.redact import redact_tokens
from agent.vault.actions import Action
from agent.vault.values import Result, Role, Task, Tier


class Params(BaseModel):
    """Base of every type's parameters. Unknown keys are kept out, so a typing mistake is told, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, defer_build=True)


class NoParams(Params):
    """A type without parameters."""


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


@dataclass(frozen=True, slots=True)
class Context:
    """All that a handler may see and do. It holds no Desk, no git, no configuration."""

    task: Task
    now: datetime
    files: Files
    ask: Callable[
        ..., Answer
    ]  # ask(prompt: str, *, schema=None, max_tokens=…, seed=0, seconds=None) → Answer; system part: prompts/<type>.md
    facts: Callable[[], Mapping[str, Any]]  # what the worker knew of itself at the start, if the type `uses_facts`
    note: Callable[[str], None]  # one line into the run's log
    check: Callable[[], None]  # raises TimeUp when the run was cancelled or its time is up; call it in loops
    memory: Path  # a private folder of this type in the state folder, kept between runs (never in the vault)
    run_dir: Path  # this run's own folder
    redact: Callable[[str], str] = redact_tokens  # without secrets: for what is put into `memory`
    leaves: bool = False  # what is asked goes to a model that is not this machine's
    opinions: int = 1  # how many samples of an answer must agree
    repo: Callable[[str, str], Repo] = no_repo  # repo(name, verb): a listed repository, when the verb is allowed there
    past: Past = NoPast()  # noqa: RUF009  (it has no state)
    web: Web = NoWeb()  # noqa: RUF009  (it has no state)
    documents: Documents = NoDocuments()  # noqa: RUF009  (it has no state)
    window: int = 8192  # tokens that the model of this run holds, question and answer together
    logs: Mapping[str, Callable[[], Iterable[str]]] = field(default_factory=dict)  # lines of listed logs
    recipients: Mapping[str, Recipient] = field(default_factory=dict)
    mailboxes: Mapping[str, Mailbox] = field(default_factory=dict)
    shared: bool = False  # other machines can see the task: an earlier attempt may have been theirs
    checks: CheckDoor = NoChecks()  # noqa: RUF009
    worker: str = ""  # who runs this; a file of which each worker has its own carries the name
    attempt: int = 1  # more than 1: an earlier run of this task, here or elsewhere, was cut off
    model: bool = False  # a model is set aside for this run; a type of code's asks one only then (`words_when`)
    alert: Callable[[str], str] | None = None  # alert(text): to this machine's alert hook; why that failed, "" when not


@dataclass(frozen=True, slots=True)
class Handler:
    """A task type: its name, who may run it, its parameters, and the one function that does it.

    `understand(task)` turns front matter and plain English into parameters and raises Doubt when that is not
    possible beyond doubt; the default validates `task.params` alone.
    """

    name: str
    tier: Tier  # trivial: code only; standard: uses the model
    role: Role
    params: type[Params]
    run: Callable[[Context, Any], Result]
    limit: float = 60.0  # seconds of wall clock
    understand: Callable[[Task], Params] | None = None
    row_decides: bool = False  # a row of the matrix brings a request here; what its run cannot read goes to the lead
    outside: bool = False  # waits for other machines: runs beside the rest, so that it never holds code up
    unmarked_waits: bool = False  # deletes, moves or sends: in an Obsidian vault it never starts from an unmarked note
    waits_when: Callable[[Task], bool] | None = None  # narrows `unmarked_waits` to some tasks of the type
    acts: bool = False  # its run itself changes something outside the vault: `approve` is then asked for before it
    by_code: Callable[[Task], bool] | None = None  # standard work that code does all the same: no model is woken
    uses_facts: bool = False  # its context's `facts` are gathered; for every other type they are empty
    words_when: Callable[[Task], bool] | None = None  # code that takes a local model's words where one stands ready

    def needs_model(self, task: Task) -> bool:
        """Whether this task wakes a model."""
        return self.tier is not Tier.TRIVIAL and not (self.by_code and self.by_code(task))

    def waits_unmarked(self, task: Task) -> bool:
        """Whether this task, in an Obsidian vault, must not start before its note is marked open."""
        return self.unmarked_waits and (self.waits_when is None or self.waits_when(task))
