"""What may be sent now: the gate between a plan and the chargers.

The plan says where to go; `due` says which step is safe. A decrease leaves at
once. An increase leaves only when, with it already counted, the ledger still
fits every row: what others were told before counts until they have confirmed
and followed. So no order and no subset of orders, confirmed or lost, can take a
fuse above its rating.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial

from loadmgr.core import building, envelope
from loadmgr.core.envelope import Row, load_on
from loadmgr.core.ledger import (
    per_circuit,
    per_phase,
    promised_current,
    worst_case,
    worst_current,
)
from loadmgr.core.state import State
from loadmgr.core.wishes import Urgency, Wish, proved, wishes
from loadmgr.events import Order, SetFallback, SetLimit
from loadmgr.model import CircuitId, Evse, Plan, Site, StationId
from loadmgr.units import PerPhase, add, floor_to_wire, higher, subtract

WORTH_A = 2.0  # of a part of an increase: less can wait for the rest


def due(
    site: Site, state: State, plan: Plan, now: datetime, *, raises: bool = True
) -> tuple[Order, ...]:
    """The orders to send now, most urgent first; at most one per station.

    With `raises=False` (no journal) only what leaves the ledger as it is, or
    lowers it, is sent.
    """
    headroom = _Headroom(site, state, now)
    chosen: list[Wish] = []
    for station, evses in site.stations.items():
        if busy(site, state, station):
            continue
        offered = [wish for evse in evses for wish in wishes(site, state, plan, evse, now)]
        for wish in sorted(offered, key=partial(_rank, state)):
            step = _step(site, state, wish, now)
            if step.rises and not (raises and headroom.allows(step)):
                part = _part(state, step, wish, headroom) if raises else None
                if part is None:
                    continue
                wish, step = part, _step(site, state, part, now)
                if not headroom.allows(step):
                    continue
            headroom.take(step)
            chosen.append(wish)
            break
    chosen.sort(key=lambda wish: wish.urgency)
    return tuple(
        replace(wish.order, serial=serial)
        for serial, wish in enumerate(chosen, state.last_serial + 1)
    )


def _rank(state: State, wish: Wish) -> tuple[Urgency, int]:
    """Of two that are as urgent, the one that is answered does not wait for the one that is not."""
    return wish.urgency, state.evses[wish.order.evse].failures


def busy(site: Site, state: State, station: StationId) -> bool:
    """An order is under way: OCPP-J (section 4.1.1) allows one open CALL per station."""
    return any(state.evses[evse.id].in_flight is not None for evse in site.stations[station])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """What one order does to its EVSE, from the moment it is sent: to the ledger's entry, and to
    what the entry comes to in the end. [A]

    An entry that is still high from before leaves room for a raise in the ledger, but
    the entry was to fall, and others were promised what it frees.
    """

    evse: Evse
    before_a: float
    each: PerPhase  # what one ampere more adds
    growth: PerPhase
    promise: PerPhase

    @property
    def rises(self) -> bool:
        return max(*self.growth, *self.promise) > 1e-9


def _step(site: Site, state: State, wish: Wish, now: datetime) -> _Step:
    evse = site.evse[wish.order.evse]
    belief = state.evses[evse.id]
    limit = wish.order.current_a if isinstance(wish.order, SetLimit | SetFallback) else 0.0
    asked = min(limit, evse.max_a)

    def growth(before_a: float) -> PerPhase:
        before = per_phase(site, evse, belief, before_a)
        return subtract(per_phase(site, evse, belief, max(before_a, asked)), before)

    # A limit that no present connection vouches for may be gone: told again it may be a raise.
    anew = wish.urgency >= Urgency.RENEWAL and not proved(belief)
    promised_a = (belief.fallback_a or 0.0) if anew else promised_current(evse, belief, now)
    before_a = worst_current(evse, belief, now)
    return _Step(
        evse=evse,
        before_a=before_a,
        each=per_phase(site, evse, belief, 1.0),
        growth=growth(before_a),
        promise=growth(promised_a),
    )


def _part(state: State, step: _Step, wish: Wish, headroom: _Headroom) -> Wish | None:
    """As much of an increase as there is room for, where that is worth a message."""
    order, evse = wish.order, step.evse
    if wish.urgency is not Urgency.INCREASE or not isinstance(order, SetLimit):
        return None
    fits_a = floor_to_wire(headroom.fits_a(step))
    least_a = max(evse.min_a, state.evses[evse.id].proved_a + WORTH_A)
    if not least_a <= fits_a < order.current_a:
        return None
    return replace(wish, order=replace(order, current_a=fits_a))


class _Headroom:
    """What the rows have left above the ledger, less what was promised in this round.

    Reckoned when the first raise asks for it: most rounds have none.
    """

    def __init__(self, site: Site, state: State, now: datetime) -> None:
        self._site, self._state, self._now = site, state, now

    @cached_property
    def _rows(self) -> Mapping[CircuitId, tuple[Row, ...]]:
        return envelope.rows(self._site, self._state, self._now)

    @cached_property
    def _building(self) -> Mapping[CircuitId, PerPhase]:
        return building.believed(self._site, self._state, self._now, at_most=True)

    @cached_property
    def _reserved(self) -> dict[CircuitId, PerPhase]:
        return dict(per_circuit(self._site, worst_case(self._site, self._state, self._now)))

    def allows(self, step: _Step) -> bool:
        """Every row that the step loads more than before has room for all that is reserved.

        A row that is overfull admits no raise, not even one below an entry that is high from
        before: what the charger was thought to draw it would draw from then on.
        """
        rise = higher(step.growth, step.promise)
        for circuit in self._site.path[step.evse.circuit]:
            total = add(add(self._reserved[circuit], step.growth), self._building[circuit])
            for row in self._rows[circuit]:
                rises = load_on(self._site, rise, row.number) > 1e-9
                if rises and load_on(self._site, total, row.number) > row.usable + 1e-6:
                    return False
        return True

    def fits_a(self, step: _Step) -> float:
        """The highest limit that every row above has room for. [A]"""
        most_a = math.inf
        for circuit in self._site.path[step.evse.circuit]:
            total = add(self._reserved[circuit], self._building[circuit])
            for row in self._rows[circuit]:
                if (each := load_on(self._site, step.each, row.number)) > 0:
                    room = row.usable - load_on(self._site, total, row.number)
                    most_a = min(most_a, step.before_a + room / each if room >= 0 else 0.0)
        return most_a

    def take(self, step: _Step) -> None:
        if step.rises:
            for circuit in self._site.path[step.evse.circuit]:
                self._reserved[circuit] = add(self._reserved[circuit], step.growth)
