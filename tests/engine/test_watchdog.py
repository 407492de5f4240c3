"""A loop that stands still is noticed from outside it; the past stays as it was shown."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from loadmgr.engine.desk import EngineDesk
from loadmgr.engine.watchdog import watchdog
from loadmgr.events import LimitSet
from loadmgr.model import Limit
from tests.core.talk import MAIN, bay, site_of
from tests.engine.rig import Rig, in_virtual_time


def test_a_tick_that_is_overdue_is_reported_once_and_so_is_its_return(
    capfd: pytest.CaptureFixture[str],
):
    age = [0.0]
    with capture_logs() as said, watchdog(lambda: age[0], limit_s=5.0):
        age[0] = 20.0
        _until(lambda: len(said) >= 1)
        time.sleep(1.2)
        assert [entry["event"] for entry in said] == ["no tick"]
        age[0] = 0.1
        _until(lambda: len(said) >= 2)
    assert [entry["event"] for entry in said] == ["no tick", "ticks are back"]
    assert "most recent call" in capfd.readouterr().err, "the stacks of all threads"


def test_before_the_first_tick_nothing_is_overdue():
    with capture_logs() as said, watchdog(lambda: float("inf"), limit_s=0.1):
        time.sleep(1.3)
    assert said == []


def _until(true, seconds: float = 5.0) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def test_the_desk_shows_the_tick_that_was_in_force_at_an_instant():
    async def story() -> None:
        rig = Rig(site_of(bay("A"), fuse_a=30.0))
        desk = EngineDesk(rig.engine)
        assert desk.snapshot() is None and desk.past(rig.clock.now()) is None
        assert desk.age_s() == float("inf")
        await asyncio.sleep(30)
        await rig.plug("A")
        await asyncio.sleep(62.5)  # between two beats: a limit brings a tick at once
        then = rig.clock.now()
        shown = desk.snapshot()
        assert shown is not None and shown.chargers[0].target_a == 30.0
        limit = Limit(
            name="dso", circuit=MAIN, current_a=(10.0,) * 3, source="dso", valid_from=then
        )
        rig.engine.emit(LimitSet(at=then, limit=limit))
        await asyncio.sleep(60)
        now = desk.snapshot()
        assert now is not None and now.chargers[0].target_a == 10.0 and now.number > shown.number
        past = desk.past(then - timedelta(seconds=1))
        assert past is not None and past.chargers[0].target_a == 30.0
        assert past == shown, "a past page is what was shown then"
        assert desk.past(then - timedelta(days=1)) is None
        assert desk.age_s() <= rig.site.interval_s
        await rig.kill()

    in_virtual_time(story)


def test_whoever_waits_for_a_newer_tick_gets_it():
    async def story() -> None:
        rig = Rig(site_of(bay("A"), fuse_a=30.0))
        desk = EngineDesk(rig.engine)
        first = await desk.newer_than(0)
        second = await desk.newer_than(first.number)
        assert second.number == first.number + 1
        waiting = asyncio.create_task(desk.newer_than(second.number + 10_000))
        await asyncio.sleep(10)
        assert not waiting.done()
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        await rig.kill()

    in_virtual_time(story)
