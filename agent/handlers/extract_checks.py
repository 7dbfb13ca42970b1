"""Holding extracted values against the material: what is not there was invented, and becomes null."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from agent.handlers.extract_facts import Facts, all_numbers, number_readings, occurs, parse_day, plain

_MINUS = re.compile(r"(?:(?<![\w)])-|\(|\bminus )\s?[€$£]?\s?(\d+(?:[.,'_]\d+)*)")


@dataclass(frozen=True, slots=True)
class Material:
    """A text in the forms in which values are looked for in it."""

    plain: str
    facts: Facts

    @staticmethod
    def of(text: str) -> Material:
        return Material(plain(text), all_numbers(text))


@dataclass(slots=True)
class Verdict:
    """How many values there were, which of them (by the path of their field) were invented, which fields are empty."""

    values: int = 0
    invented: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)


def held(value: Any, schema: Mapping[str, Any], material: Material, verdict: Verdict, where: str = "") -> Any:
    """The value, with null for what the material does not hold and dates in ISO form; counted in `verdict`."""
    if "properties" in schema and isinstance(value, dict):
        return {
            name: held(value.get(name), part, material, verdict, f"{where}.{name}" if where else name)
            for name, part in schema["properties"].items()
        }
    if "items" in schema and isinstance(value, list):
        kept = (held(one, schema["items"], material, verdict, f"{where}[{place}]") for place, one in enumerate(value))
        return [one for one in kept if one is not None]
    if value is None or (isinstance(value, str) and not value.strip()):
        verdict.empty.append(where)
        return None
    verdict.values += 1
    found = _found(value, schema, material)
    if found is None:
        verdict.invented.append(where)
    return found


def _found(value: Any, schema: Mapping[str, Any], material: Material) -> Any:
    """The value as it is kept, or None when the material does not hold it."""
    if "enum" in schema or "const" in schema or isinstance(value, bool):
        return value  # chosen among what the person named: there is nothing to look for
    if isinstance(value, int | float):
        number = abs(Decimal(repr(value)))
        return value if material.facts.has_number(number) and (value >= 0 or _negative(number, material)) else None
    if schema.get("format") == "date":
        day = parse_day(value)
        if day is None or not material.facts.has_date((day.year, day.month, day.day)):
            return None
        return day.isoformat()
    return value.strip() if occurs(value, material.plain) else None


def _negative(number: Decimal, material: Material) -> bool:
    """Whether the text gives this number a minus: digits alone would make a debt of every sum."""
    return any(number in number_readings(found[1]) for found in _MINUS.finditer(material.plain))
