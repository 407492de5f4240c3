"""Virtual time."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from loadmgr.simulate.clock import EPOCH, Deadlock, every, run_virtual, virtual_clock


def test_a_year_of_sleep_takes_no_time_and_the_clock_shows_it():
    async def year() -> datetime:
        await asyncio.sleep(365 * 86_400)
        return virtual_clock().now()

    before = time.monotonic()
    assert run_virtual(year()) == EPOCH + timedelta(days=365)
    assert time.monotonic() - before < 1.0


def test_timers_fire_in_the_order_of_their_time():
    seen: list[str] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append(f"{name}@{asyncio.get_running_loop().time():g}")

    async def main() -> None:
        await asyncio.gather(sleeper("late", 30), sleeper("early", 10), sleeper("between", 20))

    run_virtual(main(), start=datetime(2026, 1, 1, tzinfo=UTC))
    assert seen == ["early@10", "between@20", "late@30"]


def test_timers_of_one_instant_fire_as_they_were_set_whatever_else_waits():
    async def fired(others: int) -> list[int]:
        loop, seen = asyncio.get_running_loop(), []
        for number in range(40):
            loop.call_at(5.0, seen.append, number)
            for other in range(others):
                loop.call_at(3.0 + other, seen.clear).cancel()
        await asyncio.sleep(6.0)
        return seen

    assert run_virtual(fired(0)) == run_virtual(fired(7)) == list(range(40))


def test_time_does_not_stop_at_a_timer_that_was_cancelled():
    async def main() -> list[float]:
        loop, seen = asyncio.get_running_loop(), []
        loop.call_at(1.0, seen.append, 1.0).cancel()
        loop.call_at(2.0, lambda: seen.append(loop.time()))
        loop.call_at(2.0 + 1e-7, lambda: seen.append(loop.time()))  # as good as the same instant
        await asyncio.sleep(3.0)
        return seen

    assert run_virtual(main()) == [2.0, 2.0]


def test_waiting_for_what_never_comes_is_a_deadlock():
    async def main() -> None:
        await asyncio.sleep(5)
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match=r"after 5\.000 s"):
        run_virtual(main())


def test_a_timeout_ends_a_wait_and_is_no_deadlock():
    async def main() -> float:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 7)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(7)


def test_work_for_a_thread_is_done_at_once():
    async def main() -> int:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return await asyncio.to_thread(lambda: 42)

    assert run_virtual(main()) == 42


def test_what_is_left_running_is_cancelled_at_the_end():
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.sleep(1e9)
        finally:
            ended.append("cancelled")

    async def main() -> None:
        task = asyncio.create_task(forever())
        await asyncio.sleep(1)
        assert not task.done()

    run_virtual(main())
    assert ended == ["cancelled"]


async def test_there_is_no_virtual_clock_in_real_time():
    with pytest.raises(RuntimeError, match="run_virtual"):
        virtual_clock()


def test_what_is_done_every_two_seconds_is_done_until_it_is_cancelled():
    async def main() -> list[float]:
        loop, seen = asyncio.get_running_loop(), []
        task = asyncio.create_task(every(2.0, lambda: seen.append(loop.time())))
        await asyncio.sleep(7.0)
        task.cancel()
        await asyncio.sleep(10.0)
        assert task.cancelled()
        return seen

    assert run_virtual(main()) == [2.0, 4.0, 6.0]


def test_what_is_cancelled_in_the_instant_it_is_due_is_not_done():
    async def main() -> list[float]:
        loop, seen = asyncio.get_running_loop(), []
        loop.call_at(2.0, lambda: loop.call_soon(task.cancel))
        task = asyncio.create_task(every(2.0, lambda: seen.append(loop.time())))
        await asyncio.sleep(10.0)
        return seen

    assert run_virtual(main()) == []


def test_what_breaks_every_two_seconds_breaks_who_waits_for_it():
    async def main() -> float:
        with pytest.raises(ZeroDivisionError):
            await every(2.0, lambda: 1 // 0)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 2.0
