"""What the building draws: a circuit's meter less what the cars are known to draw.

A meter counts cars and building together, and the cars' own readings come later
and less often. So the building's load is only known to lie in an interval: the
sample less the most the cars can have drawn, up to the sample less the least.
The estimate moves only as far as that interval forces it, and the highest
estimate of the last half minute is what the plan counts with. A car that ramps
does not look like a building that does, and a building that falls is believed
when it has stayed down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from loadmgr.core import doubt
from loadmgr.core.conduct import highest, site_current
from loadmgr.core.ledger import allowed_current, lawful, promised_current, worst_current
from loadmgr.core.state import EvseState, MeterState, State
from loadmgr.events import CircuitMeasured
from loadmgr.model import CircuitId, Evse, Meter, MeterId, Site
from loadmgr.units import NOTHING, PHASES, PerPhase, add, higher, lower, on_each, subtract

HOLD = timedelta(seconds=30)
BUCKET = timedelta(seconds=5)
CALM = timedelta(minutes=15)  # a load that switches more slowly than this is no flicker
CALM_BUCKET = timedelta(minutes=1)
FRESH = timedelta(seconds=15)
TRANSITION = timedelta(seconds=15)  # after a raise or a plug-in the car may be anywhere below it
LOOKS_BACK = timedelta(seconds=2.5)  # a sample that a reading can still be held against
GOOD_TO_RETURN = 3
ABSURD = 20.0  # times the rating: no fuse would let that through


def sample(site: Site, state: State, event: CircuitMeasured) -> MeterState:
    """The meter's state after one sample; one that cannot be true, or is old, counts as silence."""
    known = state.meters[event.meter]
    meter = site.meter[event.meter]
    circuit = site.circuit[meter.circuit]
    if event.sampled_at is not None and event.sampled_at == known.sampled_at:
        return known  # told again is not measured again
    if not _plausible(event.current_a, circuit.rating_a) or doubt.backwards(meter, event):
        back = known.good_in_a_row >= GOOD_TO_RETURN
        return known if back else replace(known, good_in_a_row=0)
    known = doubt.judged(site, state, event)
    least, most, settled = _cars(site, state, meter, event.at)
    shown_a = doubt.shown(known, event)
    lowest, top = subtract(shown_a, most), subtract(shown_a, least)
    overloaded = tuple(shown_a[p] > circuit.usable_a[p] for p in PHASES)
    if any(shown_a[p] > circuit.rating_a[p] for p in PHASES):
        certain = subtract(shown_a, _certain(site, state, meter, event.at))
        top = higher(top, certain)
    before = known.building_a if known.at is not None else lowest
    estimate = [
        # No benefit of the doubt for a phase that is over its limit right now.
        max(0.0, top[p] if overloaded[p] else min(max(before[p], lowest[p]), top[p]))
        for p in PHASES
    ]
    building: PerPhase = (estimate[0], estimate[1], estimate[2])
    lost = known.at is None or event.at - known.at > timedelta(seconds=meter.lost_after_s)
    return replace(
        known,
        current_a=event.current_a,
        at=event.at,
        sampled_at=event.sampled_at,
        good_in_a_row=1 if lost else known.good_in_a_row + 1,
        building_a=building,
        at_most_a=higher(building, higher(top, subtract(shown_a, settled))),
        peaks=_hold(known.peaks, event.at, building, HOLD, BUCKET),
        calm_peaks=_hold(known.calm_peaks, event.at, building, CALM, CALM_BUCKET)
        if _all_heard(site, state, meter, event.at)
        else known.calm_peaks,
    )


def looked_back(site: Site, state: State, meter: Meter, now: datetime) -> MeterState:
    """The meter's state once a car has told what it draws after the last sample.

    While a car may be ramping, a building that rises looks like the car. But when the sample was
    taken the car drew no more than before or after it: what it did not draw was the building.
    """
    known = state.meters[meter.id]
    if known.at is None or now - known.at > LOOKS_BACK:
        return known
    most = NOTHING
    for evse in site.below[meter.circuit]:
        belief = state.evses[evse.id]
        told = bool(belief.readings) and belief.readings[-1].at >= known.at
        settled = replace(belief, raised_at=None) if told else belief
        most = add(most, _car(site, evse, settled, now)[1])
    lowest = subtract(doubt.shown_again(known), most)
    if all(lowest[p] <= known.building_a[p] for p in PHASES):
        return known
    building = higher(known.building_a, lowest)
    return replace(
        known,
        building_a=building,
        at_most_a=higher(known.at_most_a, building),
        peaks=_hold(known.peaks, now, building, HOLD, BUCKET),
    )


def _plausible(current_a: PerPhase, rating_a: PerPhase) -> bool:
    return all(math.isfinite(i) for i in current_a) and all(
        abs(current_a[p]) <= ABSURD * max(rating_a) for p in PHASES
    )


def _cars(
    site: Site, state: State, meter: Meter, now: datetime
) -> tuple[PerPhase, PerPhase, PerPhase]:
    """The least and the most that the cars below this meter can be drawing; and the least, if who
    was told to take less has already followed. [A]

    A car on its way down hides a building on its way up. What it frees is not lent out before
    it has shown where it went.
    """
    least, most, settled = NOTHING, NOTHING, NOTHING
    for evse in site.below[meter.circuit]:
        belief = state.evses[evse.id]
        low, high = _car(site, evse, belief, now)
        down = lower(low, evse.worst_a(promised_current(evse, belief, now)))
        least, most, settled = add(least, low), add(most, high), add(settled, down)
    return least, most, settled


def _all_heard(site: Site, state: State, meter: Meter, now: datetime) -> bool:
    """Every car below has been heard of lately: what is left is the building, and no car."""
    beliefs = (state.evses[evse.id] for evse in site.below[meter.circuit])
    return all(
        b.session is None or (b.readings and now - b.readings[-1].at <= FRESH) for b in beliefs
    )


def _car(site: Site, evse: Evse, belief: EvseState, now: datetime) -> tuple[PerPhase, PerPhase]:
    """The least and the most one car can be drawing, on every phase it may be on. [A]

    Where nobody knows which phases those are, its current counts on all of them here as in the
    ledger: what is too little for the building on a phase without it is in its own entry.
    """
    fresh = [r for r in belief.readings if now - r.at <= FRESH]
    if not fresh:
        # A car that is not heard of may be drawing all that it may, or nothing. One that never
        # was belongs to the building.
        worst_a = worst_current(evse, belief, now) if belief.metered else 0.0
        return NOTHING, evse.worst_a(worst_a) if worst_a > 0 else NOTHING
    low, high = NOTHING, NOTHING
    for place, reading in enumerate(fresh):
        seen = site_current(evse, reading)
        if seen is None:
            drawn = highest(reading, site.voltage_v, len(evse.wiring.terminals)) or 0.0
            seen = evse.worst_a(drawn)
        high = higher(high, seen)
        low = seen if place == 0 else lower(low, seen)
    # A charger that tells more than it may draw must not make the building smaller.
    low = lower(low, evse.worst_a(allowed_current(evse, belief, now)))
    if belief.raised_at is not None and now - belief.raised_at <= TRANSITION:
        allowed = max((*lawful(belief, now), belief.fallback_a or 0.0))
        high = higher(high, evse.worst_a(min(evse.max_a, allowed)))
    return low, high


def _certain(site: Site, state: State, meter: Meter, now: datetime) -> PerPhase:
    """What the cars draw for certain, phase by phase: what surely falls when they are told to. [A]

    Where a fuse is overloaded, a car that may be on another phase is no relief to count on.
    """
    total = NOTHING
    for evse in site.below[meter.circuit]:
        belief = state.evses[evse.id]
        low, _ = _car(site, evse, belief, now)
        told = [r.terminal_a for r in belief.readings if now - r.at <= FRESH]
        if not evse.wiring.known or None in told:
            on_all = len(evse.wiring.terminals) == len(PHASES)
            least = min((min(a) for a in told if a is not None), default=0.0)
            low = lower(low, on_each(least, PHASES)) if on_all and None not in told else NOTHING
        total = add(total, low)
    return total


def _hold(
    peaks: tuple[tuple[datetime, PerPhase], ...],
    now: datetime,
    building_a: PerPhase,
    hold: timedelta,
    bucket: timedelta,
) -> tuple[tuple[datetime, PerPhase], ...]:
    """The highest estimate of each recent bucket of time, oldest first."""
    kept = peaks if not peaks or now - peaks[0][0] <= hold else peaks[1:]
    if kept and now - kept[-1][0] < bucket:
        start, peak = kept[-1]
        return (*kept[:-1], (start, higher(peak, building_a)))
    return (*kept, (now, building_a))


# ── Reading it ────────────────────────────────────────────────────────────────────────────


def believed(
    site: Site, state: State, now: datetime, *, calm: bool = False, at_most: bool = False
) -> Mapping[CircuitId, PerPhase]:
    """What is not steered on each circuit, as the plan has to count with it. [A]

    A circuit with a live meter: what was measured. With a lost one: the declared
    worst case. Without one: what was declared for it, and all that its
    sub-circuits carry. With `calm`, the highest of the last quarter of an hour
    instead of the last half minute. With `at_most`, nothing is believed of the cars
    that they have not shown: what may be lent out, not what is planned with.
    """
    found: dict[CircuitId, PerPhase] = {}
    children: dict[CircuitId, PerPhase] = {}
    for circuit in reversed(site.circuits):
        below = children.get(circuit.id, NOTHING)
        if circuit.meter is None:
            load = add(circuit.building_a, below)
        elif is_lost(site.meter[circuit.meter], state, now):
            load = higher(site.meter[circuit.meter].worst_building_a, below)
        else:
            known = state.meters[circuit.meter]
            load = held(known, calm=calm)
            if at_most:
                load = higher(load, known.at_most_a)
        found[circuit.id] = load
        if circuit.feeds_from is not None:
            above = children.get(circuit.feeds_from, NOTHING)
            children[circuit.feeds_from] = add(above, load)
    return found


def held(meter: MeterState, *, calm: bool = False) -> PerPhase:
    """The highest estimate of the last half minute, or of the last quarter of an hour. [A]"""
    top = NOTHING
    for _, peak in meter.calm_peaks if calm else meter.peaks:
        top = higher(top, peak)
    return top


def is_lost(meter: Meter, state: State, now: datetime) -> bool:
    """Silent for too long, back for less than a few good samples, or caught in a lie."""
    known = state.meters[meter.id]
    if known.at is None or known.good_in_a_row < GOOD_TO_RETURN:
        return True
    if known.doubted_until is not None and now < known.doubted_until:
        return True
    return now - known.at > timedelta(seconds=meter.lost_after_s)


def lost(site: Site, state: State, now: datetime) -> tuple[MeterId, ...]:
    return tuple(meter.id for meter in site.meters if is_lost(meter, state, now))
