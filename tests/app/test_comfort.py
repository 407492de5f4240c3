"""Contactors and nerves: a load that switches all day does not take cars with it each time."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from loadmgr.app.chaos import START_S, live
from loadmgr.engine.engine import Engine
from loadmgr.events import Sent, SetLimit
from loadmgr.model import CircuitId, Evse, EvseId, Meter, MeterId, Offline, Site, StationId, Wiring
from loadmgr.simulate.arrivals import Visit
from loadmgr.simulate.building import SteppedLoad
from loadmgr.simulate.car import CarSpec
from loadmgr.simulate.chaos_site import World
from loadmgr.simulate.temper import Temper
from loadmgr.units import PHASES, PerPhase, add
from tests.core.talk import fuse

HOURS = 4.0
MAIN = CircuitId("main")
BASE_A: PerPhase = (4.0, 4.0, 4.0)
ONE_PHASE: PerPhase = (0.0, 3000.0 / 230.0, 0.0)
THREE_PHASES: PerPhase = (3000.0 / 690.0,) * 3


def thermostat(on_a: PerPhase, every_s: float) -> SteppedLoad:
    """3 kW that switch on and off, one after the other, all day."""
    switches = range(int(HOURS * 3600.0 / every_s) + 2)
    return SteppedLoad(
        [(START_S + k * every_s, add(BASE_A, on_a) if k % 2 else BASE_A) for k in switches]
    )


def garage(cars: int, fuse_a: float, load: SteppedLoad) -> World:
    """Bays on one fuse beside a building, all taken by cars that want more than they can have."""
    names = [EvseId(f"B{k}") for k in range(cars)]
    wiring = {name: Wiring(PHASES) for name in names}
    evses = tuple(
        Evse(id=name, station=StationId(name), circuit=MAIN, wiring=wiring[name], max_a=16.0)
        for name in names
    )
    meter = Meter(id=MeterId("grid"), circuit=MAIN, worst_building_a=(fuse_a - 1.0,) * 3)
    circuit = fuse("main", fuse_a, meter=meter.id, margin_a=1.0)
    site = Site(
        name="Garage",
        timezone="Europe/Vienna",
        circuits=(circuit,),
        evses=evses,
        meters=(meter,),
        interval_s=5.0,
        offline=Offline(fallback_a=0.0),
    )
    visits = tuple(
        Visit(
            evse=name,
            arrives_s=START_S + 240.0 + 10.0 * k,
            leaves_s=START_S + HOURS * 3600.0 + 600.0,
            car=CarSpec(capacity_wh=90_000.0, wanted_wh=80_000.0),
            token="driver",
        )
        for k, name in enumerate(names)
    )
    return World(
        site=site,
        wiring=wiring,
        buildings={MAIN: load},
        tempers={StationId(name): Temper(reaction_s=2.0) for name in names},
        visits=visits,
        meter_every_s=1.0,
        charger_meter_every_s=10.0,
    )


class Heard:
    """When each car was told to stop."""

    def __init__(self) -> None:
        self.stops_s: dict[EvseId, list[float]] = defaultdict(list)
        self._last_a: dict[EvseId, float] = {}

    def engine(self, *args: Any, **more: Any) -> Engine:
        engine = Engine(*args, **more)
        engine.on_event.append(self._hear)
        return engine

    def _hear(self, event: Any, state: Any) -> None:
        if not isinstance(event, Sent) or not isinstance(event.order, SetLimit):
            return
        order = event.order
        if order.current_a == 0.0 and self._last_a.get(order.evse, 0.0) > 0.0:
            self.stops_s[order.evse].append(event.at.timestamp())
        self._last_a[order.evse] = order.current_a

    def most_in_an_hour(self) -> int:
        return max(
            (
                sum(at_s <= other < at_s + 3600.0 for other in stops)
                for stops in self.stops_s.values()
                for at_s in stops
            ),
            default=0,
        )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("on_a", [ONE_PHASE, THREE_PHASES], ids=["one phase", "three phases"])
@pytest.mark.parametrize(("cars", "fuse_a"), [(1, 20.0), (3, 25.0), (5, 32.0)])
def test_a_thermostat_stops_no_car_more_than_twice_an_hour(
    on_a: PerPhase, cars: int, fuse_a: float
) -> None:
    heard = Heard()
    world = garage(cars, fuse_a, thermostat(on_a, 300.0))
    lived = live(world, (), seconds=HOURS * 3600.0, make_engine=heard.engine)
    assert lived.summary.ours_s == 0.0
    assert lived.summary.energy_wh > 0.0
    assert min(lived.observed.apart_s, default=12.0) >= 12.0
    assert heard.most_in_an_hour() <= 2, {k: len(v) for k, v in heard.stops_s.items()}
