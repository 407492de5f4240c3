"""The only way belief changes: `observe(site, state, event) -> State`.

Pure. The order of events about different EVSEs does not matter, and an event
that repeats what is known changes nothing. What an old connection says never
lowers the ledger.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from loadmgr.core import building, conduct, doubt, failsafe, orders
from loadmgr.core.ledger import FOLLOW
from loadmgr.core.state import EvseState, Fading, State
from loadmgr.events import (
    CircuitMeasured,
    Confirmed,
    Event,
    EvseMeasured,
    Heartbeat,
    LimitReleased,
    LimitSet,
    Lost,
    MeterDoubted,
    NeedsChanged,
    Refused,
    Restarted,
    Sent,
    SessionEnded,
    SessionStarted,
    StationBooted,
    StationConnected,
    StationDisconnected,
    StatusChanged,
)
from loadmgr.model import ConnectorStatus, Evse, EvseId, Site, StationId

READINGS_KEPT = timedelta(seconds=15)
ABSURD = 2.5  # times the hardware maximum; more than a maximum mistyped by one size


def observe(site: Site, state: State, event: Event) -> State:
    """The belief after one event. Events about things the site does not have change nothing."""
    return _RULES[type(event)](site, state, event)


# ── Stations ──────────────────────────────────────────────────────────────────────────────


def _connected(site: Site, state: State, event: StationConnected) -> State:
    def rule(evse: Evse, belief: EvseState) -> EvseState:
        if belief.connection is not None and belief.connection >= event.connection:
            return belief
        return replace(
            belief,
            connection=event.connection,
            seen=True,
            offline_since=None,
            in_flight=None,
            unproved=0,
            prove_at=None,
            declined=0,
            # What failed on the last connection says little about this one.
            failures=0,
            failed_at=None,
            failed_a=None,
            retry_at=None,
        )

    return _each_evse(site, state, event.station, rule)


def _booted(site: Site, state: State, event: StationBooted) -> State:
    """Whatever it was told may be forgotten: its fallback has to be proved again, and its limit."""

    def rule(evse: Evse, belief: EvseState) -> EvseState:
        if belief.connection != event.connection:
            return belief
        return replace(
            belief,
            fallback_a=None,
            fallback_written=None,
            fallback_checked=None,
            unproved=0,
            prove_at=None,
            in_force=None if belief.in_force is None else orders.forgotten(belief.in_force),
        )

    return _each_evse(site, state, event.station, rule)


def _disconnected(site: Site, state: State, event: StationDisconnected) -> State:
    def rule(evse: Evse, belief: EvseState) -> EvseState:
        if belief.connection != event.connection:
            return belief
        return replace(belief, connection=None, offline_since=event.at, in_flight=None)

    return _each_evse(site, state, event.station, rule)


def _status(site: Site, state: State, event: StatusChanged) -> State:
    belief = state.evses.get(event.evse)
    if belief is None or belief.connection != event.connection:
        return state
    rests = event.status in {ConnectorStatus.SUSPENDED_EV, ConnectorStatus.SUSPENDED_EVSE}
    since = (belief.rests_since or event.at) if rests else None
    return _with(state, event.evse, replace(belief, status=event.status, rests_since=since))


# ── Sessions ──────────────────────────────────────────────────────────────────────────────


def _session_started(site: Site, state: State, event: SessionStarted) -> State:
    belief = state.evses.get(event.session.evse)
    if belief is None:
        return state
    known = belief.session
    if known is not None and known.transaction_id == event.session.transaction_id:
        return state
    return _with(
        state,
        event.session.evse,
        replace(
            _forget_car(_fade_limit(belief, event)),
            session=event.session,
            session_start_wh=belief.energy_wh,
            off_since=event.at,
        ),
    )


def _session_ended(site: Site, state: State, event: SessionEnded) -> State:
    belief = state.evses.get(event.evse)
    if belief is None or belief.session is None:
        return state
    if belief.session.transaction_id != event.transaction_id:
        return state
    return _with(state, event.evse, _forget_car(_fade_limit(belief, event)))


def _fade_limit(belief: EvseState, event: SessionStarted | SessionEnded) -> EvseState:
    """The transaction that its limits belonged to is over: they count until the car has followed,
    and has been seen to where its charger goes on telling what flows. One that was replaced, and
    may not have been, ends with them where the end was told, and not only another one named.
    """
    ended = isinstance(event, SessionEnded)
    over = [f for f in belief.fading if ended and f.outlasts is not None]
    over_a = [f.current_a for f in over]
    if belief.in_force is not None:
        over_a.append(belief.in_force.current_a)
    if not over_a:
        return belief
    last = Fading(current_a=max(over_a), until=event.at + FOLLOW, replaced_by_a=0.0)
    others = (f for f in belief.fading if f not in over)
    return replace(belief, in_force=None, fading=(*others, last))


def _forget_car(belief: EvseState) -> EvseState:
    return replace(
        belief,
        session=None,
        session_start_wh=None,
        rests_since=None,
        took_a=0.0,
        unmoved_a=None,
        phases=None,
        draws_less_since=None,
        on_since=None,
        off_since=None,
        stops=(),
        raised_at=None,
    )


def _needs(site: Site, state: State, event: NeedsChanged) -> State:
    belief = state.evses.get(event.evse)
    if belief is None or belief.session is None:
        return state
    return _with(
        state, event.evse, replace(belief, session=replace(belief.session, needs=event.needs))
    )


# ── Meters ────────────────────────────────────────────────────────────────────────────────


def _evse_measured(site: Site, state: State, event: EvseMeasured) -> State:
    belief = state.evses.get(event.evse)
    if belief is None or belief.connection != event.connection:
        return state
    evse = site.evse[event.evse]
    told, event = event, _sensible(evse, event)
    if event.terminal_a is None and event.power_w is None and event.energy_wh is None:
        # Nothing of it can be used but that there is a meter.
        return _with(state, event.evse, replace(belief, metered=True))
    recent = (*(r for r in belief.readings if r.at > event.at - READINGS_KEPT), event)
    tells = told.terminal_a is not None or told.power_w is not None
    belief = replace(belief, readings=recent[-4:], metered=belief.metered or tells)
    belief = conduct.drawn(evse, belief, event, site.voltage_v)
    belief = orders.followed(belief, event.at)
    belief = conduct.energy(belief, event)
    belief = conduct.phases(evse, belief, event)
    belief = conduct.draws_less(belief, event)
    state = _with(state, event.evse, conduct.obedience(evse, belief, event))
    return _looked_back(site, state, evse, event)


def _looked_back(site: Site, state: State, evse: Evse, event: EvseMeasured) -> State:
    """Hold the last samples of the meters above against what this car has just told."""
    meters = dict(state.meters)
    for circuit in site.path[evse.circuit]:
        name = site.circuit[circuit].meter
        if name is not None:
            meters[name] = building.looked_back(site, state, site.meter[name], evse, event.at)
    changed = any(meters[name] is not known for name, known in state.meters.items())
    return replace(state, meters=meters) if changed else state


def _sensible(evse: Evse, event: EvseMeasured) -> EvseMeasured:
    """What of a reading can be: the rest is as if it had not been told."""
    numbers = event.terminal_a or ()
    carries = all(map(_is_amount, numbers)) and max(numbers, default=0.0) <= ABSURD * evse.max_a
    return replace(
        event,
        terminal_a=event.terminal_a if carries else None,
        power_w=event.power_w if _is_amount(event.power_w) else None,
        energy_wh=event.energy_wh if _is_amount(event.energy_wh) else None,
    )


def _is_amount(number: float | None) -> bool:
    return number is not None and math.isfinite(number) and number > -1e-3


def _circuit_measured(site: Site, state: State, event: CircuitMeasured) -> State:
    if event.meter not in state.meters:
        return state
    meters = {**state.meters, event.meter: building.sample(site, state, event)}
    return replace(state, meters=meters)


def _meter_doubted(site: Site, state: State, event: MeterDoubted) -> State:
    if event.meter not in state.meters:
        return state
    meters = {**state.meters, event.meter: doubt.told(state.meters[event.meter], event)}
    return replace(state, meters=meters)


# ── Limits ────────────────────────────────────────────────────────────────────────────────


def _limit_set(site: Site, state: State, event: LimitSet) -> State:
    if event.limit.circuit not in site.circuit:
        return state
    state = replace(state, limits={**state.limits, event.limit.name: event.limit})
    return failsafe.heard(site, state, event.limit.name, event.at, says=True)


def _limit_released(site: Site, state: State, event: LimitReleased) -> State:
    kept = {name: limit for name, limit in state.limits.items() if name != event.name}
    state = replace(state, limits=kept)
    return failsafe.heard(site, state, event.name, event.at, says=True)


def _heartbeat(site: Site, state: State, event: Heartbeat) -> State:
    return failsafe.heard(site, state, event.name, event.at, says=False)


# ── Orders ────────────────────────────────────────────────────────────────────────────────


def _sent(site: Site, state: State, event: Sent) -> State:
    order = event.order
    belief = state.evses.get(order.evse)
    if belief is None:
        return state
    state = replace(state, last_serial=max(state.last_serial, order.serial))
    return _with(state, order.evse, orders.sent(belief, order, event.at))


def _outcome(site: Site, state: State, event: Confirmed | Refused | Lost) -> State:
    belief = state.evses.get(event.evse)
    if belief is None or belief.in_flight is None or belief.in_flight.serial != event.serial:
        return state
    return _with(state, event.evse, orders.answered(site.evse[event.evse], belief, event))


def _restarted(site: Site, state: State, event: Restarted) -> State:
    return replace(
        state,
        evses={name: orders.restarted(belief, event.at) for name, belief in state.evses.items()},
        meters={name: doubt.restarted(known, event.at) for name, known in state.meters.items()},
        contacts={},
    )


# ── The table ─────────────────────────────────────────────────────────────────────────────

_RULES: dict[type[Any], Callable[[Site, State, Any], State]] = {
    StationConnected: _connected,
    StationBooted: _booted,
    StationDisconnected: _disconnected,
    StatusChanged: _status,
    SessionStarted: _session_started,
    SessionEnded: _session_ended,
    NeedsChanged: _needs,
    EvseMeasured: _evse_measured,
    CircuitMeasured: _circuit_measured,
    MeterDoubted: _meter_doubted,
    LimitSet: _limit_set,
    Heartbeat: _heartbeat,
    LimitReleased: _limit_released,
    Sent: _sent,
    Confirmed: _outcome,
    Refused: _outcome,
    Lost: _outcome,
    Restarted: _restarted,
}


def _with(state: State, evse: EvseId, belief: EvseState) -> State:
    return replace(state, evses={**state.evses, evse: belief})


def _each_evse(
    site: Site, state: State, station: StationId, rule: Callable[[Evse, EvseState], EvseState]
) -> State:
    evses = dict(state.evses)
    for evse in site.stations.get(station, ()):
        evses[evse.id] = rule(evse, evses[evse.id])
    return replace(state, evses=evses)
