"""When a reading on demand is worth a message: where only the car can know."""

from __future__ import annotations

from datetime import datetime, timedelta

from loadmgr.core.span import may_ramp
from loadmgr.core.state import EvseState, MeterState, State
from loadmgr.model import Evse, Site
from loadmgr.units import PHASES, subtract

ASK_APART = timedelta(seconds=3)
WORTH_ASKING_A = 1.0


def worth_asking(site: Site, state: State, evse: Evse, belief: EvseState, now: datetime) -> bool:
    """Its charger tells on demand as far as anybody knows, and has not told since a meter above
    showed what this car's next reading explains, or does not.
    """
    asked = belief.asked_at
    if not belief.metered or belief.mute or (asked is not None and now - asked < ASK_APART):
        return False
    ramps = may_ramp(belief, now)
    meters = (site.circuit[circuit].meter for circuit in site.path[evse.circuit])
    return any(
        _may_convict(state.meters[meter], belief)
        or (ramps and _is_hidden(state.meters[meter], evse, belief))
        for meter in meters
        if meter is not None
    )


def _may_convict(known: MeterState, belief: EvseState) -> bool:
    """The meter has shown less than its cars draw: one newer reading shows whether that was the
    time between them, or a lie.
    """
    noted = known.contradicted
    if noted is None or belief.session is None or not belief.readings:
        return False
    return belief.readings[-1].at <= noted.at


def _is_hidden(known: MeterState, evse: Evse, belief: EvseState) -> bool:
    """The meter shows more than before, and this car may be ramping: whose current that is, only
    its reading can tell.
    """
    if known.at is None or (belief.readings and belief.readings[-1].at >= known.at):
        return False
    open_a, loads = subtract(known.at_most_a, known.building_a), evse.worst_a(1.0)
    return any(open_a[p] >= WORTH_ASKING_A for p in PHASES if loads[p] > 0)
