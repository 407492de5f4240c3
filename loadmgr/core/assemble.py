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
from numpy.typing import NDArray

from loadmgr.core import failsafe
from loadmgr.core.claims import Claim, phases_used
from loadmgr.core.envelope import ROWS, Row, asked, load_on, own
from loadmgr.core.state import State
from loadmgr.model import CircuitId, EvseId, Limit, Share, Site
from loadmgr.units import PerPhase
from solver import Problem
from solver.problem import Floats

STEPS_S = (*[60.0] * 5, *[300.0] * 2, *[900.0] * 23, *[3600.0] * 18)
"""A day ahead: minutes now, quarter hours for six hours, hours after that."""

BEGINS_S = np.cumsum((0.0, *STEPS_S[:-1]))
"""When each step begins, from now."""

NEEDED = 10.0  # worth of a kilowatt hour that somebody asked for
WELCOME = 1.0  # and of one that nobody did
SOONER = 0.2  # of that worth is lost over the horizon, so that early is better than late
EARLY = 1.0 - SOONER * BEGINS_S / sum(STEPS_S)


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
    starts = tuple(now + timedelta(seconds=s) for s in BEGINS_S.tolist())
    coupling = np.array([claim.load for claim in claims]).reshape(-1, ROWS)
    taken = _taken(site, claims, coupling, reserved)
    capacity = _capacity(site, state, now, rows) - taken[:, :, None]
    place = {circuit.id: k for k, circuit in enumerate(site.circuits)}
    costs = _costs(site, starts)
    problem = Problem(
        step_h=steps / 3600,
        parent=np.array([place[c.feeds_from] if c.feeds_from else -1 for c in site.circuits]),
        capacity=np.maximum(capacity, 0.0),
        circuit=np.array([place[claim.evse.circuit] for claim in claims], dtype=int),
        coupling=coupling,
        upper=np.array([_upper(claim, now) for claim in claims]).reshape(-1, len(steps)),
        energy=np.array([_energy_ah(site, claim, now) for claim in claims]),
        value=np.array([_value(site, claim, costs) for claim in claims]).reshape(-1, len(steps)),
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
    now: datetime,
    rows: Mapping[CircuitId, tuple[Row, ...]],
) -> Floats:
    """(K, R, T) What each row has left for cars. The building is expected to stay as it is."""
    left = np.array([[row.left for row in rows[circuit.id]] for circuit in site.circuits])
    capacity = np.repeat(left[:, :, None], len(STEPS_S), axis=2)
    limits = failsafe.limits(site, state, now)
    for k, circuit in enumerate(site.circuits):
        here = [limit for limit in limits if limit.circuit == circuit.id]
        if not here:
            continue
        for r, row in enumerate(rows[circuit.id]):
            usable = np.full(len(STEPS_S), own(circuit, r))
            for limit in here:
                lowered = np.where(_in_force(limit, now), asked(limit, r), np.inf)
                np.minimum(usable, lowered, out=usable)
            capacity[k, r] = usable - row.building
    return capacity


def _in_force(limit: Limit, now: datetime) -> NDArray[np.bool_]:
    """(T,) Whether it holds when the step begins."""
    begins = BEGINS_S >= (limit.valid_from - now).total_seconds()
    if limit.valid_until is not None:
        begins &= BEGINS_S < (limit.valid_until - now).total_seconds()
    return begins


def _upper(claim: Claim, now: datetime) -> Floats:
    """(T,) The most above the fallback; 0 once the car has left, but never for the first step."""
    upper = np.full(len(STEPS_S), max(0.0, claim.upper_a - claim.fallback_a))
    if claim.departure is not None:
        stays_s = max((claim.departure - now).total_seconds(), 1e-9)
        upper[BEGINS_S >= stays_s] = 0.0
    return upper


def _energy_ah(site: Site, claim: Claim, now: datetime) -> float:
    """What it can still take above what its fallback brings anyway. [Ah]"""
    kwh_per_ah = site.voltage_v * phases_used(claim.evse, claim.belief) / 1000
    stay_s = sum(STEPS_S)
    if claim.departure is not None:
        stay_s = min(stay_s, max(0.0, (claim.departure - now).total_seconds()))
    return max(0.0, claim.need_wh / 1000 / kwh_per_ah - claim.fallback_a * stay_s / 3600)


def _costs(site: Site, starts: Sequence[datetime]) -> Floats | None:
    """(T,) What is taken off the worth of a kilowatt hour: its price, and a little for waiting.

    None where the site does not share by price.
    """
    if site.policy.share is not Share.CHEAPEST or site.tariff is None:
        return None
    zone = ZoneInfo(site.timezone)
    price = np.array([site.tariff.price(start.astimezone(zone).time()) for start in starts])
    return np.asarray(price - SOONER * 1e-2 * EARLY)


def _value(site: Site, claim: Claim, costs: Floats | None) -> Floats:
    """(T,) Worth of an ampere hour in each step, price taken off where the site saves money."""
    kwh_per_ah = site.voltage_v * phases_used(claim.evse, claim.belief) / 1000
    worth = (NEEDED if claim.stated else WELCOME) * claim.evse.priority
    if costs is None:
        return np.asarray(worth * EARLY * kwh_per_ah)
    return np.asarray((worth - costs) * kwh_per_ah)
