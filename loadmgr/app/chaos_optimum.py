"""What a day could have brought at most: a linear program that knows everything beforehand.

It knows who comes when and wants what, and what the building draws in every second. Nothing in it
is late, ramps, tapers, keeps a minimum or takes turns. It shares the site's own limits (fuses less
margins, contracts) and its own view of wiring: where the site does not know which phases a car
uses, all of them count.
"""

from __future__ import annotations

import numpy as np

from loadmgr.model import Circuit, Evse, Site
from loadmgr.simulate.arrivals import Visit
from loadmgr.simulate.chaos_site import World
from loadmgr.units import NOTHING, PerPhase, add, power_w
from solver import Problem, solve
from solver.problem import Floats

STEP_S = 60.0
LOOK_S = 5.0  # how often the building is looked at within a step


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
        capacity=np.maximum(_capacity(world, start_s, steps), 0.0),
        circuit=np.array([place[evse.circuit] for evse in evses]),
        coupling=np.array([_load(site, evse.worst_a(1.0)) for evse in evses]),
        upper=np.array([_upper(v, e, start_s, steps) for v, e in zip(visits, evses, strict=True)]),
        energy=np.array([v.car.wanted_wh for v in visits]) / (site.voltage_v * phases),
        value=np.repeat(site.voltage_v * phases[:, None], steps, axis=1),
    )
    return solve(problem, method="highs", tol=1e-4).objective


def _phases(visit: Visit, evse: Evse) -> int:
    return min(visit.car.phases, len(evse.wiring.terminals))


def _load(site: Site, current_a: PerPhase) -> tuple[float, ...]:
    return (*current_a, power_w(current_a, site.voltage_v))


def _upper(visit: Visit, evse: Evse, start_s: float, steps: int) -> Floats:
    """(T,) What the car may take on average over each step. [A]"""
    begins = start_s + STEP_S * np.arange(steps)
    there = np.minimum(begins + STEP_S, visit.leaves_s) - np.maximum(begins, visit.arrives_s)
    most_a = min(evse.max_a, visit.car.max_a)
    return np.asarray(most_a * np.clip(there / STEP_S, 0.0, 1.0))


def _capacity(world: World, start_s: float, steps: int) -> Floats:
    """(K, R, T) What is left for cars on average over each step. [A or W]"""
    site = world.site
    looks = round(STEP_S / LOOK_S)
    left = np.zeros((len(site.circuits), 4, steps))
    for k, circuit in enumerate(site.circuits):
        below = [
            c for c in site.circuits if circuit.id in site.path[c.id] and c.id in world.buildings
        ]
        usable = _usable(circuit)
        for t in range(steps):
            for look in range(looks):
                at_s = start_s + STEP_S * t + LOOK_S * look
                load = NOTHING
                for other in below:
                    load = add(load, world.buildings[other.id].at(at_s))
                left[k, :, t] += np.maximum(usable - np.array(_load(site, load)), 0.0) / looks
    return left


def _usable(circuit: Circuit) -> Floats:
    contract = np.inf if circuit.max_power_w is None else circuit.max_power_w
    return np.array([*circuit.usable_a, contract])
