"""The loop: travel the road, sleep until something may have happened, travel again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from schedule import Scheduler

from agent.clock import utc_now
from agent.desk import Desk, Tick
from agent.errors import TryLater
from agent.files.telling import disk_trouble
from agent.models.base import Model
from agent.road import road
from agent.watch import Bell, Watcher

LULL = 2.0  # seconds without a ring: the next task is not about to come, so what stands ready for it may go


Now = Callable[[], datetime]
OnTick = Callable[[Desk, Tick], None]


def run(
    vault: Path,
    env: Mapping[str, str],
    stop: Callable[[], bool],
    *,
    bell: Bell | None = None,
    events: bool = True,
    now: Now = utc_now,
    on_tick: OnTick = lambda desk, tick: None,
    model: Model | None = None,
    workers: int | None = None,
    push: bool = True,
) -> None:
    """Work until `stop()`, then end in good order.

    Raises BadConfig, PersonMustAct or Busy when the vault cannot be worked in at all."""
    bell = bell or Bell()
    desk = Desk(vault, env, ring=bell.ring, model=model, workers=workers, push=push)
    watch = desk.settings.watch
    watcher = Watcher(
        [desk.root / "inbox", desk.requests.folder, *desk.tray], bell, events=events,
        poll=watch.poll_seconds, rescan=watch.rescan_seconds, shallow=desk.root,
    )  # fmt: skip
    desk.watching = watcher.trouble
    chores = Scheduler()
    chores.every().hour.do(lambda: desk.prune(now()))
    chores.every().hour.do(lambda: desk.expire(now()))
    chores.run_all()
    ticks = Scheduler()
    ticks.every().minute.do(bell.ring)  # what is due goes by the clock on the wall, which may have been set
    folders, lull = desk.intake.look.folders, False
    try:
        while not stop():
            asked = desk.asked()
            desk.heed()
            tick = _travel(desk, now())
            if asked:
                desk.answer(tick)
            on_tick(desk, tick)
            desk.announce(now())
            if tick.more or tick.published:
                lull = False
                continue  # what waited for one of these, or was edited while it ran, may start now
            watcher.look_again()
            desk.watching = watcher.trouble
            if desk.idle and lull:
                desk.rest()
                chores.run_pending()
            known, folders = folders, desk.intake.look.folders
            new = known != folders  # what came into a new folder before its watch made no event (W03)
            longest = min(watcher.interval, watch.poll_seconds) if new else watcher.interval
            ticks.run_pending()
            longest = min(longest, max(0.0, ticks.idle_seconds or 0.0))
            lull = not bell.wait(_pause(tick, longest if lull else min(longest, LULL)))
        _finish(desk, bell, now, on_tick)
    finally:
        watcher.close()
        desk.close()


def drain(
    vault: Path,
    env: Mapping[str, str],
    stop: Callable[[], bool],
    *,
    bell: Bell | None = None,
    now: Now = utc_now,
    on_tick: OnTick = lambda desk, tick: None,
    model: Model | None = None,
    workers: int | None = None,
    push: bool = True,
) -> None:
    """Work until nothing more can move: files that still settle are waited for, tasks that wait are left waiting."""
    bell = bell or Bell()
    desk = Desk(vault, env, ring=bell.ring, model=model, workers=workers, push=push)
    try:
        desk.prune(now())
        desk.expire(now())
        desk.catch_up()
        while not stop():
            tick = _travel(desk, now())
            on_tick(desk, tick)
            if tick.more or tick.published:
                continue  # something ended: what waited for it may start now
            if desk.outlet.blocked or not (tick.running or tick.settling or tick.owed or tick.soon):
                return
            bell.wait(_pause(tick, 0.2))
        _finish(desk, bell, now, on_tick)
    finally:
        desk.close()


def _finish(desk: Desk, bell: Bell, now: Now, on_tick: OnTick) -> None:
    """Nothing new: what runs may end within `worker.stop_seconds`, and is published. The rest is handed back."""
    desk.stop_admitting()
    deadline = time.monotonic() + desk.settings.worker.stop_seconds
    while True:
        tick = _travel(desk, now())
        on_tick(desk, tick)
        done = not tick.running and (desk.outlet.blocked or not tick.owed)
        if done or time.monotonic() >= deadline:
            return
        bell.wait(_pause(tick, min(0.2, deadline - time.monotonic())))


def exchange(
    vault: Path, env: Mapping[str, str], *, only: str = "", seconds: float = 60.0, now: Now = utc_now
) -> dict[str, Any]:
    """One exchange with the remote, without running anything: the data of `gofer sync --json`. With `only` nothing of
    the inbox but that file is published. Raises Busy when a worker runs here."""
    bell, deadline = Bell(), time.monotonic() + seconds
    desk = Desk(vault, env, ring=bell.ring, only=only, workers=0)
    try:
        if desk.exchange is None:
            return {"state": "none", "fetched": 0, "pushed": 0, "reason": None}
        before = desk.exchange.tips
        desk.catch_up()
        found = desk.exchange.tips
        while time.monotonic() < deadline:
            tick = _travel(desk, now())
            settling = only in desk.intake.look.settling if only else tick.settling
            if (
                desk.exchange.sync.away
                or desk.exchange.sync.paused
                or ((desk.at_rest or desk.outlet.blocked) and not (settling or tick.more))
            ):
                break
            bell.wait(min(0.2, _pause(tick, 0.2)))
        said = desk.exchange.shown()
        fetched, pushed = desk.exchange.counted(before, found), desk.exchange.counted(found, desk.exchange.tips)
        return {"state": said["state"], "fetched": fetched, "pushed": pushed, "reason": said["reason"]}
    finally:
        desk.close()


def _travel(desk: Desk, now: datetime) -> Tick:
    """The road, and what the world may do to it: a full disk or a hanging git stops one travel, not the worker."""
    try:
        return road(desk, now)
    except (TryLater, OSError) as error:
        trouble = error if isinstance(error, TryLater) else disk_trouble(error)
        if trouble is None:
            raise
        return desk.interrupted(trouble)


def _pause(tick: Tick, longest: float) -> float:
    """Seconds to sleep: until the next thing that is known to come, and never longer than `longest`."""
    if tick.next_at is None:
        return longest
    return min(longest, max(0.0, tick.next_at - time.monotonic()))
