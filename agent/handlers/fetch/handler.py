"""The `fetch` type: numbers from other servers. Reads what the sources name, holds it against thresholds and against
what was recorded last, and keeps the new readings.

A number is only ever one that a server sent just now, or one from the history with its age beside it. Nothing here
writes: history is proposed as changes of files that only this worker writes. Running twice after a crash records a
reading once, since what is recorded already is no news.
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import ValidationError

from agent.errors import BadHeader, Doubt, Refused
from agent.handlers.base import Context, Handler
from agent.handlers.fetch import history, report, telling
from agent.handlers.fetch.fetching import TIME, Fetched, Fetcher
from agent.handlers.fetch.params import FetchParams
from agent.handlers.fetch.reading import Row
from agent.handlers.fetch.remembering import Memory
from agent.handlers.fetch.request import read_wish
from agent.handlers.fetch.sources import sources_of
from agent.handlers.fetch.thresholds import crossed
from agent.vault.params import has_params, read_params
from agent.vault.values import Result, Role, Task, Tier

LIMIT = 180.0  # seconds: retries that wait for a busy server, pages, and turns at a host that rations


def understand(task: Task) -> FetchParams:
    """What a task wants. Raises Doubt when the text is not clear, Refused for a bad parameter."""
    if not has_params(task) and not task.params.get("source"):
        wish = read_wish(task.text)
        if wish is None:
            why = "only an address, the name of a source, or a pair or token with its chain is"
            raise Doubt("it is not clear beyond doubt what is to be fetched", why=why)
        try:
            return FetchParams.model_validate(wish)
        except ValidationError as error:
            raise Doubt(
                "it is not clear beyond doubt what is to be fetched", why=str(error.errors()[0]["msg"])
            ) from None
    try:
        return read_params(task, FetchParams)
    except BadHeader as error:
        where = f"{task.path} line {error.line}"
        raise Refused(error.what, where=where, why=error.why, fix=error.fix) from error


def run(ctx: Context, params: FetchParams) -> Result:
    """Fetch all of it, and judge it."""
    sources = sources_of(ctx, params)
    memory = Memory(ctx.memory)
    memory.tidy()
    seconds = min(TIME, 0.6 * ctx.task.timeout) if ctx.task.timeout else TIME
    ctx.note(f"{len(sources)} sources: {', '.join(source.name for source in sources)}")
    fetched = Fetcher(ctx.web, memory, ctx.check, ctx.now, seconds).all(sources)
    for one in fetched:
        if one.source.wanted and not one.why and (one.reading.troubles or not one.reading.rows):
            troubles = "; ".join(trouble.text for trouble in one.reading.troubles) or "it is no JSON"
            tried = f"fetched {one.source.url}"
            raise Doubt("the answer does not say beyond doubt what was asked for", why=troubles, tried=tried)
        ctx.note(f"{one.source.name}: {one.why or f'{len(one.reading.rows)} rows'}")
    judged = [_judged(ctx, one) for one in fetched]
    verdict = telling.weigh(ctx, judged) if ctx.task.scheduled else telling.Verdict()
    return Result(quiet=True) if verdict.quiet else report.result(judged, ctx.now, verdict.over)


def _judged(ctx: Context, fetched: Fetched) -> report.Judged:
    ctx.check()
    source, rows = fetched.source, tuple(_without_secrets(ctx, row) for row in fetched.reading.rows)
    fetched = replace(fetched, reading=replace(fetched.reading, rows=rows))
    if not source.fields:  # looked at once, in whatever shape it came
        nothing = history.History()
        return report.Judged(fetched, nothing, tuple(crossed(source, rows, nothing, ctx.now)), rows)
    past = history.load(ctx.files, source, ctx.worker, ctx.now)
    alerts = tuple(crossed(source, rows, past, ctx.now))
    news = history.changed(source, rows, past)
    change = history.record(ctx.files, source, news, ctx.worker, ctx.now)
    return report.Judged(fetched, past, alerts, tuple(news), change)


def _without_secrets(ctx: Context, row: Row) -> Row:
    """The row as it may be kept: a history with a secret in it would stay out of git, and out of other machines."""
    values = {name: text if name in row.numbers else ctx.redact(text) for name, text in row.values.items()}
    return replace(row, key=ctx.redact(row.key), values=values)


HANDLER = Handler(
    name="fetch",
    tier=Tier.TRIVIAL,
    role=Role.DATA,
    params=FetchParams,
    run=run,
    limit=LIMIT,
    understand=understand,
    row_decides=True,
    outside=True,
)
