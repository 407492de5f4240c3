"""A small site with two stations, and a gateway on it, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from connectors.ocpp.gateway import OcppGateway, connect
from loadmgr.events import Event
from loadmgr.model import Circuit, CircuitId, Evse, EvseId, Offline, Site, StationId, Wiring
from loadmgr.ports import Context, Kept
from loadmgr.units import Phase

E = TypeVar("E")

NORTH, SOUTH = "north", "south"
PASSWORDS = {NORTH: "north-secret-0123456", SOUTH: "00112233445566778899aabbccddeeff00112233"}


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


async def stored() -> bool:
    return True


def evse(id: str, station: str, number: int = 1, terminals: str = "123") -> Evse:
    phases = tuple(Phase(int(digit) - 1) for digit in terminals)
    return Evse(
        id=EvseId(id),
        station=StationId(station),
        number=number,
        circuit=CircuitId("main"),
        wiring=Wiring(phases),
        max_a=32.0,
    )


NORTH_1, NORTH_2 = evse("north-1", NORTH), evse("north-2", NORTH, number=2, terminals="2")
SOUTH_1 = evse("south-1", SOUTH)


def site(lost_after_s: float = 40.0) -> Site:
    return Site(
        name="test",
        timezone="Europe/Berlin",
        circuits=(
            Circuit(id=CircuitId("main"), label="Main", feeds_from=None, rating_a=(63, 63, 63)),
        ),
        evses=(NORTH_1, NORTH_2, SOUTH_1),
        offline=Offline(lost_after_s=lost_after_s),
    )


def context(**kwargs: Any) -> Context:
    return Context(name="ocpp", site=site(**kwargs), clock=WallClock())


@dataclass
class Ground:
    gateway: OcppGateway
    task: asyncio.Task[None]
    url: str = ""
    events: list[Event] = field(default_factory=list)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, kind: type[E], count: int = 1, timeout: float = 5.0) -> E:
        """The `count`-th event of a kind."""
        await until(lambda: len(self.of(kind)) >= count, timeout)
        return self.of(kind)[count - 1]


async def until(true: Callable[[], bool], timeout: float = 5.0) -> None:
    async with asyncio.timeout(timeout):
        while not true():  # noqa: ASYNC110 - a plain predicate has no Event
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(
    options: dict[str, Any] | None = None, kept: Kept = stored, **kwargs: Any
) -> AsyncIterator[Ground]:
    """A gateway without passwords unless the options say otherwise."""
    chosen = {"listen": "127.0.0.1:0", "security_profile": 0, **(options or {})}
    gateway = connect(chosen, context(**kwargs))
    events: list[Event] = []
    task = asyncio.create_task(gateway.run(events.append, kept))
    ground = Ground(gateway, task, events=events)
    try:
        async with asyncio.timeout(5):
            ground.url = await ground.gateway.listening()
        yield ground
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
