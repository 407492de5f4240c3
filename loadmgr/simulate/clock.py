"""Virtual time: an event loop whose clock jumps to the next timer instead of waiting for it."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

EPOCH = datetime(2026, 1, 5, tzinfo=UTC)
"""Where virtual time starts unless told otherwise: a Monday."""

RESOLUTION_S = 1e-6
"""Of virtual time, as of `datetime`: timers this close are due together. Finer than a float is
after a year (4 ns), the last step to a timer would be lost in rounding and the loop would spin."""


class Deadlock(RuntimeError):
    """Nothing is ready, no timer is set: in virtual time this would wait for ever."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks in the order of their time, and skips the time between.

    Deterministic: timers of the same instant run in the order in which they were set, whatever
    else waits. It has no sockets and asks for none: they live in real time.
    """

    _ready: deque[asyncio.Handle]  # of asyncio's own: what runs in the next round
    _stopping: bool  # and that there is no such round

    def __init__(self, start: datetime = EPOCH) -> None:
        super().__init__()
        self.start = start
        self._at_s = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []  # a heap
        self._turn = itertools.count()

    def time(self) -> float:
        return self._at_s

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._turn), timer))
        return timer

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Call it here and now: what a thread would do takes no virtual time."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        super().close()
        self._timers.clear()

    def _run_once(self) -> None:
        """One round: what is ready, and what is due, at the next timer's time if nothing is."""
        self._forget_cancelled()
        if not self._ready and not self._stopping:
            self._skip()
        timers, due_s = self._timers, self._at_s + RESOLUTION_S
        while timers and timers[0][0] < due_s:
            self._ready.append(heapq.heappop(timers)[2])
        for _ in range(len(self._ready)):
            handle = self._ready.popleft()
            if not handle.cancelled():
                handle._run()

    def _forget_cancelled(self) -> None:
        """Of the timers up to the next one that counts: time must not stop at the others."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)

    def _skip(self) -> None:
        if not self._timers:
            raise Deadlock(f"nothing left to happen after {self._at_s:.3f} s of virtual time")
        self._at_s += max(0.0, self._timers[0][0] - self._at_s)

    def _write_to_self(self) -> None:
        """There is nothing to wake up from."""


class VirtualClock:
    """A `Clock` of a virtual loop: UTC, and as far along as the loop's time."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        return self._loop.start + timedelta(seconds=self._loop.time())


def virtual_clock() -> VirtualClock:
    """The clock of the running virtual loop."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise RuntimeError("there is no virtual time here: start with run_virtual")
    return VirtualClock(loop)


def run_virtual(main: Coroutine[Any, Any, T], start: datetime = EPOCH) -> T:
    """Run a coroutine to its end in virtual time; what it left running is cancelled.

    Raises
    ------
    Deadlock
        It waits for something that can no longer happen.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(start)) as runner:
        return runner.run(main)


async def every(interval_s: float, act: Callable[[], None]) -> None:
    """Call `act` each time so long has passed, until cancelled; what it raises ends this.

    As a loop of sleeps would, at the price of a timer: no task is woken for it.
    """
    loop = asyncio.get_running_loop()
    broken: asyncio.Future[None] = loop.create_future()
    timer: asyncio.TimerHandle

    def set_timer() -> asyncio.TimerHandle:
        return loop.call_later(interval_s, loop.call_soon, strike)  # when a sleeper would run on

    def strike() -> None:
        nonlocal timer
        if broken.done():
            return  # cancelled in this very round
        try:
            act()
        except Exception as error:
            broken.set_exception(error)
        else:
            timer = set_timer()

    timer = set_timer()
    try:
        await broken
    finally:
        timer.cancel()
