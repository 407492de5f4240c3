"""What of all that happens is news to a person, and in which words."""

from __future__ import annotations

from loadmgr.events import (
    Event,
    LimitReleased,
    LimitSet,
    Lost,
    MeterDoubted,
    Refused,
    Restarted,
    SessionEnded,
    SessionStarted,
    StationBooted,
    StationConnected,
    StationDisconnected,
)
from loadmgr.model import UNLIMITED, Limit
from loadmgr.snapshot import News


def news(event: Event) -> News | None:
    """A sentence about an event, or None when it is everyday."""
    found = _sentence(event)
    return None if found is None else News(at=event.at, text=found[0], serious=found[1])


def _sentence(event: Event) -> tuple[str, bool] | None:
    match event:
        case StationConnected():
            return f"{event.station} connected ({event.protocol})", False
        case StationBooted():
            return f"{event.station} started up", False
        case StationDisconnected():
            return f"{event.station} lost its connection: {event.reason or 'no reason given'}", True
        case SessionStarted():
            return f"A car plugged in at {event.session.evse}", False
        case SessionEnded():
            had = "" if event.energy_wh is None else f" with {event.energy_wh / 1000:.1f} kWh"
            return f"The car at {event.evse} left{had}", False
        case MeterDoubted():
            return f"The meter {event.meter} {_verdict(event)}", event.amount or event.places
        case LimitSet(limit=limit):
            return f"{limit.source} limits {limit.circuit} to {_amount(limit)}", False
        case LimitReleased():
            return f"{event.source} released the limit {event.name}", False
        case Refused():
            return f"{event.evse} refused an order: {event.reason or 'no reason given'}", True
        case Lost():
            return f"{event.evse} did not answer: {event.reason or 'no reason given'}", True
        case Restarted():
            return "loadmgr started and read its journal", False
        case _:
            return None


def _verdict(event: MeterDoubted) -> str:
    if event.amount:
        return "shows less than its cars draw: it is not believed until it has proved itself"
    if event.places:
        return "may have exchanged its phases: the highest counts on all of them"
    return "is believed again"


def _amount(limit: Limit) -> str:
    parts = [] if limit.current_a == UNLIMITED else [f"{min(limit.current_a):g} A"]
    if limit.power_w is not None:
        parts.append(f"{limit.power_w / 1000:g} kW")
    return " and ".join(parts)
