"""How a limit in amperes becomes a charging schedule, and back. Pure; shared by all versions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

from connectors.ocpp.values import number, second_text
from loadmgr.model import Evse
from loadmgr.units import WIRE_STEP_A, floor_to_wire

BACKDATED = timedelta(seconds=10)
"""An absolute schedule starts a little earlier, so that it is in force at once at a station
whose clock is behind ours."""

LONG_AGO = "2000-01-01T00:00:00Z"
"""Start of a default that must always be in force: clocks that lost their battery start here."""

FALLBACK_LEVEL = 0

# Ids of our profiles, the same for each EVSE for ever: a new one takes the old one's place.
_IDS_PER_EVSE = 10


class Use(IntEnum):
    FALLBACK = 1
    LIMIT = 2


def profile_id(evse: Evse, use: Use) -> int:
    return evse.number * _IDS_PER_EVSE + use


@dataclass(frozen=True, slots=True)
class RateUnit:
    """`chargingRateUnit` as it applies to one EVSE."""

    symbol: str  # "A" or "W"
    per_ampere: float  # of the wire's number for each ampere per phase
    step: float

    def wire(self, current_a: float) -> float:
        """Never more than `current_a`."""
        return floor_to_wire(current_a * self.per_ampere, self.step)

    def current_a(self, wire: float) -> float:
        return wire / self.per_ampere


def rate_units(evse: Evse, voltage_v: float, balanced: bool) -> Mapping[str, RateUnit]:
    """Amperes, and what stands for them at a station that takes only watts.

    A limit in watts is for all phases together, and a car may draw all of it from one. So a
    watt counts as current on a single phase, unless the station is known to be `balanced`
    (it loads all its phases alike, as a DC station does).
    """
    phases = len(evse.wiring.terminals) if balanced else 1
    return {
        "A": RateUnit("A", 1.0, WIRE_STEP_A),
        "W": RateUnit("W", voltage_v * phases, 1.0),
    }


@dataclass(frozen=True, slots=True)
class Span:
    """From slightly before now until the limit ends by itself."""

    start: datetime
    end: datetime

    @classmethod
    def of(cls, now: datetime, lasts_s: float) -> Span:
        start = (now - BACKDATED).replace(microsecond=0)
        return cls(
            start, start + timedelta(seconds=math.floor((now - start).total_seconds() + lasts_s))
        )

    @property
    def seconds(self) -> int:
        return int((self.end - self.start).total_seconds())


def limited_schedule(unit: RateUnit, current_a: float, span: Span) -> dict[str, Any]:
    return {
        "startSchedule": second_text(span.start),
        "duration": span.seconds,
        **_flat(unit, current_a),
    }


def endless_schedule(unit: RateUnit, current_a: float, relative: bool) -> dict[str, Any]:
    start = {} if relative else {"startSchedule": LONG_AGO}
    return {**start, **_flat(unit, current_a)}


def _flat(unit: RateUnit, current_a: float) -> dict[str, Any]:
    return {
        "chargingRateUnit": unit.symbol,
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": unit.wire(current_a)}],
    }


def highest_from(schedule: object, after_s: float, units: Mapping[str, RateUnit]) -> float | None:
    """The highest limit of a composite schedule from `after_s` after its start. [A]

    None when it does not reach that far, or holds anything that is no limit: -1, no
    periods, a unit nobody asked for.
    """
    if not isinstance(schedule, dict):
        return None
    unit = units.get(str(schedule.get("chargingRateUnit")))
    periods = _periods(schedule.get("chargingSchedulePeriod"))
    duration_s = schedule.get("duration")
    if unit is None or not periods or periods[0][0] > after_s:
        return None
    if duration_s is not None and not (number(duration_s) or 0.0) >= after_s:
        return None
    in_force = max(start for start, _ in periods if start <= after_s)
    return unit.current_a(max(limit for start, limit in periods if start >= in_force))


def _periods(listed: object) -> list[tuple[float, float]]:
    """(start, limit), by start; empty when one of them makes no sense."""
    periods: list[tuple[float, float]] = []
    for period in listed if isinstance(listed, Iterable) else ():
        start = number(period.get("startPeriod")) if isinstance(period, dict) else None
        limit = number(period.get("limit")) if isinstance(period, dict) else None
        if start is None or limit is None or start < 0 or limit < 0:
            return []
        periods.append((start, limit))
    return sorted(periods)
