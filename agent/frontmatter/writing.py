"""Values as front matter: quoted when YAML would read another type, and so that editors show them as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from agent.frontmatter.mending import SUSPECT
from agent.text import utc

# What YAML 1.1 and 1.2 both read as text without quotes; checked against the resolver in tests.
_PLAIN = re.compile(r"[^\W\d_](?:[^:#\x00-\x1f\x7f-\xa0\u2028\u2029\ufeff\ud800-\udfff]|:(?=[^\s:])|(?<=[^\s])#)*")
_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"])
_HEX = re.compile(r"(?=[1-9][0-9be]*[acdf])[0-9a-f]+")
_MUST_ESCAPE = re.compile("[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def dump(mapping: Mapping[str, Any], body: str) -> str:
    """A file from values, in their order, and a body.

    Text is quoted when YAML would read it as another type. Numbers and booleans are written as they are; a
    datetime as `2026-11-20T09:30:00Z` in UTC and a date as `2026-11-20`, both without quotes; None as an empty value.
    """
    return f"---\n{export(mapping)}---\n{body}"


def export(mapping: Mapping[str, Any]) -> str:
    """The lines between the fences."""
    return "".join(pair(key, value) + "\n" for key, value in mapping.items())


def pair(key: str, value: Any) -> str:
    """`key: value`, or a key with one `- item` line per element of a list. No final line end."""
    name = _double(key) if ":" in key else _text(key)
    if isinstance(value, list | tuple) and value:
        return "\n".join([f"{name}:", *(f"  - {_scalar(item)}" for item in value)])
    text = _scalar(value)
    return f"{name}: {text}" if text else f"{name}:"


def _scalar(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f") if value - value == 0 else _text(str(value))
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_double(str(key))}: {_scalar(item) or 'null'}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(_in_flow(item) for item in value) + "]"
    raise TypeError(f"front matter holds text, numbers, lists and mappings, not {type(value).__name__}")


def _in_flow(value: Any) -> str:
    return _double(value) if isinstance(value, str) else _scalar(value) or "null"


def _text(value: str) -> str:
    if _HEX.fullmatch(value):
        return value
    plain = _PLAIN.fullmatch(value) and value[-1] not in " :" and value.lower() not in _WORDS
    return value if plain and not SUSPECT.search(value) else _double(value)


def _double(value: str) -> str:
    text = json.dumps(_SURROGATE.sub("\ufffd", value), ensure_ascii=False)
    return _MUST_ESCAPE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
