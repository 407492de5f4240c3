"""What can happen, and what can be ordered: plain data, the only talk with the outside.

Every event carries `at`, the instant it reached us on the engine's steady clock (UTC).
`connection` numbers the connections of a station: what an old connection says is history.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from loadmgr.model import (
    ChargingNeeds,
    ConnectorStatus,
    EvseId,
    Limit,
    MeterId,
    Session,
    StationId,
)
from loadmgr.units import PerPhase


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    at: datetime


# ── Stations ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class StationConnected(Happened):
    """An authenticated connection stands and BootNotification was accepted on it or before."""

    station: StationId
    connection: int
    protocol: str  # "ocpp1.6", "ocpp2.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class StationBooted(Happened):
    """BootNotification: whatever the station was told before may be forgotten."""

    station: StationId
    connection: int
    vendor: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StationDisconnected(Happened):
    station: StationId
    connection: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChanged(Happened):
    evse: EvseId
    connection: int
    status: ConnectorStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStarted(Happened):
    session: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsChanged(Happened):
    evse: EvseId
    needs: ChargingNeeds


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(Happened):
    evse: EvseId
    transaction_id: str
    energy_wh: float | None = None


# ── Meters ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class EvseMeasured(Happened):
    """MeterValues of one EVSE. Currents stand in the order of its *terminals*."""

    evse: EvseId
    connection: int
    terminal_a: PerPhase | None = None
    power_w: float | None = None
    energy_wh: float | None = None  # register, only rises
    sampled_at: datetime  # by them; staleness trusts only `at`


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitMeasured(Happened):
    """A sample of a circuit's own meter. Drawing from the grid is positive."""

    meter: MeterId
    current_a: PerPhase
    sampled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterDoubted(Happened):
    """A circuit's meter gave itself away, or has proved itself again: with neither, all is well.

    It follows from what was heard before. A restart has to know of it all the same: it forgets
    all samples, and by the next ones nobody could tell.
    """

    meter: MeterId
    amount: bool  # nothing it says is believed
    places: bool  # nobody knows on which phases it is so


# ── Limits ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSet(Happened):
    limit: Limit  # replaces the one of the same name


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitReleased(Happened):
    name: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Happened):
    """A channel that may set a limit is alive. It says nothing about the limit."""

    name: str


# ── Orders, and how they went ─────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """An order to one EVSE, valid on one connection only."""

    serial: int  # unique on this site, for ever rising
    evse: EvseId
    connection: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLimit(Command):
    """Hold the EVSE at or below `current_a` for `lasts_s`; after that its fallback holds."""

    current_a: float
    lasts_s: float
    transaction_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFallback(Command):
    """What the EVSE may draw whenever no limit is in force: a default profile without end."""

    current_a: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFallback(Command):
    """Ask what holds `after_s` from now, when every limit of ours has ended by itself."""

    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMeter(Command):
    """Tell at once what the car draws, instead of when it is time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopTransaction(Command):
    """End a transaction that disobeys."""

    transaction_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAvailability(Command):
    operative: bool


Order = SetLimit | SetFallback | ReadFallback | ReadMeter | StopTransaction | SetAvailability


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent(Happened):
    """Written down before the order leaves: from here on it may be in force."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed(Happened):
    """The station accepted. To `ReadFallback` it said `current_a`; None: it cannot say."""

    serial: int
    evse: EvseId
    connection: int
    current_a: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Happened):
    """The station understood and said no, or was never asked; what it was doing stands."""

    serial: int
    evse: EvseId
    connection: int
    reason: str = ""
    asked: bool = True  # False: the order never left, which says nothing about the station


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost(Happened):
    """No answer in time. The order may or may not be in force, now or later."""

    serial: int
    evse: EvseId
    connection: int
    reason: str = ""


Outcome = Confirmed | Refused | Lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted(Happened):
    """The engine died and came back: no connection stands, every timer starts again."""


Event = (
    StationConnected
    | StationBooted
    | StationDisconnected
    | StatusChanged
    | SessionStarted
    | NeedsChanged
    | SessionEnded
    | EvseMeasured
    | CircuitMeasured
    | MeterDoubted
    | LimitSet
    | LimitReleased
    | Heartbeat
    | Sent
    | Confirmed
    | Refused
    | Lost
    | Restarted
)
