"""Thresholds: what of a reading calls for a look, by the alerts that its source and its task state."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, DecimalException

from agent.handlers.fetch.grammar import Alert
from agent.handlers.fetch.history import History, column
from agent.handlers.fetch.reading import Row, number
from agent.handlers.fetch.sources import Source

_SIGNS: Mapping[str, Callable[[Decimal, Decimal], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}
KEY_SHOWN = 20  # characters
_EXACT = Context(prec=60, traps=[])  # an overflow is no number, and no exception


@dataclass(frozen=True, slots=True)
class Crossing:
    """An alert that holds: a sentence with the value, its unit and what it was before. `mark` is the same as long as
    it goes on."""

    mark: str
    text: str


def crossed(source: Source, rows: Sequence[Row], history: History, now: datetime) -> Iterator[Crossing]:
    """Every alert that holds now."""
    for alert in source.alerts:
        if alert.test == "stale":
            yield from _stale(source, rows, history, alert, now)
            continue
        for row in rows:
            if said := _of_row(source, row, history, alert, now):
                yield Crossing(f"{source.name} {row.key}: {alert.text}", f"{name_of(source, row)}: {said}")


def percent(before: Decimal, after: Decimal) -> Decimal | None:
    """By how much it changed, in percent of what it was; None where that has no meaning."""
    try:
        change = _EXACT.multiply(_EXACT.divide(_EXACT.subtract(after, before), abs(before)), Decimal(100))
    except DecimalException:
        return None
    return change if change.is_finite() else None


def percent_text(change: Decimal) -> str:
    """`+1.25 %`; what is less than a hundredth shows its own digits."""
    if abs(change) >= Decimal("1e9"):
        return f"{change:+.2e} %"
    return f"{change:+.2f} %" if abs(change) >= Decimal("0.01") or not change else f"{change:+.2g} %"


def before(source: Source, history: History, key: str, name: str) -> Decimal | None:
    """The last recorded number of a field, in the same unit."""
    known = history.known(key, column(source, name))
    return number(known.text) if known else None


def age(then: datetime, now: datetime) -> str:
    """`45 s`, `12 min`, `3 h`, `5 days`: how long ago, for people."""
    seconds = max(0.0, (now - then).total_seconds())
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size or (unit != "days" and seconds >= size):
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


def name_of(source: Source, row: Row) -> str:
    """What a row is called in a sentence: its source, the text that it has of its own, its key where that is short."""
    own = next((row.values[f.name] for f in source.fields if f.kind == "text" and row.values.get(f.name)), "")
    return " ".join(part for part in (source.name, own, short(row.key)) if part)


def short(key: str) -> str:
    """A key, or the ends of one that is as long as an address."""
    return key if len(key) <= KEY_SHOWN else f"{key[:6]}…{key[-4:]}"


def with_unit(source: Source, name: str, text: str) -> str:
    return f"{text} {source.units[name]}" if name in source.units else text


def _of_row(source: Source, row: Row, history: History, alert: Alert, now: datetime) -> str:
    """What the alert says of a row; "" when it does not hold, or cannot be judged."""
    name = alert.field
    if alert.test == "missing":
        return f"{name} is missing" if name not in row.values else ""
    value, was = row.number(name), before(source, history, row.key, name)
    if value is None:
        return ""
    change = percent(was, value) if was is not None else None
    if alert.test == "value":
        holds = _SIGNS[alert.sign](value, alert.limit)
    elif was is None:
        holds = False
    elif change is None:  # from zero: any change is more than any percentage
        holds = _moved(alert, value - was)
    else:
        holds = _SIGNS[alert.sign]({"rises": change, "falls": -change}.get(alert.test, abs(change)), alert.limit)
    if not holds:
        return ""
    shown = f"{name} is {with_unit(source, name, row.values[name])}, alert {alert.text}"
    known = history.known(row.key, column(source, name))
    if known is None or was is None:
        return shown
    told = [f"before: {with_unit(source, name, known.text)}"]
    told += [percent_text(change)] if change is not None else []
    return f"{shown} ({', '.join([*told, f'{age(known.at, now)} ago'])})"


def _moved(alert: Alert, by: Decimal) -> bool:
    return by != 0 if alert.test == "change" else by > 0 if alert.test == "rises" else by < 0


def _stale(source: Source, rows: Sequence[Row], history: History, alert: Alert, now: datetime) -> Iterator[Crossing]:
    """No new value for too long. A source that was never recorded is not stale, it is new or failed."""
    fresh = {row.key: row for row in rows}
    for key, past in history.last.items():
        row = fresh.get(key)
        known = past.values
        if row and any(known.get(column(source, n)) != value for n, value in row.values.items()):
            continue
        if (rows and not row) or (now - past.at).total_seconds() <= alert.limit:
            continue  # with rows, what is not among them is another task's
        text = f"{source.name} {short(key)}".strip() + f": no new value for {age(past.at, now)}, alert {alert.text}"
        yield Crossing(f"{source.name} {key}: {alert.text}", text)
