"""The most an outlet may draw by all it was ever told: what separates disobedience from obedience.

It rises only when the station is told so, and falls when charger and car have had their time,
and have been seen to follow. A charger that goes on with a current it once was allowed stays
below it: that current was ours to reckon with. A charger that obeyed and then draws more by
itself is above it: no controller can know of that before it happens.
"""

from __future__ import annotations

from collections import deque

FOLLOWS_S = 14.0
"""Station 7 s (KEBA), car 5 s (IEC 61851-1), means over one second, whole seconds."""


class Lawful:
    """Of one outlet, per phase. Times must not run backwards."""

    __slots__ = ("_ceiling_a", "_told")

    def __init__(self, now_s: float) -> None:
        self._told: deque[tuple[float, float]] = deque([(now_s, 0.0)])  # (since, limit)
        self._ceiling_a = 0.0

    def told(self, now_s: float, limit_a: float) -> None:
        """From now on it may draw so much."""
        if self._told[-1][1] != limit_a:
            self._told.append((now_s, limit_a))

    def beyond_a(self, now_s: float, drawn_a: float) -> float:
        """What of a current, drawn up to now, nobody ever allowed. [A]"""
        while len(self._told) > 1 and self._told[1][0] <= now_s - FOLLOWS_S:
            self._told.popleft()
        allowed_a = max(limit_a for _, limit_a in self._told)
        self._ceiling_a = max(allowed_a, min(self._ceiling_a, drawn_a))
        return max(0.0, drawn_a - self._ceiling_a)

    def exceeds_now(self, drawn_a: float) -> bool:
        """It draws more than it was told last, though it has had its time."""
        return drawn_a > self.most_now_a + 1e-6

    @property
    def most_now_a(self) -> float:
        """The highest that it was told in the time that it has. [A]"""
        return max(limit_a for _, limit_a in self._told)
