"""A journal in memory that can be full, slow, and cut off in the middle of a write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TypeVar, TypeVarTuple

from loadmgr.core.state import State
from loadmgr.engine.journal import Forgetful, JournalFailed
from loadmgr.events import Event
from loadmgr.simulate.clock import VirtualLoop

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class DiskLoop(VirtualLoop):
    """Virtual time in which what is given to a thread takes `latency_s`."""

    latency_s = 0.0
    life = 0  # work of an earlier life is never finished
    early = False  # whether slow work is done when it begins, or when it ends

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        if not self.latency_s:
            return super().run_in_executor(executor, func, *args)
        future: asyncio.Future[T] = self.create_future()
        life, self.early = self.life, not self.early
        done = super().run_in_executor(None, func, *args) if self.early else None

        def end() -> None:
            if life != self.life:
                if done is not None:
                    done.exception()
                return
            result = done or super(DiskLoop, self).run_in_executor(None, func, *args)
            error = result.exception()
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result.result())

        self.call_later(self.latency_s, end)
        return future


class Disk(Forgetful):
    """A journal that fails while the disk is full."""

    def __init__(self, loop: DiskLoop) -> None:
        super().__init__()
        self._loop = loop
        self._full = 0
        self._slow: list[float] = []

    def append(self, events: Sequence[Event]) -> None:
        self._check()
        super().append(events)

    def checkpoint(self, state: State) -> None:
        self._check()
        super().checkpoint(state)

    def _check(self) -> None:
        if self._full:
            raise JournalFailed("no space left on device")

    def cut(self) -> None:
        """The process is gone: what was not yet written never will be."""
        self._loop.life += 1

    async def full(self, seconds: float) -> None:
        self._full += 1
        await asyncio.sleep(seconds)
        self._full -= 1

    async def slow(self, latency_s: float, seconds: float) -> None:
        self._slow.append(latency_s)
        self._loop.latency_s = max(self._slow)
        await asyncio.sleep(seconds)
        self._slow.remove(latency_s)
        self._loop.latency_s = max(self._slow, default=0.0)
