"""How many cars can charge at once: a small integer program over kinds of chargers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from loadmgr.model import CircuitId, Evse, Site
from loadmgr.units import PHASES, PerPhase, power_w

GIVE_UP_AFTER_S = 2.0  # for one circuit; the bound that stands then is still true
ROUNDING = 1e-6


def most_cars(site: Site, circuit: CircuitId, building_a: Mapping[CircuitId, PerPhase]) -> int:
    """The most cars below a circuit that can have their minimum at the same time.

    Nobody else on the site charges, buildings draw `building_a`, and each car draws on
    every phase its charger could load, as the ledger counts it. Chargers on the same
    circuit and phases with the same minimum are one kind; how many of each kind are
    on is the integer that is sought.
    """
    # Loaded here: 0.3 s that only `loadmgr check` needs.
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp

    kinds = Counter((e.circuit, e.worst_a(e.min_a)) for e in site.below[circuit])
    if not kinds:
        return 0
    # Only what feeds these chargers can limit them.
    touched = {name for at, _ in kinds for name in site.path[at]}
    rows, capacity = [], []
    for name in touched:
        here = site.circuit[name]
        loads = [load if name in site.path[at] else (0.0, 0.0, 0.0) for at, load in kinds]
        for phase in PHASES:
            rows.append([load[phase] for load in loads])
            capacity.append(max(0.0, here.usable_a[phase] - building_a[name][phase]))
        if here.max_power_w is not None:
            rows.append([power_w(load, site.voltage_v) for load in loads])
            left_w = here.max_power_w - power_w(building_a[name], site.voltage_v)
            capacity.append(max(0.0, left_w))
    found = milp(
        c=-np.ones(len(kinds)),
        constraints=LinearConstraint(np.array(rows), ub=np.array(capacity)),
        integrality=np.ones(len(kinds), dtype=np.int64),
        bounds=Bounds(0, np.array(list(kinds.values()))),
        options={"time_limit": GIVE_UP_AFTER_S},
    )
    if found.mip_dual_bound is None:  # out of time before any bound was there
        return sum(kinds.values())
    return int(-found.mip_dual_bound + ROUNDING)


def least_currents(evses: tuple[Evse, ...]) -> tuple[float, float]:
    """The lowest and the highest minimum among chargers; 6 A where there are none. [A]"""
    least = [evse.min_a for evse in evses] or [6.0]
    return min(least), max(least)
