"""A whole simulated site on real sockets: stations, cars, building, grid meter, and the truth."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from connectors.simulated.clock import ModelClock
from connectors.simulated.meters import Display, ServedMeter
from connectors.simulated.station import SimulatedStation
from loadmgr.model import CircuitId, EvseId, MeterId, Site, StationId, Wiring
from loadmgr.simulate.arrivals import Visit
from loadmgr.simulate.building import BuildingLoad
from loadmgr.simulate.plant import Plant, Summary
from loadmgr.simulate.temper import Temper
from loadmgr.simulate.visits import play

BEAT_S = 0.25
"""Model seconds between two looks at the physics; the truth itself has whole seconds."""

SHORTEST_BEAT_S = 0.02
"""Real seconds, however fast the model runs."""


class SimulatedSite:
    """Open it to have its meters served, `dial` a back end, then `run` until cancelled.

    >>> async with SimulatedSite(site) as simulated:
    ...     port = simulated.meters[MeterId("main-meter")].modbus_port
    ...     simulated.dial("ws://127.0.0.1:9000")
    ...     await simulated.run()
    """

    def __init__(
        self,
        site: Site,
        *,
        building: Mapping[CircuitId, BuildingLoad] | None = None,
        visits: Sequence[Visit] = (),
        protocols: Mapping[StationId, str] | None = None,
        tempers: Mapping[StationId, Temper] | None = None,
        wiring: Mapping[EvseId, Wiring] | None = None,
        passwords: Mapping[StationId, str] | None = None,
        start: datetime | None = None,
        speed: float = 1.0,
        seed: int = 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`protocols` says "1.6" or "2.0.1" (1.6 by default); `wiring` is the true one where it
        differs from the site's; `speed` is model seconds per real second.
        """
        self.site = site
        self.clock = ModelClock(start=start, speed=speed, monotonic=monotonic)
        self._protocols = {id: (protocols or {}).get(id, "1.6") for id in site.stations}
        self._passwords = dict(passwords or {})
        self._visits = tuple(visits)
        self._seed = seed
        self.plant = Plant(
            site,
            start_s=self.clock.now_s(),
            building=building,
            tempers=tempers,
            wiring=wiring,
            strict=frozenset(id for id, version in self._protocols.items() if version != "1.6"),
        )
        self.meters: dict[MeterId, ServedMeter] = {
            meter.id: ServedMeter(Display(voltage_v=site.voltage_v)) for meter in site.meters
        }
        self.stations: dict[StationId, SimulatedStation] = {}
        self._measured_s = self.plant.now_s

    async def __aenter__(self) -> Self:
        self._measure()  # a meter that is switched on shows the load, not nothing
        for meter in self.meters.values():
            await meter.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for meter in self.meters.values():
            await meter.close()

    def dial(self, url: str) -> None:
        """Make the stations, which will connect to this back end."""
        self.stations = {
            id: SimulatedStation(
                model,
                protocol=self._protocols[id],
                url=url,
                clock=self.clock,
                password=self._passwords.get(id),
                advance=self.plant.advance,
                seed=self._seed,
            )
            for id, model in self.plant.stations.items()
        }

    async def run(self) -> None:
        """Let time pass, cars come and go, and stations talk, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat())
            for station in self.stations.values():
                group.create_task(station.run())
            group.create_task(
                play(
                    self._visits,
                    clock=self.clock,
                    plug=self.plug,
                    unplug=self.unplug,
                    speed=self.clock.speed,
                )
            )

    async def plug(self, visit: Visit) -> None:
        """A visitor arrives; to a taken bay it does not come."""
        evse = self.site.evse[visit.evse]
        station = self.stations[evse.station]
        if station.model.outlets[evse.number].car is None:
            station.plug(evse.number, visit.car, visit.token)

    async def unplug(self, visit: Visit) -> None:
        evse = self.site.evse[visit.evse]
        self.stations[evse.station].unplug(evse.number)

    def summary(self) -> Summary:
        """What came of it so far, by the truth."""
        self.plant.advance(self.clock.now_s())
        return self.plant.summary()

    async def _beat(self) -> None:
        while True:
            self.plant.advance(self.clock.now_s())
            self._measure()
            await asyncio.sleep(max(SHORTEST_BEAT_S, BEAT_S / self.clock.speed))

    def _measure(self) -> None:
        seconds, self._measured_s = self.plant.now_s - self._measured_s, self.plant.now_s
        for meter in self.site.meters:
            display = self.meters[meter.id].display
            display.measure(self.plant.circuit_a(meter.circuit), seconds)
