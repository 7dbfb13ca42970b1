"""What was spent on paid models, and the caps: checked before a call is sent, with the most that it can cost.

One SQLite file for all vaults and workers of this machine. A reservation counts at its worst case until the real cost
is known, for ever if that never happens: who is killed in the middle may well have been billed. Amounts in the file
are whole nano-dollars, so that no sum drifts.

The file is made whole under another name and linked into place, so an empty or foreign file in its place is damage,
never a beginning. The rollback journal is kept instead of the write-ahead log: writes are rare, and the log needs
shared memory, which home folders on a network do not have.
"""

from __future__ import annotations

import math
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from pathlib import Path

from agent.config.tables import Money
from agent.errors import Busy, Doubt, GoferError, PersonMustAct
from agent.money.prices import Price
from agent.text import shorten, utc

NANO = 10**9
PATIENCE = 30.0  # seconds that a process waits for the others
HINT_TOKENS = 1024  # the gate's second try adds a sentence to the prompt, with at most 200 characters of any script
_FORMAT = 0x60FE0001  # SQLite's application_id: this file is Gofer's, of this form
_TABLES = f"""
PRAGMA application_id = {_FORMAT};
CREATE TABLE calls (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  task TEXT NOT NULL,
  at TEXT NOT NULL,      -- UTC, 2026-11-20T09:30:00Z
  worst INTEGER NOT NULL CHECK (worst >= 0),
  actual INTEGER CHECK (actual >= 0)  -- NULL: not known, and then the worst case counts
) STRICT;
CREATE INDEX by_time ON calls (at);
CREATE INDEX by_task ON calls (task);
"""
_SUM = "SELECT COALESCE(SUM(COALESCE(actual, worst)), 0) FROM calls WHERE "


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money set aside for one call."""

    id: int
    task: str
    worst_usd: float


@dataclass(frozen=True, slots=True)
class Spent:
    """What counts against the caps, in US dollars. `open` is the part of the month's that is still a worst case."""

    task: float
    day: float
    month: float
    open: float


def worst_case(prompt_tokens: int, output_tokens: int, price: Price | None, attempts: int = 2) -> float | None:
    """The most that a question can cost in US dollars, None when the price is unknown.

    `prompt_tokens`: a careful estimate of everything sent; `output_tokens`: the limit of the answer with its thinking.
    A second attempt sends a longer prompt and may use twice the output (see `agent.models.gate`).
    """
    if price is None:
        return None
    again = max(0, attempts - 1)
    sent = prompt_tokens + again * (prompt_tokens + HINT_TOKENS)
    made = output_tokens + again * 2 * output_tokens
    return (sent * price.most_input + made * price.most_output) / 1e6


class Spending:
    """The account of this machine. `path` is the file, made at the first reservation; `caps` are the machine's.

    A file that is damaged or cannot be written raises PersonMustAct, and Busy means that others held it for too long:
    nothing paid may be sent then.
    """

    def __init__(self, path: Path, caps: Money) -> None:
        self._path, self._caps = path, caps
        self._looked_over = False

    def reserve(self, task: str, worst_usd: float | None, *, budget: float | None, now: datetime) -> Reservation:
        """Set the worst case aside, before anything is sent. `task`: the same text for all attempts of a task, and
        different in other vaults. `budget`: the task's own cap in US dollars, which only narrows.

        Raises Doubt `budget` when a cap would be passed or the price is unknown.
        """
        if worst_usd is None or math.isnan(worst_usd) or worst_usd < 0:
            raise _over("its price is unknown and a cap is in force", _SET_A_PRICE)
        worst = _nano(min(worst_usd, 1e9), ROUND_CEILING)
        at = utc(now)
        with self._changing() as rows:
            if worst:
                self._check(rows, task, worst, budget, at)
            cursor = rows.execute("INSERT INTO calls (task, at, worst) VALUES (?, ?, ?)", (task, at, worst))
            return Reservation(int(cursor.lastrowid or 0), task, worst / NANO)

    def settle(self, reservation: Reservation, actual_usd: float | None) -> None:
        """Put the real cost in the worst case's place. None, or a number that is no price: the worst case stays.
        The first known cost stands. If this raises, the worst case goes on counting."""
        if actual_usd is None or not math.isfinite(actual_usd) or actual_usd < 0:
            return
        actual = _nano(min(actual_usd, 1e9), ROUND_HALF_EVEN)
        with self._changing() as rows:
            rows.execute("UPDATE calls SET actual = ? WHERE id = ? AND actual IS NULL", (actual, reservation.id))

    def release(self, reservation: Reservation) -> None:
        """Give a reservation back. Only when surely nothing was sent."""
        with self._changing() as rows:
            rows.execute("DELETE FROM calls WHERE id = ? AND actual IS NULL", (reservation.id,))

    def spent(self, now: datetime, task: str = "") -> Spent:
        """What counts now: of a task, of this UTC day and of this UTC month. No file means that nothing was spent."""
        if not self._path.exists():
            return Spent(0.0, 0.0, 0.0, 0.0)
        at = utc(now)
        with self._opened() as rows:
            spans = (("task = ?", task), ("at GLOB ?", f"{at[:10]}*"), ("at GLOB ?", f"{at[:7]}*"))
            sums = [_sum(rows, where, value) for where, value in spans]
            held = _sum(rows, "actual IS NULL AND at GLOB ?", f"{at[:7]}*")
        return Spent(*(amount / NANO for amount in (*sums, held)))

    def _check(self, rows: sqlite3.Connection, task: str, worst: int, budget: float | None, at: str) -> None:
        caps = self._caps
        for cap, whose, setting, where, value in (
            (budget, "this task's budget", "budget_usd in the task's header", "task = ?", task),
            (caps.per_task_usd, "the cap for a task", "money.per_task_usd", "task = ?", task),
            (caps.per_day_usd, "the cap for a day", "money.per_day_usd", "at GLOB ?", f"{at[:10]}*"),
            (caps.per_month_usd, "the cap for a month", "money.per_month_usd", "at GLOB ?", f"{at[:7]}*"),
        ):
            if cap is None:
                continue
            place = setting if cap is budget and setting.startswith("budget") else f"{setting} in config.toml"
            if cap <= 0:
                raise _over(f"{whose} is 0, which allows no paid model", f"raise {place}")
            spent = _sum(rows, where, value)
            if spent + worst > _nano(cap, ROUND_FLOOR):
                told = f"{whose} is {_dollars(_nano(cap, ROUND_FLOOR))}, {_dollars(spent)} of it counts as spent"
                raise _over(f"{told}, and this call can cost up to {_dollars(worst)}", f"raise {place}")

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """A connection that no other process writes beside, from the first look to the last word."""
        self._make()
        with self._opened() as rows:
            rows.execute("BEGIN IMMEDIATE")
            try:
                yield rows
                rows.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    rows.execute("ROLLBACK")
                raise

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            place = f"{self._path.absolute().as_uri()}?mode=rw"
            with closing(sqlite3.connect(place, timeout=PATIENCE, isolation_level=None, uri=True)) as rows:
                self._look_over(rows)
                yield rows
        except (sqlite3.Error, OSError) as error:
            raise self._trouble(error) from None

    def _look_over(self, rows: sqlite3.Connection) -> None:
        if self._looked_over:
            return
        if rows.execute("PRAGMA application_id").fetchone() != (_FORMAT,):
            raise sqlite3.DatabaseError("it is empty, or not an account of Gofer's")
        if (said := rows.execute("PRAGMA quick_check(1)").fetchone()) != ("ok",):
            raise sqlite3.DatabaseError(str(said[0]))
        self._looked_over = True

    def _make(self) -> None:
        """The file, whole at once; another process may be first."""
        if self._path.exists():
            return
        hidden = self._path.with_name(f".{self._path.name}-{secrets.token_hex(6)}.tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(hidden, os.O_CREAT | os.O_EXCL, 0o600))
            try:
                with closing(sqlite3.connect(hidden, isolation_level=None)) as rows:
                    rows.executescript(_TABLES)
                with suppress(FileExistsError):
                    os.link(hidden, self._path)
            finally:
                hidden.unlink(missing_ok=True)
        except (sqlite3.Error, OSError) as error:
            raise self._trouble(error) from None

    def _trouble(self, error: Exception) -> GoferError:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            return Busy("the account of what was spent is held by another process", where=str(self._path))
        return PersonMustAct(
            "the account of what was spent cannot be used, so no paid model is asked",
            where=str(self._path),
            why=shorten(str(error), 200),
            fix="make it writable; if it is damaged, move it away: then Gofer counts from zero, so lower "
            "money.per_day_usd and money.per_month_usd in config.toml by what your provider has billed already",
        )


_SET_A_PRICE = 'state it in config.toml: [prices."provider/model"] with input, output and dated, or gofer prices import'


def _over(why: str, fix: str) -> Doubt:
    return Doubt(
        "no paid model may be asked",
        reason="budget",
        tried="nothing was sent to a paid model",
        why=f"{why}; to allow it, {fix}",
    )


def _sum(rows: sqlite3.Connection, where: str, value: str) -> int:
    return int(rows.execute(_SUM + where, (value,)).fetchone()[0])


def _nano(usd: float, rounding: str) -> int:
    """By way of the shortest decimal that means this float, so that 0.1 is a tenth."""
    return int((Decimal(repr(float(usd))) * NANO).to_integral_value(rounding))


def _dollars(nano: int) -> str:
    return f"${nano / NANO:.6f}".rstrip("0").ljust(len(f"${nano // NANO}.00"), "0")
