"""The one-line grammars of a source: `price:number = pairs[0].priceUsd`, `price = USD`, `price change > 5%`,
`Authorization = secret:github`. Front matter is flat, so each entry of a list is one line.

Every function raises ValueError with a sentence that says how the line is written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from agent.vault.conversions import seconds

MAX_PATH = 500  # characters of a JMESPath expression
MAX_COPIES = 1000  # of what was sent, that an expression may make: `[@,@].[@,@]` makes four

_NAME = r"[^\W\d_]\w{0,39}"
_FIELD = re.compile(rf"({_NAME})(?::(number|text))?(\?)? *= *(.+)", re.DOTALL)
_UNIT = re.compile(rf"({_NAME}) *= *([^\W_][\w /%.^-]{{0,19}}|[%$€£¥₿])")
_HEADER = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,63}) *[=:] *([\x20-\x7e]{1,500})")
_SECRET = re.compile(r"secret: *([A-Za-z0-9][A-Za-z0-9_.-]{0,63})")
_NUMBER = r"([+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?)"
_VALUE = re.compile(rf"({_NAME}) *(<=|>=|!=|==|=|<|>) *{_NUMBER}")
_CHANGE = re.compile(rf"({_NAME}) +(change|changes|rises|falls) *(>=|>) *{_NUMBER} *%")
_MISSING = re.compile(rf"({_NAME}) +(?:is +)?missing")
_STALE = re.compile(r"stale *> *(.+)")
# What may say who asks: a literal value would be a secret in a file that is committed.
_CREDENTIALS = re.compile(
    r"(?:.*[-_])?(?:authorization|cookie|token|secret|password|auth|(?:api|access|auth|private|secret|pro)[-_]?key)"
)
_OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})


@dataclass(frozen=True, slots=True)
class Field:
    """One value to be read: its name, where it stands (JMESPath), what it must be ("" is either), and whether it may
    be absent."""

    name: str
    path: str
    kind: str = ""  # number, text or ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Alert:
    """One threshold. `test` is value, change, rises, falls, missing or stale; `limit` a number, percent or seconds."""

    text: str
    test: str
    field: str = ""
    sign: str = ""
    limit: Decimal = Decimal(0)


def field(line: str) -> Field:
    """`price = pairs[0].priceUsd`; `price:number = …` says what it must be, `fdv? = …` that it may be absent."""
    found = _FIELD.fullmatch(line.strip())
    if not found:
        raise ValueError(f"`{line}` is no field: write it as name = path, e.g. price:number = pairs[0].priceUsd")
    name, kind, optional, path = found.groups()
    return Field(name, expression(path.strip()), kind or "", bool(optional))


def expression(path: str) -> str:
    """A JMESPath expression that can be compiled."""
    if len(path) > MAX_PATH:
        raise ValueError(f"the path is longer than {MAX_PATH} characters")
    try:
        copies = _copies(jmespath.compile(path).parsed)
    except (JMESPathError, RecursionError) as error:
        why = " ".join(str(error).split())[:200]
        raise ValueError(f"`{path}` is no JMESPath: {why}") from None
    if copies > MAX_COPIES:
        raise ValueError(f"`{path}` copies the answer more than {MAX_COPIES:,} times")
    return path


def _copies(node: Mapping[str, Any]) -> int:
    """How many times an expression may hold what it is given: those side by side add up, those in a row multiply."""
    inner = [_copies(child) for child in node["children"] if isinstance(child, dict)]
    side_by_side = node["type"] in ("multi_select_list", "multi_select_dict")
    return max(1, sum(inner)) if side_by_side else math.prod(inner)


def unit(line: str) -> tuple[str, str]:
    """`price = USD`."""
    found = _UNIT.fullmatch(line.strip())
    if not found:
        raise ValueError(f"`{line}` is no unit: write it as name = unit, e.g. price = USD")
    return found[1], found[2].strip()


def header(line: str) -> tuple[str, str, str]:
    """`Accept-Language = en`, or `Authorization = secret:NAME`: its name, its value, the name of its secret."""
    found = _HEADER.fullmatch(line.strip())
    if not found:
        raise ValueError(
            f"`{line.partition('=')[0].strip()}` is no header: write it as Name = value or Name = secret:NAME"
        )
    name, value = found[1], found[2].strip()
    if name.lower() in _OWN_HEADERS:
        raise ValueError(f"the header {name} is set by Gofer alone")
    if secret := _SECRET.fullmatch(value):
        return name, "", secret[1]
    if _CREDENTIALS.fullmatch(name.lower()):
        raise ValueError(f"{name} may only name a secret of this machine's settings: {name} = secret:NAME")
    return name, value, ""


def alert(line: str) -> Alert:
    """`price < 100`, `price change > 5%`, `price rises > 5%`, `price missing`, `stale > 2h`."""
    text = " ".join(line.split())
    if found := _STALE.fullmatch(text):
        try:
            return Alert(text, "stale", limit=Decimal(seconds(found[1])))
        except ValueError:
            raise ValueError(f"`{text}`: {found[1]} is no time; write 30m, 2h or 1d") from None
    if found := _MISSING.fullmatch(text):
        return Alert(text, "missing", found[1])
    if found := _CHANGE.fullmatch(text):
        test = found[2].removesuffix("s") if found[2] == "changes" else found[2]
        return Alert(text, test, found[1], found[3], abs(Decimal(found[4])))
    if found := _VALUE.fullmatch(text):
        return Alert(text, "value", found[1], found[2].replace("==", "="), Decimal(found[3]))
    raise ValueError(
        f"`{text}` is no alert: write price < 100, price change > 5%, price rises > 5%, price missing or stale > 2h"
    )
