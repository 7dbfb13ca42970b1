"""The report on what was fetched: what is wrong first, then thresholds, then the readings, a table, a chart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from agent.handlers.fetch.fetching import Fetched
from agent.handlers.fetch.history import History, column
from agent.handlers.fetch.reading import Row, number
from agent.handlers.fetch.sources import Source
from agent.handlers.fetch.thresholds import Crossing, age, before, name_of, percent, percent_text, short, with_unit
from agent.text import shorten, utc
from agent.vault.values import Change, Chart, Result, Section, Status, Table

SHOWN = 10  # rows that findings spell out; the table shows them all
FIELDS = 8  # of a row in findings
TABLED = 200  # rows of all tables together; the history has every one
CHARTS = 3
POINTS = 60  # of a chart
LINE = 400


@dataclass(frozen=True, slots=True)
class Judged:
    """A source with what was found in it. `news` are the rows that say something new."""

    fetched: Fetched
    history: History
    alerts: tuple[Crossing, ...]
    news: tuple[Row, ...]
    change: Change | None = None

    @property
    def source(self) -> Source:
        return self.fetched.source

    @property
    def complaints(self) -> dict[str, str]:
        """All that is not as it should be: a mark that stays the same as long as it does → a sentence."""
        name, why, troubles = self.source.name, self.fetched.why, self.fetched.reading.troubles
        said = {name: f"{name}: {why}"} if why else {}
        said |= {
            f"{name} {t.key}: {t.field or t.text}": f"{f'{name} {short(t.key)}'.strip()}: {t.text}" for t in troubles
        }
        return said | {crossing.mark: crossing.text for crossing in self.alerts}


def result(judged: Sequence[Judged], now: datetime, over: Sequence[str] = ()) -> Result:
    """The whole result; `over` is what an earlier one told and is not so any more."""
    wrong = [line for one in judged for line in _wrong(one, now)]
    alerts = [f"threshold: {line.text}" for one in judged for line in one.alerts]
    failed = [one for one in judged if not (one.fetched.reading.rows or one.fetched.text)]
    findings = [*wrong, *alerts, *(f"over: {line}" for line in over), *_readings(judged, now), *_notes(judged)]
    return Result(
        status=Status.FAILED if len(failed) == len(judged) else Status.NEEDS_REVIEW if wrong else Status.DONE,
        findings=tuple(shorten(line, LINE) for line in findings),
        actions=tuple(shorten(f"look at {line}", LINE) for line in [*wrong, *alerts]),
        sections=tuple(_sections(judged, now)),
        raw="\n".join(_raw(judged)),
        changes=tuple(one.change for one in judged if one.change),
    )


def _wrong(one: Judged, now: datetime) -> Iterator[str]:
    """What failed or is not as it was, with the last that is known and how old that is."""
    fetched, name = one.fetched, one.source.name
    if fetched.why:
        yield f"{name}: {fetched.why}. {_last(one, now)}"
    for trouble in fetched.reading.troubles:
        known = one.history.known(trouble.key, column(one.source, trouble.field))
        last = f"; last recorded {age(known.at, now)} ago: {known.text}" if known else ""
        yield f"{f'{name} {short(trouble.key)}'.strip()}: {trouble.text}{last}"


def _last(one: Judged, now: datetime) -> str:
    newest = one.history.rows[-1] if one.history.rows else None
    if not newest:
        return "Nothing was ever recorded of it"
    said = ", ".join(f"{name} {value}" for name, value in list(newest.values.items())[:FIELDS])
    return f"Last recorded {age(newest.at, now)} ago{f' ({short(newest.key)})' if newest.key else ''}: {said}"


def _readings(judged: Sequence[Judged], now: datetime) -> Iterator[str]:
    rows = [(one, row) for one in judged for row in one.fetched.reading.rows]
    for one, row in rows[:SHOWN]:
        values = ", ".join(_value(one, row, name) for name in list(row.values)[:FIELDS])
        more = f", … {len(row.values) - FIELDS} more" if len(row.values) > FIELDS else ""
        since = f" (unchanged, read {age(one.fetched.unchanged, now)} ago)" if one.fetched.unchanged else ""
        yield f"{name_of(one.source, row)}: {values}{more}{since}"
    if len(rows) > SHOWN:
        yield f"… and {len(rows) - SHOWN} more rows of {len(judged)} sources, in the table below"
    for one in judged:
        if one.fetched.text and not one.fetched.reading.rows:
            yield f"{one.source.name}: {len(one.fetched.text):,} characters, in Raw Data below"


def _value(one: Judged, row: Row, name: str) -> str:
    return f"{name} {with_unit(one.source, name, row.values[name])}{_since(one, row, name)}"


def _since(one: Judged, row: Row, name: str) -> str:
    value, was = row.number(name), before(one.source, one.history, row.key, name)
    change = percent(was, value) if value is not None and was is not None else None
    return f" ({percent_text(change)})" if change else ""


def _notes(judged: Sequence[Judged]) -> Iterator[str]:
    if (rows := sum(len(one.fetched.reading.rows) for one in judged)) > TABLED:
        yield f"the tables show {TABLED} of {rows:,} rows; the history has them all"
    for one in judged:
        yield from (f"{one.source.name}: {note}" for note in one.fetched.reading.notes)
        yield from (f"{one.source.name}: {path} is no history and was left aside" for path in one.history.spoilt)


def _sections(judged: Sequence[Judged], now: datetime) -> Iterator[Section]:
    """A table for all sources that have the same columns, then a chart for each of the first sources with a past."""
    groups: dict[tuple[str, ...], list[tuple[Judged, Row]]] = {}
    for one in judged:
        rows = one.fetched.reading.rows
        names = dict.fromkeys(column(one.source, name) for row in rows for name in row.values)
        groups.setdefault(tuple(names), []).extend((one, row) for row in rows)
    room = TABLED
    for columns, members in groups.items():
        if members and room > 0:
            yield _tabled(columns, members[:room])
            room -= len(members)
    charts = (chart for one in judged if (chart := _chart(one, now)))
    yield from (Section("History", "", chart=chart) for chart in islice(charts, CHARTS))


def _tabled(columns: Sequence[str], members: Sequence[tuple[Judged, Row]]) -> Section:
    sources = list(dict.fromkeys(one.source.name for one, _ in members))
    several = len(sources) > 1
    lines = []
    for one, row in members:
        name = f"{one.source.name} {row.key}".strip() if several or not row.key else row.key
        said = {column(one.source, field): _cell(one, row, field) for field in row.values}
        lines.append((name, *(said.get(title, "") for title in columns)))
    header = ("source" if several or not members[0][1].key else "key", *columns)
    return Section("Readings" if several else f"Readings: {sources[0]}", "", Table(header, tuple(lines)))


def _cell(one: Judged, row: Row, name: str) -> str:
    return f"{row.values[name]}{_since(one, row, name)}"


def _chart(one: Judged, now: datetime) -> Chart | None:
    """The history of the first number of the first row."""
    rows = [row for row in one.fetched.reading.rows if row.numbers]
    if not rows:
        return None
    row = rows[0]
    name = next(name for name in row.values if name in row.numbers)
    own = column(one.source, name)
    past = [(old.at, number(old.values.get(own, ""))) for old in one.history.rows if old.key == row.key]
    points = [(at, value) for at, value in [*past, (now, row.number(name))] if value is not None][-POINTS:]
    if len(points) < 2:
        return None
    times, values = zip(*points, strict=True)
    return Chart(f"{name} of {name_of(one.source, row)}", one.source.units.get(name, ""), times, values)


def _raw(judged: Sequence[Judged]) -> Iterator[str]:
    """A line of JSON for each row, values as they were sent; else what was answered."""
    for one in judged:
        if one.fetched.text:
            yield one.fetched.text
        read = {"read": utc(one.fetched.unchanged)} if one.fetched.unchanged else {}
        for row in one.fetched.reading.rows if one.source.fields else ():
            said = {"source": one.source.name, "key": row.key, **read, "values": dict(row.values)}
            yield json.dumps(said, ensure_ascii=False, separators=(",", ":"))
