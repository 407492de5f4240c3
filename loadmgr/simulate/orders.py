"""What a station makes of one order of the engine: the profile it becomes, and the answer."""

from __future__ import annotations

from datetime import datetime

from loadmgr.events import (
    Confirmed,
    Lost,
    Order,
    Outcome,
    ReadFallback,
    ReadMeter,
    Refused,
    SetAvailability,
    SetFallback,
    SetLimit,
    StopTransaction,
)
from loadmgr.simulate.profiles import Period, Profile, Purpose, Unacceptable
from loadmgr.simulate.station import Station

FALLBACK_LEVEL, LIMIT_LEVEL = 0, 1

LONG_AGO_S = 946_684_800.0
"""2000-01-01: a default is in force whatever the station's clock shows."""


def profile_of(order: SetLimit | SetFallback, number: int, now_s: float) -> Profile:
    """The charging profile that says the same."""
    periods = (Period(0.0, order.current_a),)
    if isinstance(order, SetFallback):
        return Profile(
            id=number,
            level=FALLBACK_LEVEL,
            purpose=Purpose.DEFAULT,
            periods=periods,
            start_s=LONG_AGO_S,
        )
    return Profile(
        id=1000 + number,
        level=LIMIT_LEVEL,
        purpose=Purpose.TX,
        periods=periods,
        start_s=now_s,
        duration_s=order.lasts_s,
        transaction_id=order.transaction_id,
    )


def obey(station: Station, number: int, order: Order, now_s: float, at: datetime) -> Outcome:
    """Carry the order out on the model; `at` stamps the answer."""
    told_a: float | None = None
    try:
        match order:
            case SetLimit() | SetFallback():
                station.set_profile(number, profile_of(order, number, now_s), now_s)
            case ReadFallback(after_s=after_s):
                max_a = station.outlets[number].evse.max_a
                told_a = min(max_a, station.limit_a(number, now_s + after_s))
            case ReadMeter():
                pass  # what it says then is the gateway's to tell
            case StopTransaction(transaction_id=id):
                if station.number_of(id) != number:
                    raise Unacceptable(f"transaction {id} does not run there")
                station.end(number, now_s)
            case SetAvailability(operative=operative):
                station.outlets[number].operative = operative
    except Unacceptable as refusal:
        return Refused(
            at=at,
            serial=order.serial,
            evse=order.evse,
            connection=order.connection,
            reason=str(refusal),
        )
    return Confirmed(
        at=at,
        serial=order.serial,
        evse=order.evse,
        connection=order.connection,
        current_a=told_a,
    )


def lost(order: Order, reason: str, at: datetime) -> Lost:
    return Lost(
        at=at,
        serial=order.serial,
        evse=order.evse,
        connection=order.connection,
        reason=reason,
    )
