"""The worst that circuits can meet: buildings at their most, chargers on their own."""

from __future__ import annotations

from collections.abc import Mapping

from loadmgr.model import CircuitId, Site
from loadmgr.units import NOTHING, PerPhase, add, higher


def worst_building_a(site: Site) -> Mapping[CircuitId, PerPhase]:
    """The most that is not steered on each circuit, meters lost: declared, never measured. [A]"""
    found: dict[CircuitId, PerPhase] = {}
    below: dict[CircuitId, PerPhase] = {}
    for circuit in reversed(site.circuits):
        load = add(circuit.building_a, below.get(circuit.id, NOTHING))
        if circuit.meter is not None:
            load = higher(load, site.meter[circuit.meter].worst_building_a)
        found[circuit.id] = load
        if circuit.feeds_from is not None:
            below[circuit.feeds_from] = add(below.get(circuit.feeds_from, NOTHING), load)
    return found


def offline_a(site: Site, circuit: CircuitId) -> PerPhase:
    """What all chargers of a circuit draw together when nobody talks to them. [A]"""
    total = NOTHING
    for evse in site.below[circuit]:
        total = add(total, evse.worst_a(min(site.offline.fallback_a, evse.max_a)))
    return total
