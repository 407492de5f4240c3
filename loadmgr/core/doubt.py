"""A circuit's meter held against what its cars say, and against itself.

A meter with reversed clamps, a wrong ratio or exchanged conductors tells numbers that could be
true. Where nothing generates it gives itself away by showing less than the cars below it draw, by
readings taken since it does: from then on it is not believed for a while, and its circuit counts at
the declared worst case. Phases that change places show it in that moment: its numbers
are true, but nobody knows where, and the highest counts on all of them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

from loadmgr.core.conduct import site_current
from loadmgr.core.state import EvseState, MeterState, State
from loadmgr.events import CircuitMeasured
from loadmgr.model import Evse, Meter, Site
from loadmgr.units import NOTHING, PHASES, PerPhase, add, lower, on_each

DOUBTED_FOR = timedelta(minutes=30)
FRESH = timedelta(seconds=15)

LESS_A, LESS = 2.0, 0.1  # two honest meters differ by no more: amperes, and a share of the current
SAME_A = 0.5  # a conductor that kept its current
MOVED_A = 3.0  # and one that did not


def judged(site: Site, state: State, event: CircuitMeasured) -> MeterState:
    """What was known of the meter, with what this sample says of its honesty."""
    known = state.meters[event.meter]
    meter = site.meter[event.meter]
    if known.at is not None and exchanged(known.current_a, event.current_a):
        known = replace(known, mixed_up_until=event.at + DOUBTED_FOR)
    shown_a = shown(known, event)
    since = known.contradicted_since
    if not _contradicted(site, state, meter, shown_a, event.at, None):
        return known if since is None else replace(known, contradicted_since=None)
    if since is None:
        return replace(known, contradicted_since=event.at)
    if not _contradicted(site, state, meter, shown_a, event.at, since):
        return known
    return replace(known, doubted_until=event.at + DOUBTED_FOR)


def shown(known: MeterState, event: CircuitMeasured) -> PerPhase:
    """The current to be counted with on each phase. [A]"""
    return _counted(known, event.current_a, event.at)


def shown_again(known: MeterState) -> PerPhase:
    """The same of the last sample. [A]"""
    return known.current_a if known.at is None else _counted(known, known.current_a, known.at)


def _counted(known: MeterState, current_a: PerPhase, now: datetime) -> PerPhase:
    return on_each(max(current_a), PHASES) if is_mixed_up(known, now) else current_a


def is_mixed_up(known: MeterState, now: datetime) -> bool:
    return known.mixed_up_until is not None and now < known.mixed_up_until


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


def _contradicted(
    site: Site,
    state: State,
    meter: Meter,
    shown_a: PerPhase,
    now: datetime,
    since: datetime | None,
) -> bool:
    """The cars below draw more than the meter shows, by readings taken after `since`. [A]"""
    if meter.feeds_in:
        return False
    least = NOTHING
    for evse in site.below[meter.circuit]:
        belief = state.evses[evse.id]
        if belief.readings and belief.quarantine is None:
            least = add(least, _least(evse, belief, now, since))
    return any(shown_a[p] < least[p] * (1 - LESS) - LESS_A for p in PHASES)


def _least(evse: Evse, belief: EvseState, now: datetime, since: datetime | None) -> PerPhase:
    found: PerPhase | None = None
    for reading in belief.readings:
        if now - reading.at > FRESH or (since is not None and reading.at <= since):
            continue
        seen = site_current(evse, reading)
        if seen is None:
            return NOTHING
        found = seen if found is None else lower(found, seen)
    return found or NOTHING
