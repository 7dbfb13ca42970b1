"""What the desk and its worker processes say to each other: length-prefixed pickles over inherited pipes.

Pickle, because both ends are the same program at the same version, started by one another, with the same rights, and
nobody else holds an end of the pipe. It must never be used for what comes from a file or a socket.
"""

from __future__ import annotations

import copyreg
import pickle
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

from agent.claims import Claim
from agent.config import Settings
from agent.runner import Ended
from agent.vault.values import Decision, Task

_LENGTH = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Hello:
    """From the desk, first: the vault, and the settings that are in force. Nothing is read anew in the child, so both
    always mean the same."""

    root: Path
    common_dir: Path  # of its git
    state: Path
    settings: Settings


@dataclass(frozen=True, slots=True)
class Job:
    """From the desk: run this. Jobs are run in the order of their coming."""

    number: int
    task: Task
    decision: Decision
    claim: Claim
    started: datetime
    limit: float  # seconds, from the moment it begins
    folder: Path
    facts: Mapping[str, Any]
    cancelled: bool
    worker: str  # the name of the one who runs it: files of which each worker has its own carry it


@dataclass(frozen=True, slots=True)
class Cancel:
    """From the desk: this run shall end itself."""

    number: int


@dataclass(frozen=True, slots=True)
class Settled:
    """From the desk: what these runs proposed is in the vault, or dropped."""

    numbers: frozenset[int]


@dataclass(frozen=True, slots=True)
class Ready:
    """From the child, first: it can work. If it dies before, no task is to blame."""


@dataclass(frozen=True, slots=True)
class Done:
    """From the child: how a run ended, and how long it took."""

    number: int
    end: Ended
    seconds: float


def pack(message: object) -> bytes:
    """One message as it goes through the pipe."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


def receive(pipe: BinaryIO) -> Any:
    """The next message; EOFError when the other end is closed, also in the middle of one."""
    (length,) = _LENGTH.unpack(_exactly(pipe, _LENGTH.size))
    return pickle.loads(_exactly(pipe, length))  # noqa: S301  (see above)


def _exactly(pipe: BinaryIO, size: int) -> bytes:
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _frozen(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(mapping)


copyreg.pickle(MappingProxyType, lambda mapping: (_frozen, (dict(mapping),)))  # tasks hold one; pickle knows it not
