"""What the shares of a site would bring if every limit were known and everybody followed at once.

Minute by minute the cars that are there share what the fuses truly have left as their site asks
for it: tier by tier, each with its minimum or nothing, the least served first. Nothing has to be
proved, no increase waits, nothing is held for a building that may come back. So what an engine
delivers less is the price of what it does not know, and not of its fairness.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from loadmgr.app.chaos_room import STEP_S, capacity, load_per_ampere
from loadmgr.model import Evse, Share, Site
from loadmgr.simulate.arrivals import Visit
from loadmgr.simulate.car import Car
from loadmgr.simulate.chaos_site import World
from solver.fair import max_min
from solver.problem import Floats

CAR_STEP_S = 1.0  # while its current changes


@dataclass(slots=True)
class _Guest:
    """A car in its bay."""

    visit: Visit
    evse: Evse
    load: Floats  # (m,) of one ampere on every row of every circuit
    tier: float
    weight: float
    car: Car = field(init=False)
    on_s: float = 0.0  # how long it has been charged

    def __post_init__(self) -> None:
        self.car = Car(self.visit.car, len(self.evse.wiring.terminals))

    def most_a(self) -> float:
        return min(self.evse.max_a, self.car.accepts_a())


def shared_wh(world: World, *, start_s: float, seconds: float) -> float:
    """The energy that the visitors of a world are given by the shares of its site. [Wh]"""
    site, steps = world.site, max(1, round(seconds / STEP_S))
    room = capacity(world, start_s, steps).reshape(-1, steps)
    guests = [_guest(site, visit) for visit in world.visits]
    for t in range(steps):
        now_s = start_s + t * STEP_S
        there = [g for g in guests if g.visit.arrives_s <= now_s < g.visit.leaves_s]
        hungry = [g for g in there if not g.car.full]
        for guest, current_a in zip(hungry, _shares(hungry, room[:, t]), strict=True):
            _charge(guest, current_a, site.voltage_v)
    return sum(guest.car.charged_wh for guest in guests)


def _guest(site: Site, visit: Visit) -> _Guest:
    evse = site.evse[visit.evse]
    each = np.array(load_per_ampere(site, evse))
    above = site.path[evse.circuit]
    fair = site.policy.share is Share.FAIR
    return _Guest(
        visit=visit,
        evse=evse,
        load=np.concatenate([each if c.id in above else 0.0 * each for c in site.circuits]),
        tier=_tier(site, visit, evse),
        weight=evse.priority if fair else 1.0,
    )


def _tier(site: Site, visit: Visit, evse: Evse) -> float:
    match site.policy.share:
        case Share.PRIORITY:
            return -evse.priority
        case Share.FIRST_COME:
            return visit.arrives_s
        case _:
            return 0.0


def _shares(guests: Sequence[_Guest], room: Floats) -> list[float]:
    """What each may draw in this minute. [A]"""
    on = _admitted(guests, room)
    given = dict.fromkeys(range(len(guests)), 0.0)
    left = room - sum((guests[i].load * guests[i].evse.min_a for i in on), np.zeros_like(room))
    for tier in sorted({guests[i].tier for i in on}):
        inside = [i for i in on if guests[i].tier == tier]
        rows = np.array([guests[i].load for i in inside]).T
        least = np.array([guests[i].evse.min_a for i in inside])
        upper = np.maximum(least, [guests[i].most_a() for i in inside])
        lent = np.maximum(left, 0.0) + rows @ least
        part = max_min(rows, lent, upper, np.array([guests[i].weight for i in inside]), least)
        left = lent - rows @ part.x
        given.update(zip(inside, part.x.tolist(), strict=True))
    return [given[i] for i in range(len(guests))]


def _admitted(guests: Sequence[_Guest], room: Floats) -> list[int]:
    """Who has its minimum."""
    left, on = room.copy(), []
    for i in sorted(range(len(guests)), key=lambda i: (guests[i].tier, guests[i].on_s)):
        need = guests[i].load * guests[i].evse.min_a
        if not ((need > left + 1e-6) & (need > 0)).any():
            left -= need
            on.append(i)
    return sorted(on)


def _charge(guest: _Guest, current_a: float, voltage_v: float) -> None:
    if current_a > 0:
        guest.on_s += STEP_S
    for _ in range(round(STEP_S / CAR_STEP_S)):
        guest.car.step(current_a, CAR_STEP_S, voltage_v)
