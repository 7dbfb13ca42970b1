"""The settings as frozen values: what a vault may wish, what a machine may say, and what is in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field

from agent.config.tables import (
    Alerts,
    Alias,
    AliasTarget,
    Backends,
    Check,
    Embedded,
    Executor,
    Handoffs,
    Hours,
    Lead,
    ListedLog,
    ListedRepo,
    LocalLead,
    LocalModel,
    LocalSync,
    Mailbox,
    Money,
    Name,
    Network,
    Ollama,
    Price,
    Provider,
    Recipient,
    Sandbox,
    Seconds,
    Secrets,
    Section,
    Sync,
    Tasks,
    Watch,
    Worker,
)
from agent.errors import BadConfig


class Finding(NamedTuple):
    """Something in a settings file that was left aside. `fatal`: a worker does not start before it is mended."""

    what: str
    where: str
    fix: str
    fatal: bool = False


def _table(value: Any) -> Any:
    """`cheap = "ollama/qwen3:4b"` is short for a table with nothing but that model."""
    return {"model": value} if isinstance(value, str) else value


class VaultSettings(Section):
    """`gofer.toml`: what everybody who syncs the vault shares. It grants nothing."""

    active_hours: Hours = ""
    lead: Lead = Lead()
    watch: Watch = Watch()
    tasks: Tasks = Tasks()
    handoff: Handoffs = Handoffs()
    model: LocalModel = LocalModel()
    sync: Sync = Sync()
    aliases: Mapping[Name, Annotated[Alias, BeforeValidator(_table)]] = {}
    time_limits: Mapping[Name, Seconds] = {}


class LocalConfig(VaultSettings):
    """`config.toml`: the same keys, where they win, and everything that carries authority."""

    lead: LocalLead = LocalLead()
    sync: LocalSync = LocalSync()
    worker: Worker = Worker()
    ollama: Ollama = Ollama()
    backends: Backends = Backends()
    embedded: Embedded = Embedded()
    sandbox: Sandbox = Sandbox()
    money: Money = Money()
    network: Network = Network()
    secrets: Secrets = Secrets()
    prices: Mapping[AliasTarget, Price] = {}
    providers: Mapping[Name, Provider] = {}
    checks: Mapping[Name, Check] = {}
    executors: Mapping[Name, Executor] = {}
    alerts: Alerts = Alerts()
    repos: Mapping[Name, ListedRepo] = {}
    logs: Mapping[Name, ListedLog] = {}
    recipients: Mapping[Name, Recipient] = {}
    mailboxes: Mapping[Name, Mailbox] = {}


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

    @property
    def names(self) -> Mapping[str, str]:
        """`provider/model` by alias."""
        return {name: alias.model for name, alias in self.aliases.items()}

    def time_limit(self, type_: str, default: float) -> float:
        """Seconds of wall clock for a run of this type: this machine's, or the vault's where that is shorter."""
        return min(self.time_limits.get(type_, default), self.vault_time_limits.get(type_, float("inf")))
