"""A controller as one writes it first: fair shares of what is free, sent at once, every answer
trusted. It stands beside the engine in the same world to show what the rest is for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from loadmgr.core.state import State, unseen
from loadmgr.engine.clock import SteadyClock
from loadmgr.events import (
    CircuitMeasured,
    Confirmed,
    Event,
    EvseMeasured,
    LimitSet,
    Sent,
    SessionEnded,
    SessionStarted,
    SetFallback,
    SetLimit,
    StationConnected,
    StationDisconnected,
)
from loadmgr.model import CircuitId, Evse, EvseId, Limit, MeterId, Plan, Session, Site, SolveReport
from loadmgr.ports import Gateway, Source
from loadmgr.units import NOTHING, PHASES, PerPhase, add, floor_to_wire, subtract

LASTS_S = 300.0


@dataclass(slots=True)
class _Bay:
    connection: int | None = None
    session: Session | None = None
    drawn_a: PerPhase = NOTHING
    told_a: float = 0.0
    told_s: float = float("-inf")


@dataclass(slots=True)
class Naive:
    """Stands where an `Engine` stands."""

    site: Site
    gateway: Gateway
    sources: Sequence[Source]
    journal: Any
    clock: SteadyClock
    decide: Any
    on_event: list[Callable[[Event, State], None]] = field(default_factory=list)
    on_tick: list[Callable[[State, Plan], None]] = field(default_factory=list)
    _bays: dict[EvseId, _Bay] = field(default_factory=dict)
    _meters: dict[MeterId, PerPhase] = field(default_factory=dict)
    _limits: dict[str, Limit] = field(default_factory=dict)
    _serial: int = 0
    _nothing: State = field(init=False)

    def __post_init__(self) -> None:
        self._bays = {evse.id: _Bay() for evse in self.site.evses}
        self._nothing = unseen(self.site)

    def emit(self, event: Event) -> None:
        match event:
            case StationConnected():
                for evse in self.site.stations[event.station]:
                    self._bays[evse.id].connection = event.connection
            case StationDisconnected():
                for evse in self.site.stations[event.station]:
                    self._bays[evse.id].connection = None
            case SessionStarted():
                self._bays[event.session.evse] = _Bay(
                    connection=self._bays[event.session.evse].connection, session=event.session
                )
            case SessionEnded():
                self._bays[event.evse].session = None
            case EvseMeasured(terminal_a=drawn_a) if drawn_a is not None:
                self._bays[event.evse].drawn_a = self.site.evse[event.evse].wiring.on_site(drawn_a)
            case CircuitMeasured():
                self._meters[event.meter] = event.current_a
            case LimitSet():
                self._limits[event.limit.name] = event.limit
        for watcher in self.on_event:
            watcher(event, self._nothing)

    async def kept(self) -> bool:
        """Whatever it hears: it keeps no journal, and does not mind."""
        return True

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.gateway.run(self.emit, self.kept))
            for source in self.sources:
                tasks.create_task(source.run(self.emit))
            while True:
                await asyncio.sleep(self.site.interval_s)
                for order in self._decided():
                    self.emit(Sent(at=self.clock.now(), order=order))
                    tasks.create_task(self._send(order))
                self._show()

    async def _send(self, order: SetLimit | SetFallback) -> None:
        answer = await self.gateway.execute(order)
        if isinstance(answer, Confirmed) and isinstance(order, SetLimit):
            self._bays[order.evse].told_a = order.current_a
            self._bays[order.evse].told_s = self.clock.monotonic()

    def _decided(self) -> list[SetLimit | SetFallback]:
        present = [e for e in self.site.evses if self._bays[e.id].session is not None]
        shares = self._shares(present)
        orders: list[SetLimit | SetFallback] = []
        for evse in present:
            bay = self._bays[evse.id]
            stale = self.clock.monotonic() - bay.told_s > LASTS_S / 2
            if bay.connection is None or (bay.told_a == shares[evse.id] and not stale):
                continue
            assert bay.session is not None
            self._serial += 1
            orders.append(
                SetLimit(
                    serial=self._serial,
                    evse=evse.id,
                    connection=bay.connection,
                    current_a=shares[evse.id],
                    lasts_s=LASTS_S,
                    transaction_id=bay.session.transaction_id,
                )
            )
        return orders

    def _shares(self, present: Sequence[Evse]) -> dict[EvseId, float]:
        """The same for everybody below the tightest circuit of each."""
        now = self.clock.now()
        free: dict[CircuitId, float] = {}
        for circuit in self.site.circuits:
            usable = list(circuit.usable_a)
            for limit in self._limits.values():
                if limit.circuit == circuit.id and limit.in_force(now):
                    usable = [min(a, b) for a, b in zip(usable, limit.current_a, strict=True)]
            building = self._building(circuit.id)
            below = [e for e in self.site.below[circuit.id] if e in present]
            each = [
                (usable[p] - building[p]) / max(1, sum(p in e.wiring.terminals for e in below))
                for p in PHASES
            ]
            free[circuit.id] = min(each)
        return {
            evse.id: _taken(min(evse.max_a, *(free[c] for c in self.site.path[evse.circuit])))
            for evse in present
        }

    def _building(self, circuit: CircuitId) -> PerPhase:
        meter = self.site.circuit[circuit].meter
        if meter is None:
            return self.site.circuit[circuit].building_a
        cars = NOTHING
        for evse in self.site.below[circuit]:
            if self._bays[evse.id].session is not None:
                cars = add(cars, self._bays[evse.id].drawn_a)
        return subtract(self._meters.get(meter, NOTHING), cars)

    def _show(self) -> None:
        plan = Plan(
            at=self.clock.now(),
            allocations={},
            rows=(),
            solve=SolveReport(method="none", status="ok"),
        )
        for watcher in self.on_tick:
            watcher(self._nothing, plan)


def _taken(current_a: float) -> float:
    return floor_to_wire(current_a) if current_a >= 6.0 else 0.0
