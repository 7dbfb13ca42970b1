"""Reading one settings file: parsed, judged key by key, and everything that does not fit told with its line."""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from agent.config.tables import Section
from agent.config.values import Finding
from agent.text import shorten

_LARGEST_FILE = 64 * 1024
_MOST_DOTS = 100  # in a line
_DEPTH = 3  # of every key that means something; what lies deeper is never looked at
_MOST_FINDINGS = 50  # a file full of nonsense is told once, not ten thousand times
_WHERE_TOML_SAYS = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_T = TypeVar("_T", bound=Section)


@dataclass(frozen=True)
class SettingsFile:
    """What a file holds, and on which line each key stands. One that is not there, or is broken, holds nothing."""

    name: str
    data: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict)

    def at(self, *path: str) -> str:
        """`gofer.toml, line 7`: where this key or the nearest table around it stands."""
        for end in range(len(path), 0, -1):
            if line := self.lines.get(path[:end]):
                return f"{self.name}, line {line}"
        return self.name

    def without(self, *paths: tuple[str, ...]) -> SettingsFile:
        """A copy that lacks these keys."""
        data = _copied(self.data)
        for *tables, key in paths:
            inner: Any = data
            for table in tables:
                inner = inner.get(table) if isinstance(inner, dict) else None
            if isinstance(inner, dict):
                inner.pop(key, None)
        return replace(self, data=data)


def read_settings(path: Path, name: str, findings: list[Finding], *, follow: bool) -> SettingsFile:
    """The file as it stands. What cannot be read or parsed is a fatal finding; a missing file is none."""
    what, where, fix = "", name, "mend that line"
    try:
        text = _text(path, follow=follow)
        if any(line.count(".") > _MOST_DOTS for line in text.splitlines()):
            raise RecursionError  # the parser's time grows with the square of a dotted key's length
        return SettingsFile(name, tomllib.loads(text), _line_numbers(text))
    except FileNotFoundError:
        return SettingsFile(name)
    except UnicodeDecodeError:
        what, fix = "the settings are not UTF-8", "save the file as UTF-8"
    except OSError as error:
        what, fix = f"the settings cannot be read: {error.strerror}", "make it a regular file that you may read"
    except (ValueError, RecursionError) as error:
        said = _WHERE_TOML_SAYS.search(str(error))
        why = str(error)[: said.start()] if said else "it nests too deeply or holds a number that is too large"
        what = f"the settings are not TOML: {why}"
        where = f"{name}, line {said[1] or len(text.splitlines())}" if said else name
    findings.append(Finding(what, where, fix, fatal=True))
    return SettingsFile(name)


def judged(model: type[_T], file: SettingsFile, findings: list[Finding]) -> _T:
    """The file's data as a model; every key that does not fit is left out and told."""
    while True:
        try:
            return model.model_validate(file.data)
        except ValidationError as refused:
            unfit: list[tuple[str, ...]] = []
            for error in refused.errors(include_url=False, include_context=False, include_input=False):
                parts = tuple(str(part) for part in error["loc"] if isinstance(part, str) and part != "[key]")
                path = _within(file.data, parts) if error["type"] != "missing" else parts
                if len(unfit) < _MOST_FINDINGS:
                    findings.append(_finding(model, error["type"], error["msg"], ".".join(path), file.at(*path)))
                unfit.append(path[:-1] if error["type"] == "missing" else path)
            file = file.without(*unfit)


def _within(data: Any, path: tuple[str, ...]) -> tuple[str, ...]:
    """The part of a path that the file itself has: a short form stands for a table that is not there."""
    for length, part in enumerate(path):
        if not isinstance(data, Mapping) or part not in data:
            return path[:length]
        data = data[part]
    return path


def dotted_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key that a file may hold: `watch.settle_seconds`, `providers.<name>.url`, `aliases.<name>`."""
    for name, info in model.model_fields.items():
        kind: Any = info.annotation
        path = prefix + name
        if get_origin(kind) is Mapping:
            path, kind = f"{path}.<name>", get_args(kind)[1]
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from dotted_keys(kind, f"{path}.")
        else:
            yield path


def _text(path: Path, *, follow: bool) -> str:
    # The vault's file is a stranger's: a link would lead out of the vault, a pipe would block for ever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | (0 if follow else getattr(os, "O_NOFOLLOW", 0))
    with open(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "it is not a regular file")
        raw = file.read(_LARGEST_FILE + 1)
    if len(raw) > _LARGEST_FILE:
        raise OSError(0, "it is larger than 64 KiB")
    return raw.decode("utf-8-sig")


def _copied(data: Mapping[str, Any], depth: int = _DEPTH) -> dict[str, Any]:
    """The tables down to that depth anew, and what lies below them as it is."""
    return {
        key: _copied(value, depth - 1) if depth and isinstance(value, dict) else value for key, value in data.items()
    }


def _line_numbers(text: str) -> dict[tuple[str, ...], int]:
    # For messages only: lines inside a multi-line string can look like keys, and then a number is off.
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare.startswith("["):
            path = table = _parts(bare.lstrip("[").partition("]")[0])
        elif "=" in bare and not bare.startswith("#"):
            path = table + _parts(bare.partition("=")[0])
        else:
            continue
        for end in range(1, min(len(path), _DEPTH) + 1):
            found.setdefault(path[:end], number)
    return found


def _parts(key: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in key.split("."))


def _finding(model: type[Section], kind: str, message: str, key: str, where: str) -> Finding:
    shown = shorten(key, 80)
    if kind == "extra_forbidden":
        near = _nearest(key, list(dotted_keys(model)))
        return Finding(f"'{shown}' is no setting", where, f"did you mean '{near}'?" if near else "take it out")
    why = message.removeprefix("Value error, ")
    return Finding(f"'{shown}' cannot be used: {why[:1].lower()}{why[1:]}", where, "correct the value", fatal=True)


def _nearest(key: str, known: list[str]) -> str:
    key = key[:80]
    last = key.rpartition(".")[2]
    same_name = [name for name in known if name.rpartition(".")[2] == last]
    return (same_name or difflib.get_close_matches(key, known, n=1) or [""])[0]
