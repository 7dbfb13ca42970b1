"""The tables of the settings files, one class each. Times are seconds and sizes bytes, unless the name says otherwise.

Every key is explained in `docs/reference.md`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from agent.hostnames import entry_of, joined

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_MODEL = re.compile(r"[^\s\x00-\x1f]{1,200}")
_CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")


def _hours(text: str) -> str:
    start, dash, end = text.partition("-")
    if text and not (dash and _CLOCK.fullmatch(start) and _CLOCK.fullmatch(end) and start != end):
        raise ValueError("it is not a span of the day like 08:00-23:00")
    return text


def _name(text: str) -> str:
    if text and not _NAME.fullmatch(text):
        raise ValueError("a name has lower-case letters, digits, '.', '_' and '-', at most 64 in all")
    return text


def _alias(target: str) -> str:
    provider, slash, model = target.partition("/")
    if not (slash and _NAME.fullmatch(provider) and _MODEL.fullmatch(model)) or "://" in target:
        raise ValueError("it is not provider/model, like ollama/qwen3:4b")
    return target


def _host(text: str) -> str:
    return joined(*entry_of(text))


Hours = Annotated[str, AfterValidator(_hours)]
HostEntry = Annotated[str, AfterValidator(_host)]
Name = Annotated[str, AfterValidator(_name)]
AliasTarget = Annotated[str, AfterValidator(_alias)]
Thinking = Literal["off", "low", "medium", "high"]
Dollars = Annotated[float, Field(ge=0, le=1_000_000)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


@dataclass(frozen=True)
class Limit:
    """Marks a limit: the vault may only make it smaller, in the given order of words or as a number."""

    order: tuple[str, ...] = ()

    def wider(self, theirs: Any, mine: Any) -> bool:
        if self.order:
            return self.order.index(theirs) > self.order.index(mine)
        return mine is not None and (theirs is None or theirs > mine)


class Section(BaseModel):
    """One table of a settings file. Each key is explained in `docs/reference.md`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


def limit_of(section: type[Section], key: str) -> Limit | None:
    """The mark of a limit, None for a plain key."""
    return next((mark for mark in section.model_fields[key].metadata if isinstance(mark, Limit)), None)


class Lead(Section):
    name: str = Field("Lead", min_length=1, max_length=60, pattern=r"^[^\r\n\[\]<>`|]+$")


class LocalLead(Lead):
    """`via`: `handoff` (a file), `command:<name>` of an executor, or `provider/model` of one that is set up here."""

    via: str = Field("handoff", pattern=r"^(handoff|command:[a-z0-9][a-z0-9._-]*|[a-z0-9][a-z0-9._-]*/[^\s]+)$")


class Watch(Section):
    settle_seconds: float = Field(5.0, ge=0, le=3600)
    settle_open_seconds: float = Field(0.5, ge=0, le=3600)
    settle_obsidian_seconds: float = Field(30.0, ge=0, le=3600)
    rescan_seconds: float = Field(60.0, ge=1, le=3600)
    poll_seconds: float = Field(2.0, ge=0.1, le=3600)


class Tasks(Section):
    max_attempts: Annotated[int, Limit()] = Field(3, ge=1, le=100)
    raw_limit: Annotated[int, Limit()] = Field(16_384, ge=0, le=1_048_576)
    outbox_days: int = Field(30, ge=1, le=3650)


class Handoffs(Section):
    expires_days: int = Field(7, ge=1, le=365)


class LocalModel(Section):
    name: str = Field("qwen3:8b", min_length=1, max_length=200, pattern=r"^[^\s]+$")
    context: Annotated[int, Limit()] = Field(8192, ge=1024, le=1_048_576)
    opinions: int = Field(1, ge=1, le=5)


class Alias(Section):
    """What a name for a model stands for: `provider/model`, and how hard it thinks when the task does not say."""

    model: AliasTarget
    thinking: Thinking | None = None


class Sync(Section):
    person: Annotated[Literal["off", "inbox", "all"], Limit(("off", "inbox", "all"))] = "inbox"
    offline: Annotated[Literal["wait", "work"], Limit(("wait", "work"))] = "wait"
    pushes_per_minute: Annotated[float | None, Limit()] = Field(None, gt=0, le=6000)
    poll_seconds: float = Field(30.0, ge=1, le=3600)


class LocalSync(Sync):
    remote: str = Field("", max_length=100, pattern=r"^([^\s:-][^\s:]*)?$")


class Worker(Section):
    name: Name = ""
    offers: tuple[Name, ...] = ()
    idle_seconds: Seconds = 60.0
    stop_seconds: float = Field(10.0, ge=0, le=3600)


class Ollama(Section):
    host: str = ""
    keep_alive: str = Field("5m", pattern=r"^-?\d+(ms|s|m|h)?$")
    connect_seconds: Seconds = 3.0
    load_seconds: Seconds = 300.0
    answer_seconds: Seconds = 120.0
    allow_cloud: bool = False


class Backends(Section):
    """Who answers for `local`: the first in this order that can. `ollama`, `embedded`, or the name of a provider."""

    order: tuple[Name, ...] = ("ollama", "embedded")


class Embedded(Section):
    """llama.cpp in this process. `path`: a GGUF file; empty: the one in the folder that `gofer model` fills."""

    path: str = Field("", max_length=1024, pattern=r"^((/|~/)[^\x00-\x1f\x7f]+)?$")
    threads: int = Field(0, ge=0, le=256)
    load_seconds: Seconds = 300.0
    answer_seconds: Seconds = 300.0


class Sandbox(Section):
    """`auto`: checks run shut in where that is possible; `restricted`: or not at all; `full`: never."""

    level: Literal["auto", "restricted", "full"] = "auto"


class Money(Section):
    per_task_usd: Dollars = 0.0
    per_day_usd: Dollars = 0.0
    per_month_usd: Dollars = 0.0
    baseline: str = Field("claude-opus-4-6", max_length=200, pattern=r"^[^\s]*$")


class Price(Section):
    """What a model costs, in US dollars per million tokens, as of a day."""

    input: Dollars
    output: Dollars
    dated: date


class HostPolicy(Section):
    """What tasks may do at one host. `per_minute` None: what `network.per_minute` says."""

    per_minute: float | None = Field(None, gt=0, le=6000)
    post: bool = False
    blocked: bool = False


class WebSecret(Section):
    """A secret that goes along with requests to these hosts, and to no other. `prefix` stands before its value."""

    env: str = Field("", max_length=200)
    value: SecretStr | None = None
    hosts: tuple[HostEntry, ...] = Field(min_length=1)
    prefix: str = Field("", max_length=100, pattern=r"^[\x20-\x7e]*$")


class Network(Section):
    """What tasks may reach. Hosts are `host` (every port) or `host:port`, exact."""

    allowed_hosts: tuple[HostEntry, ...] = ()
    per_minute: float = Field(60.0, gt=0, le=6000)
    hosts: Mapping[HostEntry, HostPolicy] = {}
    secrets: Mapping[Name, WebSecret] = {}


class Secrets(Section):
    env: tuple[str, ...] = ()


class Provider(Section):
    """An OpenAI-compatible server. `local`: what it answers costs nothing and leaves nobody's hands; None: when its
    address is this machine's. `model`: who answers for `local` there. `thinking`: how its models are told to think."""

    url: str = Field(pattern=r"^https?://[^\s]+$")
    key: SecretStr | None = None
    key_env: str = ""
    local: bool | None = None
    model: str = Field("", max_length=200, pattern=r"^[^\s]*$")
    thinking: Literal["auto", "effort", "template", "none"] = "auto"
    connect_seconds: Seconds = 5.0
    answer_seconds: Seconds = 120.0


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Folder = Annotated[str, Field(max_length=1024, pattern=r"^(/|~/)[^\x00-\x1f\x7f]+$")]
ArgName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
ArgValue = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Command(Section):
    """An argument list, pinned to the sha256 of its first file and of the other `files` that it names. `sandbox`: it
    runs shut in, or not at all."""

    argv: tuple[str, ...] = Field(min_length=1)
    sha256: Sha256
    files: Mapping[Folder, Sha256] = {}
    env: tuple[str, ...] = ()
    sandbox: bool = False


class Check(Command):
    """A command that passes or fails. A task may choose among the values of `args`, which stand in `argv` as `{name}`;
    the first is the default. `cwd` is a folder or the name of a listed repository; empty: a new one for each run."""

    aliases: tuple[str, ...] = ()
    args: Mapping[ArgName, Annotated[tuple[ArgValue, ...], Field(min_length=1)]] = {}
    cwd: str = Field("", max_length=1024, pattern=r"^((/|~/)[^\x00-\x1f\x7f]+|[a-z0-9][a-z0-9._-]{0,63})?$")
    readable: tuple[Folder, ...] = ()
    writable: tuple[Folder | Literal["."], ...] = ()
    network: bool = False
    timeout_seconds: Seconds = 300.0

    @model_validator(mode="after")
    def _complete(self) -> Check:
        words = " ".join(self.argv[1:])
        for name in self.args:
            if name == "check" or f"{{{name}}}" in self.argv[0]:
                raise ValueError("'check' is no name for an argument, and the program itself cannot be chosen")
            if f"{{{name}}}" not in words:
                raise ValueError(f"argv has no {{{name}}}, so the argument '{name}' would do nothing")
        return self


class Executor(Command):
    """A command that does tasks, or is the lead: the text on its standard input, its answer on standard output.

    `result`, `cost_usd`, `input_tokens`, `output_tokens` and `model` are JMESPath expressions for an output of `json`
    or `jsonl`. `max_usd` is what one run may cost at most; None: nobody knows.
    """

    timeout_seconds: Seconds = 900.0
    max_usd: Dollars | None = None
    output: Literal["text", "json", "jsonl"] = "text"
    result: str = Field("result", max_length=500)
    cost_usd: str = Field("total_cost_usd", max_length=500)
    input_tokens: str = Field("usage.input_tokens", max_length=500)
    output_tokens: str = Field("usage.output_tokens", max_length=500)
    model: str = Field("model", max_length=500)


_URL = r"^https?://[^\s]+$"
_HEADER = r"^[A-Za-z0-9-]{1,100}$"


class Recipient(Section):
    """Where messages may be sent, under a name. `text_key`: the key of the message in the JSON that is posted; "": the
    message alone, as plain text. `idempotent`: the server knows its `Idempotency-Key` again and acts once."""

    url: str = Field(max_length=2000, pattern=_URL)
    aliases: tuple[str, ...] = ()
    text_key: str = Field("text", max_length=60)
    secret: Name = ""
    header: str = Field("Authorization", pattern=_HEADER)
    idempotent: bool = False


class Mailbox(Section):
    """A mailbox over HTTP: a GET of `url` with the last number in `since_key` gives JSON; a POST of `{"seq": N}` to
    `ack` acknowledges. `messages`, `seq`, `text`, `sender`, `id`: JMESPath expressions, the last four in one message.
    `tasks`: what becomes of each message in the inbox."""

    url: str = Field(max_length=2000, pattern=_URL)
    ack: str = Field("", max_length=2000, pattern=r"^(https?://[^\s]+)?$")
    since_key: str = Field("since", max_length=60, pattern=r"^[A-Za-z0-9_.-]*$")
    messages: str = Field("messages", max_length=500)
    seq: str = Field("seq", max_length=500)
    text: str = Field("text", max_length=500)
    sender: str = Field("from", max_length=500)
    id: str = Field("id", max_length=500)
    secret: Name = ""
    header: str = Field("Authorization", pattern=_HEADER)
    tasks: Literal["off", "draft", "open"] = "off"


class ListedLog(Section):
    """A log of this machine that `logs` tasks may read, under a name."""

    path: str = Field(max_length=1024, pattern=r"^(/|~/)[^\x00-\x1f\x7f]+$")


class Alerts(Section):
    """Who is called with critical alarms of the heartbeat. `command`: one of the executors; `forward`: a recipient."""

    command: Name = ""
    forward: Name = ""


RepoVerb = Literal["fetch", "fast-forward", "branch", "add", "commit", "push", "status", "log"]


class ListedRepo(Section):
    """A repository that `git` tasks may work in, under a name, and what they may do there."""

    path: str = Field(max_length=1024, pattern=r"^(/|~/)[^\x00-\x1f\x7f]+$")
    remote: str = Field("origin", max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    allow: tuple[RepoVerb, ...] = ("fetch", "fast-forward", "branch", "add", "commit", "status", "log")
