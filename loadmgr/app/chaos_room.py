"""What the fuses of a random site truly leave for cars, as somebody sees it who knows the building.

Two things are left to nobody: what is gone before a car could follow (it has to be down before the
building is up), and less than the smallest minimum.
"""

from __future__ import annotations

import numpy as np

from loadmgr.model import Circuit, Evse, Site
from loadmgr.simulate.chaos_site import World
from loadmgr.units import power_w
from solver.problem import Floats

STEP_S = 60.0
LOOK_S = 5.0  # how often the building is looked at within a step
AHEAD = 3  # looks that a car has to be down before: 7 s for the station and 5 s for the car


def load_per_ampere(site: Site, evse: Evse) -> tuple[float, ...]:
    """What one ampere of an EVSE puts on each phase [A], and on all of them together [W]."""
    current_a = evse.worst_a(1.0)
    return (*current_a, power_w(current_a, site.voltage_v))


def capacity(world: World, start_s: float, steps: int) -> Floats:
    """(K, R, T) What is left for cars on average over each step. [A or W]"""
    site = world.site
    looks = round(STEP_S / LOOK_S)
    at_s = start_s + LOOK_S * np.arange(steps * looks + AHEAD)
    own = {name: np.array([load.at(t) for t in at_s]) for name, load in world.buildings.items()}
    left = np.zeros((len(site.circuits), 4, steps))
    for k, circuit in enumerate(site.circuits):
        below = [c for c in site.circuits if circuit.id in site.path[c.id] and c.id in own]
        current_a = np.zeros((len(at_s), 3))
        for c in below:
            metered = circuit.meter is not None or c.meter is not None
            current_a += own[c.id] if metered else np.array(c.building_a)
        load = np.column_stack((current_a, current_a.sum(axis=1) * site.voltage_v))
        ahead = np.lib.stride_tricks.sliding_window_view(load, AHEAD, axis=0).max(axis=2)
        room = np.maximum(_usable(circuit) - ahead[: steps * looks], 0.0)
        room[room < _least(site, circuit)] = 0.0
        left[k] = room.reshape(steps, looks, 4).mean(axis=1).T
    return left


def _least(site: Site, circuit: Circuit) -> Floats:
    """(4,) With less than this nobody below it charges. [A or W]"""
    least_a = min((evse.min_a for evse in site.below[circuit.id]), default=0.0)
    return np.array([least_a, least_a, least_a, least_a * site.voltage_v])


def _usable(circuit: Circuit) -> Floats:
    contract = np.inf if circuit.max_power_w is None else circuit.max_power_w
    return np.array([*circuit.usable_a, contract])
