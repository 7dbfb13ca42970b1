"""The `status` type: what the worker knows of itself, as a report. It asks nobody and wakes nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from agent.errors import Refused
from agent.handlers.base import Context, Handler, Params
from agent.text import shorten, utc
from agent.vault.values import Result, Role, Section, Tier

RECENT = 5  # runs that are shown
LINE = 160  # characters of one finding
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([a-z_]{1,30})\}")


class StatusParams(Params):
    """`template`: a note of the vault whose placeholders are filled."""

    template: str = Field("", max_length=200)


def run(ctx: Context, params: StatusParams) -> Result:
    """A line for each thing that is known; what is not known is not mentioned."""
    facts = ctx.facts()
    if params.template:
        try:
            text = ctx.files.read(params.template).decode("utf-8", "replace")
        except FileNotFoundError:
            raise Refused("there is no such template", where=params.template, fix="correct `template`") from None
        filled_in = filled(text, facts, ctx.now, params.template)
        return Result(findings=(f"{params.template} was filled in",), sections=(Section("Status", filled_in),))
    lines = [f"Worker: {facts['worker']}"] if facts.get("worker") else []
    lines += [
        f"Queue: {queue_line(facts.get('queue') or {})}",
        *[f"Model {model_line(model)}" for model in facts.get("models") or ()],
        *_sync(facts.get("sync") or {}),
        *_disk(facts.get("disk") or {}),
        *_handoffs(facts.get("handoffs") or ()),
    ]
    if quiet := facts.get("quiet_beats"):
        lines.append(f"Quiet heartbeats since the last report: {quiet}")
    runs = [_run(entry) for entry in (facts.get("recent") or ())[:RECENT]]
    sections = (Section(f"Last {len(runs)} runs" if len(runs) > 1 else "Last run", "\n".join(runs)),) if runs else ()
    return Result(findings=tuple(shorten(line, LINE) for line in lines), sections=sections)


def filled(template: str, facts: Mapping[str, Any], now: datetime, where: str) -> str:
    """A template with `{worker}`, `{queue}` and the like replaced. `{{` is a brace. Raises Refused for a placeholder
    that there is not; `where` names the template."""
    open_ones = [handoff for handoff in facts.get("handoffs") or () if handoff.get("status") in ("open", "claimed")]
    values = {
        "worker": str(facts.get("worker") or "?"),
        "time": utc(now),
        "queue": queue_line(facts.get("queue") or {}),
        "models": ", ".join(model_line(model) for model in facts.get("models") or ()) or "none",
        "sync": "; ".join(line.removeprefix("Sync: ") for line in _sync(facts.get("sync") or {})) or "well",
        "disk": "; ".join(line.removeprefix("Disk: ") for line in _disk(facts.get("disk") or {})) or "unknown",
        "handoffs": str(len(open_ones)),
        "runs": "\n".join(_run(entry) for entry in (facts.get("recent") or ())[:RECENT]) or "none yet",
    }

    def value(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        if match[1] not in values:
            fix = f"use one of {', '.join(f'{{{name}}}' for name in values)}; write {{{{ for a brace"
            raise Refused(f"the template has no use for '{match[0]}'", where=where, fix=fix)
        return values[match[1]]

    return _PLACEHOLDER.sub(value, template)


def queue_line(queue: Mapping[str, int]) -> str:
    """`3 open, 1 waiting`, in the order given; `empty` when all counts are zero."""
    return ", ".join(f"{count} {status}" for status, count in queue.items() if count) or "empty"


def model_line(model: Mapping[str, Any]) -> str:
    """`qwen3:8b: ready` or `qwen3:8b: away (connection refused)`."""
    detail = f" ({model['detail']})" if model.get("detail") else ""
    return f"{model.get('name', '?')}: {'ready' if model.get('ok') else 'away'}{detail}"


def size_line(count: float) -> str:
    """Bytes as people say them: `12.3 GiB`."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def _sync(sync: Mapping[str, Any]) -> list[str]:
    told = [f"{name.replace('_', ' ')} {value}" for name, value in sync.items() if value not in (None, "", (), [])]
    return [f"Sync: {', '.join(told)}"] if told else []


def _disk(disk: Mapping[str, Any]) -> list[str]:
    if "free_bytes" not in disk:
        return []
    total = f" of {size_line(disk['total_bytes'])}" if disk.get("total_bytes") else ""
    return [f"Disk: {size_line(disk['free_bytes'])}{total} free"]


def _handoffs(handoffs: Sequence[Mapping[str, Any]]) -> list[str]:
    open_ones = [handoff for handoff in handoffs if handoff.get("status") in ("open", "claimed")]
    if not open_ones:
        return []
    titles = ", ".join(str(handoff.get("title") or handoff.get("id")) for handoff in open_ones[:3])
    return [f"Hand-offs without an answer: {len(open_ones)} ({titles}{', …' if len(open_ones) > 3 else ''})"]


def _run(entry: Mapping[str, Any]) -> str:
    title = entry.get("title") or entry.get("task") or "?"
    seconds = f", {entry['duration_s']:g} s" if isinstance(entry.get("duration_s"), int | float) else ""
    return f"- {shorten(str(title), 80)}: {entry.get('status', '?')} ({entry.get('model') or 'none'}{seconds})"


HANDLER = Handler(
    name="status", tier=Tier.TRIVIAL, role=Role.TASK, params=StatusParams, run=run, limit=10.0, uses_facts=True
)
