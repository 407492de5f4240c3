"""What can be shown of one instant: everything a page, a table or an API answer is made of.

The engine makes one per tick; whoever shows it knows neither engine nor core.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from loadmgr.model import (
    Circuit,
    CircuitId,
    ConnectorStatus,
    EvseId,
    Forecast,
    Limit,
    MeterId,
    RowUse,
    Rung,
    Session,
    Shortfall,
    SolveReport,
    StationId,
)
from loadmgr.units import PerPhase


class Standing(StrEnum):
    """How a charger stands with us."""

    NEVER_SEEN = "never_seen"
    OFFLINE = "offline"
    UNPROVEN = "unproven"  # connected, its fallback is not proved yet
    READY = "ready"  # no car
    CHARGING = "charging"  # it may charge
    WAITING = "waiting"  # a car is there and may not charge now
    QUARANTINED = "quarantined"  # it draws more than it may


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerView:
    """One EVSE."""

    id: EvseId
    station: StationId
    label: str
    circuit: CircuitId
    standing: Standing
    status: ConnectorStatus | None
    session: Session | None
    energy_wh: float  # of this session
    target_a: float  # what the plan wants it to have
    ordered_a: float  # the limit it was sent last
    confirmed_a: float | None  # the limit it confirmed last
    measured_a: PerPhase | None  # what it draws, on the site's phases
    measured_at: datetime | None
    reserved_a: PerPhase  # the ledger: the most it could draw now
    max_a: float
    ladder: tuple[Rung, ...]  # why not more, lowest first


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitView:
    """One circuit: its rows, and what its meter says."""

    circuit: Circuit
    rows: tuple[RowUse, ...]
    measured_a: PerPhase | None
    measured_at: datetime | None
    meter: MeterId | None
    meter_lost: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Something a person may want to know happened."""

    at: datetime
    text: str
    serious: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the ticks go. Durations of the last few hundred ticks. [s]"""

    ticks: int
    p50_s: float
    p99_s: float
    late: int  # ticks that were skipped because one took too long


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All of one instant."""

    at: datetime
    number: int  # rises with every tick
    name: str
    timezone: str
    voltage_v: float
    dry_run: bool
    circuits: tuple[CircuitView, ...]  # parent first
    chargers: tuple[ChargerView, ...]
    limits: Mapping[str, Limit]
    forecast: Forecast | None
    shortfalls: tuple[Shortfall, ...]
    solve: SolveReport
    alarms: tuple[str, ...]
    news: tuple[News, ...]  # newest first
    pace: Pace
