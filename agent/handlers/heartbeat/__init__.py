"""The `heartbeat` type: is anything on fire? Looks at the person's lists, the vault, the errands and the machine.

A scheduled beat with nothing new is quiet: no report, no commit. What is wrong is told when it is new or changed, then
as a reminder once a day, `critical` once an hour, and once more when it is over. A beat that somebody dropped always
reports, and tells everything. Critical alarms also go to this machine's alert hook, if there is one.

Every rule, and how loud it is, stands in `docs/errands/heartbeat.md`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from agent.handlers.base import Context, Handler, Params
from agent.handlers.heartbeat import errands, hook, lists, machine
from agent.handlers.heartbeat.alarms import ENDS_SILENTLY, ORDER, SEEN_BY, Alarm, Check, Told, View, about, kind
from agent.handlers.heartbeat.memory import Memory, keep, remember
from agent.handlers.heartbeat.report import LINE, Beat
from agent.handlers.wording import in_words
from agent.text import shorten
from agent.vault.values import Result, Role, Task, Tier

OWN_FOLDERS = (
    "inbox",
    "outbox",
    "prompts",
    "memory/tasks",
    "memory/ledger",
    "memory/decisions",
    "memory/qwen-worker",
)
GRAIN = 0.02  # seconds by which a file system's clock may lag behind ours: rather twice than never
CHECKS: Sequence[Check] = (
    machine.disks, machine.models, machine.workers, machine.sync, machine.money,
    errands.tasks, errands.handoffs, errands.schedules, errands.mailboxes, errands.neighbours,
)  # fmt: skip
ORDER_OF_WORDS = "Say it in one or two sentences."
_TRUE = frozenset({"true", "yes", "on", "1"})


class BeatParams(Params):
    """`wording`: one or two sentences on top, by the local model, where one stands ready."""

    wording: bool = False


def run(ctx: Context, params: BeatParams) -> Result:
    """One beat."""
    facts, now = ctx.facts(), ctx.now.timestamp()
    before = remember(ctx, facts)
    view = View(facts, ctx.now, before.items, ctx.task.id, thorough=not ctx.task.scheduled)
    alarms, open_items, unread = lists.look(ctx, view)
    alarms = _told_apart([*alarms, *(alarm for check in CHECKS for alarm in check(view)), *_failures(ctx, view)])
    hidden = _hidden(view, unread)
    alarms += filter(None, [hook.call(ctx, alarms, hidden)])
    changed = lists.changed(ctx, before.since, ctx.now, OWN_FOLDERS)

    news, known = _sorted_out(alarms, before.told, now, everything=not ctx.task.scheduled)
    gone = _gone(before.told, alarms, hidden)
    over = [before.told[key].text for key in gone if kind(key) not in ENDS_SILENTLY]
    told = {key: told for key, told in before.told.items() if key not in gone}
    told |= {alarm.key: Told(now, alarm.severity, alarm.state, shorten(alarm.text, LINE)) for alarm in news}
    after = Memory(now - GRAIN, view.after, told)
    if ctx.task.scheduled and not (news or over or changed):
        keep(ctx, before, after, quiet=True)
        ctx.note("nothing changed and nothing new is wrong")
        return Result(quiet=True)
    beat = Beat(news, known, over, changed, open_items, facts)
    result = beat.result()
    if params.wording:
        critical = "critical" if beat.has_critical else ""
        text, usage = in_words(ctx, "What the heartbeat found", result.findings, ORDER_OF_WORDS, must_say=critical)
        said = (f"In short: {text}",) if text else ()
        result = replace(result, findings=(*said, *result.findings), usage=usage)
    keep(ctx, before, after, quiet=False)
    return result


def _failures(ctx: Context, view: View) -> Iterable[Alarm]:
    return errands.failures(view, ctx.files)


def _told_apart(alarms: Iterable[Alarm]) -> list[Alarm]:
    """Two items of the same words are two alarms."""
    seen: Counter[str] = Counter()
    apart = []
    for alarm in alarms:
        seen[alarm.key] += 1
        number = seen[alarm.key]
        apart.append(replace(alarm, key=f"{alarm.key}#{number}") if number > 1 else alarm)
    return apart


def _hidden(view: View, unread: frozenset[str]) -> Callable[[str], bool]:
    """Whether it cannot be seen now if an alarm is still so: then it is neither told again nor over."""
    elsewhere = {str(row.get("name")) for row in view.rows("neighbours")}

    def hidden(key: str) -> bool:
        fact = SEEN_BY.get(kind(key))
        if (fact and view.facts.get(fact) is None) or about(key) in unread:
            return True
        return kind(key) == "worker" and about(key) not in elsewhere  # it was forgotten, and nobody heard of it since

    return hidden


def _sorted_out(
    alarms: Sequence[Alarm], told: Mapping[str, Told], now: float, *, everything: bool
) -> tuple[list[Alarm], list[Alarm]]:
    """What to tell now, and what the lead knows already; the worst first."""
    news: list[Alarm] = []
    known: list[Alarm] = []
    for alarm in sorted(alarms, key=lambda alarm: ORDER.index(alarm.severity)):
        repeated = alarm.key in told and told[alarm.key].covers(alarm, now) and not everything
        (known if repeated else news).append(alarm)
    return news, known


def _gone(told: Mapping[str, Told], alarms: Sequence[Alarm], hidden: Callable[[str], bool]) -> list[str]:
    """The keys of what was told and is not so any more."""
    still = {alarm.key for alarm in alarms}
    return [key for key in told if key not in still and not hidden(key)]


def wants_words(task: Task) -> bool:
    """Whether a task asks for a model's words."""
    return str(task.params.get("wording", "")).strip().casefold() in _TRUE


HANDLER = Handler(
    name="heartbeat",
    tier=Tier.TRIVIAL,
    role=Role.HEARTBEAT,
    params=BeatParams,
    run=run,
    limit=90.0,
    uses_facts=True,
    words_when=wants_words,
)
