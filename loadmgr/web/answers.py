"""The shapes of all answers: what stands in the OpenAPI description, and nothing else.

Currents are in ampere per phase, rows of all phases together in watt. A number
that is not finite (no limit, not known) is null. Times are UTC.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from loadmgr.gauge import Level
from loadmgr.model import Code, ConnectorStatus
from loadmgr.snapshot import Standing


def finite(value: float | None) -> float | None:
    """JSON knows neither infinity nor NaN; a thousandth of an ampere is noise."""
    return None if value is None or not math.isfinite(value) else round(value, 3)


Number = Annotated[float | None, BeforeValidator(finite)]
PhaseName = Literal["L1", "L2", "L3"]


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Phases(Answer):
    """One number for each phase of the site."""

    L1: Number
    L2: Number
    L3: Number


# ── The site ──────────────────────────────────────────────────────────────────────────────


class Row(Answer):
    """How full one row of a circuit is: a phase, or (phase null) all phases together."""

    phase: PhaseName | None
    unit: Literal["A", "W"]
    rating: Number = Field(description="what protection or contract carries for ever")
    usable: Number = Field(description="rating less margin, the lowest limit in force applied")
    building: Number = Field(description="what is not steered, as believed")
    cars: Number = Field(description="measured; where nothing is measured, the most it could be")
    used: Number = Field(description="what flows: by the circuit's meter, else building and cars")
    metered: bool
    reserved: Number = Field(description="the most all cars together could draw now")
    planned: Number = Field(description="what all cars together are to draw")
    level: Level
    level_words: str
    limited_by: str = Field(description="source of the limit in force; empty for the rating")


class Meter(Answer):
    id: str
    current_a: Phases | None
    measured_at: datetime | None
    lost: bool


class Circuit(Answer):
    """Everything below one fuse. Circuits stand parent first."""

    id: str
    label: str
    feeds_from: str | None
    depth: int
    rating_a: Phases
    margin_a: Number
    max_power_w: Number
    meter: Meter | None
    rows: list[Row]


class Limit(Answer):
    """A ceiling on a circuit. Limits overlap; on each row the lowest in force wins."""

    name: str
    circuit: str
    circuit_label: str
    current_a: Phases | None
    power_w: Number
    source: str
    reason: str
    valid_from: datetime
    valid_until: datetime | None
    in_force: bool
    sentence: str
    note: str = ""


class News(Answer):
    at: datetime
    text: str
    serious: bool


class Shortfall(Answer):
    charger: str
    missing_wh: Number
    departure: datetime
    sentence: str


class Solve(Answer):
    method: str
    status: str
    seconds: Number
    gap: Number
    infeasibility: Number


class Pace(Answer):
    ticks: int
    p50_s: Number
    p99_s: Number
    late: int


class Site(Answer):
    """The site at one instant."""

    at: datetime
    number: int
    name: str
    timezone: str
    voltage_v: Number
    dry_run: bool
    overview: str
    circuits: list[Circuit]
    limits: list[Limit]
    shortfalls: list[Shortfall]
    solve: Solve
    pace: Pace
    alarms: list[str]
    news: list[News]


# ── Chargers ──────────────────────────────────────────────────────────────────────────────


class Session(Answer):
    started_at: datetime
    energy_wh: Number = Field(description="delivered in this session")
    asked_wh: Number
    departure: datetime | None


class Charger(Answer):
    """One EVSE: planned, ordered, confirmed, measured, and why."""

    id: str
    station: str
    label: str
    circuit: str
    circuit_label: str
    standing: Standing
    standing_words: str
    status: ConnectorStatus | None
    session: Session | None
    target_a: Number = Field(description="what the plan wants it to have")
    ordered_a: Number = Field(description="the limit it was sent last")
    confirmed_a: Number = Field(description="the limit it confirmed last")
    measured_a: Phases | None
    measured_at: datetime | None
    reserved_a: Phases = Field(description="the most it could draw now")
    max_a: Number
    code: Code | None
    brief: str = Field(description="the reason in as few words as will do")
    sentence: str = Field(description="the reason with its numbers, and what comes after it")
    between: str = Field(description="what lies between plan and charger; empty: nothing")


class Split(Answer):
    """Who has what of a row, in ampere or kilowatt as shown; the parts add up to the capacity."""

    unit: Literal["A", "kW"]
    capacity: float
    building: float
    cars: float
    held: float
    free: float


class Rung(Answer):
    """One ceiling: the most this charger could have with nothing else in the way."""

    code: Code
    amps_a: Number
    sentence: str
    circuit: str | None
    circuit_label: str | None
    phase: PhaseName | None
    split: Split | None
    sharing: list[str]
    source: str
    until: datetime | None
    position: int | None


class Why(Answer):
    """The ladder of one charger at one instant: the lowest rung is the reason."""

    charger: str
    at: datetime
    number: int
    target_a: Number
    sentence: str
    between: str
    ladder: list[Rung]


# ── The rest ──────────────────────────────────────────────────────────────────────────────


class Plan(Answer):
    """What each charger is to have from now on, step by step. [A]"""

    at: datetime
    number: int
    starts: list[datetime]
    step_s: list[float]
    current_a: dict[str, list[Number]]
    shortfalls: list[Shortfall]
    solve: Solve


class Tick(Answer):
    """Everything the page shows of one instant."""

    site: Site
    chargers: list[Charger]


class Health(Answer):
    status: Literal["ok", "starting", "stale"]
    age_s: Number = Field(description="seconds since the last tick; null before the first")


class Complaint(Answer):
    """What is wrong with a request, where, and what to do."""

    field: str
    message: str


class Complaints(Answer):
    errors: list[Complaint]
