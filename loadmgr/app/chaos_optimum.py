"""What a day could have brought at most: a linear program that knows everything beforehand.

It knows who comes when and wants what, and what the building will draw. Nothing in it ramps or
takes turns, and whom it serves is all the same to it. What it shares with everybody is what
physics and the rules of safety forbid anybody: the site's limits (fuses less margins, contracts,
and what was declared where nothing measures); its view of wiring (where the site does not know
which phases a car uses, all of them count); that a charger and its car take their time to
follow, so that they have to be down before the building is up; that nobody charges where there
is less than the smallest minimum; and that no car takes more than it would if it were alone.
"""

from __future__ import annotations

import numpy as np

from loadmgr.app.chaos_room import STEP_S, capacity, load_per_ampere
from loadmgr.model import Evse, Site
from loadmgr.simulate.arrivals import Visit
from loadmgr.simulate.car import Car
from loadmgr.simulate.chaos_site import World
from solver import Problem, solve
from solver.problem import Floats


def most_wh(world: World, *, start_s: float, seconds: float) -> float:
    """The most energy that the visitors of a world can be given. [Wh]"""
    site, steps = world.site, max(1, round(seconds / STEP_S))
    visits = [visit for visit in world.visits if visit.arrives_s < start_s + seconds]
    if not visits:
        return 0.0
    evses = [site.evse[visit.evse] for visit in visits]
    phases = np.array([_phases(v, e) for v, e in zip(visits, evses, strict=True)])
    place = {circuit.id: k for k, circuit in enumerate(site.circuits)}
    problem = Problem(
        step_h=np.full(steps, STEP_S / 3600.0),
        parent=np.array([place[c.feeds_from] if c.feeds_from else -1 for c in site.circuits]),
        capacity=capacity(world, start_s, steps),
        circuit=np.array([place[evse.circuit] for evse in evses]),
        coupling=np.array([load_per_ampere(site, evse) for evse in evses]),
        upper=np.array([_upper(v, e, start_s, steps) for v, e in zip(visits, evses, strict=True)]),
        energy=np.array([_alone_wh(v, e, site) for v, e in zip(visits, evses, strict=True)])
        / (site.voltage_v * phases),
        value=np.repeat(site.voltage_v * phases[:, None], steps, axis=1),
    )
    return solve(problem, method="highs", tol=1e-4).objective


def _phases(visit: Visit, evse: Evse) -> int:
    return min(visit.car.phases, len(evse.wiring.terminals))


def _alone_wh(visit: Visit, evse: Evse, site: Site) -> float:
    """What the car takes from its arrival until it leaves, if nothing but its charger limits it:
    towards the end of its charge it takes less and less. [Wh]
    """
    car = Car(visit.car, len(evse.wiring.terminals))
    left_s, seconds = visit.leaves_s - visit.arrives_s, 1.0
    while left_s > 0 and not car.full:
        car.step(evse.max_a, min(left_s, seconds), site.voltage_v)
        left_s -= seconds
        seconds = max(1.0, car.steady_s(site.voltage_v))
    return min(car.charged_wh, visit.car.wanted_wh)


def _upper(visit: Visit, evse: Evse, start_s: float, steps: int) -> Floats:
    """(T,) What the car may take on average over each step. [A]"""
    begins = start_s + STEP_S * np.arange(steps)
    there = np.minimum(begins + STEP_S, visit.leaves_s) - np.maximum(begins, visit.arrives_s)
    most_a = min(evse.max_a, visit.car.max_a)
    return np.asarray(most_a * np.clip(there / STEP_S, 0.0, 1.0))
