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
# Keywords that only tell: a value fits whatever they say.
NOTES = frozenset({"title", "description", "$schema", "$id", "$comment", "default", "examples", "format"})
_KNOWN = frozenset({"type", "properties", "required", "additionalProperties", "items", "enum", "const"}) | NOTES
_KNOWN |= _BOUNDS.keys() | set(_BOUNDS.values())
MAX_DEPTH = 6  # levels of objects and lists of a schema that somebody wrote
MAX_PROPERTIES = 64  # of such a schema, on all levels together


def check(value: Any, schema: Mapping[str, Any], where: str = "the answer") -> None:
    """Nothing when `value` fits; ValueError that says which part does not, in words a model can act on.

    A keyword outside the subset raises NotImplementedError: silently ignored, it would let anything pass.
    """
    if unknown := sorted(schema.keys() - _KNOWN):
        raise NotImplementedError(f"JSON Schema keyword {unknown[0]!r} is not checked here")
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        raise ValueError(f"{where} must be of type {' or '.join(kinds)}")
    if "enum" in schema and not any(value == one and type(value) is type(one) for one in schema["enum"]):
        raise ValueError(f"{where} must be one of {', '.join(map(repr, schema['enum']))}")
    if "const" in schema and not (value == schema["const"] and type(value) is type(schema["const"])):
        raise ValueError(f"{where} must be {schema['const']!r}")
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


def must_be_usable(schema: Any, where: str = "the schema") -> None:
    """Nothing for a schema that `check` can hold answers against; ValueError with the part and the reason.

    Only the keywords that are checked, no `$ref`, at most MAX_DEPTH levels and MAX_PROPERTIES properties.
    """
    if _judged(schema, where, 1) > MAX_PROPERTIES:
        raise ValueError(f"{where} has more than {MAX_PROPERTIES} properties")


def _judged(schema: Any, where: str, depth: int) -> int:
    """How many properties a schema has, on all levels."""
    if not isinstance(schema, dict):
        raise ValueError(f"{where} must be an object")
    if depth > MAX_DEPTH:
        raise ValueError(f"{where} lies deeper than {MAX_DEPTH} levels")
    if unknown := sorted(schema.keys() - _KNOWN):
        raise ValueError(f"{where} uses the keyword {unknown[0]!r}, which is not checked here")
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if not isinstance(kinds, list) or not all(isinstance(kind, str) and kind in _TYPES for kind in kinds):
        raise ValueError(f"the type of {where} must be one of {', '.join(_TYPES)}, or a list of them")
    for name in ("enum", "required"):
        if name in schema and (not isinstance(schema[name], list) or (name == "enum" and not schema[name])):
            raise ValueError(f"{name!r} of {where} must be a list")
    if not all(isinstance(name, str) for name in schema.get("required", [])):
        raise ValueError(f"'required' of {where} must list names")
    if not isinstance(schema.get("additionalProperties", False), bool):
        raise ValueError(f"'additionalProperties' of {where} must be true or false")
    for name in _KNOWN & schema.keys() & (_BOUNDS.keys() | set(_BOUNDS.values())):
        if isinstance(schema[name], bool) or not isinstance(schema[name], int | float):
            raise ValueError(f"{name!r} of {where} must be a number")
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        raise ValueError(f"'properties' of {where} must be an object")
    count = len(properties)
    count += sum(_judged(part, f"{where}.{name}", depth + 1) for name, part in properties.items())
    return count + (_judged(schema["items"], f"{where}[]", depth + 1) if "items" in schema else 0)


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
