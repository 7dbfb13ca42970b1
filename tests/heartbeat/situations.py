"""Two hundred situations out of seeds: planted problems of every kind and severity, beside things that look like them.

Ages are well inside their band, so that the half hour of a situation moves nothing over an edge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

from agent.models.base import Health
from agent.vault.values import Status
from tests.heartbeat.world import ROOMY, World

HOURS, DAYS, MINUTES = (lambda n: timedelta(hours=n)), (lambda n: timedelta(days=n)), (lambda n: timedelta(minutes=n))
MIB = 1 << 20
LIFE = DAYS(7)


@dataclass(frozen=True)
class Planted:
    """A problem that a beat must find: how loud, by which words, and what makes it go away. `silent`: nobody is told
    that it is over."""

    severity: str
    words: str
    undo: Callable[[], Any]
    silent: bool = False


Plant = Callable[[World, Random], Planted]


def _overdue(mark: str, severity: str) -> Plant:
    def plant(world: World, random: Random) -> Planted:
        days = random.randint(2, 300)
        item = f"call number {random.randint(0, 10**6)}{mark}"
        due = (world.now - DAYS(days)).date()
        text = random.choice([f"{item} (due {due})", f"{item} 📅 {due}", f"{item} due:: {due}"])
        path = random.choice(["HEARTBEAT.md", "active-tasks.md", "memory/active-tasks.md"])
        return Planted(severity, f"“{item}", world.note(f"- [ ] {text}", path))

    return plant


def _no_date(world: World, random: Random) -> Planted:
    item = f"thing {random.randint(0, 10**6)} (due 2026-02-31)"
    return Planted("warning", f"2026-02-31 is no date: “{item}", world.note(f"- [ ] {item}"))


def _stale(world: World, random: Random) -> Planted:
    path, item = "memory/HEARTBEAT.md", f"someday {random.randint(0, 10**6)}"
    place = world.put(path, f"- [ ] {item}\n", DAYS(random.randint(20, 90)))
    return Planted("notice", f"days: “{item}”", place.unlink)


def _unreadable(world: World, random: Random) -> Planted:
    place = world.vault / "memory" / "HEARTBEAT.md"
    place.parent.mkdir(exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(random.choice(["/etc/passwd", "kept.md"]))
    return Planted("warning", "memory/HEARTBEAT.md could not be read", place.unlink)


def _handoff(age: timedelta, priority: str, status: str, severity: str, words: str) -> Plant:
    def plant(world: World, random: Random) -> Planted:
        name = f"handoff-{random.randint(0, 10**6)}"
        place = world.handed(name, age, LIFE, priority, status)
        return Planted(severity, f"{words}: “Title of {name}” ({name})", place.unlink)

    return plant


def _disk(fact: str, low: dict[str, int], severity: str, words: str) -> Plant:
    def plant(world: World, random: Random) -> Planted:
        world.known[fact] = ROOMY | low
        return Planted(severity, words, lambda: world.known.update({fact: dict(ROOMY)}))

    return plant


def _model(tasks: int, waited: timedelta, severity: str) -> Plant:
    def plant(world: World, random: Random) -> Planted:
        name = f"model-{random.randint(0, 10**6)}"
        world.models[name] = Health(False, "ollama", "connection refused", "ollama serve")
        waiting = [_task(world, f"{name}-task-{n}", waited, who="local") for n in range(tasks)]
        world.known["tasks"] += waiting

        def undo() -> None:
            del world.models[name]
            world.known["tasks"] = [row for row in world.known["tasks"] if row not in waiting]

        return Planted(severity, f"model {name}: away (connection refused)", undo)

    return plant


def _model_for_hours(world: World, random: Random) -> Planted:
    """Critical only by its age, which the beats themselves saw: the last of them was hours ago."""
    planted = _model(2, HOURS(1), "critical")(world, random)
    world.beat()
    world.now += HOURS(8)
    return planted


def _overdue_schedule(overdue_s: float, severity: str, words: str) -> Plant:
    """One that the beat before has seen overdue, too."""
    plant = _row("schedules", lambda world, name: _schedule(name, overdue_s=overdue_s), severity, words)

    def twice(world: World, random: Random) -> Planted:
        planted = plant(world, random)
        world.beat()
        return planted

    return twice


def _task(world: World, name: str, age: timedelta, **more: Any) -> dict[str, Any]:
    return {
        "id": name, "title": f"Title of {name}", "state": "waiting", "who": "code", "priority": "normal",
        "reason": "needs gpu, which this worker does not offer", "since": world.ago(age), **more,
    }  # fmt: skip


def _row(fact: str, make: Callable[[World, str], dict[str, Any]], severity: str, words: str) -> Plant:
    """One more row of a fact. `words` may hold the row's name as {}."""

    def plant(world: World, random: Random) -> Planted:
        name = f"{fact}-{random.randint(0, 10**6)}"
        row = make(world, name)
        world.known[fact] = [*world.known[fact], row]

        def undo() -> None:
            world.known[fact] = [other for other in world.known[fact] if other is not row]
            if fact == "neighbours":
                world.known[fact].append({**row, "state": "STOPPED", "seen": world.ago(MINUTES(1))})

        return Planted(severity, words.format(name), undo)

    return plant


def _sync(severity: str, words: str, said: Callable[[World], dict[str, Any]]) -> Plant:
    def plant(world: World, random: Random) -> Planted:
        world.known["sync"] = {"waiting": 3, "problem": ""} | said(world)
        return Planted(severity, words, lambda: world.known.update(sync={"waiting": 0, "problem": ""}))

    return plant


def _inbox(world: World, random: Random) -> Planted:
    world.known["inbox"] = "the inbox: input/output error"
    return Planted("critical", "the inbox cannot be looked at", lambda: world.known.update(inbox=""))


def _spent(usd: float, severity: str) -> Plant:
    def plant(world: World, random: Random) -> Planted:
        world.spend(usd)

        def undo() -> None:
            world.caps = world.caps.model_copy(update={"per_day_usd": 50.0})

        return Planted(severity, "of the day's $10.00 for paid models", undo)

    return plant


def _ended(status: Status, severity: str, words: str) -> Plant:
    def plant(world: World, random: Random) -> Planted:
        name = f"run-{random.randint(0, 10**6)}"
        place = world.ended(name, status)
        return Planted(severity, f"{words}: “Title of {name}” ({name})", place.unlink, silent=True)

    return plant


EARLY = ("model", "schedule")  # their plants beat, and may let hours pass: they come before everything else

# By what they are about; of one group at most one is planted, since they would be the same alarm.
PLANTS: dict[str, list[Plant]] = {
    "overdue": [_overdue("", "warning"), _overdue(" #critical", "critical"), _overdue(" 🔺", "critical")],
    "overdue too": [_overdue("", "warning"), _overdue(" #critical", "critical")],
    "date": [_no_date],
    "list": [_stale, _unreadable],
    "handoff": [
        _handoff(DAYS(2), "normal", "open", "notice", "hand-off waits for an answer for 2 days"),
        _handoff(DAYS(3), "high", "claimed", "notice", "hand-off waits for its answer for 3 days"),
        _handoff(DAYS(6.5), "normal", "open", "warning", "hand-off expires in 11 hours without an answer"),
        _handoff(DAYS(7.5), "low", "claimed", "warning", "hand-off is past its end and has no answer"),
        _handoff(DAYS(8), "normal", "expired", "notice", "hand-off expired without an answer"),
        _handoff(HOURS(5), "critical", "open", "critical", "hand-off waits for an answer for 5 hours"),
        _handoff(DAYS(6.5), "critical", "open", "critical", "hand-off expires in 11 hours without an answer"),
    ],
    "disk": [
        _disk("disk", {"free_bytes": 500 * MIB}, "warning", "the disk has only 500.0 MiB left"),
        _disk("disk", {"free_bytes": 50 * MIB}, "critical", "the disk has only 50.0 MiB left"),
        _disk("disk", {"free_inodes": 5000}, "warning", "the disk takes only 5,000 more files"),
        _disk("disk", {"free_inodes": 10}, "critical", "the disk takes only 10 more files"),
    ],
    "state": [
        _disk("state_disk", {"free_bytes": 600 * MIB}, "warning", "Gofer's own state has only 600.0 MiB left"),
        _disk("state_disk", {"free_bytes": 0}, "critical", "Gofer's own state has only 0 bytes left"),
        _disk("state_disk", {"free_inodes": 0}, "critical", "Gofer's own state takes only 0 more files"),
    ],
    "model": [_model(0, HOURS(1), "notice"), _model(3, HOURS(2), "warning"), _model_for_hours],
    "crew": [
        _row("workers", lambda w, n: {"name": n, "state": "RESTARTING", "deaths": 4}, "warning", "worker {} died 4"),
        _row("workers", lambda w, n: {"name": n, "state": "RESTARTING", "deaths": 40}, "critical", "worker {} died 40"),
    ],
    "inbox": [_inbox],
    "sync": [
        _sync("warning", "sync: paused: main was renamed", lambda w: {"problem": "paused: main was renamed"}),
        _sync("critical", "sync: conflict in a.md; 3 to be pushed, the oldest for 2 days",
              lambda w: {"problem": "conflict in a.md", "unpushed": 3, "oldest": w.ago(DAYS(2.5))}),
        _sync("notice", "the remote does not answer, for 3 hours", lambda w: {"away_since": w.ago(HOURS(3.3))}),
        _sync("warning", "the remote does not answer, for 9 hours; 2 to be pushed",
              lambda w: {"away_since": w.ago(HOURS(9)), "unpushed": 2, "oldest": w.ago(HOURS(8))}),
        _sync("critical", "the remote does not answer, for 3 days; 2 to be pushed",
              lambda w: {"away_since": w.ago(DAYS(3)), "unpushed": 2, "oldest": w.ago(DAYS(3))}),
        _sync("warning", "the remote refuses this machine, for 2 hours",
              lambda w: {"away_since": w.ago(HOURS(2.2)), "refused": True}),
        _sync("critical", "the remote refuses this machine, for 2 days",
              lambda w: {"away_since": w.ago(DAYS(2)), "refused": True, "unpushed": 1}),
    ],
    "money": [_spent(9, "notice"), _spent(10, "warning")],
    "task": [
        _row("tasks", lambda w, n: _task(w, n, DAYS(2)), "notice", "waits for 2 days: “Title of {0}” ({0})"),
        _row("tasks", lambda w, n: _task(w, n, DAYS(9)), "warning", "waits for 9 days: “Title of {0}” ({0})"),
        _row("tasks", lambda w, n: _task(w, n, DAYS(2), priority="high"), "warning", "waits for 2 days: “Title of {0}"),
        _row("tasks", lambda w, n: _task(w, n, HOURS(3), priority="critical"), "critical", "3 hours: “Title of {0}”"),
        _row("tasks", lambda w, n: _task(w, n, HOURS(9), state="running", limit_s=600.0), "warning", "runs for 9 h"),
    ],
    "run": [
        _ended(Status.FAILED, "warning", "failed"),
        _ended(Status.UNKNOWN, "warning", "ended, and nobody knows how"),
        _ended(Status.NEEDS_REVIEW, "notice", "needs a look"),
    ],
    "mailbox": [
        _row("mailboxes", lambda w, n: _box(w, n, unread=3), "notice", "mailbox {}: 3 unread messages"),
        _row("mailboxes", lambda w, n: _box(w, n, problem="401 Unauthorized"), "warning", "mailbox {}: 401"),
        _row("mailboxes", lambda w, n: _box(w, n, age=DAYS(3)), "warning", "mailbox {} was not polled for 3 days"),
    ],
    "worker": [
        _row("neighbours", lambda w, n: _neighbour(w, n, HOURS(2)), "warning", "worker {} on another machine was last"),
    ],
    "schedule": [
        _overdue_schedule(3 * 3600, "warning", "schedule {} should have run 3 hours ago"),
        _overdue_schedule(30 * 3600, "critical", "schedule {} should have run 1 day ago"),
        _row("schedules", lambda w, n: _schedule(n, problem="no such cron text"), "warning", "schedule {}: no such"),
        _row("schedules", lambda w, n: _schedule(n, overdue_s=90000, problem="it should have run, and did not"),
             "critical", "schedule {} should have run 1 day ago"),
    ],
}  # fmt: skip


def _box(
    world: World, name: str, *, unread: int = 0, problem: str = "", age: timedelta = timedelta(0)
) -> dict[str, Any]:
    return {"name": name, "unread": unread, "seq": 17, "last_poll": world.ago(age), "problem": problem}


def _neighbour(world: World, name: str, silent: timedelta | None, state: str = "READY") -> dict[str, Any]:
    """`silent` None: it is seen all the time."""
    seen = None if silent is None else world.ago(silent)
    return {"name": name, "clone": name, "state": state, "task": None, "seen": seen, "offers": []}


def _schedule(name: str, *, overdue_s: float = 0.0, problem: str = "") -> dict[str, Any]:
    path = f"inbox/schedules/{name}.md"
    return {"name": name, "path": path, "next": None, "last": None, "overdue_s": overdue_s, "problem": problem}


def decoys(world: World, random: Random) -> None:
    """What looks like a problem and is none."""
    today = world.now.date()
    items = [
        f"- [x] done (due {today - DAYS(9)})", f"- [-] given up (due {today - DAYS(9)}) #critical",
        f"- [ ] soon (due {today + DAYS(3)}) #critical", f"- [ ] later 📅 {today + DAYS(30)}",
        f"- no box (due {today - DAYS(9)})", "- [ ] without a date",
        f"```\n- [ ] in code (due {today - DAYS(9)})\n```",
    ]  # fmt: skip
    for item in random.sample(items, random.randint(0, len(items))):
        world.note(item)
    world.handed("young", HOURS(20), LIFE, "normal", "open")
    world.handed("urgent-but-new", MINUTES(5), LIFE, "critical", "open")
    world.handed("answered", DAYS(20), LIFE, "critical", "answered")
    world.handed("long-gone", DAYS(40), LIFE, "normal", "expired")
    world.ended("good", Status.DONE)
    world.ended("seen", Status.FAILED).unlink()
    ticked = world.ended("ticked", Status.FAILED)
    ticked.write_text(ticked.read_text("utf-8").replace("- [ ]", "- [x]"), "utf-8")
    world.ended("decided", Status.NEEDS_REVIEW)
    world.put("memory/decisions/2026-11-20-decided.md", "accepted")
    world.known["disk"] = ROOMY | {"free_bytes": random.choice([2 << 30, 1 << 38])}
    world.known["sync"] = random.choice([{"problem": ""}, {"problem": "", "away_since": world.ago(MINUTES(10))}])
    world.known["workers"] += [{"name": "w1", "state": "CLAIMED", "deaths": random.randint(0, 2)}]
    world.known["tasks"] += [
        _task(world, "patient", HOURS(20)), _task(world, "urgent", MINUTES(10), priority="critical"),
        _task(world, "slow", HOURS(1), state="running", limit_s=3600.0),
    ]  # fmt: skip
    world.known["neighbours"] += [
        _neighbour(world, "alive", None), _neighbour(world, "ended", DAYS(3), "STOPPED")
    ]  # fmt: skip
    world.known["mailboxes"] += [_box(world, "empty")]
    world.known["schedules"] += [_schedule("on-time"), _schedule("a-little-late", overdue_s=600)]
    world.spend(random.choice([0.01, 0.3]))
