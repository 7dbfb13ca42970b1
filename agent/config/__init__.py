"""Settings: what the vault wishes (`gofer.toml`), what this machine allows (`config.toml`), and both merged.

The vault has no authority: anyone who can push can write it. So a plain key of the vault counts where the
machine's own file is silent, a limit counts only when it is narrower than the machine's, and endpoints, keys,
commands, hosts and money are read from the machine's file alone. Whatever is left aside becomes a `Finding`.

Importing this costs as much as pydantic (about 0.1 s): the command line imports it inside its verbs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agent.config.environment import local_config_path, ollama_host, secret_values, state_dir, worker_name
from agent.config.reading import SettingsFile, judged, read_settings
from agent.config.values import Finding, LocalConfig, LocalLead, LocalSync, Section, Settings, VaultSettings, limit_of

__all__ = ["Finding", "LocalConfig", "Settings", "VaultSettings", "load_settings", "state_dir", "worker_name"]

VAULT_FILE = "gofer.toml"
_RESERVED = frozenset({"auto", "none", "local", "lead"})  # words of a task's `model` key
_BACKENDS = frozenset({"ollama", "embedded", "command"})  # what a target may begin with without being set up
_ONLY_LOCAL = (
    *((table,) for table in LocalConfig.model_fields if table not in VaultSettings.model_fields),
    *(
        (table, key)
        for table, mine in (("sync", LocalSync), ("lead", LocalLead))
        for key in mine.model_fields.keys() - mine.__base__.model_fields.keys()  # type: ignore[union-attr]
    ),
)


def load_settings(vault: Path, env: Mapping[str, str]) -> Settings:
    """Both files merged. Never raises for what they say: a reader goes on with defaults, and `findings` tells.

    A worker calls `.checked()` on the result, which raises BadConfig when a file is broken.
    """
    findings: list[Finding] = []
    local_path = local_config_path(env)
    local = judged(LocalConfig, read_settings(local_path, str(local_path), findings, follow=True), findings)
    file = read_settings(vault / VAULT_FILE, VAULT_FILE, findings, follow=False)
    wanted = judged(VaultSettings, _without_authority(file, findings), findings)
    aliases = {**wanted.aliases, **local.aliases}
    for word in sorted(_RESERVED & aliases.keys()):
        del aliases[word]
        findings.append(Finding(f"the alias '{word}' would hide a word", file.at("aliases", word), "rename it"))
    providers = {name: provider for name, provider in local.providers.items() if name not in _BACKENDS}
    for word in sorted(_BACKENDS & local.providers.keys()):
        findings.append(
            Finding(f"the provider '{word}' would hide a backend", str(local_path), "rename it", fatal=True)
        )
    changed = {
        **_merged(wanted, local, file, findings),
        "aliases": aliases,
        "providers": providers,
        "worker": local.worker.model_copy(update={"name": worker_name(vault, local)}),
        "ollama": local.ollama.model_copy(update={"host": ollama_host(local.ollama.host, env, findings)}),
        "vault_active_hours": wanted.active_hours,
        "vault_time_limits": wanted.time_limits,
        "secret_values": tuple(secret_values(local, env)),
        "findings": tuple(findings),
    }
    return Settings().model_copy(update=dict(local) | changed)


def _without_authority(file: SettingsFile, findings: list[Finding]) -> SettingsFile:
    """The vault's wishes without the keys that only a machine's own file may hold."""
    for path in _ONLY_LOCAL:
        parent = file.data if len(path) == 1 else file.data.get(path[0])
        if isinstance(parent, dict) and path[-1] in parent:
            what = f"'{'.'.join(path)}' is ignored here: a vault grants nothing"
            findings.append(Finding(what, file.at(*path), "move it to this machine's own config.toml"))
            file = file.without(path)
    return file


def _merged(
    wanted: VaultSettings, local: LocalConfig, file: SettingsFile, findings: list[Finding]
) -> dict[str, Section]:
    """Each table of both files in one: the machine's keys win, and a limit of the vault's may only be narrower."""
    merged: dict[str, Section] = {}
    for table, theirs in wanted:
        if not isinstance(theirs, Section):
            continue
        mine = getattr(local, table)
        taken = {}
        for key in sorted(theirs.model_fields_set):
            value, allowed = getattr(theirs, key), getattr(mine, key)
            limit = limit_of(type(theirs), key)
            if limit and limit.wider(value, allowed):
                what = f"'{table}.{key} = {value}' is wider than this machine allows; {allowed} stays in force"
                fix = "make it narrower, or widen it in this machine's own config.toml"
                findings.append(Finding(what, file.at(table, key), fix))
            elif limit or key not in mine.model_fields_set:
                taken[key] = value
        merged[table] = mine.model_copy(update=taken)
    return merged
