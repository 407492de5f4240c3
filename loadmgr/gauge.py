"""How full every row of every circuit is: what flows now, and the most that could.

Pure arithmetic on a `Snapshot`, shared by the page, the API, the terminal and the
sentences, so that all of them show the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from loadmgr.model import CircuitId, Code, RowUse, Rung
from loadmgr.snapshot import ChargerView, CircuitView, Snapshot, Standing
from loadmgr.units import NOTHING, PerPhase, Phase, power_w

STALE = timedelta(seconds=60)  # a charger's own reading older than this says nothing
FULL = 0.97  # of what may be used
NOISE = 0.05  # half of what is shown

APART = frozenset({Code.QUARANTINE, Code.OFFLINE, Code.NOT_CONFIRMED, Code.NO_CAR})
"""A charger whose first rung is one of these takes no part: it keeps what is reserved for it."""


class Level(StrEnum):
    """How a row stands, from calm to serious."""

    FREE = "free"
    FULL = "full"
    ABOVE = "above"  # a limit or margin is exceeded, or could be; the copper is not
    OVER = "over"  # more flows than the protection or the contract allows


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One row. Ampere on a phase, watt on the power row."""

    row: RowUse
    cars: float  # what the chargers measure; the most it could be where they do not
    used: float  # what flows: by the circuit's meter, else building and cars
    metered: bool  # `used` comes from the circuit's own meter
    level: Level

    @property
    def worst(self) -> float:
        """The most that could flow now."""
        return self.row.building + self.row.reserved


def path(snapshot: Snapshot) -> Mapping[CircuitId, tuple[CircuitId, ...]]:
    """Each circuit and all above it, itself first."""
    paths: dict[CircuitId, tuple[CircuitId, ...]] = {}
    for view in snapshot.circuits:
        above = view.circuit.feeds_from
        paths[view.circuit.id] = (view.circuit.id, *(paths[above] if above is not None else ()))
    return paths


def fed(snapshot: Snapshot) -> Mapping[CircuitId, tuple[ChargerView, ...]]:
    """The chargers below each circuit, in the order of the site."""
    paths = path(snapshot)
    found: dict[CircuitId, list[ChargerView]] = {view.circuit.id: [] for view in snapshot.circuits}
    for charger in snapshot.chargers:
        for circuit in paths[charger.circuit]:
            found[circuit].append(charger)
    return {circuit: tuple(chargers) for circuit, chargers in found.items()}


def on_row(current_a: PerPhase, phase: Phase | None, voltage_v: float) -> float:
    """What currents put on a row: ampere on a phase, watt on the power row."""
    return power_w(current_a, voltage_v) if phase is None else current_a[phase]


def gauges(snapshot: Snapshot) -> Mapping[CircuitId, tuple[Gauge, ...]]:
    """Every row of every circuit."""
    below = fed(snapshot)
    drawn = {charger.id: drawn_a(charger, snapshot) for charger in snapshot.chargers}
    found: dict[CircuitId, tuple[Gauge, ...]] = {}
    for view in snapshot.circuits:
        cars = [drawn[charger.id] for charger in below[view.circuit.id]]
        found[view.circuit.id] = tuple(
            _gauge(view, row, cars, snapshot.voltage_v) for row in view.rows
        )
    return found


def drawn_a(charger: ChargerView, snapshot: Snapshot) -> PerPhase:
    """What a charger draws, on the site's phases: measured, else the most it could. [A]"""
    fresh = charger.measured_at is not None and snapshot.at - charger.measured_at <= STALE
    if charger.measured_a is not None and fresh:
        return charger.measured_a
    return NOTHING if charger.standing is Standing.READY else charger.reserved_a


def _gauge(view: CircuitView, row: RowUse, cars_a: Sequence[PerPhase], voltage_v: float) -> Gauge:
    cars = sum(on_row(current, row.phase, voltage_v) for current in cars_a)
    used, metered = row.building + cars, False
    if view.measured_a is not None and not view.meter_lost:
        used, metered = on_row(view.measured_a, row.phase, voltage_v), True
    return Gauge(row=row, cars=cars, used=used, metered=metered, level=_level(row, used))


def _level(row: RowUse, used: float) -> Level:
    """NaN compares false with everything: what is not known to be in order is not."""
    noise = NOISE if row.phase is not None else 1000 * NOISE
    worst = max(used, row.building + row.reserved)
    if not used <= row.rating + noise:
        return Level.OVER
    if not worst <= row.usable + noise:
        return Level.ABOVE
    return Level.FULL if worst >= FULL * row.usable else Level.FREE


# ── Who has what of a full row ────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """What a row has and who has it, as shown: the parts add up to the capacity exactly.

    In ampere on a phase and kilowatt on the power row, in steps of 0.1.
    """

    capacity: float
    building: float
    cars: float  # of those who share
    held: float  # reserved for chargers that take no part
    free: float  # negative: more is taken than there is


def split(rung: Rung, held: float) -> Split | None:
    """The split of a rung's row; None where the rung is no row. `held` in A or W."""
    if rung.capacity_a is None or rung.circuit is None or not math.isfinite(rung.capacity_a):
        return None
    scale = 1.0 if rung.phase is not None else 1000.0
    building = (rung.building_a or 0.0) / scale
    cars = (rung.cars_a or 0.0) / scale
    capacity = rung.capacity_a / scale
    held = min(held / scale, max(0.0, capacity - building - cars))
    parts = in_tenths(capacity, (building, cars, held))
    if parts is None:
        return None
    return Split(
        capacity=round(capacity * 10) / 10,
        building=parts[0],
        cars=parts[1],
        held=parts[2],
        free=parts[3],
    )


def in_tenths(total: float, parts: Sequence[float]) -> tuple[float, ...] | None:
    """The parts and the rest, in tenths that add up to the rounded total.

    Largest remainders: no part moves by more than one tenth. None if anything is not finite.
    """
    exact = [10 * part for part in (*parts, total - sum(parts))]
    if not all(map(math.isfinite, exact)):
        return None
    exact = [round(part, 6) for part in exact]
    tenths = [math.floor(part) for part in exact]
    missing = round(total * 10) - sum(tenths)
    by_remainder = sorted(range(len(exact)), key=lambda i: tenths[i] - exact[i])
    for i in by_remainder[:missing]:
        tenths[i] += 1
    return tuple(part / 10 for part in tenths)
