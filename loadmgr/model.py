"""The nouns: what was built on site, who is charging, what is asked and what was measured.

Words follow OCPP 2.0.1, IEC 61851-1 and power-systems usage. Units stand in the
names: `_a` ampere (RMS, per phase), `_w` watt, `_wh` watt hour, `_v` volt, `_s` second.
Everything is frozen and checked once, when it is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum
from functools import cached_property
from typing import NewType

from loadmgr.units import NOTHING, PHASES, PerPhase, Phase, on_each

StationId = NewType("StationId", str)
EvseId = NewType("EvseId", str)
CircuitId = NewType("CircuitId", str)
MeterId = NewType("MeterId", str)

UNLIMITED: PerPhase = (float("inf"), float("inf"), float("inf"))


# ── What was built ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """A protected piece of wiring: everything below one fuse or breaker."""

    id: CircuitId
    label: str
    feeds_from: CircuitId | None  # None: the grid connection
    rating_a: PerPhase  # what the protection carries for ever, per phase
    margin_a: float = 0.0  # kept free below the rating, for steps of the building
    max_power_w: float | None = None  # contract, all phases together
    meter: MeterId | None = None  # measures everything that flows through this circuit
    building_a: PerPhase = NOTHING  # unmetered consumers here, at their worst

    @property
    def usable_a(self) -> PerPhase:
        """Rating less margin, never below 0. [A]"""
        l1, l2, l3 = (max(0.0, rating - self.margin_a) for rating in self.rating_a)
        return (l1, l2, l3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """A live meter of one circuit, and what to assume while it cannot be believed."""

    id: MeterId
    circuit: CircuitId
    lost_after_s: float = 15.0
    worst_building_a: PerPhase  # the building's declared worst case, per phase
    feeds_in: bool = True  # False: nothing generates here, it can never show less than the cars


@dataclass(frozen=True, slots=True)
class Wiring:
    """Which site phases the EVSE's terminals meet, in the order of the terminals.

    `(L2, L3, L1)` is a rotated three-phase EVSE whose one-phase cars load L2.
    """

    terminals: tuple[Phase, ...]
    known: bool = True  # False: nobody wrote it down; the worst is assumed

    def __post_init__(self) -> None:
        if not self.terminals or len(set(self.terminals)) != len(self.terminals):
            raise ValueError(f"wiring {self.terminals!r}: one to three different phases are needed")

    def on_site(self, terminal_a: PerPhase) -> PerPhase:
        """Currents at the terminals, as the site's phases see them. [A]"""
        seen = [0.0, 0.0, 0.0]
        for terminal, phase in enumerate(self.terminals):
            seen[phase] += terminal_a[terminal]
        return (seen[0], seen[1], seen[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Evse:
    """An independently controlled outlet of a charging station."""

    id: EvseId
    station: StationId
    number: int = 1  # the station's own number for it: connectorId in 1.6, evseId in 2.x
    circuit: CircuitId
    wiring: Wiring
    max_a: float  # hardware maximum per phase: cable, contactor, station
    min_a: float = 6.0  # IEC 61851-1: below 6 A a car does not charge
    priority: float = 1.0
    label: str = ""

    def worst_a(self, current_a: float) -> PerPhase:
        """`current_a` on every phase this EVSE could load. [A]

        Unknown wiring loads all three: a car may be on any of them.
        """
        return on_each(current_a, self.wiring.terminals if self.wiring.known else PHASES)


class Share(StrEnum):
    """How the cars of one site share what there is."""

    FAIR = "fair"
    PRIORITY = "priority"
    FIRST_COME = "first-come"
    CHEAPEST = "cheapest"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyBy:
    """What a car is assumed to need whose driver said nothing."""

    at: time  # local time of the site
    energy_wh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    share: Share = Share.FAIR
    rotate_every_s: float = 900.0
    ready_by: ReadyBy | None = None
    # True: a car measured on one phase reserves that phase only. It lends out more,
    # and trusts that no car goes from one phase to three by itself.
    trust_measured_phases: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Offline:
    """What a charger does alone, and how soon we call it lost."""

    fallback_a: float = 0.0
    lost_after_s: float = 40.0
    limit_lasts_s: float = 180.0  # every limit above the fallback ends by itself after this


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """Price of energy by local time of day; each price holds from its time to the next."""

    currency: str
    prices: tuple[tuple[time, float], ...]  # (from, price per kWh), sorted by time

    def price(self, local: time) -> float:
        """Price per kWh at a local time of day. Before the first entry, the last one holds."""
        return next((p for start, p in reversed(self.prices) if start <= local), self.prices[-1][1])


@dataclass(frozen=True, kw_only=True)
class Site:
    """One grid connection and all below it. Circuits stand parent first."""

    name: str
    timezone: str
    voltage_v: float = 230.0  # line to neutral
    interval_s: float = 5.0
    circuits: tuple[Circuit, ...]
    meters: tuple[Meter, ...] = ()
    evses: tuple[Evse, ...] = ()
    policy: Policy = field(default_factory=Policy)
    offline: Offline = field(default_factory=Offline)
    tariff: Tariff | None = None
    failsafes: tuple[Failsafe, ...] = ()

    @cached_property
    def circuit(self) -> Mapping[CircuitId, Circuit]:
        return {circuit.id: circuit for circuit in self.circuits}

    @cached_property
    def meter(self) -> Mapping[MeterId, Meter]:
        return {meter.id: meter for meter in self.meters}

    @cached_property
    def evse(self) -> Mapping[EvseId, Evse]:
        return {evse.id: evse for evse in self.evses}

    @cached_property
    def stations(self) -> Mapping[StationId, tuple[Evse, ...]]:
        found: dict[StationId, tuple[Evse, ...]] = {}
        for evse in self.evses:
            found[evse.station] = (*found.get(evse.station, ()), evse)
        return found

    @cached_property
    def path(self) -> Mapping[CircuitId, tuple[CircuitId, ...]]:
        """Each circuit and all above it, itself first, the grid connection last."""
        paths: dict[CircuitId, tuple[CircuitId, ...]] = {}
        for circuit in self.circuits:
            above = paths[circuit.feeds_from] if circuit.feeds_from else ()
            paths[circuit.id] = (circuit.id, *above)
        return paths

    @cached_property
    def below(self) -> Mapping[CircuitId, tuple[Evse, ...]]:
        """All EVSEs fed through each circuit, in the order of the site."""
        fed: dict[CircuitId, list[Evse]] = {circuit.id: [] for circuit in self.circuits}
        for evse in self.evses:
            for circuit in self.path[evse.circuit]:
                fed[circuit].append(evse)
        return {circuit: tuple(evses) for circuit, evses in fed.items()}


# ── Who is charging ───────────────────────────────────────────────────────────────────────


class ConnectorStatus(StrEnum):
    """OCPP 1.6 `ChargePointStatus`; 2.x states are translated to it, being the finer set."""

    AVAILABLE = "Available"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    FINISHING = "Finishing"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingNeeds:
    """What the car or its driver asked for. None: not said."""

    energy_wh: float | None = None
    departure: datetime | None = None  # UTC
    max_a: float | None = None  # the most the EV takes, per phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Plugged in to unplugged, as the site sees it."""

    evse: EvseId
    transaction_id: str  # as the station knows it: a number in 1.6, text in 2.x
    started_at: datetime
    token: str = ""  # what was presented for authorisation
    needs: ChargingNeeds = field(default_factory=ChargingNeeds)


# ── What is asked of a circuit ────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A ceiling on what one circuit may draw, in force for a while.

    Limits overlap freely; on each phase the lowest one in force wins.
    A limit says how much there is, never who gets it.
    """

    name: str
    circuit: CircuitId
    current_a: PerPhase = UNLIMITED  # ≥ 0
    power_w: float | None = None  # ≥ 0, all phases together
    source: str  # who asked: "dso", "operator", "schedule:evening"
    reason: str = ""
    valid_from: datetime  # UTC
    valid_until: datetime | None = None  # exclusive; None = until released

    def __post_init__(self) -> None:
        if not min(self.current_a) >= 0 or (self.power_w is not None and not self.power_w >= 0):
            raise ValueError(f"limit {self.name!r} from {self.source!r}: below 0")
        if self.power_w is None and self.current_a == UNLIMITED:
            raise ValueError(f"limit {self.name!r} from {self.source!r}: neither amperes nor watts")

    def in_force(self, now: datetime) -> bool:
        return self.valid_from <= now and (self.valid_until is None or now < self.valid_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failsafe:
    """The ceiling that holds while a channel is silent: set by contract with the utility."""

    name: str  # of the limit the channel sets
    circuit: CircuitId
    current_a: PerPhase = UNLIMITED
    power_w: float | None = None
    heartbeat_s: float = 120.0  # longest silence


# ── What was decided ──────────────────────────────────────────────────────────────────────


class Code(StrEnum):
    """Why a charger gets what it gets. The sentences for people are made of these."""

    CAR_DRAWS_LESS = "car_draws_less"
    CAR_FINISHED = "car_finished"
    NO_CAR = "no_car"
    HARDWARE_MAX = "cable_or_hardware_max"
    CIRCUIT_FULL = "circuit_full"
    POWER_CAP = "site_power_cap"
    EXTERNAL_LIMIT = "external_limit"
    TARIFF_WAIT = "tariff_wait"
    WAITING_TURN = "waiting_turn"
    RAMP = "ramp_or_hysteresis"
    ROUNDING = "rounding"
    METER_LOST = "meter_lost_fallback"
    NOT_CONFIRMED = "charger_not_confirmed"
    OFFLINE = "charger_offline_reserved"
    LEDGER_RESERVE = "ledger_reserve"
    INSISTS = "charger_takes_no_less"
    UNHEARD = "charger_meter_silent"
    QUARANTINE = "charger_disobeys"
    SOLVER_FALLBACK = "solver_fallback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One step of the ladder that answers "why not more?": a ceiling and whose it is."""

    code: Code
    amps_a: float  # the most this charger could have with only this rung in the way
    circuit: CircuitId | None = None
    phase: Phase | None = None  # None on a power row
    capacity_a: float | None = None  # of that row, before anyone's share [A; W on a power row]
    building_a: float | None = None  # of it, taken by what is not steered
    cars_a: float | None = None  # of it, taken by cars
    sharing: tuple[EvseId, ...] = ()  # who draws from the same row
    source: str = ""
    until: datetime | None = None
    position: int | None = None  # in the queue of those who wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """What one EVSE may draw from now on, and why not more: lowest rung first."""

    evse: EvseId
    current_a: float
    ladder: tuple[Rung, ...]
    steered: bool = True  # False: it takes no part, nothing is ordered


@dataclass(frozen=True, slots=True, kw_only=True)
class RowUse:
    """How full one row of one circuit is: a phase [A], or all phases together [W]."""

    circuit: CircuitId
    phase: Phase | None  # None: the power row, in watt
    rating: float  # copper or contract
    usable: float  # less margin, limits in force applied
    building: float  # what is not steered, as believed
    reserved: float  # the ledger: the most the cars could draw now
    planned: float  # what they are to draw by this plan
    limited_by: str = ""  # source of the lowest limit in force, "" for the rating itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The plan beyond now: for each EVSE a current per step. [A]"""

    starts: tuple[datetime, ...]  # UTC, one per step
    step_s: tuple[float, ...]
    current_a: Mapping[EvseId, tuple[float, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """Energy a car asked for and will not have when it leaves."""

    evse: EvseId
    missing_wh: float
    departure: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveReport:
    """How the linear program went. `status` is `ok` or says which rule stood in, and why."""

    method: str
    status: str
    seconds: float = 0.0
    gap: float = 0.0
    infeasibility: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All of one tick."""

    at: datetime
    allocations: Mapping[EvseId, Allocation]
    rows: tuple[RowUse, ...]
    forecast: Forecast | None = None
    shortfalls: tuple[Shortfall, ...] = ()
    solve: SolveReport
    alarms: tuple[str, ...] = ()  # sentences for people: what is not as it should be
