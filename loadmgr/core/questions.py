"""When a reading on demand is worth a message: where only the car can know."""

from __future__ import annotations

from datetime import datetime, timedelta

from loadmgr.core.conduct import OVER_FOR
from loadmgr.core.ledger import tolerated
from loadmgr.core.span import may_ramp
from loadmgr.core.state import EvseState, MeterState, State
from loadmgr.model import Circuit, Evse, MeterId, Site
from loadmgr.units import PHASES, subtract

ASK_APART = timedelta(seconds=3)
TELLS_SOON = timedelta(seconds=2)
MUTE = 2  # refusals in a row: once may be chance
WORTH_ASKING_A = 0.3  # more than the noise of a meter, less than the smallest margin


def left_open(site: Site, state: State, meter: MeterId, now: datetime) -> bool:
    """The last sample of a meter leaves open what a car below it can tell at once."""
    known = state.meters[meter]
    open_a = subtract(known.at_most_a, known.building_a)
    if max(open_a) < WORTH_ASKING_A and known.contradicted is None:
        return False
    below = site.below[site.meter[meter].circuit]
    return any(worth_asking(site, state, evse, state.evses[evse.id], now) for evse in below)


def worth_asking(site: Site, state: State, evse: Evse, belief: EvseState, now: datetime) -> bool:
    """Its charger tells on demand as far as anybody knows, and has not told since a meter above
    showed what this car's next reading explains, or does not.
    """
    asked = belief.asked_at
    if (
        not belief.metered
        or belief.declined >= MUTE
        or (asked is not None and now - asked < ASK_APART)
    ):
        return False
    if _may_disobey(belief, now):
        return True
    ramps, descends = may_ramp(belief, now), _descends(belief, now)
    for circuit in map(site.circuit.__getitem__, site.path[evse.circuit]):
        if circuit.meter is None:
            continue
        known = state.meters[circuit.meter]
        if _may_convict(known, belief):
            return True
        if (ramps or (descends and _is_over(circuit, known))) and _is_hidden(known, evse, belief):
            return True
    return False


def _may_disobey(belief: EvseState, now: datetime) -> bool:
    """It told too much once: the second time settles it, and may as well be now."""
    since = belief.over_since
    if since is None or belief.quarantine is not None or now - since < OVER_FOR:
        return False
    return belief.readings[-1].at - since < OVER_FOR and not _tells_soon(belief, now)


def _tells_soon(belief: EvseState, now: datetime) -> bool:
    """By its habit it tells in a moment anyway: a question that is lost would stand in the way of
    an order.
    """
    told = [reading.at for reading in belief.readings[-2:]]
    return len(told) == 2 and now <= told[1] + (told[1] - told[0]) <= now + TELLS_SOON


def _may_convict(known: MeterState, belief: EvseState) -> bool:
    """The meter has shown less than its cars draw: one newer reading shows whether that was the
    time between them, or a lie.
    """
    noted = known.contradicted
    if noted is None or belief.session is None or not belief.readings:
        return False
    return belief.readings[-1].at <= noted.at


def _descends(belief: EvseState, now: datetime) -> bool:
    """It has been told to take less, and has not told since that its car does."""
    if not belief.readings or not any(now < fading.until for fading in belief.fading):
        return False
    told_a = belief.readings[-1].terminal_a
    return told_a is not None and max(told_a) > tolerated(belief.commanded_a)


def _is_over(circuit: Circuit, known: MeterState) -> bool:
    return any(known.current_a[p] > circuit.usable_a[p] for p in PHASES)


def _is_hidden(known: MeterState, evse: Evse, belief: EvseState) -> bool:
    """The meter shows more than before, or no less, and this car may be on its way up, or down:
    whose current that is, only its reading can tell.
    """
    if known.at is None or (belief.readings and belief.readings[-1].at >= known.at):
        return False
    open_a, loads = subtract(known.at_most_a, known.building_a), evse.worst_a(1.0)
    return any(open_a[p] >= WORTH_ASKING_A for p in PHASES if loads[p] > 0)
