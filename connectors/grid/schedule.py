"""A limit by the calendar: so many kW between two times of day on some weekdays."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from pydantic import BeforeValidator, Field

from connectors.options import Amperes, OptionsModel, Watts, checked, suggestion
from loadmgr.events import LimitSet
from loadmgr.model import UNLIMITED, CircuitId, Limit
from loadmgr.ports import BadOption, Context, Emit, Options, Source
from loadmgr.units import PHASES, on_each

AHEAD = timedelta(hours=48)
"""How far windows are announced: a plan sees tomorrow's, and a dead calendar costs no limit."""

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALL_DAYS = frozenset(range(7))


# ── When ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """From one local time of day to another, on days counted from Monday = 0.

    A window belongs to the day it starts on. One that ends no later than it starts ends on
    the next day.
    """

    starts: time
    ends: time  # exclusive; midnight is the end of the day
    days: frozenset[int] = ALL_DAYS


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """One stretch of a schedule: a half-open interval in UTC."""

    start: datetime
    end: datetime
    day: date  # local, on which it starts


def windows(
    schedule: Schedule, zone: ZoneInfo, begin: datetime, until: datetime
) -> Iterator[Window]:
    """All windows that overlap `[begin, until)`, in order.

    Where the clocks change, a window covers every instant at which a clock on the wall reads
    a time inside it: an hour that comes twice is covered twice, one that is skipped is
    left out, and days of 23 or 25 hours stay whole.
    """
    day = begin.astimezone(zone).date() - timedelta(days=1)  # may still be open
    last = until.astimezone(zone).date()
    while day <= last:
        over_midnight = schedule.ends <= schedule.starts
        end_day = day + timedelta(days=1) if over_midnight else day
        start = instant(datetime.combine(day, schedule.starts), zone, second_time=False)
        end = instant(datetime.combine(end_day, schedule.ends), zone, second_time=True)
        if day.weekday() in schedule.days and start < end and start < until and end > begin:
            yield Window(start, end, day)
        day += timedelta(days=1)


def instant(local: datetime, zone: ZoneInfo, *, second_time: bool) -> datetime:
    """The UTC instant of a naive local time.

    A time that comes twice is taken at its first or second coming. One that never comes
    is taken at the moment the clocks jump over it.
    """
    before = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    after = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    skipped = after < before  # PEP 495: inside a gap the two offsets are swapped
    if skipped:
        return _jump(after, before, zone)
    return after if second_time else before


def _jump(early: datetime, late: datetime, zone: ZoneInfo) -> datetime:
    """The first instant after `early`, at most `late`, with the offset of `late`: to the second."""
    offset = late.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + timedelta(seconds=int((late - early).total_seconds()) // 2)
        if middle.astimezone(zone).utcoffset() == offset:
            late = middle
        else:
            early = middle
    return late


# ── Options ───────────────────────────────────────────────────────────────────────────────


def time_of_day(written: object) -> time:
    """`"17:00"`; `"24:00"` is the midnight that ends the day."""
    match = re.fullmatch(r"(\d{1,2}):(\d{2})", written) if isinstance(written, str) else None
    if match is None:
        raise ValueError(f'{written!r} is no time of day; write it in quotes, like "17:00"')
    hour, minute = int(match[1]), int(match[2])
    if (hour, minute) == (24, 0):
        return time(0)
    if hour > 23 or minute > 59:
        raise ValueError(f"{written!r} is no time of day; the last one is 24:00")
    return time(hour, minute)


def weekdays(written: object) -> frozenset[int]:
    """`mon-fri`, `fri-mon`, `sat, sun`, `daily`, or a list of these."""
    parts = written.split(",") if isinstance(written, str) else written
    if not isinstance(parts, list) or not parts:
        raise ValueError(f"{written!r} names no days; write them like mon-fri or sat,sun")
    return frozenset(day for part in parts for day in _span(str(part).strip().lower()))


def _span(part: str) -> Iterator[int]:
    if part == "daily":
        yield from ALL_DAYS
        return
    first, *rest = part.split("-", 1)
    begin, end = _weekday(first.strip()), _weekday((rest or [first])[0].strip())
    yield from ((begin + offset) % 7 for offset in range((end - begin) % 7 + 1))


def _weekday(name: str) -> int:
    if name not in WEEKDAYS:
        raise ValueError(f"{name!r} is no weekday. {suggestion(name, WEEKDAYS)}")
    return WEEKDAYS.index(name)


class ScheduleOptions(OptionsModel):
    """The block of a `type: schedule` limit."""

    applies_to: str
    max_power: Annotated[Watts, Field(ge=0)] | None = None  # all phases together
    max_current: Annotated[Amperes, Field(ge=0)] | None = None  # on each phase
    begin: Annotated[time, BeforeValidator(time_of_day), Field(alias="from")]
    end: Annotated[time, BeforeValidator(time_of_day), Field(alias="to")]
    days: Annotated[frozenset[int], BeforeValidator(weekdays)] = ALL_DAYS


def connect(options: Options, context: Context) -> Source:
    """A limit by the calendar, in the time zone of the site.

    Raises
    ------
    BadOption
    """
    chosen = checked(ScheduleOptions, options, read_by_others={"type"})
    if CircuitId(chosen.applies_to) not in context.site.circuit:
        known = suggestion(chosen.applies_to, context.site.circuit)
        raise BadOption(("applies_to",), f"no circuit {chosen.applies_to!r}. {known}")
    if chosen.max_power is None and chosen.max_current is None:
        raise BadOption(("max_power",), "a limit needs max_power: 25 kW or max_current: 40 A")
    if chosen.begin == chosen.end and options["to"] != "24:00":
        raise BadOption(("to",), 'the same as from; a whole day is from "00:00" to "24:00"')
    return CalendarLimit(
        context=context,
        options=chosen,
        schedule=Schedule(starts=chosen.begin, ends=chosen.end, days=chosen.days),
        refresh=CronTrigger(minute=0, timezone=context.site.timezone),
    )


# ── Telling it ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarLimit:
    """A `Source` of one limit a window, each announced once and well ahead.

    What was announced needs neither this source nor its calendar any more: every
    limit carries its own beginning and end.
    """

    context: Context
    options: ScheduleOptions
    schedule: Schedule
    refresh: CronTrigger

    async def run(self, emit: Emit) -> None:
        announced: set[Window] = set()

        # APScheduler would run a plain function in a thread, where nobody may emit.
        async def announce() -> None:
            for window in sorted(self.upcoming() - announced):
                announced.add(window)
                emit(LimitSet(at=self.context.clock.now(), limit=self.limit(window)))

        await announce()
        calendar = AsyncIOScheduler(timezone=self.context.site.timezone)
        calendar.add_job(
            announce,
            self.refresh,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,  # however late: the job looks at the clock itself
        )
        calendar.start()
        try:
            await asyncio.Event().wait()
        finally:
            calendar.shutdown(wait=False)

    def upcoming(self) -> set[Window]:
        now = self.context.clock.now()
        zone = ZoneInfo(self.context.site.timezone)
        return set(windows(self.schedule, zone, now, now + AHEAD))

    def limit(self, window: Window) -> Limit:
        """One window as a limit of its own name: the next one must not replace it."""
        name, options = self.context.name, self.options
        return Limit(
            name=f"{name} {window.day.isoformat()}",
            circuit=CircuitId(options.applies_to),
            current_a=(
                UNLIMITED if options.max_current is None else on_each(options.max_current, PHASES)
            ),
            power_w=options.max_power,
            source=f"schedule:{name}",
            valid_from=window.start,
            valid_until=window.end,
        )
