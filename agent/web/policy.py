"""What this machine's settings let tasks do at which host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from agent.config.tables import HostPolicy, Network
from agent.errors import Refused
from agent.web.addresses import OWN, is_own, verdict
from agent.web.target import Target, target_of

PORTS = (80, 443, 8080, 8443)  # of public hosts; what else listens there mostly speaks something else than HTTP


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one machine. `granted`: hosts with ports that another of its settings names, for one purpose."""

    network: Network
    env: Mapping[str, str] = field(repr=False)
    granted: frozenset[str] = frozenset()

    def granting(self, urls: Sequence[str]) -> Policy:
        """The same, and what these URLs of this machine's own settings name may be reached and posted to. One that
        cannot be read grants nothing: it is told when somebody asks for it."""
        entries = set()
        for url in urls:
            with suppress(Refused):
                entries.add(target_of(url).entry)
        return replace(self, granted=self.granted | entries)

    def check(self, target: Target, method: str) -> None:
        """Raise Refused when the host, the port or the method is not allowed. Looks nothing up."""
        if any(policy.blocked for policy in self._policies(target)):
            fix = f'take blocked out of [network.hosts."{target.name}"] in this machine\'s config.toml'
            raise Refused("this machine's settings block the host", where=target.shown, fix=fix)
        if target.is_address:  # its own reason says more than its port's
            self.reachable(target, [target.host])
        if target.port not in PORTS and not self._named(target):
            why = f"public hosts are reached at ports {', '.join(map(str, PORTS))}"
            raise Refused("the port is not reached", where=target.shown, why=why, fix=_allow(target))
        if method == "POST" and target.entry not in self.granted and not any(p.post for p in self._policies(target)):
            fix = f'add [network.hosts."{target.site}"] with post = true to this machine\'s config.toml'
            raise Refused("nothing may be sent to this host", where=target.shown, fix=fix)

    def reachable(self, target: Target, addresses: Sequence[str]) -> list[str]:
        """The addresses of a host, each of which may be reached. Raises Refused when one of them may not."""
        found = [ip_address(text.partition("%")[0]) for text in dict.fromkeys(addresses)]
        judged = [(address, verdict(address)) for address in found]
        if not any(why for _, why in judged):
            judged = [(address, OWN) for address in found if is_own(address)]
        for address, why in judged:
            if why and not (why.grantable and self._named(target)):
                where = target.shown if str(address) == target.host else f"{target.shown} ({address})"
                fix = _allow(target) if why.grantable else ""
                raise Refused("the address may not be reached by a task", where=where, why=why.why, fix=fix)
        return [str(address) for address in found]

    def per_minute(self, target: Target) -> float:
        """How many requests a minute its server gets from this machine."""
        rates = (policy.per_minute for policy in self._policies(target) if policy.per_minute)
        return next(rates, self.network.per_minute)

    def secret(self, name: str, target: Target, addresses: Sequence[str]) -> str:
        """The value of a header, with its prefix. Raises Refused when the secret may not go there: it is bound to its
        hosts, and over plain http it goes to this machine and private networks only."""
        secret = self.network.secrets.get(name)
        if secret is None:
            fix = f'add [network.secrets.{name}] with env = "…" and hosts = ["{target.site}"] to it'
            raise Refused(f"this machine's config.toml has no secret '{name}'", where=target.shown, fix=fix)
        if target.name not in secret.hosts and target.entry not in secret.hosts:
            fix = f'if it is meant for this host, add "{target.site}" to its hosts in this machine\'s config.toml'
            raise Refused(f"the secret '{name}' is not for this host", where=target.shown, fix=fix)
        if target.scheme != "https" and not all(verdict(ip_address(text)) for text in addresses):
            raise Refused(f"the secret '{name}' is not sent over plain http", where=target.shown, fix="use https")
        value = secret.value.get_secret_value() if secret.value else self.env.get(secret.env, "")
        if not value:
            fix = f"set {secret.env or 'its env or value'} where the worker is started"
            raise Refused(f"the secret '{name}' is empty", where=f"network.secrets.{name} of config.toml", fix=fix)
        if not (value.isascii() and value.isprintable()):
            why = "it holds a line break, or characters beyond ASCII"
            raise Refused(f"the secret '{name}' does not fit into a header", why=why, fix="take it out of its value")
        return secret.prefix + value

    def _named(self, target: Target) -> bool:
        named = self.network.allowed_hosts
        return target.name in named or target.entry in named or target.entry in self.granted

    def _policies(self, target: Target) -> list[HostPolicy]:
        """What is said of it, that of its port first."""
        hosts = self.network.hosts
        return [hosts[key] for key in (target.entry, target.name) if key in hosts]


def _allow(target: Target) -> str:
    return f'add "{target.entry}" to allowed_hosts in [network] of this machine\'s config.toml'
