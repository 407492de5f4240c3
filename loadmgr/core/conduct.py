"""What the readings of an EVSE say about its car and its obedience."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from loadmgr.core.ledger import kept, lawful, surely_holds, tolerated
from loadmgr.core.state import Drawn, EvseState, Quarantine
from loadmgr.events import EvseMeasured
from loadmgr.model import Evse
from loadmgr.units import PHASES, PerPhase

OVER_SAMPLES = 2
OVER_FOR = timedelta(seconds=4)
OBEYS_FOR = timedelta(seconds=60)
FOLLOWED_AFTER = timedelta(seconds=30)  # since the first limit left: answered, and followed

USED_A = 3.0  # a phase in use carries more than this
IDLE_A = 0.5  # and an unused one less than this

HIGH_VOLTAGE = 1.1  # times the nominal one, at most (EN 50160)

STUBBORN = 2  # orders in a row that failed; the first retry is immediate


def site_current(evse: Evse, reading: EvseMeasured) -> PerPhase | None:
    """What a reading says of the site's phases; None where it cannot say. [A]"""
    if reading.terminal_a is None or not evse.wiring.known:
        return None
    return evse.wiring.on_site(reading.terminal_a)


def highest(reading: EvseMeasured, voltage_v: float, terminals: int) -> float | None:
    """The current on the fullest terminal; from power, the least that it can be. [A]"""
    if reading.terminal_a is not None:
        return max(reading.terminal_a)
    if reading.power_w is not None:
        return reading.power_w / voltage_v / terminals
    return None


def drawn(evse: Evse, belief: EvseState, event: EvseMeasured, voltage_v: float) -> EvseState:
    """Note what the car draws; where a power alone is told, the least that this can be."""
    current_a = highest(event, voltage_v, len(evse.wiring.terminals))
    if current_a is None:
        return belief
    if event.terminal_a is None:
        current_a /= HIGH_VOLTAGE
    unmoved_a = belief.unmoved_a if current_a == belief.took_a else None
    noted = Drawn(at=event.at, current_a=current_a)
    return replace(belief, drawn=noted, took_a=current_a, unmoved_a=unmoved_a)


def insisted(belief: EvseState, now: datetime) -> float:
    """The limit that a charger goes on with which does not take a lower one; 0 A if none does. [A]

    It says no again and again (some take nothing below 6 A), or nothing at all.
    """
    if belief.failures < STUBBORN or belief.failed_a is None:
        return 0.0
    held = max((g.current_a for g in belief.standing if now < g.ends_at), default=0.0)
    return held if belief.failed_a < held else 0.0


def energy(belief: EvseState, event: EvseMeasured) -> EvseState:
    """Follow the energy register; one that falls is history."""
    if event.energy_wh is None or (belief.energy_wh or 0.0) > event.energy_wh:
        return belief
    if event.energy_wh == belief.energy_wh and belief.session_start_wh is not None:
        return belief
    start = belief.session_start_wh
    if belief.session is not None and start is None:
        start = event.energy_wh
    return replace(belief, energy_wh=event.energy_wh, session_start_wh=start)


def phases(evse: Evse, belief: EvseState, event: EvseMeasured) -> EvseState:
    """Learn which phases the car uses; forget at once when another one carries current."""
    last = site_current(evse, event)
    if last is None:
        return belief
    if belief.phases is not None:
        if any(last[phase] > IDLE_A for phase in PHASES if phase not in belief.phases):
            return replace(belief, phases=None)
        if all(last[phase] > USED_A for phase in belief.phases):
            return belief
    readings = [seen for r in belief.readings if (seen := site_current(evse, r)) is not None]
    if len(readings) < 3 or belief.session is None:
        return belief
    used = frozenset(p for p in PHASES if all(seen[p] > USED_A for seen in readings))
    idle = frozenset(p for p in PHASES if all(seen[p] < IDLE_A for seen in readings))
    settled = used and len(used) + len(idle) == len(PHASES)
    return replace(belief, phases=used) if settled else belief


def used_up(drawn_a: float) -> float:
    """The highest limit that a car may be using all of while it draws so much. [A]

    Neither whole amperes, which leave up to 0.9 A, nor a twentieth less than 32 A mean less.
    """
    return drawn_a * 1.03 + 0.8


def draws_less(belief: EvseState, event: EvseMeasured) -> EvseState:
    """Note since when the car has left part of its limit unused."""
    drawn_a = None if event.terminal_a is None else max(event.terminal_a)
    limit = belief.in_force.current_a if belief.in_force is not None else 0.0
    less = drawn_a is not None and limit > 0.0 and used_up(drawn_a) <= limit
    since = (belief.draws_less_since or event.at) if less else None
    return belief if since == belief.draws_less_since else replace(belief, draws_less_since=since)


def obedience(evse: Evse, belief: EvseState, event: EvseMeasured) -> EvseState:
    """Quarantine a charger that draws more than it may, and release one that obeys again.

    More than it may: above every limit that can lawfully be in force, in two
    samples that lie some seconds apart.
    """
    allowed = _allowed(evse, belief, event.at)
    if belief.drawn is None or belief.drawn.at != event.at or allowed is None:
        return belief
    drawn_a = belief.drawn.current_a
    belief = replace(belief, drawn=replace(belief.drawn, beyond=drawn_a > kept(allowed)))
    if drawn_a <= tolerated(allowed):
        return _obeys(belief, event.at)
    since = belief.over_since or event.at
    belief = replace(belief, over_since=since, over_count=belief.over_count + 1)
    if belief.quarantine is not None:
        return replace(belief, quarantine=replace(belief.quarantine, obeying_since=None))
    if belief.over_count < OVER_SAMPLES or event.at - since < OVER_FOR:
        return belief
    reason = f"may draw {allowed:.1f} A, draws {drawn_a:.1f} A"
    return replace(belief, quarantine=Quarantine(since=event.at, reason=reason, next_try=event.at))


def _allowed(evse: Evse, belief: EvseState, at: datetime) -> float | None:
    """The most that it may draw; None where nobody can say. [A]

    A fallback that is not the one that was written is not what it is allowed while a limit is
    in force: a charger that does not keep what it accepts may keep neither.
    """
    limits = [0.0, *lawful(belief, at)]
    if belief.fallback_a is not None and not belief.unproved:
        limits.append(belief.fallback_a)
    elif not _is_limited(belief, at):
        return None if belief.fallback_a is None else min(evse.max_a, belief.fallback_a)
    return min(evse.max_a, max(limits))


def _is_limited(belief: EvseState, at: datetime) -> bool:
    """A limit is in force for certain, though nobody knows what the charger does without one."""
    limit, session = belief.in_force, belief.session
    return (
        limit is not None
        and session is not None
        and limit.transaction_id == session.transaction_id
        and limit.connection == belief.connection
        and limit.limits_since + FOLLOWED_AFTER <= at
        and surely_holds(limit, at)
    )


def _obeys(belief: EvseState, at: datetime) -> EvseState:
    if belief.over_since is not None or belief.over_count:
        belief = replace(belief, over_since=None, over_count=0)
    if belief.quarantine is None:
        return belief
    since = belief.quarantine.obeying_since or at
    if at - since >= OBEYS_FOR:
        return replace(belief, quarantine=None)
    return replace(belief, quarantine=replace(belief.quarantine, obeying_since=since))
