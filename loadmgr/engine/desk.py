"""The engine's front desk: what may be seen of it, and the little that may be asked."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from loadmgr.core import building
from loadmgr.core.claims import delivered_wh
from loadmgr.core.conduct import site_current
from loadmgr.core.ledger import worst_case
from loadmgr.core.state import EvseState, State
from loadmgr.engine.engine import Engine
from loadmgr.engine.news import news
from loadmgr.events import Event, Heartbeat, LimitReleased, LimitSet
from loadmgr.model import Circuit, Evse, Limit, Plan, Site
from loadmgr.snapshot import ChargerView, CircuitView, News, Pace, Snapshot, Standing
from loadmgr.units import PerPhase

KEPT_TICKS = 2000
KEPT_NEWS = 100

NO_JOURNAL = "The journal cannot be written: until it can be, limits only fall."


@dataclass(frozen=True, slots=True, eq=False)
class _Record:
    number: int
    state: State
    plan: Plan
    news: tuple[News, ...]
    pace: Pace
    keeps_journal: bool


class EngineDesk:
    """Implements `Desk`. Ticks are kept as they were; views are made when somebody looks."""

    def __init__(self, engine: Engine, *, dry_run: bool = False) -> None:
        self._engine = engine
        self._dry_run = dry_run
        self._records: deque[_Record] = deque(maxlen=KEPT_TICKS)
        self._news: deque[News] = deque(maxlen=KEPT_NEWS)
        self._newer = asyncio.Condition()
        self._rung: set[asyncio.Task[None]] = set()
        self._view = lru_cache(maxsize=8)(self._make)
        engine.on_event.append(self._happened)
        engine.on_tick.append(self._ticked)

    def _happened(self, event: Event, state: State) -> None:
        found = news(event)
        if found is not None:
            self._news.appendleft(found)

    def _ticked(self, state: State, plan: Plan) -> None:
        engine = self._engine
        self._records.append(
            _Record(
                number=engine.number,
                state=state,
                plan=plan,
                news=tuple(self._news),
                pace=engine.pace.pace(),
                keeps_journal=engine.keeps_journal,
            )
        )
        task = asyncio.ensure_future(self._ring())
        self._rung.add(task)
        task.add_done_callback(self._rung.discard)

    async def _ring(self) -> None:
        async with self._newer:
            self._newer.notify_all()

    # ── Desk ──

    def snapshot(self) -> Snapshot | None:
        return self._view(self._records[-1]) if self._records else None

    def past(self, at: datetime) -> Snapshot | None:
        place = bisect_right([record.plan.at for record in self._records], at)
        return self._view(self._records[place - 1]) if place else None

    async def newer_than(self, number: int) -> Snapshot:
        async with self._newer:
            await self._newer.wait_for(
                lambda: bool(self._records) and self._records[-1].number > number
            )
        return self._view(self._records[-1])

    def age_s(self) -> float:
        return self._engine.age_s()

    def set_limit(self, limit: Limit) -> None:
        self._engine.emit(LimitSet(at=self.now(), limit=limit))

    async def kept(self) -> bool:
        return await self._engine.written()

    def release_limit(self, name: str, source: str) -> bool:
        known = name in self._engine.state.limits
        if known:
            self._engine.emit(LimitReleased(at=self.now(), name=name, source=source))
        return known

    def heartbeat(self, name: str) -> bool:
        known = any(failsafe.name == name for failsafe in self._engine.site.failsafes)
        if known:
            self._engine.emit(Heartbeat(at=self.now(), name=name))
        return known

    def now(self) -> datetime:
        return self._engine.clock.now()

    # ── Views ──

    def _make(self, record: _Record) -> Snapshot:
        site, state, plan = self._engine.site, record.state, record.plan
        ledger = worst_case(site, state, plan.at)
        return Snapshot(
            at=plan.at,
            number=record.number,
            name=site.name,
            timezone=site.timezone,
            voltage_v=site.voltage_v,
            dry_run=self._dry_run,
            circuits=tuple(_circuit(site, state, plan, circuit) for circuit in site.circuits),
            chargers=tuple(
                charger(evse, state.evses[evse.id], plan, ledger[evse.id]) for evse in site.evses
            ),
            limits={
                name: limit
                for name, limit in state.limits.items()
                if limit.valid_until is None or plan.at < limit.valid_until
            },
            forecast=plan.forecast,
            shortfalls=plan.shortfalls,
            solve=plan.solve,
            alarms=plan.alarms if record.keeps_journal else (NO_JOURNAL, *plan.alarms),
            news=record.news,
            pace=record.pace,
        )


def _circuit(site: Site, state: State, plan: Plan, circuit: Circuit) -> CircuitView:
    meter = site.meter[circuit.meter] if circuit.meter is not None else None
    known = state.meters[meter.id] if meter is not None else None
    return CircuitView(
        circuit=circuit,
        rows=tuple(row for row in plan.rows if row.circuit == circuit.id),
        measured_a=known.current_a if known is not None and known.at is not None else None,
        measured_at=known.at if known is not None else None,
        meter=circuit.meter,
        meter_lost=meter is not None and building.is_lost(meter, state, plan.at),
    )


def charger(evse: Evse, belief: EvseState, plan: Plan, reserved_a: PerPhase) -> ChargerView:
    """One EVSE, as it stood when the plan was made."""
    allocation = plan.allocations[evse.id]
    last = belief.readings[-1] if belief.readings else None
    return ChargerView(
        id=evse.id,
        station=evse.station,
        label=evse.label,
        circuit=evse.circuit,
        standing=standing(belief, allocation.current_a),
        status=belief.status,
        session=belief.session,
        energy_wh=delivered_wh(belief),
        target_a=allocation.current_a,
        ordered_a=belief.commanded_a,
        confirmed_a=belief.in_force.current_a if belief.in_force is not None else None,
        measured_a=site_current(evse, last) if last is not None else None,
        measured_at=last.at if last is not None else None,
        reserved_a=reserved_a,
        max_a=evse.max_a,
        ladder=allocation.ladder,
    )


def standing(belief: EvseState, target_a: float) -> Standing:
    if belief.quarantine is not None:
        return Standing.QUARANTINED
    if belief.connection is None:
        return Standing.OFFLINE if belief.seen else Standing.NEVER_SEEN
    if belief.fallback_a is None and belief.fallback_checked != belief.connection:
        return Standing.UNPROVEN
    if belief.session is None:
        return Standing.READY
    return Standing.CHARGING if target_a > 0 else Standing.WAITING
