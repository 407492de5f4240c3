"""Hurried time: an event loop on real sockets whose seconds are shorter than ours.

Every timer of the loop, those of libraries included, runs `speed` times as
fast, so that a story of an hour over real connections takes some minutes.
What the machine takes for itself is not counted: a second in which a busy
machine did not let this process run would be many seconds of the story, in
which a charger stood still that does not stand still.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

ROUND_S = 0.1  # of real time: what one round of the loop counts for at most, waiting apart


class _Watch:
    """Real time, less what the machine took for itself. [s]"""

    def __init__(self) -> None:
        self._lost_s = 0.0
        self._since_s = time.monotonic()

    def now_s(self) -> float:
        """Within a round it goes on for as long as a round may count."""
        now = time.monotonic()
        return min(now, self._since_s + ROUND_S) - self._lost_s

    def round(self, waited_s: float) -> None:
        """A round is over, of which so long was spent waiting on purpose."""
        now = time.monotonic()
        self._lost_s += max(0.0, now - self._since_s - waited_s - ROUND_S)
        self._since_s = now


class _Shortened(selectors.DefaultSelector):
    """Waits only a fraction of the time it is asked to, and tells the watch."""

    def __init__(self, speed: float, watch: _Watch) -> None:
        super().__init__()
        self._speed, self._watch = speed, watch

    def select(self, timeout: float | None = None) -> Any:
        self._watch.round(0.0)
        started = time.monotonic()
        short = None if timeout is None else timeout / self._speed
        ready = super().select(short)
        waited = time.monotonic() - started
        self._watch.round(waited if short is None else min(waited, short))
        return ready


class HurriedLoop(asyncio.SelectorEventLoop):
    """`time()` runs `speed` times as fast as the monotonic clock, while this process runs."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._watch = _Watch()
        super().__init__(_Shortened(speed, self._watch))

    def time(self) -> float:
        return self._watch.now_s() * self.speed


def run_hurried(main: Coroutine[Any, Any, T], speed: float) -> T:
    """Run a coroutine to its end in hurried time.

    Raises
    ------
    ValueError
        `speed` is not above 0, or above 1000.
    """
    if not 0 < speed <= 1000:
        main.close()
        raise ValueError(f"speed {speed}: a number above 0 and up to 1000 is needed")
    with asyncio.Runner(loop_factory=lambda: HurriedLoop(speed)) as runner:
        return runner.run(main)
