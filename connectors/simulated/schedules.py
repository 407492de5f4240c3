"""Charging profiles between the wire and the model. Pure; shared by both versions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from connectors.simulated.wire import Payload
from loadmgr.simulate.profiles import DAY_S, Kind, Period, Profile, Purpose, Unacceptable

_PURPOSE = {
    "ChargePointMaxProfile": Purpose.MAX,
    "ChargingStationMaxProfile": Purpose.MAX,
    "TxDefaultProfile": Purpose.DEFAULT,
    "TxProfile": Purpose.TX,
}

_RECURS_S = {"Daily": DAY_S, "Weekly": 7 * DAY_S}


def purpose_of(text: str) -> Purpose | None:
    return _PURPOSE.get(text)


def posix_s(text: str) -> float:
    """RFC 3339 to POSIX seconds.

    Raises
    ------
    Unacceptable
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Unacceptable(f"{text!r} is no time") from None
    if at.tzinfo is None:
        raise Unacceptable(f"{text!r} has no offset from UTC")
    return at.timestamp()


def profile(id: int, head: Payload, schedule: Payload, *, voltage_v: float, phases: int) -> Profile:
    """A profile of either version; watts become amperes on the phases it speaks of.

    Raises
    ------
    Unacceptable
        The station has to answer Rejected.
    """
    purpose = purpose_of(head["chargingProfilePurpose"])
    if purpose is None:
        raise Unacceptable(f"{head['chargingProfilePurpose']} is not supported")
    kind = Kind(head["chargingProfileKind"])
    start = schedule.get("startSchedule")
    transaction = head.get("transactionId")
    return Profile(
        id=id,
        level=head["stackLevel"],
        purpose=purpose,
        kind=kind,
        periods=tuple(
            _period(period, schedule["chargingRateUnit"], voltage_v, phases)
            for period in schedule["chargingSchedulePeriod"]
        ),
        start_s=None if start is None or kind is Kind.RELATIVE else posix_s(start),
        duration_s=schedule.get("duration"),
        valid_from_s=posix_s(head["validFrom"]) if "validFrom" in head else float("-inf"),
        valid_to_s=posix_s(head["validTo"]) if "validTo" in head else float("inf"),
        transaction_id=None if transaction is None else str(transaction),
        recurs_s=_RECURS_S.get(head.get("recurrencyKind", ""), DAY_S),
    )


def _period(told: Payload, unit: str, voltage_v: float, phases: int) -> Period:
    limit = float(told["limit"])
    if unit == "W":
        # Without numberPhases three are assumed (1.6 section 7.13), but no more than there are.
        limit /= voltage_v * min(phases, told.get("numberPhases", 3))
    return Period(float(told["startPeriod"]), limit, told.get("numberPhases"))


def told_periods(
    periods: Sequence[Period], unit: str, *, max_a: float, voltage_v: float, phases: int
) -> list[dict[str, Any]]:
    """A composite schedule for the wire; where nothing limits, the hardware does."""
    factor = voltage_v * phases if unit == "W" else 1.0
    return [
        {
            "startPeriod": round(period.start_s),
            "limit": round(min(max_a, period.limit_a) * factor, 1),
            "numberPhases": phases,
        }
        for period in periods
    ]
