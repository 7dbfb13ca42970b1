"""The `logs` type: what a log says, counted by code. Only a question that code does not understand wakes the model, and
then it chooses among the patterns that code has found; the numbers stay code's."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from agent.errors import Doubt, Refused
from agent.handlers.base import Context, Handler
from agent.handlers.choosing import chosen
from agent.handlers.logs.lines import LEVELS, Entry, entries
from agent.handlers.logs.memory import Memory
from agent.handlers.logs.mining import mine
from agent.handlers.logs.report import Shown, result_of
from agent.handlers.logs.request import Wish, read_wish
from agent.handlers.material import PathParams, matching, mentioned
from agent.text import shorten
from agent.vault.values import HandoffReason, Result, Role, Task, Tier, Usage

MOST_BYTES = 64 << 20  # of one file
MAX_FILES = 50
SHOWN = 20  # patterns in the report
CHOICES = 60  # patterns that the model may choose from
LAST = "last"
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"[0-9]{1,5}[mhdw]")  # 99,999 weeks are still after Christ


def _since(value: Any) -> Any:
    """`24h`, `7d`, `last`, or a date or time as people write them."""
    text = value.strip() if isinstance(value, str) else ""
    if text == LAST or _SPAN.fullmatch(text):
        return text
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("it is none of 24h, 7d, last, 2026-11-20 or 2026-11-20T09:30") from None
    return text


class LogsParams(PathParams):
    """`path`: log files of the vault; `log`: names of logs that this machine's settings list."""

    log: tuple[str, ...] = ()
    level: Literal["error", "warning", "all"] = "all"
    since: Annotated[str, BeforeValidator(_since)] = ""
    match: str = Field("", max_length=200)
    top: int = Field(0, ge=0, le=100)


@dataclass(frozen=True, slots=True)
class _Filter:
    """Which entries count. An entry without a time is as old as the one before it, so a span cannot leave it out."""

    level: str
    since: float
    until: float
    text: str

    def __call__(self, entry: Entry) -> bool:
        if self.level and LEVELS.index(entry.level) > LEVELS.index(self.level):
            return False
        if entry.at is not None and not self.since <= entry.at < self.until:
            return False
        return not self.text or self.text in entry.message


def by_code(task: Task) -> bool:
    """Whether code understands what is asked: parameters, or words that only say how to speak of it."""
    asked = task.text.strip()
    return not asked or read_wish(asked, datetime.now(UTC)).clear


def run(ctx: Context, params: LogsParams) -> Result:
    """Mine the logs; ask which patterns are meant only where the request is a question of its own."""
    asked = ctx.task.text.strip()
    wish = read_wish(asked, ctx.now) if asked else Wish()
    names = _names(ctx, params, asked, wish)
    memory = Memory.read(ctx, "\n".join(sorted(names)))
    level = params.level if params.level != "all" else wish.level
    since = _start(params.since, ctx.now, memory) if params.since else wish.since
    wanted = _Filter(
        level,
        since.timestamp() if since else float("-inf"),
        wish.until.timestamp() if wish.until else float("inf"),
        params.match or wish.text,
    )
    left_out: list[str] = []
    mined = mine(_entries(ctx, names, left_out), memory.patterns, wanted=wanted, check=ctx.check)
    picked: list[int] | None = None
    usage: tuple[Usage, ...] = ()
    confidence = None
    if mined.patterns and not by_code(ctx.task):
        lines = [f"{pattern.count} × {shorten(pattern.text, 160)}" for pattern in mined.patterns[:CHOICES]]
        unsure = "the local model cannot say which messages of the log are meant"
        picked, usage, confidence = chosen(ctx, asked, "patterns", lines, unsure=unsure)
    memory.keep(ctx, mined)
    ctx.note(f"{mined.lines} lines of {', '.join(names)}: {len(mined.patterns)} patterns")
    result = result_of(
        mined, Shown(names, wanted.level, since, params.top or wish.top or SHOWN, memory.first_time, picked), usage,
        confidence,
    )  # fmt: skip
    return replace(result, findings=(*result.findings, *left_out))


def _names(ctx: Context, params: LogsParams, asked: str, wish: Wish) -> tuple[str, ...]:
    """The logs to read: vault paths, and `log:NAME` for those of this machine. Raises Doubt when none is meant."""
    listed = tuple(f"log:{name}" for name in params.log)
    named = params.path or tuple(name for name in mentioned(asked) if not listed)
    found = [path for name in named for path in matching(ctx, name, must=bool(params.path))]
    if not found and not listed:
        everything = [path for path in ctx.files.list("", (".log",)) if "/archive/" not in f"/{path}"]
        found = [path for path in everything if not wish.name or wish.name in path.rpartition("/")[2].casefold()]
        if wish.name and not found and wish.name in ctx.logs:
            return (f"log:{wish.name}",)
    if not found and not listed:
        which = f"no log called '{wish.name}' is" if wish.name else "no log is"
        raise Doubt(
            "there is no log to read", reason=HandoffReason.NEEDS,
            why=f"{which} in the vault, and this machine's settings list {', '.join(sorted(ctx.logs)) or 'none'}",
        )  # fmt: skip
    if len(found) > MAX_FILES:
        raise Refused("too many logs", why=f"{len(found)} files fit", fix=f"name at most {MAX_FILES} of them in `path`")
    return (*dict.fromkeys(found), *listed)


def _entries(ctx: Context, names: tuple[str, ...], left_out: list[str]) -> Iterator[Entry | None]:
    """The entries of all logs. One of several that cannot be read is left out and told; the only one is refused."""
    for name in names:
        try:
            yield from entries(_lines(ctx, name), ctx.now)
        except Refused as error:
            if len(left_out) == len(names) - 1:
                raise
            left_out.append(f"left out: {error}")


def _lines(ctx: Context, name: str) -> Iterable[str]:
    own = name.removeprefix("log:")
    if own == name:
        return _text(ctx, name).splitlines()
    if own not in ctx.logs:
        raise Refused(
            f"no log is called '{own}' here", why="this machine's settings do not list it",
            fix=f'add [logs.{own}] with path = "/…" to this machine\'s config.toml',
        )  # fmt: skip
    return ctx.logs[own]()


def _text(ctx: Context, path: str) -> str:
    """A log of the vault. PowerShell writes UTF-16, and says so with its first two bytes."""
    try:
        raw = ctx.files.read(path, MOST_BYTES)
    except Refused as error:
        fix = "split it, or list it under [logs] in this machine's config.toml: of those the last 64 MiB are read"
        error.fix = error.fix or (fix if error.what == "the file is too big" else "")
        raise
    return raw.decode("utf-16" if raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig", "replace")


def _start(since: str, now: datetime, memory: Memory) -> datetime | None:
    if since == LAST:
        return datetime.fromtimestamp(memory.until, UTC) if memory.until is not None else None
    if since[-1:] in _UNITS:
        return now - timedelta(**{_UNITS[since[-1]]: int(since[:-1])})
    when = datetime.fromisoformat(since)
    return when if when.tzinfo else when.replace(tzinfo=UTC)


HANDLER = Handler("logs", Tier.STANDARD, Role.RESEARCH, LogsParams, run, limit=600.0, outside=True, by_code=by_code)
