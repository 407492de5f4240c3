"""Stations without a wire: a `Gateway` that plays the stations of a `Plant` in this process.

It speaks in domain events, runs on whatever loop runs it (real or virtual), and carries out each
station's temper: late, lost and refused answers, dropped links, reboots. Chance is seeded.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from loadmgr.events import (
    EvseMeasured,
    Lost,
    Order,
    Outcome,
    ReadMeter,
    SessionEnded,
    SessionStarted,
    StationBooted,
    StationConnected,
    StationDisconnected,
    StatusChanged,
)
from loadmgr.model import ConnectorStatus, EvseId, Session, StationId
from loadmgr.ports import Clock, Emit, Kept
from loadmgr.simulate.arrivals import Visit
from loadmgr.simulate.orders import lost, obey
from loadmgr.simulate.outlet import Transaction
from loadmgr.simulate.plant import Plant
from loadmgr.simulate.station import Station

PROTOCOL = "ocpp1.6"


class _Link:
    """One station's connection, or the lack of it."""

    def __init__(self, station: Station, chance: random.Random) -> None:
        self.station = station
        self.chance = chance
        self.connection: int | None = None
        self.said: dict[int, ConnectorStatus] = {}  # by EVSE number, on this connection
        self.untold: list[SessionStarted | SessionEnded] = []  # happened while offline


class SimulatedGateway:
    """Plays every station of a plant."""

    def __init__(
        self,
        plant: Plant,
        *,
        clock: Clock,
        seed: int = 0,
        meter_interval_s: float = 10.0,
        deadline_s: float = 10.0,
    ) -> None:
        self.plant = plant
        self._clock = clock
        self._meter_interval_s = meter_interval_s
        self._deadline_s = deadline_s
        self._links = {
            id: _Link(station, random.Random(f"{seed}:{id}"))
            for id, station in plant.stations.items()
        }
        self._connections = itertools.count(1)
        self._transactions = itertools.count(1)
        self._emit: Emit | None = None
        self._tasks: asyncio.TaskGroup | None = None

    # ── Gateway ──

    async def run(self, emit: Emit, kept: Kept) -> None:
        """Connect every station and report what they say until cancelled."""
        self._emit = emit
        try:
            async with asyncio.TaskGroup() as self._tasks:
                for link in self._links.values():
                    self._spawn(self._live(link))
                    self._spawn(self._stumble(link))
        finally:
            self._emit = self._tasks = None
            for link in self._links.values():
                link.connection = None

    async def execute(self, order: Order) -> Outcome:
        evse = self.plant.site.evse[order.evse]
        link = self._links[evse.station]
        if order.connection != link.connection:
            return lost(order, "this connection is gone", self._clock.now())
        temper = link.station.temper
        if link.chance.random() < temper.loses_orders:
            return await self._silence(order, self._deadline_s)
        if temper.answer_s > self._deadline_s:
            self._spawn(self._act_late(order, link))
            return await self._silence(order, self._deadline_s)
        await asyncio.sleep(temper.answer_s / 2)
        outcome = self._act(order, link)
        if link.chance.random() < temper.loses_answers:
            return await self._silence(order, self._deadline_s - temper.answer_s / 2)
        await asyncio.sleep(temper.answer_s / 2)
        if order.connection != link.connection:
            return lost(order, "the link dropped under way", self._clock.now())
        return replace(outcome, at=self._clock.now())

    async def close(self, station: str, reason: str) -> None:
        self.drop(StationId(station), away_s=1.0, reason=reason)

    # ── What the world does ──

    async def plug(self, visit: Visit) -> None:
        """A car arrives and its transaction begins. To a taken bay it does not come."""
        evse = self.plant.site.evse[visit.evse]
        link, now_s = self._links[evse.station], self._now_s()
        if link.station.outlets[evse.number].car is not None:
            return
        link.station.plug(evse.number, visit.car, now_s)
        id = str(next(self._transactions))
        transaction = link.station.begin(evse.number, now_s, id=id, token=visit.token)
        self._tell(link, _started(evse.id, transaction))
        self._report_status(link)

    async def unplug(self, visit: Visit) -> None:
        """The car leaves, and ends what still runs."""
        evse = self.plant.site.evse[visit.evse]
        link = self._links[evse.station]
        transaction = link.station.unplug(evse.number, self._now_s())
        if transaction is not None:
            self._tell(link, _ended(evse.id, transaction))
        self._report_status(link)

    def drop(self, station: StationId, *, away_s: float | None = None, reason: str = "") -> None:
        """The link goes down, and comes back after `away_s`, by default the temper's."""
        link = self._links[station]
        back_s = link.station.temper.away_s if away_s is None else away_s
        if link.connection is not None:
            self._disconnect(link, reason or "the link dropped")
            self._spawn(self._return(link, back_s, booted=False))

    def reboot(self, station: StationId) -> None:
        """A power cycle: link and current go, and what the station does not keep is forgotten."""
        link = self._links[station]
        link.station.reboot(self._now_s())
        if link.connection is not None:
            self._disconnect(link, "the station rebooted")
            self._spawn(self._return(link, link.station.temper.boot_s, booted=True))

    def connection(self, station: StationId) -> int | None:
        """The number of its present connection, None while it is offline."""
        return self._links[station].connection

    # ── How a station behaves ──

    async def _live(self, link: _Link) -> None:
        await asyncio.sleep(link.chance.uniform(0.0, 1.0))  # not all in the same instant
        self._connect(link, booted=True)
        while True:
            await asyncio.sleep(self._meter_interval_s)
            self._report_meters(link)

    async def _stumble(self, link: _Link) -> None:
        """Drop the link now and then, as long as the temper has it."""
        while True:
            every_s = link.station.temper.drops_link_every_s
            await asyncio.sleep(link.chance.expovariate(1 / every_s) if every_s else 60.0)
            if every_s:
                self.drop(link.station.id)

    async def _return(self, link: _Link, after_s: float, *, booted: bool) -> None:
        await asyncio.sleep(after_s)
        if link.connection is None:
            self._connect(link, booted=booted)

    def _connect(self, link: _Link, *, booted: bool) -> None:
        at, station, connection = self._clock.now(), link.station.id, next(self._connections)
        link.connection = connection
        link.said.clear()
        self._say(
            StationConnected(at=at, station=station, connection=connection, protocol=PROTOCOL)
        )
        if booted:
            self._say(StationBooted(at=at, station=station, connection=connection))
        untold, link.untold = link.untold, []
        for event in untold:
            self._tell(link, replace(event, at=at))
        self._report_status(link)

    def _disconnect(self, link: _Link, reason: str) -> None:
        connection, link.connection = link.connection, None
        if connection is not None:
            self._say(
                StationDisconnected(
                    at=self._clock.now(),
                    station=link.station.id,
                    connection=connection,
                    reason=reason,
                )
            )

    def _report_status(self, link: _Link) -> None:
        for number, outlet in link.station.outlets.items():
            status = outlet.status
            if link.connection is not None and link.said.get(number) is not status:
                link.said[number] = status
                self._say(
                    StatusChanged(
                        at=self._clock.now(),
                        evse=outlet.evse.id,
                        connection=link.connection,
                        status=status,
                    )
                )

    def _report_meters(self, link: _Link) -> None:
        now_s, at = self._now_s(), self._clock.now()
        self._report_status(link)
        for outlet in link.station.outlets.values():
            if link.connection is not None and outlet.transaction is not None:
                reading = outlet.reading(now_s)
                self._say(
                    EvseMeasured(
                        at=at,
                        evse=outlet.evse.id,
                        connection=link.connection,
                        terminal_a=reading.terminal_a,
                        power_w=reading.power_w,
                        energy_wh=reading.energy_wh,
                        sampled_at=at,
                    )
                )

    # ── How orders go ──

    def _act(self, order: Order, link: _Link) -> Outcome:
        number = self.plant.site.evse[order.evse].number
        outlet = link.station.outlets[number]
        before = outlet.transaction
        outcome = obey(link.station, number, order, self._now_s(), self._clock.now())
        if before is not None and outlet.transaction is None:
            self._tell(link, _ended(order.evse, before))
        self._report_status(link)
        if isinstance(order, ReadMeter):
            self._report_meters(link)
        return outcome

    async def _act_late(self, order: Order, link: _Link) -> None:
        await asyncio.sleep(link.station.temper.answer_s)
        if order.connection == link.connection:
            self._act(order, link)

    async def _silence(self, order: Order, seconds: float) -> Lost:
        await asyncio.sleep(seconds)
        return lost(order, f"no answer within {self._deadline_s:g} s", self._clock.now())

    # ── Small talk ──

    def _now_s(self) -> float:
        """Now, with the plant brought up to it."""
        now_s = self._clock.now().timestamp()
        self.plant.advance(now_s)
        return now_s

    def _say(self, event: Any) -> None:
        if self._emit is not None:
            self._emit(event)

    def _tell(self, link: _Link, event: SessionStarted | SessionEnded) -> None:
        """Report it now, or once the link is back."""
        if link.connection is None:
            link.untold.append(event)
        else:
            self._say(event)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if self._tasks is None:
            work.close()
            raise RuntimeError("the gateway is not running")
        self._tasks.create_task(work)


def _started(evse: EvseId, transaction: Transaction) -> SessionStarted:
    at = _utc(transaction.began_s)
    return SessionStarted(
        at=at,
        session=Session(
            evse=evse, transaction_id=transaction.id, started_at=at, token=transaction.token
        ),
    )


def _ended(evse: EvseId, transaction: Transaction) -> SessionEnded:
    return SessionEnded(
        at=_utc(transaction.ended_s or transaction.began_s),
        evse=evse,
        transaction_id=transaction.id,
        energy_wh=transaction.energy_wh(0.0),
    )


def _utc(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
