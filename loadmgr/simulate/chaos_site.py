"""Random sites: trees of fuses, chargers on them, buildings that move, and cars that come.

All from one seed. Every site keeps what `loadmgr check` asks for: on each phase of each circuit
all fallbacks and the worst of the building fit below the rating less its margin. What truly
happens keeps to what is declared: a building never draws more than its worst.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import time

from loadmgr.model import (
    Circuit,
    CircuitId,
    Evse,
    EvseId,
    Failsafe,
    Meter,
    MeterId,
    Offline,
    Policy,
    ReadyBy,
    Share,
    Site,
    StationId,
    Tariff,
    Wiring,
)
from loadmgr.simulate.arrivals import Crowd, Visit, synthetic
from loadmgr.simulate.building import Appliance, BuildingLoad, MovingLoad
from loadmgr.simulate.temper import Temper
from loadmgr.units import NOTHING, PHASES, PerPhase, Phase, add

FUSES_A = (16, 20, 25, 32, 35, 40, 50, 63, 80, 100, 125, 160, 200, 250, 315, 400, 500, 630)
MARGINS_A = (0.5, 1.0, 2.0, 4.0)
"""Never 0: a margin is for what the meter is off by, and these meters are, by some 0.1 A."""

SLOWEST_STATION_S = 7.0
SLOWEST_CAR_S = 5.0  # IEC 61851-1, annex A

L1, L2, L3 = Phase

ROTATIONS = ((L1, L2, L3), (L2, L3, L1), (L3, L1, L2))


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A site as it is described, and what is true of it."""

    site: Site
    wiring: Mapping[EvseId, Wiring]
    buildings: Mapping[CircuitId, BuildingLoad]
    tempers: Mapping[StationId, Temper]
    visits: tuple[Visit, ...]
    meter_every_s: float
    charger_meter_every_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is not left to chance. None: it is."""

    chargers: int | None = None
    fallback_a: float | None = None
    slow: bool = False  # chargers, cars and meters take the time that they may take
    steady: bool = False  # nothing in a building switches, though it may by its declared worst


def world(
    seed: int, *, start_s: float, seconds: float, warm_up_s: float, wishes: Wishes | None = None
) -> World:
    wishes = wishes or Wishes()
    rng = random.Random(f"world:{seed}")
    count = wishes.chargers or round(3 * 20 ** rng.random())
    fallback_a = rng.choice((0.0, 0.0, 6.0)) if wishes.fallback_a is None else wishes.fallback_a
    parents = _tree(rng, count)
    evses, wiring = _evses(rng, count, len(parents))
    metered = [True] + [rng.random() < 0.3 for _ in parents[1:]]
    loads = [
        _load(rng, k, seed) if k == 0 or rng.random() < 0.4 else None for k in range(len(parents))
    ]
    worst = [NOTHING if load is None else _worst(load) for load in loads]
    circuits, meters = _circuits(rng, parents, metered, worst, evses, fallback_a)
    site = Site(
        name=f"Chaos {seed}",
        timezone="Europe/Vienna",
        interval_s=rng.choice((2.0, 5.0, 5.0)),
        circuits=circuits,
        meters=meters,
        evses=evses,
        policy=_policy(rng),
        offline=Offline(fallback_a=fallback_a),
        failsafes=_failsafes(seed, circuits[0]),
        tariff=Tariff(currency="EUR", prices=((time(6), 0.3), (time(9), 0.2), (time(17), 0.4))),
    )
    stays_h = (0.2, rng.uniform(1.0, 4.0))
    taken = rng.uniform(0.5, 0.95)  # of the time there is a car in a bay
    crowd = Crowd(
        visits_per_evse_day=taken * 24.0 / (sum(stays_h) / 2),
        stay_h=stays_h,
        wanted_wh=(3_000.0, 50_000.0),
        one_phase_share=rng.uniform(0.0, 0.6),
    )
    visits = synthetic(evses, seed=seed, start_s=start_s + warm_up_s, seconds=seconds, crowd=crowd)
    found = World(
        site=site,
        wiring=wiring,
        buildings={
            c.id: replace(load, appliances=()) if wishes.steady else load
            for c, load in zip(circuits, loads, strict=True)
            if load is not None
        },
        tempers={station: _temper(rng) for station in site.stations},
        visits=visits,
        meter_every_s=rng.choice((1.0, 1.0, 2.0, 5.0)),
        charger_meter_every_s=rng.choice((5.0, 10.0)),
    )
    return _slowed(found) if wishes.slow else found


def _slowed(world: World) -> World:
    """Where every second that is lost on the way to relief shows as one of overload."""
    return replace(
        world,
        tempers={
            station: replace(temper, reaction_s=SLOWEST_STATION_S)
            for station, temper in world.tempers.items()
        },
        visits=tuple(
            replace(visit, car=replace(visit.car, reaction_s=SLOWEST_CAR_S))
            for visit in world.visits
        ),
        meter_every_s=5.0,
        charger_meter_every_s=10.0,
    )


def _tree(rng: random.Random, chargers: int) -> list[int]:
    """For every circuit the number of the one that feeds it, -1 for the first; at most 4 deep."""
    parents, depths = [-1], [1]
    for _ in range(round(chargers / rng.uniform(4.0, 12.0))):
        parent = rng.choice([k for k, depth in enumerate(depths) if depth < 4])
        parents.append(parent)
        depths.append(depths[parent] + 1)
    return parents


def _evses(
    rng: random.Random, count: int, circuits: int
) -> tuple[tuple[Evse, ...], dict[EvseId, Wiring]]:
    """Chargers with one or two outlets; some one-phase, rotated, or of unknown wiring."""
    evses: list[Evse] = []
    true: dict[EvseId, Wiring] = {}
    while len(evses) < count:
        station, circuit = StationId(f"S{len(evses) + 1:02d}"), rng.randrange(circuits)
        one_phase, known = rng.random() < 0.25, rng.random() > 0.1
        max_a = rng.choice((16.0, 16.0, 32.0))
        for number in range(1, 1 + min(count - len(evses), rng.choice((1, 1, 1, 2)))):
            rotation = rng.choice(ROTATIONS)
            terminals = rotation[:1] if one_phase else rotation
            id = EvseId(station if number == 1 else f"{station}:{number}")
            evses.append(
                Evse(
                    id=id,
                    station=station,
                    number=number,
                    circuit=CircuitId(f"c{circuit}"),
                    wiring=Wiring(terminals if known else (L1, L2, L3)[: len(terminals)], known),
                    max_a=max_a,
                    priority=rng.choice((1.0, 1.0, 2.0)),
                )
            )
            true[id] = Wiring(terminals)
    return tuple(evses), true


def _load(rng: random.Random, place: int, seed: int) -> MovingLoad:
    size = rng.uniform(0.3, 1.5) if place == 0 else rng.uniform(0.1, 0.4)

    def per_phase(most_a: float) -> PerPhase:
        return (
            round(rng.uniform(0, most_a) * size, 1),
            round(rng.uniform(0, most_a) * size, 1),
            round(rng.uniform(0, most_a) * size, 1),
        )

    appliances = tuple(
        Appliance(
            name=f"appliance {k}",
            current_a=per_phase(15.0),
            period_s=(period_s := rng.choice((240.0, 600.0, 900.0, 1800.0))),
            on_s=period_s * rng.uniform(0.05, 0.6),
        )
        for k in range(rng.randrange(1, 5))
    )
    return MovingLoad(
        seed=seed * 100 + place,
        base_a=per_phase(12.0),
        day_a=per_phase(12.0),
        noise_a=1.5 * size,
        appliances=appliances,
    )


def _worst(load: MovingLoad) -> PerPhase:
    total = add(add(load.base_a, load.day_a), (load.noise_a,) * 3)
    for appliance in load.appliances:
        total = add(total, appliance.current_a)
    return total


def _circuits(
    rng: random.Random,
    parents: list[int],
    metered: list[bool],
    worst: list[PerPhase],
    evses: tuple[Evse, ...],
    fallback_a: float,
) -> tuple[tuple[Circuit, ...], tuple[Meter, ...]]:
    """Fuses from the leaves up: below the sum of what hangs there, above what must fit."""
    below_worst = list(worst)
    asked: list[PerPhase] = [NOTHING] * len(parents)
    least: list[PerPhase] = [NOTHING] * len(parents)
    for evse in evses:
        k = int(evse.circuit[1:])
        asked[k] = add(asked[k], evse.worst_a(evse.max_a))
        least[k] = add(least[k], evse.worst_a(fallback_a))
    circuits: list[Circuit] = []
    meters: list[Meter] = []
    for k in reversed(range(len(parents))):
        margin_a = rng.choice(MARGINS_A)
        tight = rng.uniform(0.15, 0.5)
        needed = max(below_worst[k][p] + least[k][p] for p in PHASES) + margin_a
        wanted = max(0.5 * below_worst[k][p] + tight * asked[k][p] for p in PHASES)
        fuse_a = next(
            float(a) for a in (*FUSES_A, 10_000) if a >= max(needed, min(wanted, 630.0), 16)
        )
        meter = Meter(
            id=MeterId(f"m{k}"),
            circuit=CircuitId(f"c{k}"),
            worst_building_a=below_worst[k],
            feeds_in=False,
        )
        circuits.append(
            Circuit(
                id=CircuitId(f"c{k}"),
                label=f"Circuit {k}",
                feeds_from=CircuitId(f"c{parents[k]}") if parents[k] >= 0 else None,
                rating_a=(fuse_a,) * 3,
                margin_a=margin_a,
                max_power_w=rng.choice((None, None, 0.9 * fuse_a * 690.0)) if k == 0 else None,
                meter=meter.id if metered[k] else None,
                building_a=worst[k] if not metered[k] else NOTHING,
            )
        )
        if metered[k]:
            meters.append(meter)
        if k:
            above = parents[k]
            below_worst[above] = add(below_worst[above], below_worst[k])
            least[above] = add(least[above], least[k])
            through = min(fuse_a, max(asked[k]))
            asked[above] = add(asked[above], (through,) * 3)
    return tuple(reversed(circuits)), tuple(reversed(meters))


def _failsafes(seed: int, root: Circuit) -> tuple[Failsafe, ...]:
    """A third of the sites have a utility that must be heard of."""
    rng = random.Random(f"utility:{seed}")
    if rng.random() > 1 / 3:
        return ()
    share = rng.uniform(0.4, 0.9)
    limit_a = (share * root.rating_a[0],) * 3
    return (Failsafe(name="utility", circuit=root.id, current_a=limit_a, heartbeat_s=120.0),)


def _policy(rng: random.Random) -> Policy:
    return Policy(
        share=rng.choice(list(Share)),
        rotate_every_s=rng.choice((300.0, 900.0)),
        ready_by=ReadyBy(at=time(7), energy_wh=15_000.0) if rng.random() < 0.3 else None,
    )


def _temper(rng: random.Random) -> Temper:
    """A station that does as it should, as fast as it can or as slowly as it may."""
    temper = Temper(
        reaction_s=rng.uniform(0.5, SLOWEST_STATION_S),
        answer_s=rng.choice((0.05, 0.1, 0.5)),
        whole_amperes=rng.random() < 0.2,
        boot_s=rng.uniform(10.0, 60.0),
        away_s=rng.uniform(5.0, 90.0),
    )
    return replace(temper, reports_power=False) if rng.random() < 0.2 else temper
