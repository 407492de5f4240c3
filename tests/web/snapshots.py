"""Snapshots to show, and a desk that hands them out: shared by all tests of what people see."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from loadmgr.model import (
    Circuit,
    CircuitId,
    Code,
    ConnectorStatus,
    EvseId,
    Forecast,
    Limit,
    MeterId,
    RowUse,
    Rung,
    Session,
    SolveReport,
    StationId,
)
from loadmgr.snapshot import ChargerView, CircuitView, News, Pace, Snapshot, Standing
from loadmgr.units import PHASES, PerPhase, Phase

NOW = datetime(2026, 11, 22, 16, 42, tzinfo=UTC)  # 17:42 in Amsterdam
MAIN, NORTH, SOUTH = CircuitId("main"), CircuitId("north"), CircuitId("south")
HARDWARE = Rung(code=Code.HARDWARE_MAX, amps_a=16.0)


def row(
    circuit: CircuitId,
    phase: Phase | None,
    *,
    rating: float,
    usable: float | None = None,
    building: float = 0.0,
    reserved: float = 0.0,
    planned: float = 0.0,
    limited_by: str = "",
) -> RowUse:
    return RowUse(
        circuit=circuit,
        phase=phase,
        rating=rating,
        usable=rating if usable is None else usable,
        building=building,
        reserved=reserved,
        planned=planned,
        limited_by=limited_by,
    )


def circuit(
    id: CircuitId,
    label: str,
    rows: tuple[RowUse, ...],
    *,
    feeds_from: CircuitId | None = None,
    rating: float = 32.0,
    measured_a: PerPhase | None = None,
    meter_lost: bool = False,
) -> CircuitView:
    meter = MeterId(f"{id}-meter") if measured_a is not None or meter_lost else None
    return CircuitView(
        circuit=Circuit(
            id=id, label=label, feeds_from=feeds_from, rating_a=(rating,) * 3, meter=meter
        ),
        rows=rows,
        measured_a=measured_a,
        measured_at=NOW if measured_a is not None else None,
        meter=meter,
        meter_lost=meter_lost,
    )


def charger(
    id: str,
    circuit: CircuitId = NORTH,
    *,
    standing: Standing = Standing.CHARGING,
    target_a: float = 8.0,
    ordered_a: float | None = None,
    confirmed_a: float | None = -1.0,
    measured_a: PerPhase | None = None,
    reserved_a: PerPhase | None = None,
    max_a: float = 16.0,
    ladder: tuple[Rung, ...] = (HARDWARE,),
    label: str = "",
) -> ChargerView:
    """A charger that does what it is told, unless said otherwise (`confirmed_a=-1`: as ordered)."""
    ordered = target_a if ordered_a is None else ordered_a
    present = standing in {Standing.CHARGING, Standing.WAITING, Standing.QUARANTINED}
    session = Session(
        evse=EvseId(id), transaction_id="7", started_at=NOW - timedelta(hours=1), token="secret-tag"
    )
    return ChargerView(
        id=EvseId(id),
        station=StationId(id),
        label=label,
        circuit=circuit,
        standing=standing,
        status=ConnectorStatus.CHARGING if present else ConnectorStatus.AVAILABLE,
        session=session if present else None,
        energy_wh=4321.0 if present else 0.0,
        target_a=target_a,
        ordered_a=ordered,
        confirmed_a=ordered if confirmed_a == -1.0 else confirmed_a,
        measured_a=measured_a,
        measured_at=NOW if measured_a is not None else None,
        reserved_a=(ordered,) * 3 if reserved_a is None else reserved_a,
        max_a=max_a,
        ladder=ladder,
    )


def full_north(amps_a: float = 8.0) -> Rung:
    """L1 of North: 32 A, building 4.2 A, three cars 27.8 A."""
    return Rung(
        code=Code.CIRCUIT_FULL,
        amps_a=amps_a,
        circuit=NORTH,
        phase=Phase.L1,
        capacity_a=32.0,
        building_a=4.2,
        cars_a=27.8,
        sharing=(EvseId("CP01"), EvseId("CP02"), EvseId("CP03")),
    )


def full_main(amps_a: float = 11.0) -> Rung:
    """L2 of the grid connection, which would be full next."""
    return Rung(
        code=Code.CIRCUIT_FULL,
        amps_a=amps_a,
        circuit=MAIN,
        phase=Phase.L2,
        capacity_a=60.0,
        building_a=12.0,
        cars_a=23.0,
        sharing=(EvseId("CP01"), EvseId("CP02"), EvseId("CP03"), EvseId("CP05")),
    )


def waiting(position: int = 1) -> Rung:
    return Rung(
        code=Code.WAITING_TURN,
        amps_a=0.0,
        circuit=NORTH,
        phase=Phase.L1,
        capacity_a=32.0,
        building_a=4.2,
        cars_a=27.8,
        sharing=(EvseId("CP01"), EvseId("CP02"), EvseId("CP03")),
        until=NOW + timedelta(minutes=63),
        position=position,
    )


DSO = Limit(
    name="dso",
    circuit=MAIN,
    power_w=40_000.0,
    source="dso",
    reason="congestion",
    valid_from=NOW - timedelta(hours=1),
    valid_until=NOW + timedelta(hours=2, minutes=18),
)


def car_park() -> Snapshot:
    """A grid connection with two sub-boards, six chargers, and something of everything."""
    phases = tuple(
        row(
            MAIN,
            phase,
            rating=63.0,
            usable=60.0,
            building=(24.0, 12.0, 18.5)[phase],
            reserved=(34.0, 36.0, 30.0)[phase],
            planned=(34.0, 36.0, 28.0)[phase],
        )
        for phase in PHASES
    )
    power = row(
        MAIN,
        None,
        rating=45_000.0,
        usable=40_000.0,
        building=12_535.0,
        reserved=23_000.0,
        planned=22_540.0,
        limited_by="dso",
    )
    north = tuple(
        row(
            NORTH,
            phase,
            rating=32.0,
            building=(4.2, 3.0, 1.0)[phase],
            reserved=(27.8, 24.0, 22.0)[phase],
            planned=(27.8, 24.0, 20.0)[phase],
        )
        for phase in PHASES
    )
    south = tuple(
        row(SOUTH, phase, rating=40.0, reserved=(6.0, 12.0, 8.0)[phase], planned=6.0)
        for phase in PHASES
    )
    chargers = (
        charger("CP01", target_a=8.0, measured_a=(7.9, 7.8, 7.9), label="Bay 1",
                ladder=(full_north(), full_main(), HARDWARE)),
        charger("CP02", target_a=8.0, measured_a=(7.7, 7.9, 8.0), label="Bay 2, rotated",
                ladder=(full_north(), HARDWARE)),
        charger("CP03", target_a=11.8, ordered_a=8.0, confirmed_a=8.0, measured_a=(7.9, 0.0, 0.0),
                label="<img src=x onerror=alert(1)>", reserved_a=(11.8, 0, 0),
                ladder=(full_north(11.8), HARDWARE)),
        charger("CP04", standing=Standing.WAITING, target_a=0.0, measured_a=(0, 0, 0),
                label="Visitor", ladder=(waiting(), HARDWARE)),
        charger("CP05", SOUTH, standing=Standing.QUARANTINED, target_a=0.0, ordered_a=10.0,
                measured_a=(0.0, 13.0, 0.0), reserved_a=(0.0, 16.0, 0.0), max_a=16.0,
                label="Fleet van",
                ladder=(Rung(code=Code.QUARANTINE, amps_a=0.0, cars_a=16.0,
                             source="may draw 10.0 A, draws 13.0 A"), HARDWARE)),
        charger("CP06", SOUTH, standing=Standing.OFFLINE, target_a=0.0, confirmed_a=None,
                reserved_a=(6.0, 6.0, 6.0),
                ladder=(Rung(code=Code.OFFLINE, amps_a=0.0, cars_a=6.0), HARDWARE)),
        charger("CP07", SOUTH, standing=Standing.READY, target_a=0.0, confirmed_a=None,
                reserved_a=(0.0, 0.0, 0.0),
                ladder=(Rung(code=Code.NO_CAR, amps_a=0.0, cars_a=0.0), HARDWARE)),
    )  # fmt: skip
    starts = tuple(NOW + timedelta(minutes=5 * k) for k in range(3))
    return Snapshot(
        at=NOW,
        number=1,
        name="Acme Car Park",
        timezone="Europe/Amsterdam",
        voltage_v=230.0,
        dry_run=False,
        circuits=(
            circuit(
                MAIN,
                "Grid connection",
                (*phases, power),
                rating=63.0,
                measured_a=(55.2, 50.1, 44.0),
            ),
            circuit(NORTH, "North", north, feeds_from=MAIN),
            circuit(SOUTH, "South", south, feeds_from=MAIN, rating=40.0),
        ),
        chargers=chargers,
        limits={"dso": DSO},
        forecast=Forecast(
            starts=starts,
            step_s=(300.0,) * 3,
            current_a={c.id: (c.target_a,) * 3 for c in chargers},
        ),
        shortfalls=(),
        solve=SolveReport(method="highs", status="ok", seconds=0.012, gap=1e-9),
        alarms=("CP05 disobeys: may draw 10.0 A, draws 13.0 A.",
                "CP06 is not connected: 6 A are reserved for it."),
        news=(
            News(at=NOW - timedelta(minutes=1), text="CP04 paused: North is full on L1"),
            News(at=NOW - timedelta(minutes=3), text="CP05 draws 13 A of 10 A", serious=True),
            News(at=NOW - timedelta(hours=1), text="The grid operator limits the site to 40 kW"),
        ),
        pace=Pace(ticks=1234, p50_s=0.012, p99_s=0.034, late=0),
    )  # fmt: skip


def alone(view: ChargerView, **changes: object) -> Snapshot:
    """The car park with `view` in the place of the charger of the same name."""
    snapshot = car_park()
    others = tuple(view if view.id == c.id else c for c in snapshot.chargers)
    return replace(snapshot, chargers=others, **changes)  # type: ignore[arg-type]


class FakeDesk:
    """A `Desk` that shows what it is given."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self.shown = snapshot
        self.history: dict[datetime, Snapshot] = {}
        self.limits: dict[str, Limit] = dict(snapshot.limits) if snapshot is not None else {}
        self.stores = True
        self.age = 0.4 if snapshot is not None else float("inf")
        self.time = NOW
        self._struck = asyncio.Event()

    def show(self, snapshot: Snapshot) -> None:
        self.shown, self.age, self.time = snapshot, 0.0, snapshot.at
        self._struck.set()
        self._struck = asyncio.Event()

    def snapshot(self) -> Snapshot | None:
        return self.shown

    def past(self, at: datetime) -> Snapshot | None:
        return max(
            (s for t, s in self.history.items() if t <= at), key=lambda s: s.at, default=None
        )

    async def newer_than(self, number: int) -> Snapshot:
        while self.shown is None or self.shown.number <= number:
            await self._struck.wait()
        return self.shown

    def age_s(self) -> float:
        return self.age

    def set_limit(self, limit: Limit) -> None:
        self.limits[limit.name] = limit
        self._with_limits()

    def heartbeat(self, name: str) -> bool:
        return name == "dso"

    async def kept(self) -> bool:
        return self.stores

    def release_limit(self, name: str, source: str) -> bool:
        found = self.limits.pop(name, None) is not None
        self._with_limits()
        return found

    def _with_limits(self) -> None:
        if self.shown is not None:
            number = self.shown.number + 1
            self.show(replace(self.shown, limits=dict(self.limits), number=number))

    def now(self) -> datetime:
        return self.time
