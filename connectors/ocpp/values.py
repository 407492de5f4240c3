"""Single values of the wire: instants and numbers. Pure; what cannot be read is None."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta


def instant(text: object) -> datetime | None:
    """An RFC 3339 time as UTC; one without an offset is taken as UTC."""
    if not isinstance(text, str) or len(text) > 64:
        return None
    try:
        read = datetime.fromisoformat(text.strip())
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def instant_text(at: datetime) -> str:
    """RFC 3339 in whole milliseconds, the precision the standard allows."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def second_text(at: datetime) -> str:
    """RFC 3339 in whole seconds: several stations fail on fractions in a schedule."""
    return at.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def number(value: object) -> float | None:
    """A finite number, from JSON or from the text that 1.6 puts readings in."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and len(value) > 32:
        return None
    try:
        read = float(value)
    except (ValueError, OverflowError):
        return None
    return read if math.isfinite(read) else None


def within(at: datetime | None, now: datetime, past: timedelta) -> datetime:
    """`at` when it lies in the last `past`, else `now`: a station's clock is not to be trusted."""
    return at if at is not None and now - past <= at <= now else now
