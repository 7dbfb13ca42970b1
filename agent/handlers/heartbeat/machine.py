"""Whether this machine can work: room on its disks, its model, its processes, its way to the remote, its money."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agent.handlers.heartbeat.alarms import (
    CRITICAL,
    DAY,
    HOUR,
    NOTICE,
    WARNING,
    Alarm,
    View,
    number,
    span,
    steady,
    when,
)
from agent.handlers.status import model_line, size_line

LOW_DISK, FULL_DISK = 1 << 30, 200 << 20  # bytes free
FEW_INODES, NO_INODES = 10_000, 1_000  # files that can still be made
MODEL_AWAY = 4 * HOUR  # that tasks have waited for a model
OFFLINE, OFFLINE_LONG, OFFLINE_TOO_LONG = HOUR, 6 * HOUR, 2 * DAY
STUCK = DAY  # that the exchange with the remote waits for a person
DYING, DYING_FAST = 3, 10  # deaths of one worker's processes in the last hour
NEAR_CAP = 0.8  # share of a cap that is spent


def disks(view: View) -> Iterator[Alarm]:
    """Room and inodes where the vault lies, and where Gofer's own state does when that is another disk."""
    for fact, name, words in (("disk", "", "the disk"), ("state_disk", "state", "the disk of Gofer's own state")):
        found = view.facts.get(fact)
        disk: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
        free, total = number(disk.get("free_bytes")), number(disk.get("total_bytes")) or float(1 << 62)
        if free is not None and free < min(LOW_DISK, total / 10):
            severity = CRITICAL if free < min(FULL_DISK, total / 50) else WARNING
            yield Alarm(severity, f"disk:{name}", f"{words} has only {size_line(free)} left")
        left, most = number(disk.get("free_inodes")), number(disk.get("total_inodes"))
        if left is not None and most and left < min(FEW_INODES, most / 20):
            severity = CRITICAL if left < min(NO_INODES, most / 100) else WARNING
            yield Alarm(severity, f"inodes:{name}", f"{words} takes only {left:,.0f} more files, however small")


def models(view: View) -> Iterator[Alarm]:
    """A model that is away. Without work for it that is no more than worth knowing."""
    waiting = [row for row in view.rows("tasks") if row.get("state") == "waiting" and row.get("who") == "local"]
    began = [at.timestamp() for row in waiting if (at := when(row.get("since")))]
    for model in view.rows("models"):
        if model.get("ok"):
            continue
        key, text, severity = f"model:{model.get('name')}", f"model {model_line(model)}", NOTICE
        away = view.since(key)
        if waiting:
            for_long = view.now.timestamp() - max(away, min(began, default=away))
            severity = CRITICAL if for_long >= MODEL_AWAY else WARNING
            text += f"; {len(waiting)} task{'s wait' if len(waiting) != 1 else ' waits'} for it, for {span(for_long)}"
        yield Alarm(severity, key, text, str(model.get("detail", "")))


def workers(view: View) -> Iterator[Alarm]:
    """Processes of this machine's workers that keep dying, and an inbox that cannot be looked at."""
    for row in view.rows("workers"):
        deaths = number(row.get("deaths")) or 0
        if deaths >= DYING:
            severity = CRITICAL if deaths >= DYING_FAST else WARNING
            text = f"processes of the worker {row.get('name')} died {deaths:.0f} times in the last hour"
            yield Alarm(severity, f"crew:{row.get('name')}", f"{text}; `workers.log` in the state folder may say why")
    if trouble := str(view.facts.get("inbox") or ""):
        yield Alarm(CRITICAL, "inbox:", f"the inbox cannot be looked at: {trouble}", steady(trouble))


def sync(view: View) -> Iterator[Alarm]:
    """The exchange with the remote: what a person must put right, and a remote that does not answer."""
    found = view.facts.get("sync")
    said: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    unpushed, oldest = int(number(said.get("unpushed")) or 0), when(said.get("oldest"))
    age = (view.now - oldest).total_seconds() if oldest else 0.0
    waiting = f"; {unpushed} to be pushed" * bool(unpushed) + f", the oldest for {span(age)}" * bool(oldest)
    if problem := str(said.get("problem") or ""):
        since = view.age("sync:")
        text = f"sync: {problem}{f' (for {span(since)})' if since >= HOUR else ''}{waiting}"
        yield Alarm(CRITICAL if max(since, age) >= STUCK else WARNING, "sync:", text, steady(problem))
    if began := when(said.get("away_since")):
        for_long = view.age("offline:", began.timestamp())
        refused = bool(said.get("refused"))
        text = f"the remote {'refuses this machine' if refused else 'does not answer'}, for {span(for_long)}{waiting}"
        if severity := _offline(for_long, bool(unpushed), refused):
            yield Alarm(severity, "offline:", text, "refused" if refused else "away")


def _offline(for_long: float, unpushed: bool, refused: bool) -> str:
    """How loud it is. A remote that is away for less than an hour is everyday; one that says no needs a person."""
    if unpushed and for_long >= (STUCK if refused else OFFLINE_TOO_LONG):
        return CRITICAL
    if refused or for_long >= (OFFLINE_LONG if unpushed else DAY):
        return WARNING
    return NOTICE if for_long >= OFFLINE else ""


def money(view: View) -> Iterator[Alarm]:
    """What paid models took, against the caps of this machine."""
    for row in view.rows("money"):
        spent, cap, word = number(row.get("spent")), number(row.get("cap")), str(row.get("span"))
        if spent is None or not cap or spent < NEAR_CAP * cap:
            continue
        used_up = spent >= cap
        text = f"${spent:.2f} of the {word}'s ${cap:.2f} for paid models are spent"
        yield Alarm(WARNING if used_up else NOTICE, f"money:{word}", text, str(row.get("of", "")))
