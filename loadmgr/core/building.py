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
from loadmgr.core.places import SETTLED_A, drawn, loose, placed, shade
from loadmgr.core.span import FRESH, Span, Spans, around, span, together
from loadmgr.core.state import MeterState, State
from loadmgr.events import CircuitMeasured
from loadmgr.model import CircuitId, Evse, Meter, MeterId, Site
from loadmgr.units import NOTHING, PHASES, PerPhase, add, farthest, higher, lower, subtract, total

HOLD = timedelta(seconds=30)
BUCKET = timedelta(seconds=5)
CALM = timedelta(minutes=15)  # a load that switches more slowly than this is no flicker
CALM_BUCKET = timedelta(minutes=1)
LOOKS_BACK = timedelta(seconds=6)  # a sample that a reading can still be held against
GOOD_TO_RETURN = 3
NOISE_A = 0.2  # of a meter: so much of the margin may be used without being an excess
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
        known = doubt.refuted(known, event.at)
        return known if back else replace(known, good_in_a_row=0)
    known = doubt.judged(site, state, event)
    shown_a = doubt.shown(known, event)
    below = site.below[meter.circuit]
    spans = {
        evse.id: placed(evse, _span(site, state, evse, event.at), shown_a, known.doubt is None)
        for evse in below
    }
    cars = together(spans.values())
    lowest, top, sure = (subtract(shown_a, a) for a in (cars.most, cars.least, cars.certain))
    if any(shown_a[p] > circuit.rating_a[p] for p in PHASES):
        top = higher(top, sure)  # a car that may be on another phase is no relief to count on
    before = known.building_a if known.at is not None else lowest
    loose_a = loose(below, spans)
    settled = farthest(cars.most, cars.least) < SETTLED_A
    told_a = drawn(below, state.evses, spans, site.voltage_v)
    shade_a = shade(known, loose_a, subtract(sure, before), told_a, settled=settled)
    if shade_a is not None:
        lowest, sure = add(lowest, subtract(loose_a, shade_a)), subtract(sure, shade_a)
    limit_a = lower(circuit.rating_a, add(circuit.usable_a, (NOISE_A,) * 3))
    overloaded = tuple(shown_a[p] > limit_a[p] for p in PHASES)
    estimate = [
        # No benefit of the doubt for a phase that is over its limit right now.
        max(0.0, top[p] if overloaded[p] else min(max(before[p], lowest[p]), sure[p]))
        for p in PHASES
    ]
    building: PerPhase = (estimate[0], estimate[1], estimate[2])
    # A car on its way down hides a building on its way up. What it frees is not lent out before
    # it has shown where it went; nor what a car would need that goes from one phase to all.
    at_most_a = higher(building, higher(top, subtract(shown_a, cars.followed)))
    lost = known.at is None or event.at - known.at > timedelta(seconds=meter.lost_after_s)
    return replace(
        known,
        current_a=event.current_a,
        at=event.at,
        sampled_at=event.sampled_at,
        good_in_a_row=1 if lost else known.good_in_a_row + 1,
        building_a=building,
        at_most_a=at_most_a,
        peaks=_hold(known.peaks, event.at, building, HOLD, BUCKET),
        calm_peaks=_hold(known.calm_peaks, event.at, building, CALM, CALM_BUCKET)
        if _all_heard(site, state, meter, event.at)
        else known.calm_peaks,
        cars_most_a={evse: span.most for evse, span in spans.items()},
        cars_least_a={evse: span.followed for evse, span in spans.items()},
        loose_a=loose_a,
        shade_a=shade_a,
    )


def looked_back(site: Site, state: State, meter: Meter, evse: Evse, now: datetime) -> MeterState:
    """The meter's state once a car has told what it draws after the last sample.

    While a car may be ramping, a building that rises looks like the car. But when the sample was
    taken the car drew no more than before or after it: what it did not draw was the building. And
    it may have drawn as little then as it tells now: no more of the sample is lent out.
    """
    known = state.meters[meter.id]
    at = known.at
    if at is None or now - at > LOOKS_BACK:
        return known
    belief = state.evses[evse.id]
    told = span(evse, belief, now, site.voltage_v, ramps=False)
    known = _with_less(known, evse, told.followed)
    then = replace(belief, readings=around(belief.readings, at))
    most_a = lower(told.most, span(evse, then, now, site.voltage_v, ramps=False).most)
    if most_a == known.cars_most_a.get(evse.id):
        return known
    cars_most_a = {**known.cars_most_a, evse.id: most_a}
    lowest = subtract(doubt.shown_again(known), total(cars_most_a.values()))
    if all(lowest[p] <= known.building_a[p] for p in PHASES):
        return replace(known, cars_most_a=cars_most_a)
    building = higher(known.building_a, lowest)
    return replace(
        known,
        building_a=building,
        at_most_a=higher(known.at_most_a, building),
        peaks=_hold(known.peaks, now, building, HOLD, BUCKET),
        cars_most_a=cars_most_a,
    )


def _with_less(known: MeterState, evse: Evse, least_a: PerPhase) -> MeterState:
    before = known.cars_least_a.get(evse.id, NOTHING)
    if all(before[p] <= least_a[p] for p in PHASES):
        return known
    cars_least_a = {**known.cars_least_a, evse.id: lower(before, least_a)}
    rest = subtract(doubt.shown_again(known), total(cars_least_a.values()))
    return replace(known, cars_least_a=cars_least_a, at_most_a=higher(known.at_most_a, rest))


def _plausible(current_a: PerPhase, rating_a: PerPhase) -> bool:
    return all(math.isfinite(i) for i in current_a) and all(
        abs(current_a[p]) <= ABSURD * max(rating_a) for p in PHASES
    )


_SPANS = Spans()


def _span(site: Site, state: State, evse: Evse, now: datetime) -> Span:
    return _SPANS.of(evse, state.evses[evse.id], now, site.voltage_v)


def _all_heard(site: Site, state: State, meter: Meter, now: datetime) -> bool:
    """Every car below has been heard of lately: what is left is the building, and no car."""
    beliefs = (state.evses[evse.id] for evse in site.below[meter.circuit])
    return all(
        b.session is None or (b.readings and now - b.readings[-1].at <= FRESH) for b in beliefs
    )


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
    if doubt.doubts_amount(known):
        return True
    return now - known.at > timedelta(seconds=meter.lost_after_s)


def lost(site: Site, state: State, now: datetime) -> tuple[MeterId, ...]:
    return tuple(meter.id for meter in site.meters if is_lost(meter, state, now))
