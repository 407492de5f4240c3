"""From the domain to arrays: the linear program of this tick, and the way back to names.

This is the last place where names are seen before the solver and the first one
after it; `Index` holds the correspondence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from loadmgr.core import failsafe
from loadmgr.core.claims import Claim, phases_used
from loadmgr.core.envelope import POWER, ROWS, Row, load_on, lowest
from loadmgr.core.state import State
from loadmgr.model import CircuitId, EvseId, Share, Site
from loadmgr.units import PerPhase
from solver import Problem
from solver.problem import Floats

STEPS_S = (*[60.0] * 5, *[300.0] * 2, *[900.0] * 23, *[3600.0] * 18)
"""A day ahead: minutes now, quarter hours for six hours, hours after that."""

NEEDED = 10.0  # worth of a kilowatt hour that somebody asked for
WELCOME = 1.0  # and of one that nobody did
SOONER = 0.2  # of that worth is lost over the horizon, so that early is better than late


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Which name stands where in the arrays."""

    evses: tuple[EvseId, ...]  # participants
    circuits: tuple[CircuitId, ...]
    starts: tuple[datetime, ...]  # of the steps


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """What this tick asks the solver."""

    problem: Problem
    index: Index
    room: Floats  # (K, R) what the claims may share now, above their fallbacks [A or W]
    calm_room: Floats  # (K, R) the least that was in the last quarter of an hour


def assemble(
    site: Site,
    state: State,
    now: datetime,
    rows: Mapping[CircuitId, tuple[Row, ...]],
    claims: Sequence[Claim],
    reserved: Mapping[EvseId, PerPhase],
) -> Question:
    """The problem over the horizon. x is what a claim gets above its fallback. [A]"""
    steps = np.array(STEPS_S)
    starts = tuple(now + timedelta(seconds=s) for s in np.concatenate(([0.0], steps.cumsum()[:-1])))
    coupling = np.array([claim.load for claim in claims]).reshape(-1, ROWS)
    taken = _taken(site, claims, coupling, reserved)
    capacity = _capacity(site, state, starts, rows) - taken[:, :, None]
    place = {circuit.id: k for k, circuit in enumerate(site.circuits)}
    problem = Problem(
        step_h=steps / 3600,
        parent=np.array([place[c.feeds_from] if c.feeds_from else -1 for c in site.circuits]),
        capacity=np.maximum(capacity, 0.0),
        circuit=np.array([place[claim.evse.circuit] for claim in claims], dtype=int),
        coupling=coupling,
        upper=np.array([_upper(claim, starts) for claim in claims]).reshape(-1, len(steps)),
        energy=np.array([_energy_ah(site, claim, now) for claim in claims]),
        value=np.array([_value(site, claim, starts) for claim in claims]).reshape(-1, len(steps)),
    )
    index = Index(
        evses=tuple(claim.evse.id for claim in claims),
        circuits=tuple(circuit.id for circuit in site.circuits),
        starts=starts,
    )
    calm = np.array([[row.calm_left for row in rows[circuit.id]] for circuit in site.circuits])
    room = capacity[:, :, 0]
    return Question(
        problem=problem, index=index, room=room, calm_room=np.minimum(room, calm - taken)
    )


def _taken(
    site: Site,
    claims: Sequence[Claim],
    coupling: Floats,
    reserved: Mapping[EvseId, PerPhase],
) -> Floats:
    """(K, R) What is not for sharing: the ledger of all others, and the claims' fallbacks."""
    place = {circuit.id: k for k, circuit in enumerate(site.circuits)}
    taken = np.zeros((len(site.circuits), ROWS))
    for evse_id, entry in reserved.items():
        load = [load_on(site, entry, number) for number in range(ROWS)]
        for circuit in site.path[site.evse[evse_id].circuit]:
            taken[place[circuit]] += load
    for claim, load_per_a in zip(claims, coupling, strict=True):
        for circuit in site.path[claim.evse.circuit]:
            taken[place[circuit]] += claim.fallback_a * load_per_a
    return taken


def _capacity(
    site: Site,
    state: State,
    starts: Sequence[datetime],
    rows: Mapping[CircuitId, tuple[Row, ...]],
) -> Floats:
    """(K, R, T) What each row has left for cars. The building is expected to stay as it is."""
    left = np.array([[row.left for row in rows[circuit.id]] for circuit in site.circuits])
    capacity = np.repeat(left[:, :, None], len(starts), axis=2)
    limits = failsafe.limits(site, state, starts[0])
    for k, circuit in enumerate(site.circuits):
        if not any(limit.circuit == circuit.id for limit in limits):
            continue
        contract = float("inf") if circuit.max_power_w is None else circuit.max_power_w
        for r, row in enumerate(rows[circuit.id]):
            own = contract if r == POWER else circuit.usable_a[r]
            capacity[k, r] = [
                lowest(limits, circuit, r, own, start)[0] - row.building for start in starts
            ]
    return capacity


def _upper(claim: Claim, starts: Sequence[datetime]) -> list[float]:
    """(T,) The most above the fallback; 0 once the car has left, but never for the first step."""
    most = max(0.0, claim.upper_a - claim.fallback_a)
    leaves = claim.departure
    return [most if t == 0 or leaves is None or s < leaves else 0.0 for t, s in enumerate(starts)]


def _energy_ah(site: Site, claim: Claim, now: datetime) -> float:
    """What it can still take above what its fallback brings anyway. [Ah]"""
    kwh_per_ah = site.voltage_v * phases_used(claim.evse, claim.belief) / 1000
    stay_s = sum(STEPS_S)
    if claim.departure is not None:
        stay_s = min(stay_s, max(0.0, (claim.departure - now).total_seconds()))
    return max(0.0, claim.need_wh / 1000 / kwh_per_ah - claim.fallback_a * stay_s / 3600)


def _value(site: Site, claim: Claim, starts: Sequence[datetime]) -> Floats:
    """(T,) Worth of an ampere hour in each step, price taken off where the site saves money."""
    kwh_per_ah = site.voltage_v * phases_used(claim.evse, claim.belief) / 1000
    worth = (NEEDED if claim.stated else WELCOME) * claim.evse.priority
    early = 1.0 - SOONER * np.cumsum((0.0, *STEPS_S[:-1])) / sum(STEPS_S)
    if site.policy.share is not Share.CHEAPEST or site.tariff is None:
        return np.asarray(worth * early * kwh_per_ah)
    zone = ZoneInfo(site.timezone)
    price = np.array([site.tariff.price(start.astimezone(zone).time()) for start in starts])
    return np.asarray((worth - price + SOONER * 1e-2 * early) * kwh_per_ah)
