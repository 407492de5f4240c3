"""The time of the model: steady, and `speed` times as fast as the wall."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime


class ModelClock:
    """Starts at `start` (UTC, by default now) and runs `speed` model seconds per real second."""

    def __init__(
        self,
        *,
        start: datetime | None = None,
        speed: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if not speed > 0:
            raise ValueError(f"speed {speed}: more than 0 is needed")
        self.speed = speed
        self._start_s = (start or datetime.now(UTC)).timestamp()
        self._monotonic = monotonic
        self._began_s = monotonic()

    def now_s(self) -> float:
        """POSIX seconds of the model."""
        return self._start_s + (self._monotonic() - self._began_s) * self.speed

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.now_s(), UTC)

    async def sleep(self, seconds: float) -> None:
        """Let so many model seconds pass."""
        await asyncio.sleep(max(0.0, seconds) / self.speed)


def utc_text(at_s: float) -> str:
    """RFC 3339 with milliseconds, as OCPP has it."""
    text = datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
