"""What an `extract` task wants to know: fields or a JSON Schema, as the one schema that the model answers in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.errors import Refused
from agent.models.schema import MAX_PROPERTIES, NOTES, must_be_usable

MAX_INFERRED = 12
MAX_RECORDS = 100
SNAKE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_FIELD = re.compile(r"([^\W\d][\w .-]{0,59}?)\s*(?::\s*([A-Za-z]+))?")
_FENCE = re.compile(r"^```json[ \t]*\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE | re.IGNORECASE)
_KINDS: Mapping[str, Mapping[str, Any]] = {
    "text": {"type": "string"},
    "number": {"type": "number"},
    "integer": {"type": "integer"},
    "date": {"type": "string", "format": "date"},
    "boolean": {"type": "boolean"},
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The schema of one record as the person means it, and whether there are several records."""

    schema: Mapping[str, Any]
    many: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.schema["properties"])

    @property
    def flat(self) -> bool:
        """Whether a record is a row of a table: no field holds fields or lists."""
        return not any(part.keys() & {"properties", "items"} for part in self.schema["properties"].values())


def from_fields(fields: Sequence[str], *, many: bool) -> Wanted:
    """`name` or `name:type`. ValueError with the entry that cannot be used."""
    properties: dict[str, Any] = {}
    for entry in fields:
        match = _FIELD.fullmatch(entry.strip())
        kind = ((match[2] or "text") if match else "").lower()
        if match is None or kind not in _KINDS:
            raise ValueError(f"'{entry[:60]}' is no field: write name or name:type, with {', '.join(_KINDS)}")
        if match[1] in properties:
            raise ValueError(f"the field '{match[1]}' is named twice")
        properties[match[1]] = dict(_KINDS[kind])
    if not 1 <= len(properties) <= MAX_PROPERTIES:
        raise ValueError(f"between 1 and {MAX_PROPERTIES} fields can be asked for")
    return Wanted({"type": "object", "properties": properties}, many)


def from_schema(text: str, *, many: bool, where: str) -> Wanted:
    """A JSON Schema of an object, or of a list of objects. Raises Refused with the part that cannot be used."""
    try:
        schema = json.loads(text)
        must_be_usable(schema)
        if isinstance(schema.get("items"), dict) and schema.get("type") == "array":
            schema, many = schema["items"], True
        if not schema.get("properties") or schema.get("type", "object") != "object":
            raise ValueError("the schema must be of an object with properties, or of a list of such objects")
        _must_be_typed(schema, "the schema")
    except (ValueError, RecursionError) as error:
        raise Refused(
            "this JSON Schema cannot be used",
            where=where,
            why=str(error) or "it is nested too deeply",
            fix="use type, properties, items, required, enum, const and bounds, without references, or list `fields`",
        ) from None
    return Wanted(schema, many)


def fenced_schema(text: str) -> tuple[str, str]:
    """The ```json block of a request that holds a schema with properties, and the request without it; "" for none."""
    for match in _FENCE.finditer(text):
        try:
            found = json.loads(match[1])
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and ("properties" in found or (found.get("type") == "array" and "items" in found)):
            return match[1], (text[: match.start()] + text[match.end() :]).strip()
    return "", text


def answer_schema(wanted: Wanted, confidence: Mapping[str, Any]) -> dict[str, Any]:
    """What the model fills in: every field is there, and every value may be null."""
    record = _nullable(wanted.schema, top=True)
    part = (
        {"records": {"type": "array", "items": record, "maxItems": MAX_RECORDS}} if wanted.many else {"record": record}
    )
    properties = {**part, "known": {"type": "boolean"}, "confidence": confidence}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _nullable(schema: Mapping[str, Any], *, top: bool = False) -> dict[str, Any]:
    kept = {key: value for key, value in schema.items() if key not in NOTES or key == "description"}
    if "properties" in schema:
        kept["properties"] = {name: _nullable(part) for name, part in schema["properties"].items()}
        return {**kept, "type": "object", "required": list(schema["properties"]), "additionalProperties": False}
    if "items" in schema:
        return {**kept, "type": "array", "items": _nullable(schema["items"])}
    if "const" in kept:
        kept["enum"] = [kept.pop("const")]
    if "enum" in kept:
        return {"enum": [*(one for one in kept["enum"] if one is not None), None]}
    kinds = kept["type"] if isinstance(kept["type"], list) else [kept["type"]]
    return {**kept, "type": [*(kind for kind in kinds if kind != "null"), "null"]} if not top else kept


def _must_be_typed(schema: Mapping[str, Any], where: str) -> None:
    """A leaf without a type or a choice could hold anything, which nothing can check."""
    if "properties" in schema:
        if schema.get("type", "object") != "object":
            raise ValueError(f"{where} has properties and must be of type object")
        for name, part in schema["properties"].items():
            _must_be_typed(part, f"{where}.{name}")
    elif "items" in schema:
        if schema.get("type", "array") != "array":
            raise ValueError(f"{where} has items and must be of type array")
        _must_be_typed(schema["items"], f"{where}[]")
    elif "enum" not in schema and "const" not in schema:
        kinds = schema.get("type") or []
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if not set(kinds) - {"null"} or set(kinds) & {"object", "array"}:
            raise ValueError(f"{where} needs a type of its own: string, number, integer or boolean")
