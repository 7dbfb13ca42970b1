"""The checks that a machine registers, as handlers see them: to be chosen by name, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.errors import Refused


@dataclass(frozen=True, slots=True)
class Registered:
    """A check as this machine's settings register it: its other names, the values that each argument may have (the
    first is the default), and the names of the folder that it looks at."""

    name: str
    aliases: tuple[str, ...] = ()
    args: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """How a check ended. `why` is empty when it passed: "exit code 1"; `output` is what it printed, bounded; `fence`
    says what sandbox was around it."""

    why: str
    seconds: float
    output: str
    fence: str


class CheckDoor(Protocol):
    """The checks that this machine's settings register, and no other command.

    `run` takes a name and, of the registered values, one for each argument that is not to have its default. It raises
    Refused when the check is not registered or not the registered one any more, or cannot be started.
    """

    @property
    def listed(self) -> Sequence[Registered]: ...

    def run(self, name: str, chosen: Mapping[str, str]) -> Checked: ...


class NoChecks:
    """The door where none is registered."""

    listed: Sequence[Registered] = ()

    def run(self, name: str, chosen: Mapping[str, str]) -> Checked:
        raise Refused(
            f"no check is registered as '{name}' here",
            fix=f"add [checks.{name}] with argv and sha256 to this machine's config.toml",
        )
