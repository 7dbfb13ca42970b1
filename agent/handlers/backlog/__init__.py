"""The `backlog` type: the items of a list by section, with owner, date and state, counted by code. Only a question that
code does not understand wakes the model, and then it chooses among the items; the words stay the person's."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date
from typing import Any, Literal

from pydantic import Field, field_validator

from agent.errors import Doubt, Refused
from agent.handlers.backlog.items import BacklogItem, read_items
from agent.handlers.backlog.request import Wish, read_wish
from agent.handlers.base import Context, Handler, Params
from agent.handlers.choosing import chosen
from agent.handlers.material import must_not_leave
from agent.text import normal_form, shorten
from agent.vault.layout import INBOX, OWN_FOLDERS, PROMPTS
from agent.vault.values import HandoffReason, Result, Role, Section, Task, Tier, Usage

LIMIT = 1 << 20  # bytes of the list
CHOICES = 150  # items that the model may choose from
LINE = 200  # characters
_NOT_LISTS = tuple(f"{folder}/" for folder in (INBOX, PROMPTS, *OWN_FOLDERS))  # there, a file of that name is no list


class BacklogParams(Params):
    """`path`: the note with the list; the others narrow it."""

    path: str = ""
    section: str = Field("", max_length=200)
    owner: str = Field("", max_length=100)
    tag: str = Field("", max_length=100)
    prio: str = Field("", pattern=r"^([Pp]?[0-4])?$")
    state: Literal["", "all", "open", "done", "dropped"] = ""
    match: str = Field("", max_length=200)
    overdue: bool = False

    @field_validator("tag", "owner")
    @classmethod
    def _bare(cls, value: str) -> str:
        return value.lstrip("#@")


def by_code(task: Task) -> bool:
    """Whether code understands what is asked: parameters, or words that only say how to speak of it."""
    return not task.text.strip() or read_wish(task.text).clear


def run(ctx: Context, params: BacklogParams) -> Result:
    """Read the list, narrow it, count it; ask which items are meant only where the request is a question of its own."""
    asked = ctx.task.text.strip()
    wish = _with_params(read_wish(asked) if asked else Wish(), params)
    text, path = _read(ctx, wish.path)
    every = read_items(text)
    if not every:
        raise Doubt("there are no items to report", where=path, why="the note has no list", reason=HandoffReason.NEEDS)
    today = ctx.now.astimezone(UTC).date()
    items = [item for item in every if _fits(item, wish, today)]
    usage: tuple[Usage, ...] = ()
    confidence = None
    if not by_code(ctx.task) and items:
        must_not_leave(ctx, path, text)
        items, usage, confidence = _choose(ctx, asked, items)
    return _result(path, every, items, wish, today, usage, confidence)


def _with_params(wish: Wish, params: BacklogParams) -> Wish:
    """What the front matter says counts before what the text says."""
    said: dict[str, Any] = {
        "path": params.path, "section": params.section, "owner": params.owner, "tag": params.tag,
        "priority": f"P{params.prio[-1]}" if params.prio else "", "state": params.state, "text": params.match,
        "overdue": params.overdue,
    }  # fmt: skip
    return replace(wish, **{name: value for name, value in said.items() if value})


def _read(ctx: Context, path: str) -> tuple[str, str]:
    """The note; a bare name is also looked for in any folder, in any case. Raises Refused when it is not there."""
    if not ctx.files.exists(path):
        name = path.rpartition("/")[2].casefold()
        notes = (one for one in ctx.files.list("", (".md", ".txt")) if not one.startswith(_NOT_LISTS))
        found = [one for one in notes if one.rpartition("/")[2].casefold() == name]
        if len(found) != 1 or "/" in path:
            why = f"{', '.join(found[:5])} have that name" if len(found) > 1 else "no note has that name"
            fix = "say which one in the task, like `path: projects/BACKLOG.md`"
            raise Refused("there is no such list", where=path, why=why, fix=fix)
        path = found[0]
    try:
        return normal_form(ctx.files.read(path, LIMIT)), path
    except UnicodeDecodeError:
        raise Refused("the list is not UTF-8 text", where=path, fix="save it as UTF-8") from None


def _fits(item: BacklogItem, wish: Wish, today: date) -> bool:
    return (
        (wish.state in ("", "all") or item.state == wish.state or (wish.state == "open" and item.state == "none"))
        and (not wish.section or any(_same(wish.section, name) for name in item.path))
        and (not wish.owner or any(_same(wish.owner, name) for name in item.owners))
        and (not wish.tag or any(_same(wish.tag, name) for name in item.tags))
        and (not wish.priority or item.priority == wish.priority)
        and (not wish.text or wish.text.casefold() in item.text.casefold())
        and (not wish.overdue or _overdue(item, today))
        and (not wish.unowned or not item.owners)
    )


def _same(wanted: str, name: str) -> bool:
    return wanted.strip().casefold() == name.strip().casefold()


def _overdue(item: BacklogItem, today: date) -> bool:
    return item.state in ("open", "none") and item.due is not None and item.due < today


def _choose(
    ctx: Context, asked: str, items: Sequence[BacklogItem]
) -> tuple[list[BacklogItem], tuple[Usage, ...], float]:
    """The items that a question is about. Raises Doubt when the model is not sure."""
    if len(items) > CHOICES:
        raise Doubt(
            "the list is too long for the local model", reason=HandoffReason.TOO_LONG,
            tried=f"it has {len(items)} items; at most {CHOICES} can be chosen from",
        )  # fmt: skip
    lines = [f"[{item.state}] {item.section or '(no section)'}: {shorten(item.text, 200)}" for item in items]
    unsure = "the local model cannot say which items are meant"
    numbers, usage, confidence = chosen(ctx, asked, "items", lines, unsure=unsure)
    return [items[number - 1] for number in numbers], usage, confidence


def _result(
    path: str, every: Sequence[BacklogItem], items: Sequence[BacklogItem], wish: Wish, today: date,
    usage: tuple[Usage, ...], confidence: float | None,
) -> Result:  # fmt: skip
    counts = Counter(item.state for item in items)
    states = ", ".join(
        f"{counts[state]} {word}"
        for state, word in (("open", "open"), ("none", "without a box"), ("done", "done"), ("dropped", "dropped"))
        if counts[state]
    )
    of = f" of {len(every)}" if len(items) < len(every) else ""
    findings = [f"{path}: {len(items)}{of} item{'s' * (len(every) != 1)}" + (f": {states}." if items else " fit.")]
    sections = dict.fromkeys(item.section for item in items)
    for section in sections:
        of_it = Counter(item.state for item in items if item.section == section)
        open_ones, whole = of_it["open"] + of_it["none"], sum(of_it.values())
        findings.append(f"{section or '(no section)'}: {whole} ({open_ones} open, {whole - open_ones} closed)")
    late = [item for item in items if _overdue(item, today)]
    findings += [f"overdue since {item.due}: {shorten(item.text, LINE)} ({path} line {item.line})" for item in late]
    findings += [
        f"{item.bad_date} is no date: {shorten(item.text, LINE)} ({path} line {item.line})"
        for item in items if item.bad_date
    ]  # fmt: skip
    if owners := Counter(owner for item in items for owner in item.owners):
        unowned = sum(not item.owners for item in items)
        told = ", ".join(f"{owner} {count}" for owner, count in owners.most_common(20))
        findings.append(f"Owners: {told}" + (f"; {unowned} without one." if unowned else "."))
    return Result(
        findings=tuple(findings),
        sections=(Section("Items", "\n".join(_by_section(items, sections))),) if items else (),
        raw=json.dumps([_plain(item) for item in items], ensure_ascii=False, indent=1) if items else "",
        usage=usage,
        confidence=confidence,
    )


def _by_section(items: Sequence[BacklogItem], sections: Iterable[str]) -> list[str]:
    lines = []
    for section in sections:
        lines += [f"{section or '(no section)'}:", *(_line(item) for item in items if item.section == section), ""]
    return lines[:-1]


def _line(item: BacklogItem) -> str:
    state = "" if item.state == "none" else f"({item.state}) "
    return f"{'   ' * min(item.depth, 1)}- {state}{shorten(item.text, LINE)}"


def _plain(item: BacklogItem) -> dict[str, Any]:
    said = {
        "text": item.text, "section": item.section or None, "line": item.line, "state": item.state,
        "owners": list(item.owners), "tags": list(item.tags), "priority": item.priority or None,
        "due": str(item.due) if item.due else None, "ended": str(item.ended) if item.ended else None,
    }  # fmt: skip
    return {name: value for name, value in said.items() if value not in (None, [])}


HANDLER = Handler("backlog", Tier.STANDARD, Role.TASK, BacklogParams, run, limit=300.0, by_code=by_code)
