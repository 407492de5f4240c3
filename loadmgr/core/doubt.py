"""A circuit's meter held against what its cars say, and against itself.

A meter with reversed clamps, a wrong ratio or exchanged conductors tells numbers that could be
true. Where nothing generates it gives itself away by showing less than the cars below it draw, by
readings taken before and after, or by showing twice in a row the same part of what they changed:
from then on it is not believed, and its circuit counts at the declared worst case. Phases
that change places show it in that moment, or when a car's change shows on another phase: its
numbers are true, but nobody knows where, and on each the highest of all counts. How it comes to
be believed again stands in `proof`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

from loadmgr.core import marks, proof
from loadmgr.core.conduct import HIGH_VOLTAGE, site_current
from loadmgr.core.marks import CLEAR_A, DRIFT_A, Change
from loadmgr.core.state import ORDERS, Doubt, EvseState, Marks, MeterState, Places, State
from loadmgr.events import CircuitMeasured, EvseMeasured, MeterDoubted
from loadmgr.model import Evse, Meter, MeterId, Site
from loadmgr.units import NOTHING, PHASES, PerPhase, Phase, add, lower, on_each

FRESH = timedelta(seconds=15)
BRACKET = 2  # readings: one before a sample and one after it

LESS_A, LESS = 2.0, 0.1  # two honest meters differ by no more: amperes, and a share of the current
SAME_A = 0.5  # a conductor that kept its current
ALIKE = 0.02  # factors of three phases that are the same power of ten
FULLEST_A = 1.0  # the fullest phase before and after; less shows no factor
LEAST_A = 0.001  # and every phase: less is no current
MOVED_A = 3.0  # and one that did not
ELSEWHERE = 0.7  # of a change is not where it should be
THERE = 0.2  # of it is not where it should not be: the building moves too
PART, PART_ALIKE = 0.75, 0.1  # of a change is shown, and again: not the building's doing


def judged(site: Site, state: State, event: CircuitMeasured) -> MeterState:
    """What was known of the meter, with what this sample says of its honesty."""
    known = state.meters[event.meter]
    meter = site.meter[event.meter]
    if known.at is not None:
        known = _against_the_last(known, event)
    if not _contradicted(site, state, known, event, event.at):
        seen, change = marks.followed(site, state, meter, known.marks, event)
        known = replace(known, contradicted=None, marks=seen)
        if known.doubt is not None:
            known = replace(known, doubt=proof.weighed(site, meter, known.doubt, change, event.at))
        elif change is not None:
            known = _against_its_cars(known, change, event.at)
        return known
    noted = known.contradicted
    if noted is None:
        return replace(known, contradicted=event)
    if _contradicted(site, state, known, noted, event.at, told_since=noted.at):
        return replace(_anew(known, event.at, amount=True), contradicted=event)
    # A car was on its way down in that sample. It says nothing of this one.
    return replace(known, contradicted=event) if _all_told(site, state, meter, noted) else known


def _all_told(site: Site, state: State, meter: Meter, noted: CircuitMeasured) -> bool:
    """Every car below that is heard has told since a sample what it draws."""
    last = [state.evses[evse.id].readings[-1:] for evse in site.below[meter.circuit]]
    return all(
        reading.at > noted.at for each in last for reading in each if noted.at - reading.at <= FRESH
    )


def _anew(known: MeterState, at: datetime, *, amount: bool, power: int | None = None) -> MeterState:
    """Whatever was proved before no longer counts."""
    if power is None:
        power = 0 if known.doubt is None else known.doubt.power
    doubt = Doubt(since=at, amount=amount, power=power)
    return replace(known, doubt=doubt, marks=Marks(), part=None, elsewhere=())


def refuted(known: MeterState, at: datetime) -> MeterState:
    """A doubted meter that says what cannot be true, or nothing, starts its proof anew."""
    if known.doubt is None:
        return known
    return _anew(known, at, amount=known.doubt.amount)


def verdict(before: State, after: State, meter: MeterId, at: datetime) -> MeterDoubted | None:
    """What a restart has to know of a meter from now on; None where that is what it knows."""
    then, now = (_doubts(state.meters[meter]) for state in (before, after))
    return None if then == now else MeterDoubted(at=at, meter=meter, amount=now[0], places=now[1])


def told(known: MeterState, event: MeterDoubted) -> MeterState:
    """The verdict, as it is read in the journal."""
    if _doubts(known) == (event.amount, event.places):
        return known
    doubted = event.amount or event.places
    doubt = Doubt(since=event.at, amount=event.amount) if doubted else None
    return replace(known, doubt=doubt)


def restarted(known: MeterState, at: datetime) -> MeterState:
    """Nothing is known of a meter any more but that it lied; its proof starts anew."""
    return refuted(MeterState(doubt=known.doubt), at)


def _doubts(known: MeterState) -> tuple[bool, bool]:
    return doubts_amount(known), known.doubt is not None


def shown(known: MeterState, event: CircuitMeasured) -> PerPhase:
    """The current to be counted with on each phase. [A]"""
    return _counted(known, event.current_a)


def shown_again(known: MeterState) -> PerPhase:
    """The same of the last sample. [A]"""
    return _counted(known, known.current_a)


def _counted(known: MeterState, current_a: PerPhase) -> PerPhase:
    """On each phase the highest of all while there is doubt: an exchange of phases may have been
    taken back, unseen, in the second in which a car changed.
    """
    return current_a if known.doubt is None else on_each(max(current_a), PHASES)


def doubts_amount(known: MeterState) -> bool:
    """Nothing it says is believed."""
    return known.doubt is not None and known.doubt.amount


def is_mixed_up(known: MeterState) -> bool:
    """What it says is believed, but not on which phase it says it."""
    return known.doubt is not None and not known.doubt.amount


def backwards(meter: Meter, event: CircuitMeasured) -> bool:
    """It shows current to the grid where nothing generates any."""
    return not meter.feeds_in and min(event.current_a) < -LESS_A


def exchanged(before_a: PerPhase, now_a: PerPhase) -> bool:
    """Between two samples nothing changed but the places of the conductors."""
    if sum(abs(before_a[p] - now_a[p]) > MOVED_A for p in PHASES) < 2:
        return False
    return any(
        all(abs(before_a[q] - now_a[p]) < SAME_A for p, q in zip(PHASES, order, strict=True))
        for order in permutations(PHASES)
    )


def rescaled(before_a: PerPhase, now_a: PerPhase) -> int:
    """The power of ten by which all phases changed between two samples; 0 if they did not: a
    scale factor that changed (SunSpec meters may move theirs at any time), kilowatts for watts.
    """
    unclear = max(before_a) < FULLEST_A and max(now_a) < FULLEST_A
    if unclear or min(*before_a, *now_a) < LEAST_A:
        return 0
    powers = [math.log10(now_a[p] / before_a[p]) for p in PHASES]
    power = round(powers[0])
    return power if all(abs(p - power) < math.log10(1 + ALIKE) for p in powers) else 0


def _against_the_last(known: MeterState, event: CircuitMeasured) -> MeterState:
    """What the step from the last sample to this one says of the meter."""
    if exchanged(known.current_a, event.current_a):
        return _anew(known, event.at, amount=doubts_amount(known), power=0)
    power = rescaled(known.current_a, event.current_a)
    if power == 0:
        return known
    if known.doubt is None:
        return _anew(known, event.at, amount=True, power=power)
    if known.doubt.power == 0:
        return _anew(known, event.at, amount=True)  # what else was wrong with it still is
    if known.doubt.power + power == 0:
        return replace(known, contradicted=None, doubt=None)  # it says what it said before
    return _anew(known, event.at, amount=True, power=known.doubt.power + power)


def _against_its_cars(known: MeterState, change: Change, at: datetime) -> MeterState:
    """What a change of its cars says of a meter that is believed."""
    elsewhere = misplaced(change)
    if set(elsewhere).intersection(known.elsewhere):
        return _anew(known, at, amount=False)
    part = shown_part(change)
    if part is None or known.part is None or abs(part - known.part) > PART_ALIKE:
        return replace(known, part=part, elsewhere=elsewhere)
    return _anew(known, at, amount=True)


def misplaced(change: Change) -> tuple[Places, ...]:
    """The orders of phases in which it shows, if not in the right one: for it to be true, the
    building would have had to undo it on its own phase and to do the same on another one. Where
    much switches it does that now and then, and hardly twice in a row.
    """
    moved_a = marks.most(change.cars_a)
    if _off_a(change, PHASES) < ELSEWHERE * moved_a:
        return ()
    most_a = THERE * moved_a + DRIFT_A
    return tuple(order for order in ORDERS[1:] if _off_a(change, order) <= most_a)


def _off_a(change: Change, order: Iterable[Phase]) -> float:
    """What the building would have done if the meter's phases stood in this order. [A]"""
    places = zip(PHASES, order, strict=True)
    return max(abs(change.shown_a[p] - change.cars_a[q]) for p, q in places)


def shown_part(change: Change) -> float | None:
    """Of a change the part that is shown, the same on all phases; None where it is (nearly) all,
    or more: that makes the building no smaller.
    """
    pairs = list(zip(change.cars_a, change.shown_a, strict=True))
    if any(abs(cars) < DRIFT_A < abs(shown) for cars, shown in pairs):
        return None
    parts = [shown / cars for cars, shown in pairs if abs(cars) >= CLEAR_A]
    alike = max(parts) - min(parts) <= PART_ALIKE
    return min(parts) if alike and max(parts) <= PART else None


def _contradicted(
    site: Site,
    state: State,
    known: MeterState,
    sample: CircuitMeasured,
    now: datetime,
    told_since: datetime | None = None,
) -> bool:
    """The cars below draw more than a sample shows, whatever each of them told of late.

    With `told_since`, by those alone that have told something since then: between two readings a
    car that draws so much before and after does not draw less.
    """
    meter = site.meter[sample.meter]
    if meter.feeds_in:
        return False
    least, total_a = NOTHING, 0.0
    somewhere: list[tuple[Evse, float]] = []
    for evse in site.below[meter.circuit]:
        belief = state.evses[evse.id]
        if not belief.readings or belief.quarantine is not None:
            continue
        if told_since is None or belief.readings[-1].at > told_since:
            least = add(least, _least(evse, belief, now, site.voltage_v))
            total_a += _least_total(belief, now, site.voltage_v)
            if not evse.wiring.known:
                somewhere.append((evse, _least_highest(belief, now)))
    if known.doubt is None and any(
        _fits_nowhere(evse, current_a, least, sample.current_a) for evse, current_a in somewhere
    ):
        return True
    if sum(sample.current_a) < total_a * (1 - LESS) - len(PHASES) * LESS_A:
        return True  # wherever those draw of which nobody knows on which phase
    shown_a = list(sample.current_a)
    enough_a = [i * (1 - LESS) - LESS_A for i in least]
    if known.doubt is not None:  # nobody knows on which phases, but there has to be an order
        shown_a.sort()
        enough_a.sort()
    return any(a < b for a, b in zip(shown_a, enough_a, strict=True))


def _least(evse: Evse, belief: EvseState, now: datetime, voltage_v: float) -> PerPhase:
    """The least of what it has told of late of each phase. [A]"""
    found: PerPhase | None = None
    for reading in belief.readings[-BRACKET:]:
        if now - reading.at > FRESH:
            continue
        seen = site_current(evse, reading)
        if seen is None:
            seen = _by_power(evse, reading, voltage_v)
        found = seen if found is None else lower(found, seen)
    return found or NOTHING


def _by_power(evse: Evse, reading: EvseMeasured, voltage_v: float) -> PerPhase:
    """The least current that a power alone can be: one conductor carries all of it. [A]"""
    if not evse.wiring.known or len(evse.wiring.terminals) > 1:
        return NOTHING
    return evse.worst_a((reading.power_w or 0.0) / voltage_v / HIGH_VOLTAGE)


def _fits_nowhere(evse: Evse, current_a: float, least: PerPhase, shown_a: PerPhase) -> bool:
    """On no phase that it may be on is as much shown as it draws, and the others there."""
    reaches_a = evse.worst_a(1.0)
    return all(
        shown_a[p] < (least[p] + current_a) * (1 - LESS) - LESS_A
        for p in PHASES
        if reaches_a[p] > 0.0
    )


def _least_highest(belief: EvseState, now: datetime) -> float:
    """The least of what it has told of late of its fullest terminal. [A]"""
    told = [
        max(reading.terminal_a)
        for reading in belief.readings[-BRACKET:]
        if now - reading.at <= FRESH and reading.terminal_a is not None
    ]
    return min(told, default=0.0)


def _least_total(belief: EvseState, now: datetime, voltage_v: float) -> float:
    """The least of what it has told of late, over all its terminals. [A]"""
    told = [
        sum(reading.terminal_a)
        if reading.terminal_a is not None
        else (reading.power_w or 0.0) / voltage_v
        for reading in belief.readings[-BRACKET:]
        if now - reading.at <= FRESH
    ]
    return min(told, default=0.0)
