"""Steady time: UTC that neither steps nor runs backwards, whatever the wall clock does."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class SteadyClock:
    """UTC as it was at the start, and the monotonic seconds since.

    Safety deadlines are reckoned in this time. Setting the computer's clock an
    hour forward must not make a decrease look confirmed an hour ago.
    """

    def __init__(
        self, start: datetime | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._start = start or datetime.now(UTC)
        self._monotonic = monotonic
        self._zero = monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._monotonic() - self._zero)

    def monotonic(self) -> float:
        """Seconds; only differences mean anything."""
        return self._monotonic()
