"""Virtual time: an event loop whose clock jumps to the next timer instead of waiting for it."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

EPOCH = datetime(2026, 1, 5, tzinfo=UTC)
"""Where virtual time starts unless told otherwise: a Monday."""

RESOLUTION_S = 1e-6
"""Of virtual time, as of `datetime`."""


class Deadlock(RuntimeError):
    """Nothing is ready, no timer is set: in virtual time this would wait for ever."""


class _NoInput(selectors.BaseSelector):
    """A selector that never waits: in virtual time nothing comes from outside."""

    def __init__(self, skip: Callable[[float | None], None]) -> None:
        self._skip = skip
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = selectors.SelectorKey(fileobj, -1, events, data)
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._skip(timeout)
        return []

    def get_map(self) -> Any:
        return self._keys


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs callbacks in the order of their time, and skips the time between.

    Deterministic. Sockets do not work here: they live in real time.
    """

    def __init__(self, start: datetime = EPOCH) -> None:
        self.start = start
        self._at_s = 0.0
        super().__init__(_NoInput(self._skip))
        # Timers this close are due together. Finer than a float is after a year (4 ns), the
        # last step to a timer would be lost in rounding and the loop would spin.
        self._clock_resolution = RESOLUTION_S

    def time(self) -> float:
        return self._at_s

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

    def _skip(self, timeout: float | None) -> None:
        if timeout is None:
            raise Deadlock(f"nothing left to happen after {self._at_s:.3f} s of virtual time")
        self._at_s += timeout


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
