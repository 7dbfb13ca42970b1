"""One ledger file as sums: its lines grouped by everything that a summary may ask for."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple

LOCAL = frozenset({"none", "ollama", "llama.cpp", "fake", "embedded"})  # providers whose answers cost no money
LEAD = "lead"
HANDED_OFF = "handed-off"
MOST = 10**10  # tokens, checks, seconds or dollars in one line; far more would not fit a column in the end
TOLD = 20  # broken lines of one file that are told one by one
WORD = 200  # characters of a name that are kept

_DAY = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])")


class Key(NamedTuple):
    """What the runs of one bucket have in common. Days are UTC; flags are 0 or 1, absent words are ""."""

    day: str
    type: str
    role: str
    tier: str
    model: str
    provider: str
    status: str
    reason: str  # of a hand-off
    paid: int  # the lead, or a model that costs money
    estimated: int  # nobody stated the token counts
    baseline_estimated: int
    baseline_model: str
    price_date: str


class Sums(NamedTuple):
    """What they took together. Money is US dollars over the runs where it is known, `…_known` counts those."""

    runs: int
    spoke: int  # runs with tokens
    input_tokens: int
    output_tokens: int
    cost: float
    cost_known: int
    baseline: float  # of a handed-off run 0
    baseline_known: int
    saved: float  # baseline − cost
    saved_known: int  # runs where both are known
    seconds: float


@dataclass(frozen=True, slots=True)
class Broken:
    """A line that cannot be counted; lines are numbered from 1."""

    line: int
    why: str


Buckets = dict[Key, Sums]


def buckets(data: bytes) -> tuple[Buckets, list[Broken]]:
    """Sum up the lines of a ledger file. A torn last line (no newline: its writer was killed) is left out; any other
    line that cannot be read is told, and the rest still counts."""
    found: dict[Key, list[float]] = {}
    broken: list[Broken] = []
    keys: dict[tuple[Any, ...], Key] = {}
    lines = data.decode("utf-8", "replace").split("\n")
    last = len(lines)
    for number, raw in enumerate(lines, 1):
        if not raw or raw.isspace():
            continue
        try:
            key, values = _counted(raw, keys)
        except (ValueError, TypeError, RecursionError) as error:
            if number < last and len(broken) < TOLD:
                broken.append(Broken(number, str(error)[:WORD] or type(error).__name__))
            continue
        if (sums := found.get(key)) is None:
            found[key] = list(values)
        else:
            for place, value in enumerate(values):
                sums[place] += value
    return {key: Sums(*sums) for key, sums in found.items()}, broken  # type: ignore[arg-type]


def _counted(raw: str, keys: dict[tuple[Any, ...], Key]) -> tuple[Key, Sums]:
    """One line. ValueError when it is no ledger line."""
    row = json.loads(raw)
    if not isinstance(row, dict):
        raise ValueError("it is not a JSON object")
    day = row.get("finished")
    if not isinstance(day, str) or not _DAY.match(day):
        raise ValueError("`finished` is not a time")
    if "quiet" in row:
        return _quiet(day[:10], row)
    get = row.get
    status = get("status")
    taken, given = _count(row, "input_tokens"), _count(row, "output_tokens")
    cost, baseline = _money(get("cost_usd")), _money(get("baseline_usd"))
    reason = None
    if status == HANDED_OFF:
        baseline = 0.0  # it replaced nothing: the answer that ends the task is compared with the baseline
        reason = get("reason")
    # Code asks no model: what is estimated of its run are the tokens of the baseline.
    vague, code = get("estimated") is True, get("provider") == "none"
    guessed = get("baseline_estimated") is True or (vague and code)
    said = (
        *(day[:10], get("type"), get("role"), get("tier"), get("model"), get("provider"), status, reason, cost == 0),
        *(vague and not code, guessed, get("baseline_model"), get("price_date")),
    )
    if (key := keys.get(said)) is None:  # TypeError: a word is a list or an object
        key = keys[said] = _key(*said)
    both = cost is not None and baseline is not None
    sums = Sums(
        1,
        int(taken + given > 0),
        taken,
        given,
        cost or 0.0,
        int(cost is not None),
        baseline or 0.0,
        int(baseline is not None),
        (baseline or 0.0) - (cost or 0.0) if both else 0.0,
        int(both),
        _money(get("duration_s")) or 0.0,
    )
    return key, sums


def _key(
    day: str, kind: object, role: object, tier: object, model: object, provider: object, status: object,
    reason: object, free: bool, estimated: bool, guessed: bool, baseline: object, dated: object,
) -> Key:  # fmt: skip
    by = _word(provider)
    return Key(
        day,
        _word(kind),
        _word(role),
        _word(tier),
        _word(model),
        by,
        _word(status),
        _word(reason) if status == HANDED_OFF else "",
        int(by == LEAD or (by not in LOCAL and not free)),
        int(estimated),
        int(guessed),
        _word(baseline, ""),
        _word(dated, ""),
    )


def _quiet(day: str, row: dict[str, Any]) -> tuple[Key, Sums]:
    """Checks that had nothing to say: so many runs of code, which cost nothing."""
    count, baseline = _count(row, "quiet"), _money(row.get("baseline_usd"))
    compared, known = baseline or 0.0, count if baseline is not None else 0
    key = Key(
        day,
        _word(row.get("type"), "heartbeat"),
        _word(row.get("role"), "heartbeat"),
        _word(row.get("tier"), "trivial"),
        "none",
        "none",
        _word(row.get("status"), "done"),
        "",
        0,
        0,
        int(row.get("estimated") is True),
        _word(row.get("baseline_model"), ""),
        _word(row.get("price_date"), ""),
    )
    return key, Sums(count, 0, 0, 0, 0.0, count, compared, known, compared, known, 0.0)


def _word(value: object, otherwise: str = "unknown") -> str:
    # A lone surrogate, which JSON can spell, is no text that a database or a terminal takes.
    if not isinstance(value, str) or not value:
        return otherwise
    return value[:WORD] if value.isascii() else value[:WORD].encode("utf-8", "replace").decode("utf-8")


def _count(row: dict[str, Any], key: str) -> int:
    value = row.get(key)
    if value is None:
        return 0
    if type(value) is not int or not 0 <= value <= MOST:
        raise ValueError(f"`{key}` is not a count")
    return value


def _money(value: object) -> float | None:
    """A number that is known; whatever else stands there is unknown."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST or not isfinite(value):
        return None
    return float(value)
