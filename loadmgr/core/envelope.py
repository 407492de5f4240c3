"""What each row of each circuit has: rating, limits in force, the building, and what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from loadmgr.core import building, failsafe
from loadmgr.core.state import State
from loadmgr.model import Circuit, CircuitId, EvseId, Limit, Site
from loadmgr.units import PHASES, PerPhase, Phase, power_w

ROWS = 4  # L1, L2, L3 in ampere, then all phases together in watt
POWER = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One ceiling: a phase of a circuit [A], or all its phases together [W]."""

    circuit: CircuitId
    number: int  # 0 … 2: the phase; 3: power
    rating: float  # copper or contract, inf where there is none
    usable: float  # less margin, the lowest limit in force applied
    building: float  # of it, taken by what is not steered
    calm_building: float  # the highest of that in the last quarter of an hour
    limit: Limit | None  # what made it lower than the rating less margin

    @property
    def phase(self) -> Phase | None:
        return Phase(self.number) if self.number < POWER else None

    @property
    def left(self) -> float:
        """For all cars together. Negative when the building alone is too much."""
        return self.usable - self.building

    @property
    def calm_left(self) -> float:
        """What has been left for cars all through the last quarter of an hour."""
        return self.usable - max(self.building, self.calm_building)


def rows(
    site: Site, state: State, now: datetime, *, at_most: bool = False
) -> Mapping[CircuitId, tuple[Row, ...]]:
    """Every ceiling of every circuit as it stands now, four rows each.

    With `at_most` less is left: what may be lent out, and not what is planned with.
    """
    limits = failsafe.limits(site, state, now)
    load = building.believed(site, state, now, at_most=at_most)
    calm = building.believed(site, state, now, calm=True)
    return {
        circuit.id: tuple(
            _row(site, limits, circuit, number, load[circuit.id], calm[circuit.id], now)
            for number in range(ROWS)
        )
        for circuit in site.circuits
    }


def _row(
    site: Site,
    limits: Sequence[Limit],
    circuit: Circuit,
    number: int,
    load_a: PerPhase,
    calm_a: PerPhase,
    now: datetime,
) -> Row:
    usable, limit = _lowest(limits, circuit, number, now)
    return Row(
        circuit=circuit.id,
        number=number,
        rating=_rating(circuit, number),
        usable=usable,
        building=load_on(site, load_a, number),
        calm_building=load_on(site, calm_a, number),
        limit=limit,
    )


def _rating(circuit: Circuit, number: int) -> float:
    return circuit.rating_a[number] if number < POWER else own(circuit, number)


def own(circuit: Circuit, number: int) -> float:
    """What of a row may be used while no limit is in force."""
    if number < POWER:
        return circuit.usable_a[number]
    return float("inf") if circuit.max_power_w is None else circuit.max_power_w


def asked(limit: Limit, number: int) -> float:
    """What a limit leaves of a row of its circuit; inf where it says nothing of it."""
    if number < POWER:
        return limit.current_a[number]
    return float("inf") if limit.power_w is None else limit.power_w


def _lowest(
    limits: Sequence[Limit], circuit: Circuit, number: int, now: datetime
) -> tuple[float, Limit | None]:
    """The lowest ceiling in force on one row, and the limit that sets it (None: its own)."""
    usable, by = own(circuit, number), None
    for limit in limits:
        if limit.circuit == circuit.id and limit.in_force(now) and asked(limit, number) < usable:
            usable, by = asked(limit, number), limit
    return usable, by


def load_on(site: Site, current_a: PerPhase, number: int) -> float:
    """What currents put on a row: ampere on a phase, watt on the power row."""
    return power_w(current_a, site.voltage_v) if number == POWER else current_a[number]


def excess(
    site: Site, rows: Mapping[CircuitId, tuple[Row, ...]], entries: Mapping[EvseId, PerPhase]
) -> Mapping[tuple[CircuitId, int], float]:
    """Rows on which building and entries together are above what may be used, and by how much."""
    found: dict[tuple[CircuitId, int], float] = {}
    for circuit, its_rows in rows.items():
        fed = [entries[evse.id] for evse in site.below[circuit] if evse.id in entries]
        for row in its_rows:
            over = sum(load_on(site, entry, row.number) for entry in fed) - row.left
            if over > 1e-6:
                found[circuit, row.number] = over
    return found


def unlimited(row: Row) -> bool:
    return row.usable == float("inf")


def phases_of(site: Site, evse: EvseId) -> tuple[Phase, ...]:
    """The site phases an EVSE may load, as the ledger counts it."""
    worst = site.evse[evse].worst_a(1.0)
    return tuple(phase for phase in PHASES if worst[phase] > 0)
