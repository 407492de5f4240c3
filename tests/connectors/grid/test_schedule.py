from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger
from hypothesis import assume, given
from hypothesis import strategies as st

from connectors.grid.schedule import Schedule, connect, time_of_day, weekdays, windows
from loadmgr.events import LimitSet
from loadmgr.model import UNLIMITED, Circuit, CircuitId, Site
from loadmgr.ports import BadOption, Context

AMSTERDAM = ZoneInfo("Europe/Amsterdam")  # 2026: forward on 29 March, back on 25 October
EVENING = Schedule(starts=time(17), ends=time(20))


def local(*when: int) -> datetime:
    return datetime(*when, tzinfo=AMSTERDAM)


def lengths_h(schedule: Schedule, begin: datetime, until: datetime) -> list[float]:
    found = windows(schedule, AMSTERDAM, begin, until)
    return [(window.end - window.start).total_seconds() / 3600 for window in found]


# ── Windows ───────────────────────────────────────────────────────────────────────────────


def test_an_evening_window_is_in_utc_by_the_season():
    for day, utc_hour in ((date(2026, 1, 15), 16), (date(2026, 7, 15), 15)):
        noon = datetime.combine(day, time(12), AMSTERDAM)
        (window,) = windows(EVENING, AMSTERDAM, noon, noon + timedelta(hours=12))
        assert window.start == datetime.combine(day, time(utc_hour), UTC)
        assert window.end == datetime.combine(day, time(utc_hour + 3), UTC)


def test_a_window_that_is_open_already_is_told_from_its_start():
    (window,) = windows(EVENING, AMSTERDAM, local(2026, 1, 15, 19, 59), local(2026, 1, 15, 22))
    assert window.start == local(2026, 1, 15, 17)


def test_a_window_ends_before_its_last_instant():
    assert not [*windows(EVENING, AMSTERDAM, local(2026, 1, 15, 20), local(2026, 1, 16, 17))]


def test_a_window_over_midnight_belongs_to_the_day_it_starts_on():
    night = Schedule(starts=time(22), ends=time(6), days=weekdays("fri"))
    (window,) = windows(night, AMSTERDAM, local(2026, 11, 21, 1), local(2026, 11, 27, 12))
    assert (window.start, window.end) == (local(2026, 11, 20, 22), local(2026, 11, 21, 6))
    assert window.day == date(2026, 11, 20)


def test_only_the_named_days_have_windows():
    week = windows(
        Schedule(starts=time(17), ends=time(20), days=weekdays("mon-fri")),
        AMSTERDAM,
        local(2026, 11, 16),
        local(2026, 11, 23),
    )
    assert [window.day.day for window in week] == [16, 17, 18, 19, 20]


def test_whole_days_have_23_and_25_hours_and_no_gaps_between_them():
    whole = Schedule(starts=time(0), ends=time(0))
    assert lengths_h(whole, local(2026, 3, 28), local(2026, 3, 31)) == [24, 23, 24]
    assert lengths_h(whole, local(2026, 10, 24), local(2026, 10, 27)) == [24, 25, 24]
    year = [*windows(whole, AMSTERDAM, local(2026, 1, 1), local(2027, 1, 1))]
    assert len(year) == 365
    assert all(one.end == other.start for one, other in pairwise(year))


def test_a_night_is_an_hour_shorter_in_spring_and_longer_in_autumn():
    night = Schedule(starts=time(22), ends=time(6))
    assert lengths_h(night, local(2026, 3, 28, 12), local(2026, 3, 29, 12)) == [7]
    assert lengths_h(night, local(2026, 10, 24, 12), local(2026, 10, 25, 12)) == [9]


@pytest.mark.parametrize(
    ("starts", "ends", "from_utc", "hours"),
    [
        (time(2, 30), time(4), 1.0, 1.0),  # starts when the clocks jump over its start
        (time(1, 30), time(2, 30), 0.5, 0.5),  # ends when they jump over its end
        (time(1), time(3), 0.0, 1.0),
    ],
)
def test_in_spring_the_skipped_hour_is_left_out(starts, ends, from_utc, hours):
    schedule = Schedule(starts=starts, ends=ends)
    (window,) = windows(schedule, AMSTERDAM, local(2026, 3, 29), local(2026, 3, 29, 12))
    midnight = datetime(2026, 3, 29, tzinfo=UTC)
    assert window.start == midnight + timedelta(hours=from_utc)
    assert window.end == window.start + timedelta(hours=hours)


def test_a_window_that_is_skipped_altogether_is_none():
    skipped = Schedule(starts=time(2, 15), ends=time(2, 45))
    assert not lengths_h(skipped, local(2026, 3, 29), local(2026, 3, 29, 12))


@pytest.mark.parametrize(
    ("starts", "ends", "hours"),
    [
        (time(2), time(3), 2.0),
        (time(1), time(2, 30), 2.5),  # ends at the second half past two
        (time(2, 30), time(4), 2.5),  # starts at the first
    ],
)
def test_in_autumn_the_repeated_hour_is_covered_both_times(starts, ends, hours):
    schedule = Schedule(starts=starts, ends=ends)
    assert lengths_h(schedule, local(2026, 10, 25), local(2026, 10, 25, 12)) == [hours]


@given(
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.sampled_from(["Europe/Amsterdam", "Australia/Lord_Howe", "America/Havana", "Asia/Kolkata"]),
    st.floats(0, 366 * 24 * 60).map(
        lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
)
def test_whenever_a_clock_on_the_wall_reads_a_time_inside_a_window_is_open(
    starts, ends, zone_name, instant
):
    assume(starts != ends)
    zone = ZoneInfo(zone_name)
    wall = instant.astimezone(zone).time()
    inside = starts <= wall < ends if starts < ends else wall >= starts or wall < ends
    tick = timedelta(microseconds=1)
    schedule = Schedule(starts=starts, ends=ends)
    is_open = bool([*windows(schedule, zone, instant, instant + tick)])
    assert is_open or not inside


# ── Options ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("written", "days"),
    [
        ("mon-fri", {0, 1, 2, 3, 4}),
        ("fri-mon", {4, 5, 6, 0}),
        ("sat, sun", {5, 6}),
        ("Mon", {0}),
        ("daily", set(range(7))),
        (["mon", "wed-thu"], {0, 2, 3}),
    ],
)
def test_days_are_read_as_people_write_them(written, days):
    assert weekdays(written) == days


@pytest.mark.parametrize("written", ["", "monday-friday", "mon-", 5, [], None])
def test_what_names_no_days_is_refused(written):
    with pytest.raises(ValueError, match=r"weekday|days"):
        weekdays(written)


@pytest.mark.parametrize("written", ["25:00", "24:30", "17", 1020, "5 pm", "17:60"])
def test_what_is_no_time_of_day_is_refused(written):
    with pytest.raises(ValueError, match="time of day"):
        time_of_day(written)


class SteppedClock:
    def __init__(self, instant: datetime) -> None:
        self.instant = instant

    def now(self) -> datetime:
        return self.instant


@pytest.fixture
def context() -> Context:
    main = Circuit(id=CircuitId("main"), label="", feeds_from=None, rating_a=(63.0, 63.0, 63.0))
    site = Site(name="Test", timezone="Europe/Amsterdam", circuits=(main,))
    clock = SteppedClock(local(2026, 11, 20, 18).astimezone(UTC))
    return Context(name="evening", site=site, clock=clock)


GOOD = {
    "type": "schedule",
    "applies_to": "main",
    "max_power": "25 kW",
    "from": "17:00",
    "to": "20:00",
    "days": "mon-fri",
}


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        ({"applies_to": "mian"}, ("applies_to",), "Did you mean 'main'"),
        ({"max_power": 25}, ("max_power",), "write it like '25 kW'"),
        ({"max_power": "25 A"}, ("max_power",), "write it like '25 kW'"),
        ({"max_power": "-1 kW"}, ("max_power",), "greater than or equal to 0"),
        ({"max_power": None}, ("max_power",), "a limit needs max_power: 25 kW"),
        ({"from": 1020}, ("from",), "in quotes"),
        ({"to": "17:00"}, ("to",), "24:00"),
        ({"days": "mo-fr"}, ("days",), "is no weekday"),
        ({"form": "17:00"}, ("form",), "Did you mean 'from'"),
    ],
)
def test_a_bad_option_is_named_with_what_to_do(context, change, path, says):
    with pytest.raises(BadOption, match=says) as caught:
        connect(GOOD | change, context)
    assert caught.value.path == path


def test_a_limit_without_a_height_is_refused(context):
    heightless = {key: value for key, value in GOOD.items() if key != "max_power"}
    with pytest.raises(BadOption, match="max_power: 25 kW or max_current: 40 A"):
        connect(heightless, context)


# ── Telling it ────────────────────────────────────────────────────────────────────────────


class Ear:
    def __init__(self) -> None:
        self.limits: list = []
        self._more = asyncio.Event()

    def __call__(self, event: LimitSet) -> None:
        self.limits.append(event.limit)
        self._more.set()

    async def hears(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.limits) < count:
                self._more.clear()
                await self._more.wait()


async def test_inside_a_window_the_limit_is_in_force_at_once_and_the_next_one_known(context):
    source, ear = connect(GOOD | {"days": "daily"}, context), Ear()
    task = asyncio.create_task(source.run(ear))
    await ear.hears(2)
    now, following = ear.limits[:2]
    assert now.in_force(context.clock.now())
    assert (now.power_w, now.current_a, now.circuit) == (25e3, UNLIMITED, "main")
    assert now.source == "schedule:evening"
    assert following.valid_from == local(2026, 11, 21, 17)
    assert following.valid_until == local(2026, 11, 21, 20)
    assert following.name != now.name, "the next window must not replace the present one"
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_the_calendar_announces_each_later_window_once(context):
    source = connect(GOOD | {"days": "daily", "max_current": "40 A"}, context)
    source, ear = replace(source, refresh=CronTrigger(second="*", timezone="UTC")), Ear()
    task = asyncio.create_task(source.run(ear))
    await ear.hears(3)
    for announced in (4, 5):
        context.clock.instant += timedelta(days=1)
        await ear.hears(announced)
    assert [limit.valid_from.day for limit in ear.limits] == [20, 21, 22, 23, 24]
    assert ear.limits[0].current_a == (40.0, 40.0, 40.0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
