"""One research task from its sources to its draft."""

from __future__ import annotations

from collections.abc import Sequence

from agent.errors import Doubt
from agent.handlers.base import Context
from agent.handlers.opinions import LOW_CONFIDENCE
from agent.handlers.research.contradictions import Contradiction, named
from agent.handlers.research.merging import MAX_FINDINGS, Finding, merge
from agent.handlers.research.request import ResearchParams, wish
from agent.handlers.research.sources import Gathered, Source, gather
from agent.handlers.research.statements import Asked, Reading, Statement, read
from agent.text import shorten, utc
from agent.vault.values import HandoffReason, Result, Section

_DROPPED_SHOWN = 20
_TOLD = 5  # notes on sources, when the lead takes over


def run(ctx: Context, params: ResearchParams) -> Result:
    """The draft. Doubt when no page is named, when it is too much, or when too little of it can be proven."""
    found = gather(ctx, params)
    asked = Asked(ctx, wish(ctx, params))
    try:
        reading = read(asked, found.sources)
    except Doubt as doubt:  # whoever takes over is to know which sources were not whole
        doubt.tried = "; ".join([doubt.tried, *found.notes[:_TOLD]])
        raise
    findings, seen = merge(asked, reading.kept)
    confidence = min(asked.confidences)
    if confidence < LOW_CONFIDENCE:
        raise Doubt(
            "the local model doubts its own draft",
            reason=HandoffReason.LOW_CONFIDENCE,
            tried=f"it gave it a confidence of {confidence:g}; its first finding: {findings[0].text}",
        )
    against = named(seen, reading.kept)
    return Result(
        findings=(*(_cited(finding) for finding in findings[:MAX_FINDINGS]), *_remarks(found, asked, reading, against)),
        actions=("decide which source is right where they contradict each other",) if against else (),
        sections=tuple(_sections(ctx, found.sources, findings, against)),
        raw=_raw(found.sources, asked, reading),
        usage=tuple(asked.usage),
        confidence=confidence,
    )


def _remarks(found: Gathered, asked: Asked, reading: Reading, against: Sequence[Contradiction]) -> list[str]:
    """What there is to say about the draft itself."""
    said = []
    if against:
        said.append(f"The sources contradict each other in {_count(len(against), 'point')}: see Contradictions.")
    if count := len(reading.dropped):
        said.append(
            f"{_count(count, 'statement')} of the model {'were' if count > 1 else 'was'} left out: not in the sources"
        )
    said += [f"Not read: the model gave no answer that could be used to {part}" for part in reading.unread]
    return [*said, *found.notes, *asked.notes]


def _sections(
    ctx: Context, sources: Sequence[Source], findings: Sequence[Finding], against: Sequence[Contradiction]
) -> list[Section]:
    shown = [Section("Result", "\n".join(line for finding in findings for line in _proven(finding)))]
    if len(sources) > 1:
        lines = [_against(one) for one in against] or ["None was found."]
        shown.append(Section("Contradictions", "\n".join(lines)))
    shown.append(Section("Sources", "\n".join(_told(source, utc(ctx.now)) for source in sources)))
    return shown


def _cited(finding: Finding) -> str:
    return f"{finding.text} {''.join(f'[{number}]' for number in finding.sources)}"


def _proven(finding: Finding) -> list[str]:
    """A finding with the words of its sources below it."""
    return [f"- {_cited(finding)}", *(f"  - {_quote(statement)}" for statement in finding.statements[:6])]


def _against(one: Contradiction) -> str:
    about = f"{one.about}: " if one.about else ""
    seen = " (so the model thinks)" if one.by_model else ""
    return f"- {about}{_quote(one.first)}, but {_quote(one.second)}{seen}"


def _quote(statement: Statement) -> str:
    return f"[{statement.source}] says “{statement.quote}”"


def _told(source: Source, when: str) -> str:
    title = f"{shorten(source.title, 200)} — " if source.title else ""
    about = [part for part in (shorten(source.author, 80), source.date and f"dated {shorten(source.date, 20)}") if part]
    got = [f"retrieved {when}" if "://" in source.where else f"read {when}", f"{source.size:,} bytes"]
    return f"{source.number}. {title}{source.where} ({'; '.join([*about, *got, f'sha256 {source.sha256[:12]}'])})"


def _raw(sources: Sequence[Source], asked: Asked, reading: Reading) -> str:
    lines = [f"{source.number}: {source.where}: {len(source.text):,} characters" for source in sources]
    lines.append(f"{_count(reading.parts, 'part')} read, {_count(asked.asks, 'question')} asked")
    if reading.dropped:
        lines.append("Left out:")
        lines += [f"- {one}" for one in reading.dropped[:_DROPPED_SHOWN]]
    return "\n".join(lines)


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
