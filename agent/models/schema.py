"""Checking a model's JSON against the part of JSON Schema (draft 2020-12) that Gofer's own questions use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_BOUNDS = {
    "minItems": "maxItems",
    "minLength": "maxLength",
    "minimum": "maximum",
}
_KNOWN = frozenset({"type", "properties", "required", "additionalProperties", "items", "enum", "title", "description"})
_KNOWN |= _BOUNDS.keys() | set(_BOUNDS.values())


def check(value: Any, schema: Mapping[str, Any], where: str = "the answer") -> None:
    """Nothing when `value` fits; ValueError that says which part does not, in words a model can act on.

    A keyword outside the subset raises NotImplementedError: silently ignored, it would let anything pass.
    """
    if unknown := sorted(schema.keys() - _KNOWN):
        raise NotImplementedError(f"JSON Schema keyword {unknown[0]!r} is not checked here")
    if "type" in schema and not _is(value, schema["type"]):
        raise ValueError(f"{where} must be of type {schema['type']}")
    if "enum" in schema and not any(value == one and type(value) is type(one) for one in schema["enum"]):
        raise ValueError(f"{where} must be one of {', '.join(map(repr, schema['enum']))}")
    if isinstance(value, dict):
        _check_object(value, schema, where)
    elif isinstance(value, list):
        _check_size(len(value), schema, "minItems", f"{where} must have {{}} items")
        for place, item in enumerate(value):
            check(item, schema.get("items", {}), f"{where}[{place}]")
    elif isinstance(value, str):
        _check_size(len(value), schema, "minLength", f"{where} must have {{}} characters")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _check_size(value, schema, "minimum", f"{where} must be {{}}")


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):  # in Python a bool is an int, in JSON it is not a number
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()  # 1.0 is an integer in JSON Schema
    return isinstance(value, _TYPES[name])


def _check_object(value: Mapping[str, Any], schema: Mapping[str, Any], where: str) -> None:
    properties: Mapping[str, Any] = schema.get("properties", {})
    required: Sequence[str] = schema.get("required", ())
    for name in required:
        if name not in value:
            raise ValueError(f"{where} lacks {name!r}")
    for name, part in value.items():
        if name in properties:
            check(part, properties[name], f"{where}.{name}")
        elif schema.get("additionalProperties", True) is False:
            raise ValueError(f"{where} has {name!r}, which was not asked for")


def _check_size(size: float, schema: Mapping[str, Any], low: str, words: str) -> None:
    high = _BOUNDS[low]
    if low in schema and not size >= schema[low]:  # `not >=`, so that NaN fits nowhere
        raise ValueError(words.format(f"at least {schema[low]}"))
    if high in schema and not size <= schema[high]:
        raise ValueError(words.format(f"at most {schema[high]}"))
