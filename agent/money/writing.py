"""Putting prices into this machine's `config.toml`, with everything else in it kept as it is."""

from __future__ import annotations

import os
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.config.tables import Price
from agent.errors import BadConfig, Busy

LARGEST = 64 * 1024  # bytes: a larger file is not read


@dataclass(frozen=True, slots=True)
class Written:
    """What became of each `provider/model`: added, replaced, the same as before, or kept although it differs."""

    added: tuple[str, ...]
    replaced: tuple[str, ...]
    same: tuple[str, ...]
    kept: tuple[str, ...]


def write_prices(path: Path, prices: Mapping[str, Price], *, replace: bool) -> Written:
    """Write `[prices."provider/model"]` for each. One that is there stays, unless `replace`. The file is exchanged
    whole, or not at all; one that is not there is made, readable by its owner alone, since it may come to hold keys.

    Raises BadConfig when the file is broken or cannot be written, Busy when somebody saved it meanwhile.
    """
    real = Path(os.path.realpath(path))  # a link stays a link
    try:
        before = real.read_bytes() if real.exists() else None
        there = tomllib.loads((before or b"").decode("utf-8-sig")).get("prices", {})
        if not isinstance(there, dict):
            raise ValueError("'prices' is no table")
        written = _sorted_out(there, prices, replace=replace)
        changed = (*written.added, *written.replaced)
        if changed:
            _exchange(real, before, _edited(before or b"", {key: prices[key] for key in changed}))
    except OSError as error:
        raise _bad(path, "the settings cannot be written", str(error.strerror or error)) from None
    except ValueError as error:
        raise _bad(path, "the prices cannot be written into the settings", str(error)) from None
    return written


def _sorted_out(there: Mapping[str, Any], prices: Mapping[str, Price], *, replace: bool) -> Written:
    new = {key: price for key, price in prices.items() if key not in there}
    same = {key for key in prices.keys() & there.keys() if there[key] == prices[key].model_dump()}
    other = prices.keys() - new.keys() - same
    return Written(
        added=tuple(new),
        replaced=tuple(sorted(other)) if replace else (),
        same=tuple(sorted(same)),
        kept=() if replace else tuple(sorted(other)),
    )


def _edited(before: bytes, prices: Mapping[str, Price]) -> bytes:
    import tomlkit  # noqa: PLC0415 - only this needs it
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415

    text = before.decode("utf-8-sig")
    try:
        document = tomlkit.parse(text)
        if "prices" not in document:
            document["prices"] = tomlkit.table(is_super_table=True)
        table: Any = document["prices"]
        for key, price in prices.items():
            entry = tomlkit.table() if not isinstance(table, tomlkit.items.InlineTable) else tomlkit.inline_table()
            entry.update(price.model_dump())
            table[key] = entry
        after = tomlkit.dumps(document)
    except TOMLKitError as error:
        raise ValueError(str(error)) from None
    was, now = tomllib.loads(text), tomllib.loads(after)
    wanted = {**was, "prices": {**was.get("prices", {}), **{key: price.model_dump() for key, price in prices.items()}}}
    if now != wanted:
        raise ValueError("the prices do not fit into its [prices] table as that is written")
    data = after.encode()
    if len(data) > LARGEST:
        raise ValueError("it would grow larger than 64 KiB, and then it is not read")
    return data


def _exchange(path: Path, before: bytes | None, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f".{path.name}-{secrets.token_hex(6)}.tmp")
    mode = path.stat().st_mode & 0o777 if before is not None else 0o600
    try:
        with open(os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        if (path.read_bytes() if path.exists() else None) != before:
            raise Busy("somebody saved the settings in the same moment", where=str(path), fix="do it again")
        os.replace(hidden, path)
    finally:
        hidden.unlink(missing_ok=True)


def _bad(path: Path, what: str, why: str) -> BadConfig:
    return BadConfig(what, where=str(path), why=why, fix="mend the file; nothing in it was changed")
