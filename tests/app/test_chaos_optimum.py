"""What could have been delivered at most knows what physics forbids."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadmgr.app.chaos import START_S
from loadmgr.app.chaos_optimum import most_wh
from loadmgr.simulate.building import MovingLoad
from loadmgr.simulate.chaos_site import World, world
from loadmgr.units import NOTHING

HOUR_S = 3600.0


def alone(*, room_a: float, **car: float) -> World:
    """One car for an hour, on one fuse that has so much left for it."""
    built = world(1, start_s=START_S, seconds=HOUR_S, warm_up_s=0.0)
    evse = replace(built.site.evses[0], circuit=built.site.circuits[0].id, max_a=16.0)
    circuit = replace(
        built.site.circuits[0],
        rating_a=(room_a,) * 3,
        margin_a=0.0,
        max_power_w=None,
        meter=None,
        building_a=NOTHING,
    )
    visit = replace(
        built.visits[0],
        evse=evse.id,
        arrives_s=START_S,
        leaves_s=START_S + HOUR_S,
        car=replace(
            built.visits[0].car,
            **{"max_a": 16.0, "wanted_wh": 50_000.0, "capacity_wh": 80_000.0, **car},
        ),
    )
    still = MovingLoad(seed=1, base_a=NOTHING, day_a=NOTHING, noise_a=0.0, appliances=())
    return replace(
        built,
        site=replace(built.site, circuits=(circuit,), meters=(), evses=(evse,), failsafes=()),
        buildings={circuit.id: still},
        visits=(visit,),
    )


def most(built: World) -> float:
    return most_wh(built, start_s=START_S, seconds=HOUR_S)


def full_hour_wh(built: World, current_a: float) -> float:
    (visit,), (evse,) = built.visits, built.site.evses
    phases = min(visit.car.phases, len(evse.wiring.terminals))
    return phases * current_a * built.site.voltage_v


def test_a_car_alone_gets_what_it_can_take_but_for_its_reaction() -> None:
    built = alone(room_a=63.0, taper_from=1.0)
    assert most(built) == pytest.approx(full_hour_wh(built, 16.0), rel=0.005)


def test_a_fuse_that_has_less_leaves_less() -> None:
    built = alone(room_a=8.0, taper_from=1.0)
    assert most(built) == pytest.approx(full_hour_wh(built, 8.0), rel=0.005)


def test_where_there_is_less_than_the_minimum_nobody_charges() -> None:
    assert most(alone(room_a=5.9)) == 0.0


def test_a_car_that_is_nearly_full_takes_less_than_it_wants() -> None:
    built = alone(room_a=63.0, taper_from=0.5, wanted_wh=11_000.0, capacity_wh=20_000.0)
    assert most(built) < 0.95 * min(11_000.0, full_hour_wh(built, 16.0))
