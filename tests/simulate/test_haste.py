"""Hurried time runs faster than ours, and stands still while the machine does."""

from __future__ import annotations

import asyncio
import time

import pytest

from loadmgr.simulate.haste import ROUND_S, run_hurried

SPEED = 10.0

stands_still = time.sleep  # the whole process, as when another one has the core


def test_a_second_is_shorter():
    async def sleep() -> float:
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(2.0)
        return asyncio.get_running_loop().time() - began

    began = time.monotonic()
    slept = run_hurried(sleep(), SPEED)
    assert slept >= 2.0
    assert time.monotonic() - began >= 2.0 / SPEED


@pytest.mark.parametrize("waiting", [False, True], ids=["beside nothing", "beside a timer"])
def test_what_the_machine_takes_for_itself_is_not_counted(waiting: bool):
    async def stall() -> float:
        loop = asyncio.get_running_loop()
        timer = asyncio.create_task(asyncio.sleep(1.0)) if waiting else None
        await asyncio.sleep(0)
        began = loop.time()
        stands_still(8 * ROUND_S)
        await asyncio.sleep(0)
        passed = loop.time() - began
        if timer is not None:
            timer.cancel()
        return passed

    assert run_hurried(stall(), SPEED) <= 2 * ROUND_S * SPEED


def test_it_never_runs_backwards():
    async def look() -> list[float]:
        seen = []
        for pause_s in (0.0, 0.5, 0.0, 2.0, 0.1):
            seen.append(asyncio.get_running_loop().time())
            stands_still(pause_s / SPEED)
            seen.append(asyncio.get_running_loop().time())
            await asyncio.sleep(pause_s)
        return seen

    seen = run_hurried(look(), SPEED)
    assert seen == sorted(seen)


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), 1e6])
def test_a_speed_that_is_none_is_refused(speed: float):
    with pytest.raises(ValueError, match="a number above 0"):
        run_hurried(asyncio.sleep(0), speed)
