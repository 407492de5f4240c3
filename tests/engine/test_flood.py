"""In real time: a flood of events does not delay a decrease."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

from loadmgr.engine.clock import SteadyClock
from loadmgr.engine.decide import Inline
from loadmgr.engine.engine import Engine
from loadmgr.engine.journal import Forgetful
from loadmgr.events import (
    Confirmed,
    EvseMeasured,
    LimitSet,
    Order,
    Outcome,
    ReadFallback,
    SessionStarted,
    SetLimit,
    StationConnected,
    StationDisconnected,
)
from loadmgr.model import EvseId, Limit, Session, StationId
from loadmgr.ports import Emit, Kept
from tests.core.talk import MAIN, bay, no_answer, site_of

WITHIN_S = 1.0


class Obedient:
    """Thirty stations that say yes at once."""

    def __init__(self, clock: SteadyClock, names: list[str]) -> None:
        self.clock = clock
        self.names = names
        self.decreased_at: list[float] = []
        self.last: dict[str, float] = {}
        self.all_full = asyncio.Event()
        self.all_lowered = asyncio.Event()

    async def run(self, emit: Emit, kept: Kept) -> None:
        for name in self.names:
            now = self.clock.now()
            emit(StationConnected(at=now, station=StationId(name), connection=1, protocol=""))
            session = Session(evse=EvseId(name), transaction_id=name, started_at=now)
            emit(SessionStarted(at=now, session=session))
        await asyncio.get_running_loop().create_future()

    async def execute(self, order: Order) -> Outcome:
        if isinstance(order, SetLimit):
            if order.current_a < self.last.get(order.evse, 0.0):
                self.decreased_at.append(time.monotonic())
            self.last[order.evse] = order.current_a
            if len(self.last) == len(self.names) and min(self.last.values()) == 32.0:
                self.all_full.set()
            if len(self.decreased_at) == len(self.names):
                self.all_lowered.set()
        return Confirmed(
            at=self.clock.now(),
            serial=order.serial,
            evse=order.evse,
            connection=order.connection,
            current_a=0.0 if isinstance(order, ReadFallback) else None,
        )

    async def close(self, station: str, reason: str) -> None: ...


def flood(clock: SteadyClock, names: list[str], burst: int) -> list[Any]:
    """Readings of everybody, and a stranger's connection that comes and goes."""
    now = clock.now()
    events: list[Any] = []
    for number in range(burst):
        name = names[number % len(names)]
        events.append(
            EvseMeasured(
                at=now, evse=EvseId(name), connection=1, terminal_a=(1.0,) * 3, sampled_at=now
            )
        )
        gone = {"station": StationId("STRANGER"), "connection": number}
        events.append(StationConnected(at=now, protocol="", **gone))
        events.append(StationDisconnected(at=now, **gone))
    return events


async def test_a_decrease_leaves_within_a_second_while_ten_thousand_events_come_in():
    names = [f"B{i:02d}" for i in range(30)]
    clock = SteadyClock()
    gateway = Obedient(clock, names)
    engine = Engine(
        site_of(*(bay(name) for name in names), fuse_a=30 * 32.0),
        gateway=gateway,
        sources=(),
        journal=Forgetful(),
        clock=clock,
        decide=Inline(no_answer),
    )
    running = asyncio.create_task(engine.run())
    async with asyncio.timeout(60):
        await gateway.all_full.wait()

    async def pour() -> None:
        for _ in range(40):
            for event in flood(clock, names, 85):
                engine.emit(event)
            await asyncio.sleep(0)

    pouring = asyncio.create_task(pour())
    await asyncio.sleep(0)
    now = clock.now()
    half = Limit(
        name="dso",
        circuit=MAIN,
        current_a=(480.0,) * 3,
        source="dso",
        valid_from=now,
        valid_until=now + timedelta(hours=1),
    )
    started = time.monotonic()
    engine.emit(LimitSet(at=now, limit=half))
    async with asyncio.timeout(30):
        await gateway.all_lowered.wait()
    await pouring
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert max(gateway.decreased_at) - started <= WITHIN_S
