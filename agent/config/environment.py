"""What the machine and its environment add: places, names, the model server's address, secrets to keep out."""

from __future__ import annotations

import fnmatch
import hashlib
import ipaddress
import os
import socket
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from agent.config.values import Finding, LocalConfig
from agent.errors import BadConfig
from agent.text import slug

OLLAMA_PORT = 11434
_SECRET_NAMES = ("*TOKEN", "*_KEY", "*SECRET", "*PASSWORD")
_SHORTEST_SECRET = 8  # a shorter value would blot out ordinary words


def local_config_path(env: Mapping[str, str]) -> Path:
    """This machine's own file: `GOFER_CONFIG`, else `config.toml` in the user's configuration folder."""
    if named := env.get("GOFER_CONFIG"):
        return Path(named).expanduser()
    from platformdirs import user_config_path  # noqa: PLC0415  (20 ms, and often not needed)

    return user_config_path("gofer", appauthor=False) / "config.toml"


def state_dir(vault: Path, env: Mapping[str, str]) -> Path:
    """Where everything lies that is neither the person's nor in git: one folder for each vault, outside of it.

    `<slug of the folder's name>-<12 hex of sha256 of its real path>` in `GOFER_STATE_DIR`, else in the user's
    state folder. Not created. Raises BadConfig when it would lie inside the vault.
    """
    real = Path(os.path.realpath(vault))
    if named := env.get("GOFER_STATE_DIR"):
        base = Path(os.path.realpath(Path(named).expanduser()))
    else:
        from platformdirs import user_state_path  # noqa: PLC0415

        base = user_state_path("gofer", appauthor=False)
    if base.is_relative_to(real):
        raise BadConfig(
            "the state folder lies inside the vault",
            where=str(base),
            why="it would be synced and committed",
            fix="set GOFER_STATE_DIR to a folder outside the vault",
        )
    return base / f"{slug(real.name)}-{hashlib.sha256(os.fsencode(real)).hexdigest()[:12]}"


def worker_name(vault: Path, local: LocalConfig) -> str:
    """The name in this machine's settings, else `<host>-<4 hex>` of the machine and the clone's real path."""
    if local.worker.name:
        return local.worker.name
    place = f"{_machine_id()}\n{os.path.realpath(vault)}"
    host = slug(socket.gethostname().partition(".")[0])[:32].strip("-")
    return f"{host}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:4]}"


def _machine_id() -> str:
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            if text := Path(path).read_text("ascii").strip():
                return text
        except (OSError, UnicodeDecodeError):
            continue
    node = uuid.getnode()
    return "" if node >> 40 & 1 else f"{node:012x}"  # with that bit it is no hardware address but made up anew


def ollama_host(named: str, env: Mapping[str, str], findings: list[Finding]) -> str:
    """The model server's address. `OLLAMA_HOST` is often set for the server and by others: loopback or nothing."""
    own = env.get("GOFER_OLLAMA_HOST")
    for text, where in ((own, "GOFER_OLLAMA_HOST"), (named, "ollama.host in config.toml")):
        if not text:
            continue
        if url := _server_url(text):
            return url
        fix = "write it like http://127.0.0.1:11434"
        findings.append(Finding("the model server's address cannot be read", where, fix, fatal=True))
    if text := env.get("OLLAMA_HOST"):
        url = _server_url(text)
        if url and is_loopback(url):
            return url
        fix = "to use another machine, set GOFER_OLLAMA_HOST or ollama.host in this machine's config.toml"
        findings.append(Finding("OLLAMA_HOST is ignored: it is no address of this machine", "OLLAMA_HOST", fix))
    return f"http://127.0.0.1:{OLLAMA_PORT}"


def _server_url(text: str) -> str:
    """`http://host:port` from any form that Ollama reads, "" when it is none."""
    text = text.strip().rstrip("/")
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname or "127.0.0.1", parts.port
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or parts.username or parts.query or parts.fragment or parts.path:
        return ""
    if host in {"0.0.0.0", "::"}:  # noqa: S104  (where a server listens; a client reaches it on loopback)
        host = "127.0.0.1"
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{port or OLLAMA_PORT}"


def is_loopback(url: str) -> bool:
    """Whether the address cannot leave this machine. Looks nothing up."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def secret_values(local: LocalConfig, env: Mapping[str, str]) -> Iterator[str]:
    """Values that must never be written anywhere: of the environment, by name, and of the machine's own keys."""
    patterns = [
        *_SECRET_NAMES,
        *local.secrets.env,
        *(provider.key_env for provider in local.providers.values() if provider.key_env),
        *(secret.env for secret in local.network.secrets.values() if secret.env),
    ]
    found = {
        value for name, value in env.items() if any(fnmatch.fnmatchcase(name.upper(), p.upper()) for p in patterns)
    }
    found |= {provider.key.get_secret_value() for provider in local.providers.values() if provider.key}
    found |= {secret.value.get_secret_value() for secret in local.network.secrets.values() if secret.value}
    yield from sorted(value for value in found if len(value) >= _SHORTEST_SECRET)
