"""A vault with schedules, and a desk whose clock the test sets."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent import clock
from agent.desk import Desk
from agent.journal import Record
from agent.road import road
from tests.support import Vault

NOON = datetime(2030, 5, 6, 12, 0, tzinfo=UTC)  # a Monday, long after every file of the test was written


def beat(header: str = "every: 30m", type_: str = "heartbeat") -> str:
    """A schedule of a type that has nothing to say when all is well."""
    return f"---\ntype: {type_}\n{header}\n---\nAll well?\n"


def line(header: str = "every: 30m", path: str = "notes/log.md") -> str:
    """A schedule each of whose runs appends a line to a note."""
    return f'---\ntype: file\nop: append\npath: {path}\ntext: "tick"\n{header}\n---\n'


@dataclass(slots=True)
class Driven:
    """A desk, and what time it is."""

    desk: Desk
    bell: threading.Event
    now: datetime

    def at(self, now: datetime | str, *, seconds: float = 20.0) -> list[Record]:
        """It is this time (`13:30` of the same day); travel until nothing moves. What was published."""
        if isinstance(now, str):
            hour, _, minute = now.partition(":")
            now = self.now.replace(hour=int(hour), minute=int(minute), second=0)
        self.now, ended = now, []
        clock._SKEW = now.timestamp() - time.time()
        deadline = time.monotonic() + seconds
        self.desk.catch_up()
        while True:
            self.bell.clear()
            tick = road(self.desk, self.now)
            ended += tick.published
            if not (tick.more or tick.published or tick.running or tick.settling or tick.soon or tick.owed):
                return ended
            assert time.monotonic() < deadline, f"nothing comes to rest: {tick}"
            self.bell.wait(0.02)

    def after(self, minutes: float) -> list[Record]:
        return self.at(self.now + timedelta(minutes=minutes))

    @property
    def waiting(self) -> dict[str, str]:
        return {path: rest.reason for path, rest in self.desk.intake.resting.items()}


@contextmanager
def desk(vault: Vault, now: datetime = NOON) -> Iterator[Driven]:
    """A worker of this clone that has looked once."""
    bell = threading.Event()
    opened = Desk(vault.root, vault.env, ring=bell.set)
    try:
        driven = Driven(opened, bell, now)
        driven.at(now)
        yield driven
    finally:
        opened.close()
        clock._SKEW = 0.0


def ids(records: list[Record]) -> list[str]:
    return [record.task for record in records]


def schedule(vault: Vault, name: str, text: str) -> Path:
    return vault.write(f"inbox/schedules/{name}.md", text)
