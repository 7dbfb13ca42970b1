"""The row on mining logs: realistic lines of many shapes, from bytes to the finished result, in this process."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from agent.handlers.logs.lines import entries
from agent.handlers.logs.mining import mine
from agent.handlers.logs.report import Shown, result_of
from tests.bench.place import Place
from tests.bench.rows import Row, Size

LINES = 200_000
TARGET = 20_000  # lines a second
WORDS = (
    "cache",
    "queue",
    "socket",
    "session",
    "token",
    "index",
    "shard",
    "bucket",
    "reader",
    "writer",
    "lease",
    "batch",
)
USERS = ("ada", "ben", "eve", "kim", "lea", "max", "zoe")


def rate(place: Place, size: Size) -> Iterator[Row]:
    count = LINES if size.rounds > 1 else LINES // 50
    data = "\n".join(_lines(count)).encode()
    rates, patterns = [], 0
    for _ in range(size.rounds):
        began = time.perf_counter()
        mined = mine(entries(data.decode("utf-8", "replace").splitlines(), datetime(2026, 11, 21, tzinfo=UTC)))
        result_of(mined, Shown(["app.log"], "", None, 20, first_time=True))
        rates.append(count / (time.perf_counter() - began))
        patterns = len(mined.patterns)
    found = statistics.median(rates)
    yield Row(
        f"`logs`: {count:,} lines ({len(data) >> 20} MiB) of {patterns} patterns, from bytes to the result",
        f"{found:,.0f} lines/s", "", "", f"≥ {TARGET:,} lines/s", found >= TARGET,
    )  # fmt: skip


def _lines(count: int) -> Iterator[str]:
    """A few shapes that are most of the log, 300 rarer ones, values that differ in every line, and stack traces."""
    dice, at = random.Random(7), datetime(2026, 11, 20, tzinfo=UTC)
    letters = "abcdefghijklmnopqrstuvwxyz"
    rare = [" ".join("".join(dice.choices(letters, k=dice.randrange(3, 9))) for _ in range(dice.randrange(4, 13)))
            for _ in range(300)]  # fmt: skip
    for _ in range(count):
        at += timedelta(milliseconds=dice.randrange(800))
        stamp, word, other = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z", *dice.sample(WORDS, 2)
        number, kind = dice.randrange(10**6), dice.random()
        if kind < 0.4:
            yield f"{stamp} INFO request id={dice.getrandbits(64):016x} GET /api/{word}/{number} took {number % 900} ms"
        elif kind < 0.55:
            yield f"{stamp} DEBUG {word} {other} resized from {number} to {number * 2} by user {dice.choice(USERS)}"
        elif kind < 0.7:
            yield f"{stamp} WARN [{word}] retry {number % 5} for 10.0.{number % 255}.{number % 99}:80 after {kind:.3f}"
        elif kind < 0.8:
            yield f"{stamp} ERROR {word}: failed to open {other} /var/data/{word}/{number}.bin: no such file"
        elif kind < 0.97:
            yield f"{stamp} INFO {dice.choice(rare)} {number} {dice.choice(rare).split()[0]}"
        else:
            yield f"    at org.example.{word}.{other.title()}.run({other.title()}.java:{number % 400})"
