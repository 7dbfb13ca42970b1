"""The settings as frozen values: what a vault may wish, what a machine may say, and what is in force.

Every key is explained in `docs/reference.md`. Times are seconds and sizes bytes, unless the name says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from agent.errors import BadConfig

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_MODEL = re.compile(r"[^\s\x00-\x1f]{1,200}")
_CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")


class Finding(NamedTuple):
    """Something in a settings file that was left aside. `fatal`: a worker does not start before it is mended."""

    what: str
    where: str
    fix: str
    fatal: bool = False


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


Hours = Annotated[str, AfterValidator(_hours)]
Name = Annotated[str, AfterValidator(_name)]
AliasTarget = Annotated[str, AfterValidator(_alias)]
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

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def limit_of(section: type[Section], key: str) -> Limit | None:
    """The mark of a limit, None for a plain key."""
    return next((mark for mark in section.model_fields[key].metadata if isinstance(mark, Limit)), None)


class Lead(Section):
    name: str = Field("Lead", min_length=1, max_length=60, pattern=r"^[^\r\n\[\]<>`|]+$")


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


class Sandbox(Section):
    level: Literal["restricted", "full"] = "restricted"


class Money(Section):
    per_task_usd: float = Field(0.0, ge=0)
    per_day_usd: float = Field(0.0, ge=0)


class Network(Section):
    allowed_hosts: tuple[str, ...] = ()


class Secrets(Section):
    env: tuple[str, ...] = ()


class Provider(Section):
    url: str = Field(pattern=r"^https?://[^\s]+$")
    key: SecretStr | None = None
    key_env: str = ""


class Command(Section):
    """A check or an executor: an argument list, pinned to the sha256 of its first file."""

    argv: tuple[str, ...] = Field(min_length=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


RepoVerb = Literal["fetch", "fast-forward", "branch", "add", "commit", "push", "status", "log"]


class ListedRepo(Section):
    """A repository that `git` tasks may work in, under a name, and what they may do there."""

    path: str = Field(max_length=1024, pattern=r"^(/|~/)[^\x00-\x1f\x7f]+$")
    remote: str = Field("origin", max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    allow: tuple[RepoVerb, ...] = ("fetch", "fast-forward", "branch", "add", "commit", "status", "log")


class VaultSettings(Section):
    """`gofer.toml`: what everybody who syncs the vault shares. It grants nothing."""

    active_hours: Hours = ""
    lead: Lead = Lead()
    watch: Watch = Watch()
    tasks: Tasks = Tasks()
    handoff: Handoffs = Handoffs()
    model: LocalModel = LocalModel()
    sync: Sync = Sync()
    aliases: Mapping[Name, AliasTarget] = {}
    time_limits: Mapping[Name, Seconds] = {}


class LocalConfig(VaultSettings):
    """`config.toml`: the same keys, where they win, and everything that carries authority."""

    sync: LocalSync = LocalSync()
    worker: Worker = Worker()
    ollama: Ollama = Ollama()
    sandbox: Sandbox = Sandbox()
    money: Money = Money()
    network: Network = Network()
    secrets: Secrets = Secrets()
    providers: Mapping[Name, Provider] = {}
    checks: Mapping[Name, Command] = {}
    executors: Mapping[Name, Command] = {}
    repos: Mapping[Name, ListedRepo] = {}


class Settings(LocalConfig):
    """What is in force. `worker.name` and `ollama.host` are filled in; times are seconds, sizes are bytes."""

    vault_active_hours: Hours = ""  # both spans must be open
    vault_time_limits: Mapping[Name, Seconds] = {}
    secret_values: tuple[str, ...] = Field((), repr=False)
    findings: tuple[Finding, ...] = ()

    def checked(self) -> Settings:
        """These settings; BadConfig for the first finding that a worker must not start with."""
        for finding in self.findings:
            if finding.fatal:
                raise BadConfig(finding.what, where=finding.where, fix=finding.fix)
        return self

    def time_limit(self, type_: str, default: float) -> float:
        """Seconds of wall clock for a run of this type: this machine's, or the vault's where that is shorter."""
        return min(self.time_limits.get(type_, default), self.vault_time_limits.get(type_, float("inf")))
