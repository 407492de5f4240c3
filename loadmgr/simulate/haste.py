"""Hurried time: an event loop on real sockets whose seconds are shorter than ours.

Every timer of the loop, those of libraries included, runs `speed` times as
fast, so that a story of an hour over real connections takes some minutes.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Shortened(selectors.DefaultSelector):
    """Waits only a fraction of the time it is asked to."""

    speed = 1.0

    def select(self, timeout: float | None = None) -> Any:
        return super().select(None if timeout is None else timeout / self.speed)


class HurriedLoop(asyncio.SelectorEventLoop):
    """`time()` runs `speed` times as fast as the monotonic clock."""

    def __init__(self, speed: float) -> None:
        if not 0 < speed <= 1000:
            raise ValueError(f"speed {speed}: a number above 0 and up to 1000 is needed")
        self.speed = speed
        selector = _Shortened()
        selector.speed = speed
        super().__init__(selector)

    def time(self) -> float:
        return time.monotonic() * self.speed


def run_hurried(main: Coroutine[Any, Any, T], speed: float) -> T:
    """Run a coroutine to its end in hurried time."""
    with asyncio.Runner(loop_factory=lambda: HurriedLoop(speed)) as runner:
        return runner.run(main)
