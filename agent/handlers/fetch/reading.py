"""From the bytes of an answer to rows of values. Nothing is computed and nothing is guessed: a value that is not there,
or is not what the source says it is, is an anomaly.

Numbers stay as they were sent, digit for digit: `0.00001234` and 20-digit integers lose nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from agent.gate import OutputGate
from agent.handlers.fetch.grammar import Field
from agent.handlers.fetch.sources import Source

TEXT = 200  # characters of a text value
KEY = 120
MAX_DIGITS = 100  # of a number: longer ones are nonsense, or an attack
MAX_EXPONENT = 400
BEYOND = "a number beyond all measure"
GUESSED = 20  # fields, where a source names none

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_GATE = OutputGate()


class NotJson(ValueError):
    """The bytes are no JSON; the text says in which way."""


class Exact(float):
    """A number with a fraction, which knows the very text it was sent as."""

    sent: str


Exact.__name__ = "float"  # jmespath knows numbers by the name of their class


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was read: `values` holds each field that was there, as text; `numbers` names those that count."""

    key: str
    values: Mapping[str, str]
    numbers: frozenset[str] = frozenset()

    def number(self, name: str) -> Decimal | None:
        return number(self.values[name]) if name in self.numbers else None


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is not as it should be: what, and the row and field that it is about ("" for all)."""

    text: str
    key: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one answer said."""

    rows: tuple[Row, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    notes: tuple[str, ...] = ()


def decode(body: bytes) -> Any:
    """The JSON of a body, fractions as `Exact`. Raises NotJson; NaN and Infinity are no JSON."""
    try:
        return json.loads(body.decode("utf-8-sig"), parse_float=_exact, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise NotJson("it is not UTF-8") from None
    except RecursionError:
        raise NotJson("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise NotJson(" ".join(str(error).split())[:120]) from None
    except ValueError as error:
        raise error if isinstance(error, NotJson) else NotJson("a number in it has thousands of digits") from None


def number(text: str) -> Decimal | None:
    """A decimal number in text, exactly; None for anything else, and for sizes beyond all measure."""
    if len(text) > MAX_DIGITS or not _NUMBER.fullmatch(text) or not text.isascii():
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if not value or abs(value.adjusted()) <= MAX_EXPONENT else None


def find(path: str, document: Any) -> Any:
    """What a JMESPath finds; None where it finds nothing, or does not fit."""
    try:
        return jmespath.search(path, document)
    except (JMESPathError, TypeError, ValueError, ArithmeticError, RecursionError):
        return None


def read(source: Source, document: Any) -> Reading:
    """The rows of one document. One of which nothing could be read has at least one trouble."""
    reading = _read(source, document)
    if reading.rows or reading.troubles or not source.fields:
        return reading
    return Reading(troubles=(Trouble("none of its fields is there"),))


def _read(source: Source, document: Any) -> Reading:
    if source.wanted:
        row, wrong = _wanted(source, document)
        return Reading((row,) if row.values else (), tuple(wrong))
    if not source.items:
        fields = source.fields or guessed(document)
        row, wrong = _row(source, fields, document, safe(source.tag, KEY))
        return Reading((row,) if row.values else (), tuple(wrong))
    found = find(source.items, document)
    if not isinstance(found, list):
        return Reading(troubles=(Trouble(f"`{source.items}` is {_kind(found)}, not a list"),))
    rows: dict[str, Row] = {}
    troubles: list[Trouble] = []
    for place, item in enumerate(found[: source.limit]):
        key = _key(source, item, place)
        if not key or key in rows:
            what = f"two items have the key {key}; the first counts" if key else f"an item has no `{source.key}`"
            troubles.append(Trouble(what, key))
            continue
        row, more = _row(source, source.fields or guessed(item), item, key)
        rows[key] = row
        troubles += more
    if not found:
        troubles.append(Trouble(f"`{source.items}` is empty"))
    notes = (f"only the first {source.limit} of {len(found)} items were read",) if len(found) > source.limit else ()
    return Reading(tuple(row for row in rows.values() if row.values), tuple(troubles), notes)


def guessed(document: Any) -> tuple[Field, ...]:
    """The fields of a source that names none: the plain values at the top of the document."""
    if not isinstance(document, dict):
        return ()
    plain = [key for key, value in document.items() if isinstance(value, str | int | float)]
    return tuple(Field(name, json.dumps(name)) for name in plain[:GUESSED] if name.strip())


def safe(text: str, limit: int = TEXT) -> str:
    """Text from outside as one inert line, which no spreadsheet takes for a formula either."""
    line = _GATE.value(text, limit).strip()
    return f"'{line}" if line[:1] in ("=", "+", "-", "@") and number(line) is None else line


def _row(source: Source, fields: tuple[Field, ...], item: Any, key: str) -> tuple[Row, list[Trouble]]:
    values: dict[str, str] = {}
    numbers: set[str] = set()
    troubles: list[Trouble] = []
    for field in fields:
        found = find(field.path, item)
        wanted = field.kind or ("number" if field.name in source.must_be_number else "")
        if found is None:
            if not field.optional:
                troubles.append(Trouble(f"{field.name} is missing", key, field.name))
            continue
        text = _text(found)
        value = None if text is None or wanted == "text" or isinstance(found, bool) else number(text)
        if text is None or (value is None and (wanted == "number" or _kind(found) == BEYOND)):
            needs = "not a single value" if wanted != "number" else "not a number" if _kind(found) != BEYOND else ""
            shown = f" ('{safe(text, 40)}')" if text else ""
            said = ", ".join(part for part in (f"{field.name} is {_kind(found)}{shown}", needs) if part)
            troubles.append(Trouble(said, key, field.name))
            continue
        values[field.name] = text if value is not None else safe(text)
        if value is not None:
            numbers.add(field.name)
    return Row(key, values, frozenset(numbers)), troubles


def _wanted(source: Source, document: Any) -> tuple[Row, list[Trouble]]:
    """The values that bear the wanted names: at the top of the document, else where there is only one of them."""
    values: dict[str, str] = {}
    troubles: list[Trouble] = []
    for name in source.wanted:
        hits = [(depth, value) for key, depth, value in _named(document) if _folded(key) == _folded(name)]
        top = [value for depth, value in hits if depth == 0] or [value for _, value in hits]
        text = _text(top[0]) if len(top) == 1 else None
        if text is None:
            count = f"{len(top)} values are" if top else "no value is"
            troubles.append(Trouble(f"{count} called {safe(name, 40)}", field=name))
        else:
            values[safe(name)] = text if number(text) is not None else safe(text)
    return Row("", values, frozenset(name for name, text in values.items() if number(text) is not None)), troubles


def _named(document: Any) -> Iterator[tuple[str, int, Any]]:
    """Every single value that has a name, with its name and how deep it stands."""
    left = [(document, 0)]
    while left:
        part, depth = left.pop()
        if isinstance(part, dict):
            for key, value in part.items():
                if isinstance(value, dict | list):
                    left.append((value, depth + 1))
                elif value is not None:
                    yield key, depth, value
        elif isinstance(part, list):
            left += [(item, depth + 1) for item in part]


def _folded(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _key(source: Source, item: Any, place: int) -> str:
    if not source.key:
        return str(place + 1)
    found = find(source.key, item)
    text = _text(found)
    return safe(text, KEY) if text is not None else ""


def _text(value: Any) -> str | None:
    """A single value as it was sent; None for lists, objects and nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Exact):
        return value.sent
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int | float) else None


def _kind(value: Any) -> str:
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "true or false"
    kinds = {str: "text", dict: "an object", list: "a list"}
    return next((name for kind, name in kinds.items() if isinstance(value, kind)), BEYOND)


def _exact(text: str) -> Exact:
    found = Exact(text)
    found.sent = text
    return found


def _no_number(text: str) -> Any:
    raise NotJson(f"{text} is no number of JSON")
