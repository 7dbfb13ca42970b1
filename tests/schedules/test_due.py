"""When a schedule is due: over changes of the clock, in several zones, with jitter and hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.vault.schedule import Schedule, cron_of, instance_id, instance_of, is_open

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = (
    UTC, BERLIN, ZoneInfo("America/New_York"), ZoneInfo("America/Santiago"), ZoneInfo("Australia/Lord_Howe"),
    ZoneInfo("Asia/Kathmandu"), ZoneInfo("Africa/Casablanca"), ZoneInfo("Asia/Beirut"),
)  # fmt: skip
CRONS = (
    "30 2 * * *", "0 0 * * *", "15 2 * * 0", "*/20 * * * *", "0 */2 * * *", "*/15 1-3 * * *", "0 9 * * mon-fri",
    "0 3 1 * *", "0 0 L * *", "59 23 31 12 *", "0 12 * * 1#2",
)  # fmt: skip
INTERVALS = (60, 1800, 3600, 7200, 25_200, 86_400, 3 * 86_400, 7 * 86_400)
HOURS = ("", "08:00-23:00", "22:00-06:00", "02:00-03:00")

instants = st.datetimes(datetime(2025, 1, 1), datetime(2029, 1, 1)).map(lambda t: t.replace(tzinfo=UTC, microsecond=0))
# Clocks change at week-ends of spring and autumn: half of the instants are near one.
changes = st.sampled_from(
    [datetime(2026, 3, 29, 1), datetime(2026, 10, 25, 1), datetime(2026, 3, 8, 7), datetime(2026, 11, 1, 6),
     datetime(2026, 9, 6, 4), datetime(2026, 4, 5, 3), datetime(2026, 4, 4, 15), datetime(2026, 10, 3, 15, 30)]
).flatmap(
    lambda t: st.integers(-200_000, 200_000).map(lambda s: t.replace(tzinfo=UTC) + timedelta(seconds=s))
)  # fmt: skip
schedules = st.builds(
    Schedule,
    st.sampled_from(["beat", "log"]),
    st.sampled_from(INTERVALS),
    st.just(""),
    st.sampled_from(ZONES),
    st.sampled_from(HOURS[:3]),
    st.sampled_from([0.0, 59.0, 300.0, 86_400.0]),
) | st.builds(
    Schedule,
    st.sampled_from(["beat", "log"]),
    st.just(0),
    st.sampled_from(CRONS),
    st.sampled_from(ZONES),
    st.sampled_from(HOURS[:1]),
    st.sampled_from([0.0, 59.0, 300.0, 86_400.0]),
)


def due(schedule: Schedule, after: datetime, until: datetime) -> list[datetime]:
    return list(schedule.due_in(after, until))


def local(schedule: Schedule, found: list[datetime]) -> list[str]:
    return [f"{when.astimezone(schedule.zone):%d %H:%M%z}" for when in found]


@given(schedules, instants | changes, st.lists(st.integers(1, 300_000), max_size=6))
def test_no_due_time_is_lost_or_doubled_however_a_span_is_cut(
    schedule: Schedule, start: datetime, cuts: list[int]
) -> None:
    ends = [start + timedelta(seconds=sum(cuts[:n])) for n in range(len(cuts) + 1)]
    whole = due(schedule, ends[0], ends[-1])
    pieces = [when for a, b in pairwise(ends) for when in due(schedule, a, b)]
    assert pieces == whole
    assert whole == sorted(set(whole))
    assert all(when.second == 0 and ends[0] < when <= ends[-1] for when in whole)


@given(schedules, instants | changes)
def test_the_next_due_time_is_the_first_of_those_to_come(schedule: Schedule, now: datetime) -> None:
    following = schedule.next(now)
    assert following is not None
    assert due(schedule, now, following) == [following]


@given(schedules, instants | changes)
def test_jitter_stays_below_its_bound_and_keeps_the_order(schedule: Schedule, now: datetime) -> None:
    first = schedule.next(now)
    assert first
    second = schedule.next(first)
    assert second
    assert first <= schedule.start(first) <= first + timedelta(seconds=schedule.jitter)
    assert schedule.start(first) <= second <= schedule.start(second)


@given(schedules, instants | changes, st.integers(1, 400_000), st.integers(1, 30))
@settings(deadline=None)
def test_what_may_have_started_is_the_end_of_what_was_due(
    schedule: Schedule, after: datetime, seconds: int, most: int
) -> None:
    now = after + timedelta(seconds=seconds)
    every = [when for when in due(schedule, after, now) if schedule.start(when) <= now]
    assert schedule.started(after, now, most) == every[-most:]


@given(st.sampled_from(ZONES), changes, st.sampled_from(["30 2 * * *", "0 0 * * *", "15 23 * * *", "30 1 * * *"]))
def test_a_local_time_comes_once_a_day_whatever_the_clock_does(zone: ZoneInfo, start: datetime, cron: str) -> None:
    schedule = Schedule("x", 0, cron, zone)
    found = due(schedule, start, start + timedelta(days=6))
    days = [when.astimezone(zone).date() for when in found]
    assert days == [days[0] + timedelta(days=n) for n in range(len(days))]
    assert len(days) in (5, 6, 7)


@given(st.sampled_from(ZONES), changes, st.sampled_from([1, 2, 7]))
def test_whole_days_begin_at_local_midnight(zone: ZoneInfo, start: datetime, days: int) -> None:
    schedule = Schedule("x", days * 86_400, "", zone)
    for when in due(schedule, start, start + timedelta(days=15)):
        here = when.astimezone(zone)
        assert (when - timedelta(seconds=1)).astimezone(zone).date() < here.date()
        assert (here.date() - date(1, 1, 1)).days % days == 0


@given(schedules.filter(lambda s: s.hours != ""), changes)
def test_no_run_is_due_outside_its_hours(schedule: Schedule, start: datetime) -> None:
    for when in due(schedule, start, start + timedelta(days=3)):
        assert is_open(schedule.hours, when.astimezone(schedule.zone))


def test_q24_a_time_that_the_clock_skips_comes_right_after_the_gap() -> None:
    schedule = Schedule("x", 0, "*/30 2 * * *", BERLIN)
    found = due(schedule, datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 30, 12, tzinfo=UTC))
    assert local(schedule, found) == ["29 03:00+0200", "30 02:00+0200", "30 02:30+0200"]


def test_q24_a_time_that_comes_twice_runs_the_first_time() -> None:
    schedule = Schedule("x", 0, "30 2 * * *", BERLIN)
    found = due(schedule, datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 26, 12, tzinfo=UTC))
    assert local(schedule, found) == ["25 02:30+0200", "26 02:30+0100"]


def test_q24_what_runs_every_hour_runs_every_hour_that_passes() -> None:
    for cron, every in (("0 * * * *", 0), ("", 3600)):
        schedule = Schedule("x", every, cron, BERLIN)
        for day in (datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)):
            assert len(due(schedule, day, day + timedelta(days=1))) == 24


def test_every_is_a_grid_on_which_all_machines_agree() -> None:
    schedule = Schedule("x", 1800, "", BERLIN)
    found = due(schedule, datetime(2026, 11, 20, 9, 7, 3, tzinfo=UTC), datetime(2026, 11, 20, 10, 30, tzinfo=UTC))
    assert [f"{when:%H:%M}" for when in found] == ["09:30", "10:00", "10:30"]
    week = Schedule("x", 7 * 86_400, "", BERLIN)
    monday = week.next(datetime(2026, 11, 20, tzinfo=UTC))
    assert monday and local(week, [monday]) == ["23 00:00+0100"]


def test_days_begin_with_the_active_hours_when_midnight_does_not_lie_in_them() -> None:
    schedule = Schedule("x", 86_400, "", BERLIN, "08:00-23:00")
    found = due(schedule, datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC))
    assert local(schedule, found) == ["20 08:00+0100", "21 08:00+0100"]


@pytest.mark.parametrize(
    ("hours", "clock", "is_so"),
    [
        ("", "03:00", True), ("08:00-23:00", "08:00", True), ("08:00-23:00", "23:00", False),
        ("08:00-23:00", "07:59", False), ("22:00-06:00", "23:30", True), ("22:00-06:00", "05:59", True),
        ("22:00-06:00", "06:00", False), ("22:00-06:00", "12:00", False),
    ],
)  # fmt: skip
def test_hours_of_the_day_may_pass_midnight(hours: str, clock: str, is_so: bool) -> None:
    assert is_open(hours, datetime.fromisoformat(f"2026-11-20T{clock}")) is is_so


@pytest.mark.parametrize("text", ["61 * * * *", "* * 30 2 *", "@sometimes", "* * * *", "* * * * * *", "a b c d e"])
def test_what_is_no_cron_line_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        cron_of(text)


def test_an_instance_is_named_after_its_schedule_and_due_time_and_read_back() -> None:
    when = datetime(2026, 11, 20, 10, 30, tzinfo=BERLIN)
    assert instance_id("heartbeat", when) == "heartbeat-20261120t0930z"
    assert instance_of("heartbeat-20261120t0930z") == ("heartbeat", when)
    assert [instance_of(text) for text in ("heartbeat-1a2b3c4d", "x-20261320t0930z", "")] == [None, None, None]
