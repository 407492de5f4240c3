"""A whole site on virtual time: the real engine, played stations, and the truth beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

from loadmgr.core.tick import Solve
from loadmgr.engine.clock import SteadyClock
from loadmgr.engine.decide import Inline
from loadmgr.engine.engine import Engine
from loadmgr.engine.journal import Forgetful, Journal
from loadmgr.events import Order, Outcome, SetLimit
from loadmgr.model import EvseId, Site, StationId
from loadmgr.simulate.arrivals import Visit
from loadmgr.simulate.car import CarSpec
from loadmgr.simulate.clock import run_virtual, virtual_clock
from loadmgr.simulate.gateway import SimulatedGateway
from loadmgr.simulate.plant import Plant
from loadmgr.simulate.temper import GOOD, Temper
from tests.core.talk import no_answer


class Listening:
    """A gateway that notes every order that leaves, and when."""

    def __init__(self, gateway: SimulatedGateway) -> None:
        self.gateway = gateway
        self.left: list[tuple[float, Order]] = []
        self.before_leaving: Callable[[Order], None] = lambda order: None

    async def run(self, emit: Any, kept: Any) -> None:
        await self.gateway.run(emit, kept)

    async def execute(self, order: Order) -> Outcome:
        self.before_leaving(order)
        self.left.append((asyncio.get_running_loop().time(), order))
        return await self.gateway.execute(order)

    async def close(self, station: str, reason: str) -> None:
        await self.gateway.close(station, reason)

    def limits(self, since_s: float = 0.0) -> list[SetLimit]:
        return [o for at, o in self.left if at >= since_s and isinstance(o, SetLimit)]


class Rig:
    """Built inside a virtual loop."""

    def __init__(
        self,
        site: Site,
        *,
        journal: Journal | None = None,
        tempers: Mapping[str, Temper] | None = None,
        solve: Solve = no_answer,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.site = site
        self.journal = journal or Forgetful()
        self.solve = solve
        self.clock = SteadyClock(virtual_clock().now(), loop.time)
        self.plant = Plant(
            site,
            start_s=self.clock.now().timestamp(),
            tempers={StationId(n): t for n, t in (tempers or {}).items()},
        )
        self.gateway = Listening(SimulatedGateway(self.plant, clock=self.clock, seed=3))
        self.begin()

    def begin(self) -> None:
        """A fresh engine on the same site, journal and stations."""
        self.engine = Engine(
            self.site,
            gateway=self.gateway,
            sources=(),
            journal=self.journal,
            clock=self.clock,
            decide=Inline(self.solve),
        )
        self.running = asyncio.create_task(self.engine.run())

    async def kill(self) -> None:
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running

    async def plug(self, *evses: str, **car: Any) -> None:
        now_s = self.clock.now().timestamp()
        for evse in evses:
            spec = CarSpec(**{"max_a": 32.0, **car})
            await self.gateway.gateway.plug(
                Visit(evse=EvseId(evse), arrives_s=now_s, leaves_s=now_s + 1e6, car=spec, token="")
            )

    def becomes(self, station: str, temper: Temper = GOOD) -> None:
        now_s = self.clock.now().timestamp()
        self.plant.stations[StationId(station)].change_temper(temper, now_s)

    def true_a(self, evse: str) -> float:
        self.plant.advance(self.clock.now().timestamp())
        outlet = self.plant.outlets[EvseId(evse)]
        outlet.advance(self.plant.now_s)
        return max(outlet.terminal_a)

    @property
    def ours_s(self) -> float:
        self.plant.advance(self.clock.now().timestamp())
        return self.plant.summary().ours_s

    @property
    def now_s(self) -> float:
        return asyncio.get_running_loop().time()


def in_virtual_time(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(story())
