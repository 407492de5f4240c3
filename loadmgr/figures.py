"""How numbers, times and names are written for people, the same everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from loadmgr.units import Phase


def decimal(value: float) -> str:
    """At most one decimal: `8`, `8.5`; no `-0`; `∞` and, for what is not a number, `?`."""
    if not math.isfinite(value):
        return "∞" if value == math.inf else "?"
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")


def amperes(value: float) -> str:
    return f"{decimal(value)} A"


def amount(value: float, phase: Phase | None) -> str:
    """A value of a row: ampere on a phase, kilowatt (from watt) on the power row."""
    return f"{decimal(on_display(value, phase))} {unit(phase)}"


def on_display(value: float, phase: Phase | None) -> float:
    return value if phase is not None else value / 1000


def unit(phase: Phase | None) -> str:
    return "kW" if phase is None else "A"


def count(number: int, noun: str) -> str:
    """`1 car`, `3 cars`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listing(names: Sequence[str], most: int = 3) -> str:
    """`CP01`, `CP01 and CP02`, `CP01, CP02 and 7 others`."""
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} others"]
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def plain(text: str) -> str:
    """Without control characters, which a terminal would obey."""
    return "".join(char if char.isprintable() else "·" for char in text)


def local(at: datetime, now: datetime, timezone: str, *, seconds: bool = False) -> str:
    """An instant by the clocks of the site: `17:42`, and the day where it is not today's.

    In the hour that comes twice in autumn the zone is named as well.
    """
    zone = ZoneInfo(timezone)
    there, today = at.astimezone(zone), now.astimezone(zone).date()
    shown = f"{there:%H:%M:%S}" if seconds else f"{there:%H:%M}"
    if there.replace(fold=0).utcoffset() != there.replace(fold=1).utcoffset():
        shown = f"{shown} {there.tzname()}"
    if there.date() == today:
        return shown
    if abs(there.date() - today) < timedelta(days=7):
        return f"{there:%a} {shown}"
    return f"{there.day} {there:%b %Y} {shown}"
