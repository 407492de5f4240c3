"""How long ticks take."""

from __future__ import annotations

from collections import deque

from loadmgr.snapshot import Pace

REMEMBERED = 1000


class PaceBook:
    """Durations of the last ticks, and how many came too late."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=REMEMBERED)
        self._ticks = 0
        self._late = 0

    def note(self, seconds: float, late_s: float, interval_s: float) -> None:
        """One tick took `seconds` and began `late_s` after its beat."""
        self._seconds.append(seconds)
        self._ticks += 1
        if late_s > interval_s and late_s != float("inf"):
            self._late += int(late_s // interval_s)

    def pace(self) -> Pace:
        ordered = sorted(self._seconds) or [0.0]
        return Pace(
            ticks=self._ticks,
            p50_s=ordered[len(ordered) // 2],
            p99_s=ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
            late=self._late,
        )
