"""The report: what every errand ends in, the same for a person and for a program.

All text in it but the frame comes from outside (a task's title, a model's answer, a page) and passes the output gate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

from agent import frontmatter
from agent.errors import BadHeader
from agent.gate import OutputGate, fenced
from agent.text import digest, parse_utc
from agent.vault.handoff import REASONS
from agent.vault.layout import handoff_path, invalid_report_path
from agent.vault.ledger import Baseline, account, seconds
from agent.vault.pictures import section_text
from agent.vault.values import Outcome, Problem, Section, Status, Task

STATUS_LINES: Mapping[Status, str] = {
    Status.DONE: "✅ Complete",
    Status.NEEDS_REVIEW: "⚠️ Needs review",
    Status.HANDED_OFF: "➡️ Handed off",
    Status.FAILED: "❌ Failed",
    Status.CANCELLED: "🚫 Cancelled",
    Status.UNKNOWN: "❓ Unknown outcome",
    Status.INVALID: "⛔ Not a task",
}

# Characters, so that no single item can fill a report.
TITLE_LIMIT = 200
ITEM_LIMIT = 1000
SECTION_LIMIT = 32_000
ITEMS = 100  # findings or actions; the rest is counted
HEADER_SHOWN = 4096  # bytes of a file that is no task
NO_RAW = "(none)"

_UNLINKABLE = frozenset("[]#^|\\<`")  # a wikilink with one of these leads elsewhere, or nowhere


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """What reports need to know of the vault. `ambiguous` holds base names that other files in it bear too."""

    lead: str = "Lead"
    worker: str = ""
    raw_limit: int = 16_384  # bytes of Raw Data
    baseline: Baseline | None = None  # of the one run that is reported
    ambiguous: frozenset[str] = frozenset()


def render(outcome: Outcome, gate: OutputGate, settings: ReportSettings) -> str:
    """The report of a run, whole: front matter and body, as `parse` and `formats` know it."""
    result = outcome.result
    body = _body(
        title=gate.line(outcome.task.title, TITLE_LIMIT),
        time=outcome.finished,
        status=outcome.status,
        findings=[gate.line(finding, ITEM_LIMIT) for finding in result.findings[:ITEMS]] or [_bare_finding(outcome)],
        unshown=len(result.findings) - ITEMS,
        sections=[
            Section(gate.line(section.title, 80), section_text(section, gate, SECTION_LIMIT))
            for section in result.sections
        ],
        actions=_actions(outcome, gate, gate.line(settings.lead, 80)),
        raw=gate.fence(result.raw, settings.raw_limit) if result.raw.strip() else fenced(NO_RAW),
    )
    return frontmatter.dump(_header(outcome, gate, settings), body)


def render_invalid(task: Task, gate: OutputGate, settings: ReportSettings, now: datetime) -> str:
    """The report on a file that cannot be a task: the line, the reason, and the corrected text when there is one."""
    problem = task.problem or Problem("this file cannot be a task")
    where = f"line {problem.line} of {task.path}" if problem.line else task.path
    findings = [
        f"{problem.what} ({where})",
        problem.why and f"Why: {problem.why}",
        problem.fix and f"Fix: {problem.fix}",
    ]
    sections = []
    if problem.corrected:
        sections.append(Section("Corrected text", gate.fence(problem.corrected, settings.raw_limit)))
    body = _body(
        title=gate.line(task.title, TITLE_LIMIT),
        time=now,
        status=Status.INVALID,
        findings=[gate.line(finding, ITEM_LIMIT) for finding in findings if finding],
        sections=sections,
        actions=[gate.line(f"Mend {task.path} and save it: it is looked at again then", ITEM_LIMIT)],
        raw=gate.fence(task.raw, min(settings.raw_limit, HEADER_SHOWN)) if task.raw.strip() else fenced(NO_RAW),
    )
    header = {
        "type": "report",
        "task": PurePosixPath(invalid_path(task)).stem,
        "title": gate.value(task.title, TITLE_LIMIT),
        "status": str(Status.INVALID),
        "worker": gate.value(settings.worker, 80),
        "finished": now,
        "revision": task.revision,
        "source": _link(task, gate, settings),
    }
    return frontmatter.dump(header, body)


def invalid_path(task: Task) -> str:
    """Where the report on a file that cannot be a task lies: one for each of its revisions."""
    return invalid_report_path(PurePosixPath(task.path).stem, digest(task.raw) if task.raw else task.revision)


def parse(text: str) -> dict[str, Any]:
    """A report's front matter, typed: `status` a Status, times aware datetimes, counts int, money and shares float.

    Other keys stay text, absent ones absent. Raises BadHeader when the text is no report.
    """
    header = frontmatter.read(text).values
    if header.get("type") != "report":
        raise BadHeader("this is not a report", why="its front matter does not say `type: report`")
    return {key: typed(key, value) for key, value in header.items()}


def typed(key: str, value: Any) -> Any:
    """A front matter value of a report or a hand-off in its own type. Raises BadHeader when it is of another one."""
    convert = _TYPES.get(key)
    if convert is None or not isinstance(value, str):
        return value
    try:
        return convert(value)
    except ValueError:
        raise BadHeader(f"`{key}` cannot be read", why=f"its value is '{value[:100]}'") from None


_TYPES: Mapping[str, Callable[[str], Any]] = {
    "status": Status,
    **dict.fromkeys(("started", "finished"), parse_utc),
    **dict.fromkeys(("input_tokens", "output_tokens", "attempt"), int),
    **dict.fromkeys(("cost_usd", "baseline_usd", "duration_s", "confidence"), float),
}


def _header(outcome: Outcome, gate: OutputGate, settings: ReportSettings) -> dict[str, Any]:
    task, decision, result = outcome.task, outcome.decision, outcome.result
    spent = account(outcome, settings.baseline)
    compared = settings.baseline if spent.baseline_usd is not None else None
    header = {
        "type": "report",
        "task": task.id,
        "title": gate.value(task.title, TITLE_LIMIT),
        "status": str(outcome.status),
        "role": str(outcome.role),
        "tier": str(decision.tier),
        "route": gate.value(decision.reason, 300),
        "worker": gate.value(outcome.worker, 80),
        "model": gate.value(spent.model, 200),
        "model_digest": gate.value(spent.digest.removeprefix("sha256:")[:12], 80) or None,
        "thinking": gate.value(spent.thinking, 20),
        "input_tokens": spent.input_tokens,
        "output_tokens": spent.output_tokens,
        "cost_usd": _dollars(spent.cost_usd),
        "baseline_model": gate.value(compared.model, 200) if compared else None,
        "baseline_usd": _dollars(spent.baseline_usd),
        "started": outcome.started,
        "finished": outcome.finished,
        "duration_s": seconds(outcome),
        "attempt": outcome.attempt,
        "confidence": result.confidence,
        "verified": gate.value(result.verified, 80),
        "revision": task.revision,
        "source": _link(task, gate, settings),
    }
    return {key: value for key, value in header.items() if value is not None}  # absent means unknown


def _dollars(amount: float | None) -> Decimal | None:
    """Exact to a millionth, with cents at least: `0.00`, `0.00816`."""
    if amount is None:
        return None
    cents, rest = f"{amount:.6f}"[:-4], f"{amount:.6f}"[-4:].rstrip("0")
    return Decimal(cents + rest)


def _body(
    *,
    title: str,
    time: datetime,
    status: Status,
    findings: Sequence[str],
    sections: Sequence[Section],
    actions: Sequence[str],
    raw: str,
    unshown: int = 0,
) -> str:
    """The frame. The two spaces at the ends of lines are Markdown's line breaks and part of the format."""
    more = f"\n- … and {unshown:,} more" if unshown > 0 else ""
    between = "".join(f"## {section.title}\n{section.text}\n\n" for section in sections)
    return (
        "# Qwen Worker Report\n"
        f"**Task:** {title}  \n"
        f"**Time:** {body_time(time)}  \n"
        f"**Status:** {STATUS_LINES[status]}\n\n"
        f"## Findings\n{_list('- ', findings)}{more}\n\n"
        f"{between}"
        f"## Action Required\n{_list('- [ ] ', actions or ['No action needed'])}\n\n"
        f"## Raw Data\n{raw}\n"
    )


def body_time(when: datetime) -> str:
    """UTC on a twelve-hour clock: `2026-11-20 09:30 AM`. Not by strftime, whose AM and PM follow the locale."""
    when = when.astimezone(UTC)
    clock = f"{when.hour % 12 or 12:02}:{when.minute:02} {'AM' if when.hour < 12 else 'PM'}"
    return f"{when.year:04}-{when.month:02}-{when.day:02} {clock}"


def _list(mark: str, items: Iterable[str]) -> str:
    return "\n".join(mark + item for item in items)


def _actions(outcome: Outcome, gate: OutputGate, lead: str) -> list[str]:
    """What the lead has to do: what the status asks for, else what the handler asked for, else nothing."""
    asked = [_asked(gate.line(action, ITEM_LIMIT), lead) for action in outcome.result.actions[:ITEMS]]
    task_id = outcome.task.id
    match outcome.status:
        case Status.HANDED_OFF:
            return [f"{lead} to answer the hand-off [[{handoff_path(task_id).removesuffix('.md')}]]", *asked]
        case Status.NEEDS_REVIEW:
            return asked or [f"{lead} to review the findings and decide"]
        case Status.FAILED:
            return asked or [f"{lead} to look at the reason above, then run it again: gofer retry {task_id}"]
        case Status.CANCELLED:
            return asked or [f"{lead} to run it again if it is still wanted: gofer retry {task_id}"]
        case Status.UNKNOWN:
            return [f"{lead} to check whether the effect happened before anything runs again", *asked]
    return asked


def _bare_finding(outcome: Outcome) -> str:
    """What there is to say when the handler found nothing to say."""
    if outcome.status is Status.HANDED_OFF:
        return f"Not done here: {REASONS[outcome.handoff_reason]}"
    return "Nothing to report"


def _asked(action: str, lead: str) -> str:
    """Handlers ask in the form "review the plan"; the lead's name belongs to the vault."""
    return action if action.startswith(f"{lead} to ") else f"{lead} to {action}"


def _link(task: Task, gate: OutputGate, settings: ReportSettings) -> str:
    """A wikilink to the task's file: its base name, the whole path where that is ambiguous, the finished file's name
    where the name cannot be linked to."""
    path = task.path.removesuffix(".md")
    stem = path.rpartition("/")[2]
    target = path if stem in settings.ambiguous else stem
    linkable = _UNLINKABLE.isdisjoint(target) and gate.value(target, len(target)) == target
    return f"[[{target if linkable else task.id}]]"
