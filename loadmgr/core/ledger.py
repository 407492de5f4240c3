"""The worst-case ledger: the most each EVSE could lawfully draw on each phase, now.

A charger counts for what it may do, not for what it was told. An entry rises at
once and falls only on proof: a confirmation from the very connection the limit
was sent on, and then the time a charger and a car need to follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from loadmgr.core.state import Drawn, EvseState, Fading, Grant, State
from loadmgr.model import CircuitId, Evse, EvseId, Site
from loadmgr.units import PerPhase, add, on_each

FOLLOW = timedelta(seconds=13)
"""From a confirmed decrease to a lower current: 7 s for the station, 5 s for the car, and one
because currents are judged by their one-second means
(IEC 61851-1 gives the car 5 s after its pilot has changed)."""

SILENT = timedelta(seconds=30)
"""A charger whose last reading is older does not meter its car, as far as proof goes."""

CLOCK_SLACK = timedelta(seconds=30)
"""How far a station's clock may be off when it ends a limit by itself."""

OUTLASTS = CLOCK_SLACK + FOLLOW
"""How long a limit counts beyond the end that the station was told."""


def worst_case(site: Site, state: State, now: datetime) -> Mapping[EvseId, PerPhase]:
    """The ledger: per EVSE, the largest current on each site phase. [A]"""
    entries: dict[EvseId, PerPhase] = {}
    for evse in site.evses:
        belief = state.evses[evse.id]
        entries[evse.id] = per_phase(site, evse, belief, worst_current(evse, belief, now))
    return entries


def worst_current(evse: Evse, belief: EvseState, now: datetime) -> float:
    """The largest current per phase that this EVSE could be drawing, now or by an old limit. [A]"""
    beyond = (*unproven(belief, now), excess(belief, now))
    return max(allowed_current(evse, belief, now), *_within(evse, beyond))


def allowed_current(evse: Evse, belief: EvseState, now: datetime) -> float:
    """The largest that it may, if it does what it says within the time it has for that. [A]"""
    if belief.quarantine is not None or belief.fallback_a is None:
        return evse.max_a
    return max(_within(evse, (belief.fallback_a, *lawful(belief, now))))


def promised_current(evse: Evse, belief: EvseState, now: datetime) -> float:
    """What the entry comes to once all that was replaced has been followed. [A]"""
    if belief.quarantine is not None or belief.fallback_a is None:
        return evse.max_a
    return max(_within(evse, (belief.fallback_a, *_standing(belief, now))))


def _within(evse: Evse, currents_a: Iterable[float]) -> list[float]:
    """None is above what the hardware can; and 0 A where there are none."""
    return [0.0, *(min(evse.max_a, current_a) for current_a in currents_a)]


def lawful(belief: EvseState, now: datetime) -> Iterator[float]:
    """Every limit that may be in force, or whose effect may not have ended. [A]"""
    yield from _standing(belief, now)
    for fading in belief.fading:
        if now < fading.until:
            yield fading.current_a


def surely_holds(grant: Grant, now: datetime) -> bool:
    """Its end has not come, by whichever clock."""
    return now < grant.ends_at - OUTLASTS - CLOCK_SLACK


def _standing(belief: EvseState, now: datetime) -> Iterator[float]:
    """Every limit that may be in force. [A]"""
    return (grant.current_a for grant in belief.standing if now < grant.ends_at)


def unproven(belief: EvseState, now: datetime) -> Iterator[float]:
    """Replaced limits whose time is over, but whose end the charger's meter has not shown. [A]

    A charger that meters its car and has fallen silent, or is gone, has not shown it: it may
    have said "Accepted" and hold its old limit until that ends by itself. After a session's end it
    need not tell anything; if it does, that has to be the end of its current as well.
    """
    last = belief.drawn
    for fading in belief.fading:
        if now < fading.until or fading.replaced_by_a is None:
            continue
        outlasts = fading.outlasts is not None and now < fading.outlasts
        if last is None or _says_nothing(last, fading, now):
            if belief.metered and outlasts:
                yield fading.current_a
            continue
        # What it was allowed since then proves nothing against it.
        allowed = max(fading.replaced_by_a, belief.fallback_a or 0.0, *_standing(belief, now), 0.0)
        followed = last.at >= fading.until and last.current_a <= tolerated(allowed)
        if not followed or (outlasts and _leaves_open(last, fading)):
            yield fading.current_a


def _says_nothing(last: Drawn, fading: Fading, now: datetime) -> bool:
    """Its meter has fallen silent, or told nothing since the session ended."""
    after_end = fading.until - FOLLOW
    return now - last.at > SILENT or (fading.outlasts is None and last.at <= after_end)


def _leaves_open(last: Drawn, fading: Fading) -> bool:
    """Its car takes nothing, and did not before: that looks the same under either limit."""
    return not fading.in_use and last.current_a <= tolerated(0.0)


def excess(belief: EvseState, now: datetime) -> float:
    """What its own meter showed just now beyond all that it may draw; 0 if it did not. [A]

    One reading is not enough to convict a charger, and enough to give its current to nobody else:
    not even the ampere that would never convict it, where it goes on with a limit it had before.
    """
    last = belief.drawn
    if last is None or not last.beyond or now - last.at > SILENT:
        return 0.0
    return last.current_a


def kept(limit_a: float) -> float:
    """What a reading shows at most of a limit that is kept, by a class B meter (EN 50470-3) and
    a pilot in steps of a tenth of an ampere; an ampere is no car. [A]"""
    return max(limit_a * 1.02 + 0.2, tolerated(0.0))


def tolerated(limit_a: float) -> float:
    """What a reading may show under a limit that is kept: class B meters, harmonics and the
    duty cycle of a pilot, together. [A]"""
    return limit_a * 1.05 + 1.0


def per_phase(site: Site, evse: Evse, belief: EvseState, current_a: float) -> PerPhase:
    """`current_a` on every phase it may be drawn from. [A]

    On all the EVSE's phases, unless the site trusts what was measured: on the connection that
    stands, because another car may have come while there was none.
    """
    trusted = site.policy.trust_measured_phases and belief.quarantine is None
    here = belief.readings and belief.readings[-1].connection == belief.connection
    if trusted and here and belief.phases is not None:
        return on_each(current_a, belief.phases)
    return evse.worst_a(current_a)


def per_circuit(site: Site, entries: Mapping[EvseId, PerPhase]) -> Mapping[CircuitId, PerPhase]:
    """Sum of entries on every circuit. [A]"""
    totals: dict[CircuitId, PerPhase] = {circuit.id: (0.0, 0.0, 0.0) for circuit in site.circuits}
    for evse in site.evses:
        entry = entries.get(evse.id)
        if entry is None:
            continue
        for circuit in site.path[evse.circuit]:
            totals[circuit] = add(totals[circuit], entry)
    return totals
